"""Where data sets lie: `OHRWURM_DATA`, as folders or as archives that are unpacked once into a cache folder; and how
archives that were fetched are unpacked where they lie."""

from __future__ import annotations

import bisect
import io
import os
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ohrwurm.errors import DataError
from ohrwurm.folders import cache_folder


def data_root(root: str | Path | None = None) -> Path:
    """The folder of data sets: the argument, else the environment variable `OHRWURM_DATA`.

    Raises:
        DataError: neither is given, or it is no folder.
    """
    given = root or os.environ.get("OHRWURM_DATA")
    if not given:
        raise DataError("where is the data? set OHRWURM_DATA to the folder of the data sets (see docs/data.md)")
    path = Path(given).expanduser()
    if not path.is_dir():
        raise DataError(f"{path}: no such folder; set OHRWURM_DATA to the folder of the data sets")
    return path


def lying(root: Path, name: str) -> Path | None:
    """The folder or archive of the data set `name` under `root`, or in `annotations/` there, where sets without audio
    may lie; None where there is neither."""
    for base in (root, root / "annotations"):
        if (base / name).is_dir():
            return base / name
        for ending in (".tar.xz", ".tar.gz", ".tar"):
            if (archive := base / f"{name}{ending}").is_file():
                return archive
    return None


def unpacked(root: Path, name: str) -> Path:
    """The folder of the data set `name` under `root`.

    `root/name` as it is, else `root/name.tar.xz` (or `.tar.gz`, `.tar`) unpacked once into the cache folder. A
    half-unpacked archive is never used: the folder appears under its name when it is complete.

    Raises:
        DataError: neither is there, or the archive is damaged.
    """
    archive = lying(root, name)
    if archive is None:
        raise DataError(f"{root}: neither a folder {name} nor an archive {name}.tar.xz")
    if archive.is_dir():
        return archive
    status = archive.stat()
    target = cache_folder() / "unpacked" / f"{name}-{status.st_size}-{int(status.st_mtime)}"
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{name}."))
    try:
        with tarfile.open(archive) as packed:
            packed.extractall(temporary, filter="data")
        try:
            temporary.rename(target)
        except OSError:  # another process was faster
            if not target.is_dir():
                raise
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DataError(f"{archive}: cannot be unpacked ({error}); fetch it again") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def unpack(parts: Sequence[Path], folder: Path, progress: Callable[[int, int], None] | None = None) -> list[str]:
    """Extract an archive, given as one file or as the parts that it was cut into, into `folder`.

    What is there already in the right size is kept, so that a killed call goes on. Nothing is written outside of
    `folder`, whatever the archive names.

    Returns:
        The names of its files, relative to `folder`.

    Raises:
        DataError: neither a zip nor a tar archive, damaged, a name that leads out of the folder, or no space for it.
    """
    archive = parts[0]
    try:
        # Buffered: a raw file may return less than asked, as at the end of a part, which no archive reader expects.
        with io.BufferedReader(_Joined(parts), 1 << 18) as joined:
            if zipfile.is_zipfile(joined):
                with zipfile.ZipFile(joined) as zipped:
                    entries = [(i.filename, i.file_size, i) for i in zipped.infolist() if not i.is_dir()]
                    return _extract(archive, folder, entries, lambda i: zipped.extract(i, folder), progress)
            joined.seek(0)
            with tarfile.open(fileobj=joined) as packed:
                members = [(m.name, m.size, m) for m in packed if not m.isdir()]
                return _extract(archive, folder, members, lambda m: packed.extract(m, folder, filter="data"), progress)
    except (
        tarfile.FilterError,
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
    ) as error:
        raise DataError(f"{archive}: cannot be unpacked ({error}); remove it, and fetch it again") from error


def _extract(
    archive: Path,
    folder: Path,
    entries: Sequence[tuple[str, int, Any]],
    extract: Callable[[Any], object],
    progress: Callable[[int, int], None] | None,
) -> list[str]:
    base = folder.resolve()
    for name, _, _ in entries:
        if not (base / name.replace("\\", "/")).resolve().is_relative_to(base) or name.startswith(("/", "\\")):
            raise DataError(f"{archive}: names {name!r}, which leads out of its folder. Nothing of it was unpacked.")
    todo = [(name, size, entry) for name, size, entry in entries if _size(folder / name) != size]
    total, free = sum(size for _, size, _ in todo), shutil.disk_usage(folder).free
    if total > free:
        raise DataError(
            f"{archive}: {total / 1e9:.2f} GB are in it, {free / 1e9:.2f} GB are left on the disk. Make room."
        )
    for number, (_, _, entry) in enumerate(todo, 1):
        extract(entry)
        if progress is not None:
            progress(len(entries) - len(todo) + number, len(entries))
    return [name for name, _, _ in entries]


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else -1


class _Joined(io.RawIOBase):
    """Several files read as one."""

    def __init__(self, parts: Sequence[Path]) -> None:
        self._files = [open(part, "rb") for part in parts]  # noqa: SIM115
        ends = [0]
        for part in parts:
            ends.append(ends[-1] + part.stat().st_size)
        self._starts, self._length, self._at = ends[:-1], ends[-1], 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._length}[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        if self._at >= self._length:
            return 0
        number = bisect.bisect_right(self._starts, self._at) - 1
        file = self._files[number]
        file.seek(self._at - self._starts[number])
        found = file.readinto(buffer)
        self._at += found
        return found

    def close(self) -> None:
        for file in self._files:
            file.close()
        super().close()
