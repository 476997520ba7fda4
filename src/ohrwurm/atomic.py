"""The one way to write a file: complete or absent, whatever kills the process."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_UNFINISHED = re.compile(r"\..+\.[0-9a-f]{12}\.tmp(\..*)?")


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on a clean exit it is flushed to disk and renamed over `path`.

    On an exception the temporary file is removed and `path` is untouched.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "result.txt"
    >>> with replacing(target) as temporary:
    ...     _ = temporary.write_text("done")
    >>> target.read_text()
    'done'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp{path.suffix}")
    # Not mkstemp: its files are for their owner only, and the result should be as readable as any other file.
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield temporary
        into_place(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def remove_unfinished(folder: str | Path) -> int:
    """Remove what killed processes left of `replacing` anywhere below `folder`; returns how many files.

    Only for a folder in which nobody else writes at the time.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in (".song.wav.0123456789ab.tmp.wav", "song.tmp.wav", ".hidden"):
    ...     (folder / name).touch()
    >>> remove_unfinished(folder), sorted(file.name for file in folder.iterdir())
    (1, ['.hidden', 'song.tmp.wav'])
    """
    found = [file for file in Path(folder).rglob(".*.tmp*") if _UNFINISHED.fullmatch(file.name) and file.is_file()]
    for file in found:
        file.unlink(missing_ok=True)
    return len(found)


def into_place(temporary: Path, path: Path) -> None:
    """Flush a finished file to disk and rename it to `path`, in the same folder."""
    with open(temporary, "rb") as written:
        os.fsync(written.fileno())
    os.replace(temporary, path)


@contextmanager
def replacing_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; on a clean exit it takes the place of `path`.

    On an exception the temporary folder is removed and `path` is untouched.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "model"
    >>> with replacing_folder(target) as temporary:
    ...     _ = (temporary / "README.md").write_text("done")
    >>> sorted(file.name for file in target.iterdir())
    ['README.md']
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    temporary.mkdir()
    try:
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                with open(file, "rb") as written:
                    os.fsync(written.fileno())
        if path.exists():  # folders cannot be renamed over one another: the old one steps aside first
            aside = path.with_name(f".{path.name}.{secrets.token_hex(6)}.old")
            os.replace(path, aside)
            os.replace(temporary, path)
            shutil.rmtree(aside)
        else:
            os.replace(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def write_text(path: str | Path, text: str) -> None:
    """Write `text` (UTF-8) to `path` atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write `data` to `path` atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)
