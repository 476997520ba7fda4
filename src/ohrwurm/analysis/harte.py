"""Chord labels in the syntax of Harte, Sandler, Abdallah and Gómez, "Symbolic representation of musical chords" (2005),
as annotation files and mir_eval use it: root, quality, added or omitted degrees, bass.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from ohrwurm.errors import DataError
from ohrwurm.events import TONICS, pitch_class

NO_CHORD, UNKNOWN = "N", "X"

# Semitones above the root, within an octave: what lies beyond (9, 11, 13) does not change a chord's class.
QUALITIES: dict[str, frozenset[int]] = {
    name: frozenset(tones)
    for name, tones in {
        "maj": (0, 4, 7), "min": (0, 3, 7), "dim": (0, 3, 6), "aug": (0, 4, 8), "sus2": (0, 2, 7), "sus4": (0, 5, 7),
        "1": (0,), "5": (0, 7),
        "maj6": (0, 4, 7, 9), "min6": (0, 3, 7, 9),
        "7": (0, 4, 7, 10), "maj7": (0, 4, 7, 11), "min7": (0, 3, 7, 10), "minmaj7": (0, 3, 7, 11),
        "dim7": (0, 3, 6, 9), "hdim7": (0, 3, 6, 10), "aug7": (0, 4, 8, 10),
        "9": (0, 4, 7, 10), "maj9": (0, 4, 7, 11), "min9": (0, 3, 7, 10),
        "11": (0, 4, 7, 10), "maj11": (0, 4, 7, 11), "min11": (0, 3, 7, 10),
        "13": (0, 4, 7, 10), "maj13": (0, 4, 7, 11), "min13": (0, 3, 7, 10),
    }.items()
}  # fmt: skip

_DEGREES = (0, 2, 4, 5, 7, 9, 11, 12, 14, 16, 17, 19, 21)  # semitones of 1 .. 13
_DEGREE = r"[b#]*(?:1[0-3]|[1-9])"
_CHORD = re.compile(
    rf"(?P<root>[A-G][b#]*)(?::(?P<quality>[a-z]*\d*(?:maj\d*)?)?(?P<degrees>\(\*?{_DEGREE}(?:,\*?{_DEGREE})*\))?)?"
    rf"(?:/(?P<bass>{_DEGREE}))?"
)
_NAMES = ("1", "b2", "2", "b3", "3", "4", "b5", "5", "#5", "6", "b7", "7")  # of the degree at each semitone


@dataclass(frozen=True)
class Chord:
    """What a label says.

    Attributes:
        root: pitch class, C = 0.
        tones: semitones above the root that sound, the root among them, within an octave; without the bass's.
        bass: semitones above the root.
    """

    root: int
    tones: frozenset[int]
    bass: int = 0


@functools.lru_cache(maxsize=4096)
def parse(label: str) -> Chord | None:
    """The chord of a label; None for no chord (`N`) and for one that nobody could name (`X`).

    Raises:
        DataError: not such a label.

    >>> parse("A:min7/b3"), parse("N")
    (Chord(root=9, tones=frozenset({0, 10, 3, 7}), bass=3), None)
    >>> sorted(parse("Eb:maj(*5,b7,9)").tones)
    [0, 4, 10]
    """
    if label in (NO_CHORD, UNKNOWN):
        return None
    match = _CHORD.fullmatch(label)
    quality = match["quality"] if match else None
    bare = match is not None and ":" in label and not quality and not match["degrees"]
    if match is None or bare or (quality and quality not in QUALITIES):
        raise DataError(f"{label!r} is not a chord in Harte's syntax, e.g. 'A:min7' or 'N'")
    degrees = match["degrees"]
    tones = {0} if degrees and not quality else set(QUALITIES[quality or "maj"])
    for degree in degrees.strip("()").split(",") if degrees else ():
        semitones = _semitones(degree.lstrip("*"))
        if degree.startswith("*"):
            tones.discard(semitones)
        elif 0 <= semitones < 12:
            tones.add(semitones)
    bass = _semitones(match["bass"]) % 12 if match["bass"] else 0
    root = pitch_class(match["root"])
    return Chord(root, frozenset(tones | {0}), bass)


def spell(root: int, quality: str, bass: int = 0) -> str:
    """The label of a chord; `bass` in semitones above the root.

    >>> spell(9, "min7", 3), spell(1, "maj")
    ('A:min7/b3', 'Db:maj')
    """
    return f"{TONICS[root]}:{quality}" + (f"/{_NAMES[bass]}" if bass else "")


def _semitones(degree: str) -> int:
    return _DEGREES[int(degree.lstrip("b#")) - 1] + degree.count("#") - degree.count("b")
