"""Where data sets lie: `OHRWURM_DATA`, as folders or as archives that are unpacked once into a cache folder."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from pathlib import Path

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


def unpacked(root: Path, name: str) -> Path:
    """The folder of the data set `name` under `root`.

    `root/name` as it is, else `root/name.tar.xz` (or `.tar.gz`, `.tar`) unpacked once into the cache folder. A
    half-unpacked archive is never used: the folder appears under its name when it is complete.

    Raises:
        DataError: neither is there, or the archive is damaged.
    """
    if (root / name).is_dir():
        return root / name
    archive = next((p for s in (".tar.xz", ".tar.gz", ".tar") if (p := root / f"{name}{s}").is_file()), None)
    if archive is None:
        raise DataError(f"{root}: neither a folder {name} nor an archive {name}.tar.xz")
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
