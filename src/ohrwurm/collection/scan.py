"""Folder → audio files with the hash of their content."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

from ohrwurm.audio.folder import walk
from ohrwurm.checksums import content_hash


@dataclass(frozen=True)
class Found:
    """A file that the scan found. `content` is empty, and `error` says why, if it could not be read."""

    path: str
    size: int
    mtime_ns: int
    content: str = ""
    error: str = ""
    reason: str = ""


Known = Mapping[str, tuple[int, int, str]]  # path → (size, mtime_ns, content)


def identify(path: str, known: Known) -> Found:
    """Size, time and content hash of a file; the hash of `known` is taken where size and time are the same."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode("utf-8", "backslashreplace")
        return Found(shown, 0, 0, error="the file name is not valid UTF-8; rename the file", reason="name")
    try:
        stat = os.stat(path)
        if not S_ISREG(stat.st_mode):
            return Found(path, 0, 0, error="not a regular file", reason="unreadable")
        size, mtime_ns, content = known.get(path, (-1, -1, ""))
        if content and (size, mtime_ns) == (stat.st_size, stat.st_mtime_ns):
            return Found(path, size, mtime_ns, content)
        if stat.st_size == 0:
            return Found(path, 0, stat.st_mtime_ns, content_hash(path), error="the file has no bytes", reason="empty")
        return Found(path, stat.st_size, stat.st_mtime_ns, content_hash(path))
    except OSError as error:
        reason = "missing" if isinstance(error, FileNotFoundError) else "unreadable"
        return Found(path, 0, 0, error=error.strerror or str(error), reason=reason)


def scan(
    roots: Iterable[str | Path],
    known: Known,
    *,
    skip: Iterable[str | Path] = (),
    progress: Callable[[int, str], None] | None = None,
) -> tuple[list[Found], list[str]]:
    """All audio files under `roots` with their content hash.

    Args:
        known: what an earlier scan found, so that unchanged files are not read again.
        progress: called with the count so far and the path just read.

    Returns:
        The files, and the folders that could not be listed (what lies in them is not missing, only out of sight).
    """
    files: list[Found] = []
    unlisted: list[str] = []
    for path, error in walk(roots, skip=skip):
        if error:
            unlisted.append(path)
            files.append(Found(path, 0, 0, error=error, reason="unreadable"))
            continue
        files.append(identify(path, known))
        if progress is not None:
            progress(len(files), path)
    return files, unlisted
