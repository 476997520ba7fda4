"""Chords and keys as musicians write them: `Am7` for `A:min7`, `Dm` for `D minor`."""

from __future__ import annotations

import functools
import re

from ohrwurm.analysis.harte import NO_CHORD, UNKNOWN, parse
from ohrwurm.errors import DataError
from ohrwurm.events import TONICS

SIGNS = {
    "": "", "maj": "", "min": "m", "dim": "dim", "aug": "+", "maj6": "6", "min6": "m6", "7": "7", "maj7": "maj7",
    "min7": "m7", "minmaj7": "m(maj7)", "dim7": "dim7", "hdim7": "m7b5", "aug7": "+7", "9": "9", "maj9": "maj9",
    "min9": "m9", "11": "11", "maj11": "maj11", "min11": "m11", "13": "13", "maj13": "maj13", "min13": "m13",
}  # fmt: skip


@functools.lru_cache(4096)
def chord_name(label: str) -> str:
    """A label in Harte's syntax as a chord symbol; `N.C.` where there is no chord, `?` where nobody knows which.

    >>> [chord_name(label) for label in ("A:min7/b3", "C", "Eb:maj", "F#:sus4(b7)", "N", "X")]
    ['Am7/C', 'C', 'Eb', 'F#sus4(b7)', 'N.C.', '?']
    """
    if label in (NO_CHORD, UNKNOWN):
        return "N.C." if label == NO_CHORD else "?"
    try:
        chord = parse(label)
    except DataError:
        return label
    assert chord is not None
    root, _, rest = label.partition("/")[0].partition(":")
    match = re.fullmatch(r"([^(]*)(.*)", rest)
    assert match is not None
    bass = f"/{TONICS[(chord.root + chord.bass) % 12]}" if chord.bass else ""
    return f"{root}{SIGNS.get(match[1], match[1])}{match[2]}{bass}"


def key_name(label: str) -> str:
    """A key in one word; `-` where there is none.

    >>> key_name("Eb minor"), key_name("C major"), key_name("N")
    ('Ebm', 'C', '-')
    """
    tonic, _, mode = label.partition(" ")
    return "-" if not mode else tonic + ("m" if mode == "minor" else "")
