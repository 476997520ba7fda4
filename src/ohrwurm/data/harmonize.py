"""Chords for a tune that has none: the best path through the simple chords of its key."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from ohrwurm.data.grid import beat_grid
from ohrwurm.data.harmony import chord_tones, split_label
from ohrwurm.data.score import DURATION, PITCH, Notes, Score, Span
from ohrwurm.events import TONICS

# Steps above the tonic, quality, and how readily the chord is used.
_MAJOR = ((0, "maj", 0.3), (5, "maj", 0.15), (7, "maj", 0.2), (9, "min", 0.05), (2, "min", 0.05), (10, "maj", -0.2))
_MINOR = ((0, "min", 0.3), (5, "min", 0.1), (7, "maj", 0.1), (3, "maj", 0.1), (8, "maj", 0.1), (10, "maj", 0.15))
# Krumhansl and Kessler, "Tracing the dynamic changes in perceived tonal organization", 1982.
_KEY_PROFILES = {
    "maj": (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    "min": (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
}


def estimate_key(notes: Notes) -> str:
    """The key whose profile fits the durations of the pitch classes best, as ``D:min``.

    >>> scale = np.array([[i, 1.0, p, 80] for i, p in enumerate((60, 62, 64, 65, 67, 69, 71, 72))], dtype=float)
    >>> estimate_key(scale)
    'C:maj'
    """
    weights = np.bincount(notes[:, PITCH].astype(int) % 12, weights=notes[:, DURATION], minlength=12)
    scores = {
        f"{TONICS[tonic]}:{mode}": np.corrcoef(np.roll(profile, tonic), weights)[0, 1]
        for mode, profile in _KEY_PROFILES.items()
        for tonic in range(12)
    }
    return max(scores, key=lambda k: np.nan_to_num(scores[k], nan=-1.0))


def harmonized(score: Score) -> Score:
    """The score with chords (and a key where it had none).

    One chord for every two beats (in three: for every bar), chosen by dynamic programming: melody notes should be
    chord tones, chords should not change without need, and the tune should end on its tonic.
    """
    key = score.key or estimate_key(score.melody)
    parts = split_label(key)
    assert parts is not None
    tonic, mode, _ = parts
    table = _MINOR if mode.startswith("min") else _MAJOR
    labels = [f"{TONICS[(tonic + step) % 12]}:{quality}" for step, quality, _ in table]
    grid = beat_grid(score)
    group = 3 if grid.beats_per_bar % 3 == 0 else 2
    borders = np.append(grid.times[:-1][grid.places % group == 0], grid.times[-1])
    borders[0] = min(borders[0], 0.0)
    weights = _weights(score.melody, borders)
    member = np.zeros((len(labels), 12))
    for row, label in enumerate(labels):
        member[row, list(chord_tones(label))] = 1.0
    total = weights.sum(1, keepdims=True)
    fit = weights @ member.T - 0.7 * (total - weights @ member.T)
    fit = fit / np.maximum(total, 1e-9) + np.array([prior for _, _, prior in table])
    fit[-1, 0] += 1.0
    chosen = _best_path(fit, stay=0.15)
    spans: list[Span] = []
    for index, start, end in zip(chosen, borders[:-1], borders[1:], strict=True):
        if spans and spans[-1].label == labels[index]:
            spans[-1] = Span(spans[-1].start, float(end), labels[index])
        else:
            spans.append(Span(float(start), float(end), labels[index]))
    keys = score.keys or (Span(0.0, score.seconds, key),)
    return dataclasses.replace(score, chords=tuple(spans), keys=keys)


def _weights(notes: Notes, borders: NDArray[np.float64]) -> NDArray[np.float64]:
    """(segments, 12): seconds of each pitch class in each segment; notes on a border count double."""
    weights = np.zeros((len(borders) - 1, 12))
    for onset, duration, pitch, _ in notes:
        first = max(0, int(np.searchsorted(borders, onset + 1e-3, side="right")) - 1)
        for segment in range(first, len(borders) - 1):
            overlap = min(onset + duration, borders[segment + 1]) - max(onset, borders[segment])
            if overlap <= 0:
                break
            strong = abs(onset - borders[segment]) < 0.05
            weights[segment, int(pitch) % 12] += overlap * (2.0 if strong else 1.0)
    return weights


def _best_path(fit: NDArray[np.float64], stay: float) -> list[int]:
    """Viterbi: `fit (steps, states)`, a bonus for staying in a state."""
    steps, states = fit.shape
    bonus = stay * np.eye(states)
    back = np.zeros((steps, states), dtype=int)
    value = fit[0]
    for t in range(1, steps):
        candidates = value[:, None] + bonus
        back[t] = candidates.argmax(0)
        value = candidates.max(0) + fit[t]
    path = [int(value.argmax())]
    for t in range(steps - 1, 0, -1):
        path.append(int(back[t, path[-1]]))
    return path[::-1]
