"""Checkpoints inside `.zip` and `.tar` archives, as some authors publish them. One named member is taken, no other."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from ohrwurm.errors import ModelError
from ohrwurm.unpickle import is_zip

CHECKPOINTS = (".pth", ".pt", ".ckpt", ".bin", ".safetensors", ".h5", ".hdf5", ".pth.tar")


@contextmanager
def checkpoint_in(file: str | Path, member: str = "") -> Iterator[Path]:
    """The checkpoint in an archive, unpacked for as long as it is needed; a file that is no archive as it is.

    Args:
        file: an archive, or a checkpoint.
        member: which one, where an archive holds several: its path in there, or the end of it.

    Raises:
        ModelError: the archive is damaged, or holds none or several checkpoints that could be meant.

    >>> folder = Path(tempfile.mkdtemp())
    >>> with zipfile.ZipFile(folder / "release.zip", "w") as archive:
    ...     archive.writestr("release/notes.txt", "notes")
    ...     archive.writestr("release/best.pth", "weights")
    >>> with checkpoint_in(folder / "release.zip") as found:
    ...     found.name, found.read_text()
    ('best.pth', 'weights')
    """
    file = Path(file)
    if not _is_archive(file):
        yield file
        return
    with tempfile.TemporaryDirectory(prefix="ohrwurm-") as temporary:
        try:
            target = _extract(file, member, Path(temporary))
        except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, RuntimeError, NotImplementedError) as error:
            raise ModelError(f"{file}: cannot be unpacked ({error}). Fetch it again.") from error
        yield target


def _is_archive(file: Path) -> bool:
    if is_zip(file):
        with zipfile.ZipFile(file) as archive:  # what torch.save writes is a zip, too
            return not any(PurePosixPath(name).name == "data.pkl" for name in archive.namelist())
    return file.is_file() and tarfile.is_tarfile(file)


def _extract(file: Path, member: str, folder: Path) -> Path:
    if is_zip(file):
        with zipfile.ZipFile(file) as zipped:
            sizes = {entry.filename: entry.file_size for entry in zipped.infolist() if not entry.is_dir()}
            name = _choose(file, list(sizes), member)
            with zipped.open(name) as stream:
                return _copy(stream, sizes[name], folder / PurePosixPath(name).name)
    with tarfile.open(file) as tarred:
        sizes = {entry.name: entry.size for entry in tarred.getmembers() if entry.isfile()}
        name = _choose(file, list(sizes), member)
        found = tarred.extractfile(name)
        assert found is not None
        with found as stream:
            return _copy(stream, sizes[name], folder / PurePosixPath(name).name)


def _choose(file: Path, names: list[str], member: str) -> str:
    meant = [name for name in names if name.endswith(CHECKPOINTS) and not PurePosixPath(name).name.startswith(".")]
    if member:
        meant = [name for name in names if name == member or name.endswith(f"/{member}")]
    if len(meant) == 1:
        return meant[0]
    if not meant:
        raise ModelError(f"{file}: an archive without {member or 'a checkpoint (' + ', '.join(CHECKPOINTS) + ')'}")
    raise ModelError(f"{file}: an archive with several checkpoints ({', '.join(meant[:6])}). Unpack the one you mean.")


def _copy(stream: IO[bytes], size: int, target: Path) -> Path:
    free = shutil.disk_usage(target.parent).free
    if size > free:
        raise ModelError(
            f"{target.name} takes {size / 1e9:.1f} GB unpacked; {target.parent} has {free / 1e9:.1f} GB left. "
            "Set TMPDIR to a folder with more space."
        )
    with open(target, "wb") as out:
        shutil.copyfileobj(stream, out, 1 << 20)
    return target
