"""One's own recordings in folders: one folder a class, or one a work; above them, if need be, one a split.

    mine/jazz/so_what.flac                  jazz is the track's tag, or the work that it is a version of
    mine/train/jazz/so_what.flac            the same, in the training split

Splits are called train (training), validation (valid, val, dev) or test. What lies deeper belongs to the
class above it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from ohrwurm.audio.folder import walk
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError

Meaning = Literal["tags", "works"]
SPLITS = {
    "train": "train", "training": "train", "validation": "validation", "valid": "validation", "val": "validation",
    "dev": "validation", "test": "test",
}  # fmt: skip


def read(folder: str | Path, meaning: Meaning = "tags") -> Manifest:
    """The recordings below `folder`, in order of their paths, which are their ids.

    Args:
        meaning: what the folder of a recording is: ``tags``, its class, or ``works``, the work it is a version of.

    Raises:
        DataError: no recording, one that lies in no class, or a work in two splits.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("test/jazz/a.mp3", "train/jazz/b.mp3"):
    ...     (folder / name).parent.mkdir(parents=True)
    ...     _ = (folder / name).write_bytes(b"")
    >>> [(t.track_id, t.split, t.tags) for t in read(folder)]
    [('test/jazz/a.mp3', 'test', ('jazz',)), ('train/jazz/b.mp3', 'train', ('jazz',))]
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; it is to hold a folder for each class or work")
    files = list(_files(folder))
    if not files:
        raise DataError(f"{folder}: no recordings here; it is to hold a folder for each class or work")
    level = int(_has_splits(files))
    tracks = []
    homes: dict[str, str] = {}
    for relative in files:
        parts = relative.parts
        if len(parts) < level + 2:
            raise DataError(
                f"{folder / relative}: lies in no folder of a class. Put it into one"
                + ("; train, validation and test hold folders of classes." if level else ".")
            )
        split, name = SPLITS[parts[0].lower()] if level else "", parts[level]
        if meaning == "works" and homes.setdefault(name, split) != split:
            raise DataError(
                f"{folder}: the work {name!r} is in {homes[name]} and in {split}: a model would be tested on what it "
                "was trained on. Put all versions of a work into one split."
            )
        tags, work = ((name,), "") if meaning == "tags" else ((), name)
        tracks.append(Track(relative.as_posix(), str(folder / relative), split, tags, work_id=work))
    return Manifest(tracks)


def is_divided(folder: str | Path) -> bool:
    """Whether `folder` holds nothing but splits, and these nothing but folders of classes: no guess is needed."""
    files = list(_files(Path(folder)))
    return bool(files) and _has_splits(files) and all(len(file.parts) > 2 for file in files)


def _files(folder: Path) -> Iterator[Path]:
    base = Path(os.path.abspath(folder))  # as `walk` does it: without ".."
    return (Path(file).relative_to(base) for file, error in walk([base]) if not error)


def _has_splits(files: list[Path]) -> bool:
    return all(len(file.parts) > 1 and file.parts[0].lower() in SPLITS for file in files)
