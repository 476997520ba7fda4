"""Chord labels of many hands as Harte's syntax, which `mir_eval` checks.

What is in Harte's syntax stays as it is. The shorthand of chord sheets (`Am7`, `F#m`, `C/E`, `NC`) is rewritten. What
neither is becomes `X`: there is a chord, but nobody knows which. Metrics leave time with such a reference out.

Source: Harte, Sandler, Abdallah, Gómez, "Symbolic representation of musical chords", ISMIR 2005.
"""

from __future__ import annotations

import functools
import re
from importlib import import_module
from pathlib import Path

from ohrwurm.data.annotations.reading import Reading, relabelled
from ohrwurm.data.annotations.spans import read_lab, unknown_labels
from ohrwurm.errors import DataError
from ohrwurm.events import Spans, pitch_class

NO_CHORD, UNKNOWN = "N", "X"
NONE = {"n", "nc", "n.c.", "none", "no", "silence", "&pause", "-", "end"}
SHEET = re.compile(r"([A-G][#b]*)([^/]*)(?:/([A-G][#b]*))?")
QUALITIES = {
    "": "maj", "M": "maj", "maj": "maj", "m": "min", "min": "min", "-": "min", "7": "7", "dom7": "7", "maj7": "maj7",
    "M7": "maj7", "m7": "min7", "min7": "min7", "-7": "min7", "6": "maj6", "m6": "min6", "dim": "dim", "o": "dim",
    "dim7": "dim7", "o7": "dim7", "m7b5": "hdim7", "aug": "aug", "+": "aug", "sus4": "sus4", "sus": "sus4",
    "sus2": "sus2", "9": "9", "maj9": "maj9", "m9": "min9", "5": "5", "mM7": "minmaj7",
}  # fmt: skip
DEGREES = ("1", "b2", "2", "b3", "3", "4", "b5", "5", "b6", "6", "b7", "7")


@functools.lru_cache(4096)
def normalised(label: str) -> str:
    """A chord label in Harte's syntax; `X` where it cannot be understood.

    Raises:
        DataError: mir_eval is not installed.

    >>> [normalised(label) for label in ("Eb:min7/b3", "F#m7", "C/E", "NC", "?", "C:blue")]
    ['Eb:min7/b3', 'F#:min7', 'C:maj/3', 'N', 'X', 'X']
    """
    text = label.strip()
    if text.lower() in NONE:
        return NO_CHORD
    if text == UNKNOWN:
        return UNKNOWN
    if _valid(text):
        return text
    match = SHEET.fullmatch(text)
    if match is None or match[2] not in QUALITIES:
        return UNKNOWN
    bass = f"/{DEGREES[(pitch_class(match[3]) - pitch_class(match[1])) % 12]}" if match[3] else ""
    made = f"{match[1]}:{QUALITIES[match[2]]}{bass}"
    return made if _valid(made) else UNKNOWN


def read_chords(file: Path) -> Reading[Spans]:
    """The chords of a `.lab` file, or of one with the same rows.

    Raises:
        DataError: no such file, a row without times, or mir_eval is not installed.
    """
    found = read_lab(file, "chords")
    return chords_of(found)


def chords_of(found: Reading[Spans]) -> Reading[Spans]:
    """The same spans with labels in Harte's syntax, and a remark on those that are not known."""
    labels = [normalised(label) for label in found.value.labels]
    unknown = [
        old for old, new in zip(found.value.labels, labels, strict=True) if new == UNKNOWN and old.strip() != UNKNOWN
    ]
    remarks = unknown_labels(unknown, "chord", "their time does not count")
    return Reading(relabelled(found.value, labels), (*found.remarks, *remarks))


def _valid(label: str) -> bool:
    try:
        chord = import_module("mir_eval.chord")
    except ImportError as error:
        raise DataError("chord labels need mir_eval: pip install 'ohrwurm[evaluation]'") from error
    try:
        chord.validate_chord_label(label)
        chord.encode(label)
    except (chord.InvalidChordException, KeyError, ValueError):
        return False
    return True
