"""Several manifests as one, without the tracks that are to be left out."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from ohrwurm.data.sources import manifest_of
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError


def joined(sources: Sequence[str | Path], without: Mapping[str, Collection[str]] | None = None) -> Manifest:
    """The tracks of all sources, in their order.

    Args:
        sources: manifests or folders, as `manifest_of` takes them. Where a track_id occurs in several, all ids begin
            with the name of their folder.
        without: column → values; tracks with one of them in it are left out, e.g. styles that are to be new in a test.

    Raises:
        DataError: a source that cannot be read, a column that no track has, or nothing is left.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> Manifest([Track("a", "a.wav", tags=("jazz",)), Track("b", "b.wav", tags=("rock",))]).write(folder / "m.csv")
    >>> [track.track_id for track in joined([folder / "m.csv"], {"tags": ["rock"]})]
    ['a']
    """
    parts = [(Path(source), list(manifest_of(source))) for source in sources]
    counts = Counter(track.track_id for _, tracks in parts for track in tracks)
    if counts and max(counts.values()) > 1:
        parts = [(source, [_named_after(source, track) for track in tracks]) for source, tracks in parts]
    tracks = [track for _, part in parts for track in part]
    for column in without or {}:
        if not any(_values(track, column) for track in tracks):
            raise DataError(f"no track has anything in the column {column}; nothing can be left out by it")
    kept = [t for t in tracks if not any(_values(t, column) & set(out) for column, out in (without or {}).items())]
    if not kept:
        raise DataError(f"none of {len(tracks)} tracks of {', '.join(map(str, sources))} is left")
    return Manifest(kept)


def _named_after(source: Path, track: Track) -> Track:
    folder = source if source.is_dir() else source.parent
    return dataclasses.replace(track, track_id=f"{folder.absolute().name}/{track.track_id}")


def _values(track: Track, column: str) -> set[str]:
    if column == "tags":
        return set(track.tags)
    value = getattr(track, column) if column in {"track_id", "path", "split", "caption", "work_id"} else None
    return {str(track.annotations.get(column, "") if value is None else value)} - {""}
