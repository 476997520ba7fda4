"""Chord and key labels in Harte's spelling (``C:maj7``, ``Bb:min``, ``N``): pitch classes, transposition, reading."""

from __future__ import annotations

import re

from ohrwurm.events import TONICS, pitch_class

# Intervals above the root in semitones. Order: the tones a player would keep first.
QUALITIES: dict[str, tuple[int, ...]] = {
    "maj": (0, 4, 7),
    "min": (0, 3, 7),
    "7": (0, 4, 10, 7),
    "maj7": (0, 4, 11, 7),
    "min7": (0, 3, 10, 7),
    "minmaj7": (0, 3, 11, 7),
    "dim": (0, 3, 6),
    "dim7": (0, 3, 6, 9),
    "hdim7": (0, 3, 6, 10),
    "aug": (0, 4, 8),
    "aug7": (0, 4, 8, 10),
    "maj6": (0, 4, 7, 9),
    "min6": (0, 3, 7, 9),
    "sus2": (0, 2, 7),
    "sus4": (0, 5, 7),
    "sus4(b7)": (0, 5, 7, 10),
    "9": (0, 4, 10, 2, 7),
    "maj9": (0, 4, 11, 2, 7),
    "min9": (0, 3, 10, 2, 7),
    "11": (0, 5, 10, 2, 7),
    "13": (0, 4, 10, 9),
    "5": (0, 7),
}
_DEGREES = {"1": 0, "2": 2, "b3": 3, "3": 4, "4": 5, "5": 7, "b5": 6, "6": 9, "b7": 10, "7": 11}


def split_label(label: str) -> tuple[int, str, int] | None:
    """`(root, quality, bass)` of a chord or key label, pitch classes 0-11; None for no chord.

    An unknown quality counts as its triad.

    >>> split_label("D:min7/b3"), split_label("N")
    ((2, 'min7', 5), None)
    """
    if label in ("N", "X", ""):
        return None
    root_name, _, rest = label.partition(":")
    quality, _, degree = rest.partition("/")
    quality = quality or "maj"
    root = pitch_class(root_name)
    if quality not in QUALITIES:
        quality = "min" if quality.startswith("min") else "maj"
    return root, quality, (root + _DEGREES.get(degree, 0)) % 12


def chord_tones(label: str) -> tuple[int, ...]:
    """Pitch classes of a chord, root first; empty for no chord.

    >>> chord_tones("A:min")
    (9, 0, 4)
    """
    parts = split_label(label)
    return () if parts is None else tuple((parts[0] + step) % 12 for step in QUALITIES[parts[1]])


def transpose_label(label: str, semitones: int) -> str:
    """The label of the chord or key that many semitones higher.

    >>> transpose_label("B:min7/b3", 2), transpose_label("N", 5)
    ('Db:min7/b3', 'N')
    """
    if label in ("N", "X", ""):
        return label
    root, colon, rest = label.partition(":")
    return TONICS[(pitch_class(root) + semitones) % 12] + colon + rest


# How lead sheets write a quality (after the root), most specific first.
_WRITTEN = (
    (r"(maj|ma|M|Δ|\^)7?9", "maj9"),
    (r"(maj|ma|M|Δ|\^)(7|13)?$|^(Δ|\^)", "maj7"),
    (r"(min|mi|m|-)\(?(maj|ma|M)7?\)?", "minmaj7"),
    (r"(min|mi|m|-)7?\(?b5|ø", "hdim7"),
    (r"(min|mi|m|-)(9|11|13)", "min9"),
    (r"(min|mi|m|-)7", "min7"),
    (r"(min|mi|m|-)6", "min6"),
    (r"(dim|o|°)7", "dim7"),
    (r"dim|o|°", "dim"),
    (r"(aug|\+)7|7(#5|\+)", "aug7"),
    (r"aug|\+", "aug"),
    (r"7sus4?|9sus4?", "sus4(b7)"),
    (r"sus2", "sus2"),
    (r"sus4?", "sus4"),
    (r"(min|mi|m(?!a)|-)", "min"),
    (r"6", "maj6"),
    (r"13", "13"),
    (r"11", "11"),
    (r"9", "9"),
    (r"7", "7"),
    (r"5", "5"),
)


def read_chord(written: str) -> str | None:
    """Harte label of a chord symbol as written above a melody; None where it is not a chord (a remark).

    >>> [read_chord(c) for c in ("Am7", "Bb", "F#m7b5", "Cmaj7", "G7/B", "slowly")]
    ['A:min7', 'Bb:maj', 'Gb:hdim7', 'C:maj7', 'G:7/3', None]
    """
    match = re.fullmatch(r"\(?([A-G][#b]?)([^/\s]*)(?:/([A-Ga-g][#b]?))?\)?", written.strip())
    if match is None:
        return None
    root_name, quality, bass_name = match.groups()
    if quality and not re.match(r"(maj|ma|M|Δ|\^|min|mi|m|-|dim|o|°|ø|aug|\+|sus|add|\(?[b#]?\d)", quality):
        return None
    found = next((harte for pattern, harte in _WRITTEN if re.match(pattern, quality)), "maj") if quality else "maj"
    root = pitch_class(root_name)
    label = f"{TONICS[root]}:{found}"
    if bass_name:
        interval = (pitch_class(bass_name.capitalize()) - root) % 12
        degree = next((name for name, steps in _DEGREES.items() if steps == interval), "")
        if degree not in ("", "1"):
            label += f"/{degree}"
    return label
