"""What `ohrwurm analyze` finds, into the collection: which recordings are to do, and batches that are committed whole.

An analysis belongs to a content, as vectors do: copies share it, moved files keep it, changed ones lose it. What one
model found is replaced by what another finds, never mixed with it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ohrwurm.checksums import content_hash
from ohrwurm.collection.records import Facts, Track
from ohrwurm.collection.store import Store
from ohrwurm.errors import CollectionError

BATCH_FILES = 16
BATCH_SECONDS = 10.0  # commit at least this often: what a kill costs
COMPACT_EVERY = 200  # commits
FIELDS = {field.name for field in dataclasses.fields(Facts)}


def pending(store: Store, model: str, *, tasks: Sequence[str] = (), retry: bool = False, where: str = "") -> list[str]:
    """Paths of the recordings that a model has not analysed yet, one for each content.

    Args:
        model: its provenance.
        tasks: also those that it was not asked for all of these.
        retry: also those where it failed.
        where: only among these tracks.
    """
    found: dict[str, str] = {}
    for track in store.tracks(where):
        facts = track.analysis
        done = facts is not None and facts.model == model and set(tasks) <= set(facts.tasks.split())
        failed = facts is not None and facts.model == model and facts.error
        if track.status == "present" and (bool(retry) if failed else not done):
            found.setdefault(track.content, track.path)
    return list(found.values())


class Analyses:
    """Takes analyses in; a context manager, which commits what is left on leaving. The caller holds the writer lock.

    Attributes:
        changed: paths whose file is not what was indexed. Their analysis is not kept, and they stay pending until an
            index run has seen what they are now.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.changed: list[str] = []
        self._batch: dict[str, tuple[Facts, Mapping[str, Any] | None]] = {}
        self._last = time.monotonic()
        self._commits = 0

    def __enter__(self) -> Analyses:
        return self

    def __exit__(self, *error: object) -> None:
        self.commit()
        if self._commits > 1:
            self.store.compact()

    def add(self, path: str | Path, facts: Mapping[str, Any]) -> None:
        """Take in what was found in a file; see `Collection.add_analysis`.

        Raises:
            CollectionError: no such track, or facts that are none.
        """
        given = dict(facts)
        document = given.pop("document", {})
        if unknown := sorted(set(given) - FIELDS):
            raise CollectionError(f"{path}: unknown facts {', '.join(unknown)}; there are {', '.join(sorted(FIELDS))}")
        if not given.get("model"):
            raise CollectionError(f"{path}: the facts do not say which model they are of")
        self._put(path, Facts(**given), document)

    def fail(self, path: str | Path, model: str, reason: str, detail: str = "") -> None:
        """Remember that a model could not analyse a file, and why; `ohrwurm errors` lists it."""
        self._put(path, Facts(model, error=f"{reason}: {' '.join(detail.split())}"), None)

    def _put(self, path: str | Path, facts: Facts, document: Mapping[str, Any] | None) -> None:
        self._batch[os.path.abspath(os.path.expanduser(path))] = (facts, document)
        if len(self._batch) >= BATCH_FILES or time.monotonic() - self._last > BATCH_SECONDS:
            self.commit()

    def commit(self) -> None:
        """Write the batch: the documents, then all rows at once.

        Raises:
            CollectionError: a path is none of the collection, or the disk refused.
        """
        batch, self._batch = self._batch, {}
        self._last = time.monotonic()
        if not batch:
            return
        at = {track.path: track for track in self.store.tracks_at(batch)}
        for path in batch.keys() - at.keys():
            raise CollectionError(f"{path} is not in the collection. Run: ohrwurm index {Path(path).parent}")
        whose = {at[path].content: given for path, given in batch.items() if self._unchanged(at[path])}
        rows, replaced = [], set()
        with self.store.write_errors():
            for track in self.store.tracks_of(whose):
                facts, document = whose[track.content]
                before = track.analysis
                if before is not None and before.model == facts.model:
                    facts = _joined(before, facts)
                elif before is not None:
                    replaced.add((track.content, before.model))
                rows.append(dataclasses.replace(track, analysis=facts))
            for content, (facts, document) in whose.items():
                if document is not None:
                    self._write(content, facts.model, document)
        self.store.put(tracks=rows)
        for content, model in replaced:
            self.store.documents.remove(content, model)
        self._commits += 1
        if self._commits % COMPACT_EVERY == 0:
            self.store.compact()

    def _write(self, content: str, model: str, document: Mapping[str, Any]) -> None:
        # Other tasks of the same model, which this run was not asked for, stay.
        if self.store.documents.path(content, model).is_file():
            with contextlib.suppress(CollectionError):  # what is damaged is replaced
                document = _with(self.store.documents.read(content, model), document)
        self.store.documents.write(content, model, document)

    def _unchanged(self, track: Track) -> bool:
        try:
            stat = os.stat(track.path)
            same = (stat.st_size, stat.st_mtime_ns) == (track.size, track.mtime_ns)
            same = same or content_hash(track.path) == track.content
        except OSError:
            same = False
        if not same:
            self.changed.append(track.path)
        return same


def _joined(before: Facts, now: Facts) -> Facts:
    """What one model found in two runs over the same recording."""
    found = _with(dataclasses.asdict(before), dataclasses.asdict(now))
    tasks = dict.fromkeys([*before.tasks.split(), *now.tasks.split()])
    return Facts(**found | {"tasks": " ".join(tasks), "error": now.error})


def _with(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    return {**before, **{name: value for name, value in now.items() if value is not None}}
