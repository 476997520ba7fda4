"""The truth of renditions (`ohrwurm data render`): one JSON file beside each, exact by construction.

Beats and downbeats are lists of times, chords are [start, end, label], the key is one name for all of the recording.
Where not the key but its signature is known (ASAP), that is the number of sharps.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ohrwurm.data.annotations.chords import chords_of
from ohrwurm.data.annotations.jams import content_of
from ohrwurm.data.annotations.keys import NONE, key_name
from ohrwurm.data.annotations.reading import Reading, beats_of, spans_of
from ohrwurm.errors import DataError
from ohrwurm.events import Beats, Key, Spans

MARKS = ("score_id", "seconds", "beats", "downbeats", "chords", "key")
NEAR = 1e-3  # seconds: downbeats are beats, but both are rounded


class NothingKnown(DataError):
    """A rendition's truth is as it should be, but its score does not say this."""


def is_rendered(content: dict[str, Any]) -> bool:
    """Whether a JSON object is the truth of a rendition."""
    return all(mark in content for mark in MARKS)


def read_beats(file: Path) -> Reading[Beats]:
    """Beats, their places counted from each downbeat.

    Raises:
        DataError: not the truth of a rendition, or it has no beats (`NothingKnown`).
    """
    content = _content(file)
    downbeats = np.array(content["downbeats"], np.float64)
    rows, place = [], 0
    for time in content["beats"]:
        first = bool(len(downbeats)) and float(np.abs(downbeats - time).min()) <= NEAR
        place = 1 if first else place + 1 if place else 0
        rows.append((float(time), place))
    if not rows:
        raise NothingKnown(f"{file}: no beats are known of this rendition")
    seconds = float(content["seconds"])
    return beats_of([(time, place) for time, place in rows if time <= seconds])


def read_chords(file: Path) -> Reading[Spans]:
    """Chords.

    Raises:
        DataError: not the truth of a rendition, or it has no chords (`NothingKnown`).
    """
    content = _content(file)
    if not content["chords"]:
        raise NothingKnown(f"{file}: no chords are known of this rendition")
    return chords_of(spans_of([(float(a), float(b), str(label)) for a, b, label in content["chords"]], "chords"))


def read_key(file: Path) -> Reading[Key]:
    """The key that holds longest.

    Raises:
        DataError: not the truth of a rendition, or its key is not known (`NothingKnown`).
    """
    name = key_name(str(_content(file)["key"] or ""))
    if name in ("", NONE):
        raise NothingKnown(f"{file}: no key is known of this rendition")
    return Reading(Key(name, 1.0))


def read_signature(file: Path) -> Reading[int]:
    """The key signature that holds longest, as the number of sharps (flats are negative); told where no key is.

    Raises:
        DataError: not the truth of a rendition, or no signature is known (`NothingKnown`).
    """
    sharps = _content(file).get("signature")
    if not isinstance(sharps, int):
        raise NothingKnown(f"{file}: neither key nor key signature is known of this rendition")
    return Reading(sharps)


def _content(file: Path) -> dict[str, Any]:
    content = content_of(file)
    if not is_rendered(content):
        raise DataError(f"{file}: not the truth of a rendition; it misses {', '.join(set(MARKS) - content.keys())}")
    return content
