"""The annotations of a manifest's tracks: what evaluation compares with and training learns from.

The truth of a track is named in its manifest: in a column `beats`, `chords`, `sections` or `key` (a file in any form
that `ohrwurm.data.annotations` reads, or a key's name), or as that of a rendition (`truth`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ohrwurm.data.annotations import Kind, Reading, jams, read
from ohrwurm.data.annotations.keys import NONE, key_name, read_keys
from ohrwurm.data.annotations.reading import rows_of, text_of
from ohrwurm.data.tracks import Track
from ohrwurm.errors import DataError
from ohrwurm.events import Key, Spans

RENDERED = "truth"  # the column of renditions
ALWAYS = 1e9  # seconds: longer than any recording


def source_of(track: Track, kind: str) -> str:
    """What the manifest names as the truth of a track; a rendition's knows no sections.

    >>> track = Track("a", "a.flac", annotations={"truth": "truth/a.json", "key": "C:maj"})
    >>> [source_of(track, kind) for kind in ("beats", "sections", "key")]
    ['truth/a.json', '', 'C:maj']
    """
    said = str(track.annotations.get(kind) or "")
    return said or ("" if kind == "sections" else str(track.annotations.get(RENDERED) or ""))


def reference(kind: Kind, track: Track) -> Reading[Any] | None:
    """The annotation of a track; None where its manifest names none.

    Raises:
        DataError: a file that is missing, damaged or empty.
    """
    source = source_of(track, kind)
    if not source:
        return None
    if kind == "key" and (name := key_name(source)):
        return Reading(Key(name, 1.0)) if name != NONE else None
    found = read(located(track, source), kind, duration=_seconds(track))
    if not isinstance(found.value, Key) and not len(found.value):
        raise DataError(f"{source}: holds no {kind}")
    return found


def keys(track: Track) -> Reading[Spans] | None:
    """The key of each part of a track: those of an annotation by parts, else the one key from beginning to end.

    Raises:
        DataError: a file that is missing, damaged or empty.

    >>> keys(Track("a", "a.flac", annotations={"key": "C:maj"})).value.labels
    ('C major',)
    """
    source = source_of(track, "key")
    if not source:
        return None
    if name := key_name(source):
        return _everywhere(Reading(Key(name, 1.0)))
    place = located(track, source)
    file = Path(place if Path(place).exists() else place.rpartition("#")[0] or place)
    if file.suffix.lower() == ".jams":
        return jams.read_keys(file, place[len(str(file)) + 1 :])
    if file.suffix.lower() != ".json" and (rows := rows_of(text_of(file))) and rows[0][1][0].isdigit():
        return read_keys(file)
    return _everywhere(read(place, "key"))


def _everywhere(found: Reading[Key]) -> Reading[Spans]:
    return Reading(Spans(np.array([[0.0, ALWAYS]]), (found.value.label,)), found.remarks)


def located(track: Track, source: str) -> str:
    """Where an annotation lies that a manifest names: as it is, or seen from the audio's folder or one above it."""
    file = source.rpartition("#")[0] if "#" in source and not Path(source).exists() else source
    part = source[len(file) :]
    if Path(file).is_absolute():
        return source
    places = [folder / file for folder in list(Path(track.path).absolute().parents)[:3]]
    return str(next((place for place in places if place.is_file()), Path(file))) + part


def _seconds(track: Track) -> float | None:
    try:
        return float(track.annotations.get("seconds") or "")
    except ValueError:
        return None
