"""The classes that chord heads know, and which of them a label belongs to.

* `MAJMIN`, 25: major 0 .. 11 (C = 0), minor 12 .. 23, no chord 24.
* `SEVENTHS`, 61: maj, min, maj7, 7, min7 on twelve roots each, no chord.
* `LARGE`, 170: fourteen qualities on twelve roots each, no chord, and `X` for chords that are none of these.

A label has the class whose tones it has, whatever its bass; which tones count depends on the vocabulary. Labels outside
a vocabulary are `IGNORED` in training, and in evaluation too (mir_eval).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ohrwurm.analysis.harte import NO_CHORD, QUALITIES, UNKNOWN, parse, spell
from ohrwurm.analysis.targets import IGNORED


@dataclass(frozen=True)
class Vocabulary:
    """Chord classes, quality by quality, C to B within each; then no chord, then `X` where there is one.

    Attributes:
        qualities: Harte's names.
        span: semitones above the root that tell a class; a seventh lies beyond those of a triad.
        unknown: whether there is a class for `X`.
    """

    qualities: tuple[str, ...]
    span: int = 12
    unknown: bool = False

    def __len__(self) -> int:
        return 12 * len(self.qualities) + 1 + self.unknown

    @property
    def no_chord(self) -> int:
        """Class of `N`."""
        return 12 * len(self.qualities)

    @property
    def labels(self) -> tuple[str, ...]:
        """The label of each class."""
        chords = tuple(spell(root, quality) for quality in self.qualities for root in range(12))
        return (*chords, NO_CHORD, *[UNKNOWN] * self.unknown)

    @property
    def tones(self) -> NDArray[np.bool_]:
        """Pitch classes of each chord, `(classes, 12)`; none for `N` and `X`."""
        found = np.zeros((len(self), 12), np.bool_)
        for number, quality in enumerate(self.qualities):
            for root in range(12):
                found[12 * number + root, [(root + tone) % 12 for tone in QUALITIES[quality]]] = True
        return found

    def class_of(self, label: str) -> int:
        """The class of a label, or `IGNORED`.

        Raises:
            DataError: not a chord label.

        >>> [MAJMIN.class_of(x) for x in ("C:maj", "A:min7/b3", "N", "X", "D:sus4", "G")]
        [0, 21, 24, -1, -1, 7]
        """
        if label == NO_CHORD:
            return self.no_chord
        chord = parse(label)
        if chord is not None:
            tones = {tone for tone in chord.tones if tone < self.span}
            for number, quality in enumerate(self.qualities):
                if tones == {tone for tone in QUALITIES[quality] if tone < self.span}:
                    return 12 * number + chord.root
        return self.no_chord + 1 if self.unknown else IGNORED


MAJMIN = Vocabulary(("maj", "min"), span=8)
SEVENTHS = Vocabulary(("maj", "min", "maj7", "7", "min7"))
LARGE = Vocabulary(
    (
        "maj", "min", "dim", "aug", "sus2", "sus4", "maj6", "min6", "7", "maj7", "min7", "minmaj7", "dim7", "hdim7",
    ),
    unknown=True,
)  # fmt: skip
NONE = 12  # root, or bass, of no chord


def majmin_of(label: str) -> int:
    """Class 0 .. 24 of a label in `MAJMIN`, or `IGNORED`: suspended, augmented, diminished and power chords.

    >>> majmin_of("Bb:9"), majmin_of("Bb:dim")
    (10, -1)
    """
    return MAJMIN.class_of(label)


def sevenths_of(label: str) -> int:
    """Class 0 .. 60 of a label in `SEVENTHS`, or `IGNORED`.

    >>> SEVENTHS.labels[sevenths_of("F#:min9")], sevenths_of("C:maj6")
    ('Gb:min7', -1)
    """
    return SEVENTHS.class_of(label)


def large_of(label: str) -> int:
    """Class 0 .. 169 of a label in `LARGE`; what is none of its chords is `X`.

    >>> LARGE.labels[large_of("C:minmaj7/5")], LARGE.labels[large_of("C:5")]
    ('C:minmaj7', 'X')
    """
    return LARGE.class_of(label)


def thirds_of(label: str) -> int:
    """Root and third, as in mir_eval's `thirds`: 0 .. 11, with a minor third 12 .. 23; `N` is 24, `X` is `IGNORED`.

    A chord without any third counts as one without a minor third.

    >>> thirds_of("A:min7"), thirds_of("D:sus4"), thirds_of("N")
    (21, 2, 24)
    """
    if label == NO_CHORD:
        return MAJMIN.no_chord
    chord = parse(label)
    return IGNORED if chord is None else chord.root + 12 * (3 in chord.tones)


def parts_of(label: str) -> tuple[int, int, NDArray[np.float32]] | None:
    """What a head by root, bass and pitch classes is trained with: 0 .. 12, 0 .. 12, and `(12,)` of 0 and 1.

    No chord has root and bass `NONE` and no pitch class. `X` says nothing: None.

    >>> root, bass, tones = parts_of("C:maj/5")
    >>> root, bass, tones.nonzero()[0].tolist()
    (0, 7, [0, 4, 7])
    """
    tones = np.zeros(12, np.float32)
    if label == NO_CHORD:
        return NONE, NONE, tones
    chord = parse(label)
    if chord is None:
        return None
    bass = (chord.root + chord.bass) % 12
    tones[[*[(chord.root + tone) % 12 for tone in chord.tones], bass]] = 1
    return chord.root, bass, tones
