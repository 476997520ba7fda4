"""Human timing: a tempo that comes and goes, phrases that slow down at their end, beats that are never quite even.

A score in strict time teaches a beat tracker that beats are even. Here all times of a score, notes and truth alike, go
through one smooth map, so that what is annotated stays exactly what is heard.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ohrwurm.data.score import Score

MOST_WITH_DRUMS = 0.04  # a band keeps together
_SWELLS = 4  # slow waves of the tempo
_PHRASES = (8, 16, 32)  # beats
_RITARDANDO = 2.5  # how much slower the last beat of a phrase is, in units of the amount
_UNEVEN = 0.3  # of single beats, in units of the amount


def played_freely(score: Score, amount: float, rng: np.random.Generator) -> Score:
    """The same notes with a tempo that varies by about `amount` (0.1: a tenth), in the same time altogether.

    Args:
        score: what is played; its beats are the grid, or half seconds where it has none.
        amount: standard deviation of the logarithm of the tempo, 0 to about 0.3.
        rng: the only source of randomness; nothing is drawn for an amount of 0.

    >>> from ohrwurm.data.score import make_notes
    >>> score = Score("a", "a", "", "test", make_notes(), beats=np.arange(0.0, 20.0, 0.5), seconds=20.0)
    >>> freely = played_freely(score, 0.1, np.random.default_rng(0))
    >>> bool(np.diff(freely.beats).std() > 0.02), round(freely.seconds, 6)
    (True, 20.0)
    """
    if amount <= 0 or score.seconds <= 0:
        return score
    inner = score.beats[(score.beats > 1e-3) & (score.beats < score.seconds - 1e-3)]
    if len(inner) < 2:
        inner = np.arange(0.5, score.seconds, 0.5)
    grid = np.unique(np.concatenate([[0.0], inner, [score.seconds]]))
    lengths = np.diff(grid) * np.exp(amount * _slowness(len(grid) - 1, rng))
    new = np.concatenate([[0.0], np.cumsum(lengths)])
    new *= score.seconds / new[-1]
    from scipy.interpolate import PchipInterpolator  # monotone, and without a kink at each beat

    curve = PchipInterpolator(grid, new)

    def time_map(times: NDArray[np.float64]) -> NDArray[np.float64]:
        inside = curve(np.clip(times, 0.0, score.seconds))
        return np.asarray(inside + (times - np.clip(times, 0.0, score.seconds)), dtype=np.float64)

    return score.warped(time_map)


def _slowness(beats: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """How slow each beat is, with a deviation of about 1."""
    at = np.arange(beats)
    slow = np.zeros(beats)
    for _ in range(_SWELLS):
        period = float(np.exp(rng.uniform(np.log(6.0), np.log(64.0))))
        slow += float(rng.normal(0, 0.5)) * np.sin(2 * np.pi * (at / period + float(rng.random())))
    phrase = int(rng.choice(_PHRASES))
    left = phrase - 1 - (at + int(rng.integers(phrase))) % phrase  # beats to the end of the phrase
    slow += _RITARDANDO * float(rng.random()) * np.exp(-left / 1.2)
    slow += _UNEVEN * rng.normal(size=beats)
    return np.asarray(slow - slow.mean(), dtype=np.float64)
