"""What is found in, or annotated of, one recording: beats, labelled spans of time, a key.

Plain values that decoding makes, that readers and writers of annotation files exchange, and that evaluation compares.
All times are seconds from the start of the recording.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TONICS = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")  # by pitch class
KEYS = tuple(f"{tonic} {mode}" for mode in ("major", "minor") for tonic in TONICS)
TRIADS = (*(f"{tonic}:{quality}" for quality in ("maj", "min") for tonic in TONICS), "N")  # Harte's; N is no chord
SECTIONS = ("intro", "verse", "chorus", "bridge", "inst", "outro", "silence")
_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def pitch_class(name: str) -> int:
    """0-11 of a note name with any accidentals.

    >>> pitch_class("F#"), pitch_class("Bb"), pitch_class("Cb")
    (6, 10, 11)
    """
    return (_LETTERS[name[0].upper()] + name.count("#") - name[1:].count("b")) % 12


@dataclass(frozen=True)
class Beats:
    """Beats in order, each with its place in the bar.

    Attributes:
        times: seconds, each after the one before, `(n,)`.
        positions: `(n,)`: 1 is a downbeat, 2 and up the place in the bar, 0 unknown.
        confidence: in [0, 1], `(n,)`; None where nobody said.

    Raises:
        ValueError: shapes that do not match, times that do not increase or are not finite, or impossible positions.

    >>> found = Beats(np.array([0.5, 1.0, 1.5]), np.array([3, 1, 2]))
    >>> len(found), found.downbeats.tolist()
    (3, [1.0])
    """

    times: NDArray[np.float64]
    positions: NDArray[np.int64]
    confidence: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        times, positions = np.asarray(self.times, np.float64), np.asarray(self.positions)
        if times.ndim != 1 or positions.shape != times.shape:
            raise ValueError(f"beats need times (n,) and positions (n,), not {times.shape} and {positions.shape}")
        if not np.isfinite(times).all():
            raise ValueError("beat times must be finite seconds")
        if (np.diff(times) <= 0).any():
            row = int(np.argmax(np.diff(times) <= 0)) + 1
            raise ValueError(f"beat {row} ({times[row]:g} s) does not come after the one before ({times[row - 1]:g} s)")
        if (positions != positions.astype(np.int64)).any() or (positions < 0).any():
            raise ValueError("a beat's position must be a whole number: 1 downbeat, 2 and up in the bar, 0 unknown")
        object.__setattr__(self, "times", times)
        object.__setattr__(self, "positions", positions.astype(np.int64))
        object.__setattr__(self, "confidence", _confidence(self.confidence, len(times)))

    def __len__(self) -> int:
        return len(self.times)

    @property
    def downbeats(self) -> NDArray[np.float64]:
        """Times of the beats at position 1, in seconds."""
        return self.times[self.positions == 1]


@dataclass(frozen=True)
class Spans:
    """Stretches of time in order, each with a label: chords, sections, local keys.

    Attributes:
        intervals: start and end in seconds, `(n, 2)`; one may begin where the one before ends, or later.
        labels: one each.
        confidence: in [0, 1], `(n,)`; None where nobody said.

    Raises:
        ValueError: shapes that do not match, times that are not finite, spans that do not last or that overlap.

    >>> found = Spans(np.array([[0.0, 2.0], [2.0, 3.5]]), ("C:maj", "N"))
    >>> len(found), found.labels[1]
    (2, 'N')
    """

    intervals: NDArray[np.float64]
    labels: tuple[str, ...]
    confidence: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        intervals = np.asarray(self.intervals, np.float64)
        intervals = intervals.reshape(0, 2) if intervals.size == 0 else intervals
        if intervals.ndim != 2 or intervals.shape[1] != 2 or len(intervals) != len(self.labels):
            raise ValueError(f"spans need intervals (n, 2) and n labels, not {intervals.shape} and {len(self.labels)}")
        if not np.isfinite(intervals).all():
            raise ValueError("times of spans must be finite seconds")
        if not (intervals[:, 1] > intervals[:, 0]).all():
            row = int(np.argmin(intervals[:, 1] > intervals[:, 0]))
            raise ValueError(f"span {row} ({intervals[row, 0]:g} .. {intervals[row, 1]:g} s) does not last")
        if (intervals[1:, 0] < intervals[:-1, 1]).any():
            row = int(np.argmax(intervals[1:, 0] < intervals[:-1, 1])) + 1
            before, start = intervals[row - 1, 1], intervals[row, 0]
            raise ValueError(f"span {row} begins at {start:g} s, before the one ahead of it ends ({before:g} s)")
        object.__setattr__(self, "intervals", intervals)
        object.__setattr__(self, "labels", tuple(str(label) for label in self.labels))
        object.__setattr__(self, "confidence", _confidence(self.confidence, len(intervals)))

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Key:
    """The key of a recording, or of a part of it.

    Attributes:
        label: tonic and mode as `KEYS` spells them, e.g. "Eb minor"; "N" where there is none.
        confidence: in [0, 1].

    Raises:
        ValueError: a confidence outside [0, 1].

    >>> Key("Eb minor", 0.8).label
    'Eb minor'
    """

    label: str
    confidence: float

    def __post_init__(self) -> None:
        if not 0 <= self.confidence <= 1:
            raise ValueError(f"a confidence of {self.confidence} does not lie between 0 and 1")


def _confidence(given: NDArray[np.float64] | None, count: int) -> NDArray[np.float64] | None:
    if given is None:
        return None
    found = np.asarray(given, np.float64)
    if found.shape != (count,) or not ((found >= 0) & (found <= 1)).all():
        raise ValueError(f"confidence must be {count} numbers between 0 and 1, not {found.shape}")
    return found
