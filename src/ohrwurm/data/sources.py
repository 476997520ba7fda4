"""Whatever holds recordings, as a manifest: a manifest file, a folder with one, a published layout, or plain audio."""

from __future__ import annotations

from pathlib import Path

from ohrwurm.audio.folder import walk
from ohrwurm.data import layouts
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError

WITHIN = ("manifest.csv", "manifest.jsonl", "manifest.parquet")


def manifest_of(path: str | Path, split: str | None = None) -> Manifest:
    """The recordings of a source, of one split or all.

    Args:
        path: a manifest file; or a folder, which is the first of these that it can be: a folder with a `manifest.csv`
            (`.jsonl`, `.parquet`), as `ohrwurm data render` and `pack` make it; a data set as published
            (`ohrwurm.data.layouts`); a folder of audio files, which have no labels.
        split: the tracks of this split alone.

    Raises:
        DataError: no such place, nothing of these in it, or a damaged table.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / "live").mkdir()
    >>> _ = (folder / "live" / "song.mp3").write_bytes(b"")
    >>> [track.track_id for track in manifest_of(folder)]
    ['live/song.mp3']
    """
    path = Path(path)
    found = _in_folder(path) if path.is_dir() else Manifest.read(path)
    return found if split is None else found.split(split)


def labels_of(path: str | Path) -> list[str] | None:
    """The source's own list of tags in its order, as published classifiers have their classes; None without one."""
    layout = _layout(Path(path))
    return layout.labels(Path(path)) if layout is not None and layout.labels is not None else None


def _in_folder(folder: Path) -> Manifest:
    for name in WITHIN:
        if (folder / name).is_file():
            return Manifest.read(folder / name)
    layout = _layout(folder)
    if layout is not None:
        return layout.read(folder)
    files = [Path(file) for file, error in walk([folder]) if not error]
    if files:
        base = folder.absolute()
        return Manifest(Track(file.relative_to(base).as_posix(), str(file)) for file in files)
    looked_for = "; ".join(f"{', '.join(layouts.find(name).marks[:2])} ({name})" for name in layouts.NAMES)
    raise DataError(f"{folder}: no recordings here. Looked for {WITHIN[0]}; {looked_for}; audio files.")


def _layout(folder: Path) -> layouts.Layout | None:
    return next((layout for layout in map(layouts.find, layouts.NAMES) if layout.fits(folder)), None)
