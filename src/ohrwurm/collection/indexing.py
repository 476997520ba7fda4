"""One run of `Collection.index`: scan, plan, embed, commit batch by batch.

Kill it at any moment: the next run finds what was committed, drops what was half committed, and does the rest.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ohrwurm.collection.engines import Done, run_local
from ohrwurm.collection.lock import writing
from ohrwurm.collection.plan import Plan, describe, make_plan
from ohrwurm.collection.records import Progress, Report, Space
from ohrwurm.collection.scan import scan
from ohrwurm.collection.store import Store
from ohrwurm.collection.tables import Vectors
from ohrwurm.errors import CollectionError

if TYPE_CHECKING:
    from ohrwurm.audio.isolation import Limits
    from ohrwurm.models.base import AudioEncoder

BATCH_FILES = 16
BATCH_SECONDS = 10.0  # commit at least this often: what a kill costs
COMPACT_EVERY = 200  # commits

OnProgress = Callable[[Progress], None]


def run(
    store: Store,
    roots: Sequence[str | Path],
    models: dict[str, AudioEncoder],
    spaces: Sequence[Space],
    *,
    workers: int | None = None,
    retry: bool = False,
    limits: Limits | None = None,
    progress: OnProgress | None = None,
) -> Report:
    """Bring the collection up to date with the folders `roots`.

    Args:
        models: name → model for every space in use.
        spaces: the models in use, in order.
        retry: try files again that failed before.
        progress: called after every file.

    Raises:
        CollectionError: a root does not exist, another run is writing, or the disk refused.
    """
    began = time.monotonic()
    absolute = [os.path.abspath(root) for root in roots]
    for root in absolute:
        if not os.path.exists(root):
            raise CollectionError(f"{root} does not exist. Nothing was changed.")
    with writing(store.folder):
        store.activate(spaces)
        store.add_roots(absolute)
        store.drop_orphans()
        plan, report = _plan(store, absolute, spaces, retry, progress)
        store.put(
            tracks=plan.tracks,
            failures=plan.failures,
            forget_tracks=plan.forget_tracks,
            forget_failures=plan.forget_failures,
        )
        try:
            _embed(store, plan, report, models, {s.name: s for s in spaces}, workers, limits, progress)
        finally:
            store.drop_orphans()
            store.drop_stale()
            store.compact()
    report.seconds = time.monotonic() - began
    return report


def _plan(
    store: Store, roots: list[str], spaces: Sequence[Space], retry: bool, progress: OnProgress | None
) -> tuple[Plan, Report]:
    tracks, failures = store.tracks(), store.failures()
    known = {f.path: (f.size, f.mtime_ns, f.content) for f in failures}
    known |= {t.path: (t.size, t.mtime_ns, t.content) for t in tracks}
    began = time.monotonic()

    def scanned(count: int, path: str) -> None:
        if progress is not None:
            progress(Progress("scan", count, 0, seconds=time.monotonic() - began, path=path))

    files, unlisted = scan(roots, known, skip=[store.folder], progress=scanned)
    plan = make_plan(
        files,
        roots=roots,
        unlisted=unlisted,
        tracks=tracks,
        failures=failures,
        have={s.name: store.contents(s) for s in spaces},
        retry=retry,
    )
    report = Report(
        files=len(files) - len(unlisted),
        unchanged=plan.unchanged,
        moved=plan.moved,
        missing=plan.missing,
        skipped=plan.skipped,
        failures=list(plan.failures),
    )
    return plan, report


def _embed(
    store: Store,
    plan: Plan,
    report: Report,
    models: dict[str, AudioEncoder],
    spaces: dict[str, Space],
    workers: int | None,
    limits: Limits | None,
    progress: OnProgress | None,
) -> None:
    total = sum(len(w.files) for w in plan.work)
    total_bytes = max(1, sum(w.files[0].size for w in plan.work))
    began = last_commit = time.monotonic()
    done_files = failed_files = done_bytes = commits = 0
    batch: list[Done] = []

    def commit() -> None:
        nonlocal last_commit, commits
        if batch:
            _commit(store, batch, spaces)
            batch.clear()
            commits += 1
            if commits % COMPACT_EVERY == 0:
                store.compact()
        last_commit = time.monotonic()

    if progress is not None and plan.work:
        progress(Progress("embed", 0, total))
    outcomes = run_local(plan.work, models, workers=workers, limits=limits)
    try:
        for done in outcomes:
            batch.append(done)
            done_files += len(done.work.files)
            done_bytes += done.work.files[0].size
            if done.failures:
                failed_files += len(done.failures)
                report.failures += done.failures
            else:
                report.indexed += len(done.work.files)
                report.audio_seconds += done.embeddings[0].duration
            if len(batch) >= BATCH_FILES or time.monotonic() - last_commit > BATCH_SECONDS:
                commit()
            if progress is not None:
                elapsed, share, seconds = time.monotonic() - began, done_bytes / total_bytes, report.audio_seconds
                progress(Progress("embed", done_files, total, failed_files, seconds, elapsed, share, done.work.path))
    finally:
        outcomes.close()  # stops the workers before the last commit
        commit()


def _commit(store: Store, batch: Sequence[Done], spaces: dict[str, Space]) -> None:
    """Write a batch: the vectors of each model, then tracks and failures."""
    by_model: dict[tuple[str, str], list[Vectors]] = {}  # (name, provenance) → vectors
    tracks, forget_tracks, forget_failures = [], [], []
    rows = {t.path: t for t in store.tracks_at(f.path for done in batch for f in done.work.files)}
    known_content = {t.content: t for t in store.tracks_of(done.work.content for done in batch)}
    for done in batch:
        work = done.work
        known = known_content.get(work.content)
        if done.failures:
            # What the path held before is gone; what the same content has from other models stays.
            forget_tracks += [f.path for f in work.files if f.path in rows and rows[f.path].content != work.content]
            continue
        for name, e in zip(work.models, done.embeddings, strict=True):
            vectors = Vectors(work.content, e.vector, e.windows, e.starts, e.valid)
            by_model.setdefault((name, e.provenance), []).append(vectors)
        first = done.embeddings[0]
        flags = ",".join(sorted(first.flags))
        for file in work.files:
            tracks.append(describe(file, known, rows.get(file.path), duration=first.duration, flags=flags))
            forget_failures.append(file.path)
    failures = [f for done in batch for f in done.failures]
    store.put(
        vectors=[(spaces[name], provenance, rows) for (name, provenance), rows in by_model.items()],
        tracks=tracks,
        failures=failures,
        forget_tracks=forget_tracks,
        forget_failures=forget_failures,
    )
