"""What sounds when: frame-level arrays from a score, exact by construction."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ohrwurm.data.describe import instruments_of
from ohrwurm.data.instruments import UNPITCHED, ring_seconds
from ohrwurm.data.score import DURATION, ONSET, PITCH, Score

__all__ = ["chord_labels", "instruments_of", "note_roll", "pitch_classes"]


def note_roll(score: Score, times: NDArray[np.float64], *, ringing: bool = True) -> NDArray[np.bool_]:
    """Which pitches sound at each of `times` (seconds, increasing): `(128, len(times))`.

    Drums and programs without a pitch (wood blocks, effects) are left out.

    A note sounds from its onset until its end. With `ringing` it also ends when its instrument has died away
    (a xylophone bar after half a second, however long the note is written).

    >>> from ohrwurm.data.score import Part, make_notes
    >>> notes = make_notes([(0.0, 1.0, 60, 90)])
    >>> score = Score("a", "a", "", "test", notes, parts=(Part(40, False, notes),), seconds=2.0)
    >>> note_roll(score, np.array([0.0, 0.5, 1.0, 1.5]))[60].tolist()
    [True, True, False, False]
    """
    times = np.asarray(times, dtype=np.float64)
    changes = np.zeros((128, len(times) + 1), dtype=np.int32)
    for part in score.parts:
        if part.is_drum or part.program in UNPITCHED or not len(part.notes):
            continue
        onset = part.notes[:, ONSET]
        length = part.notes[:, DURATION]
        if ringing:
            length = np.minimum(length, ring_seconds(part.program))
        pitch = part.notes[:, PITCH].astype(int)
        np.add.at(changes, (pitch, np.searchsorted(times, onset - 1e-9)), 1)
        np.add.at(changes, (pitch, np.searchsorted(times, onset + length - 1e-9)), -1)
    return np.cumsum(changes[:, :-1], axis=1) > 0


def pitch_classes(score: Score, times: NDArray[np.float64], *, ringing: bool = True) -> NDArray[np.bool_]:
    """Which pitch classes (C = 0) sound at each of `times`: `(12, len(times))`, drums left out."""
    roll = note_roll(score, times, ringing=ringing)
    padded = np.concatenate([roll, np.zeros((4, roll.shape[1]), dtype=bool)])  # 132 = 11 octaves
    return np.asarray(padded.reshape(11, 12, -1).any(axis=0), dtype=np.bool_)


def chord_labels(score: Score, times: NDArray[np.float64]) -> list[str]:
    """The chord at each of `times`; ``N`` where there is none."""
    labels = ["N"] * len(times)
    for chord in score.chords:
        first, last = np.searchsorted(times, [chord.start - 1e-9, chord.end - 1e-9])
        labels[first:last] = [chord.label] * int(last - first)
    return labels
