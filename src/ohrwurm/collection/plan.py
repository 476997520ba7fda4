"""What a scan means for the collection: which files to embed by which models, and which only moved or went."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from ohrwurm.audio.tags import Tags, read_tags
from ohrwurm.collection.records import Failure, Track
from ohrwurm.collection.scan import Found


@dataclass(frozen=True)
class Work:
    """One content to embed: decoded once, from `files[0]`, for all `models` that lack its vectors."""

    content: str
    files: tuple[Found, ...]
    models: tuple[str, ...]

    @property
    def path(self) -> str:
        """The copy that is decoded."""
        return self.files[0].path


@dataclass
class Plan:
    """The work, and the rows that change without any decoding.

    Attributes:
        work: contents to embed.
        tracks: rows to write at once (moved, copied, returned or missing files, new time stamps).
        forget_tracks: paths whose rows go, because the same content now lies elsewhere.
        failures: files that cannot even be read.
        forget_failures: paths whose failure no longer holds.
        unchanged, moved, missing, skipped: counts for the report.
    """

    work: list[Work] = field(default_factory=list)
    tracks: list[Track] = field(default_factory=list)
    forget_tracks: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    forget_failures: list[str] = field(default_factory=list)
    unchanged: int = 0
    moved: int = 0
    missing: int = 0
    skipped: int = 0


def make_plan(
    files: Sequence[Found],
    *,
    roots: Sequence[str],
    unlisted: Sequence[str],
    tracks: Iterable[Track],
    failures: Iterable[Failure],
    have: Mapping[str, set[str]],
    retry: bool = False,
    tags: Callable[[str], Tags] = read_tags,
) -> Plan:
    """Compare what was found with what is known.

    Args:
        files: the scan of `roots`.
        unlisted: folders that could not be looked into; tracks below them stay as they are.
        tracks, failures: all that the collection knows.
        have: for each model in use, the contents that have its vectors.
        retry: try files again that failed before and did not change.
        tags: reads the metadata of a path.
    """
    plan = Plan()
    rows = {t.path: t for t in tracks}
    template = {t.content: t for t in sorted(rows.values(), key=lambda t: t.path, reverse=True)}
    failed_path = {f.path: f for f in failures}
    failed_content = {f.content: f for f in failed_path.values() if f.content}
    found = {f.path for f in files}
    here = {f.content for f in files if f.content and not f.error}
    vanished = {t.content for t in rows.values() if t.path not in found and _below(t.path, roots)}
    work: dict[str, list[Found]] = {}

    for file in files:
        row = rows.get(file.path)
        if file.error:
            before = failed_path.get(file.path)
            if retry or before is None or (before.content, before.reason) != (file.content, file.reason):
                plan.failures.append(failure_of(file, file.reason, file.error))
            else:
                plan.skipped += 1
            if row is not None and row.status != "missing":
                plan.tracks.append(replace(row, status="missing"))
                plan.missing += 1
            continue

        known = template.get(file.content)
        # Vectors without a row are what a killed run left; they do not count.
        lacking = known is None or any(file.content not in contents for contents in have.values())
        failed = failed_content.get(file.content) if lacking else None
        if known is not None:
            current = describe(file, known, row, tags)
            if current != row:
                plan.tracks.append(current)
            if row is None or row.content != file.content:
                plan.moved += file.content in vanished
            elif not lacking:
                plan.unchanged += 1
        if not lacking and file.path in failed_path:
            plan.forget_failures.append(file.path)
        if failed is not None and not retry:
            plan.skipped += 1
            if file.path not in failed_path or failed_path[file.path].content != file.content:
                plan.failures.append(replace(failed, path=file.path, size=file.size, mtime_ns=file.mtime_ns))
        elif lacking:
            work.setdefault(file.content, []).append(file)

    for content, copies in work.items():
        models = tuple(n for n, contents in have.items() if content not in contents or content not in template)
        plan.work.append(Work(content, tuple(copies), models))

    for row in rows.values():
        if row.path in found or not _below(row.path, roots) or _below(row.path, unlisted):
            continue
        if row.content in here:
            plan.forget_tracks.append(row.path)
        elif row.status != "missing":
            plan.tracks.append(replace(row, status="missing"))
            plan.missing += 1
    plan.forget_failures += [
        path for path in failed_path if path not in found and _below(path, roots) and not _below(path, unlisted)
    ]
    return plan


def describe(
    file: Found,
    known: Track | None,
    row: Track | None,
    tags: Callable[[str], Tags] = read_tags,
    *,
    duration: float = 0.0,
    flags: str = "",
) -> Track:
    """The row of a file.

    Args:
        known: a row of the same content, whose duration, flags and analysis hold for it too.
        row: the row of the same path, unchanged if nothing changed.
        duration, flags: of a content that has no row yet.
    """
    if row is not None and row.content == file.content:
        return replace(row, size=file.size, mtime_ns=file.mtime_ns, status="present")
    read = tags(file.path)
    return Track(
        path=file.path,
        content=file.content,
        title=read.title,
        artist=read.artist,
        album=read.album,
        genre=read.genre,
        year=read.year,
        number=read.number,
        duration=known.duration if known else duration,
        size=file.size,
        mtime_ns=file.mtime_ns,
        flags=known.flags if known else flags,
        added=known.added if known else now(),
        analysis=known.analysis if known else None,
    )


def failure_of(file: Found, reason: str, detail: str) -> Failure:
    """The failure row of a file."""
    return Failure(file.path, reason, detail, file.content, file.size, file.mtime_ns, now())


def now() -> str:
    """The present moment, ISO 8601 UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _below(path: str, roots: Iterable[str]) -> bool:
    return any(path == root or path.startswith(root.rstrip(os.sep) + os.sep) for root in roots)
