"""Tempo from beats: one figure with the next likely one and a confidence, and a curve over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohrwurm.analysis.activations import checked
from ohrwurm.events import Beats

LEVELS = (1 / 3, 1 / 2, 2 / 3, 3 / 2, 2.0, 3.0)  # tempi that listeners tap instead (MIREX asks for two)
SPAN = 4  # beats over which an interval is taken
NEAR = 0.04  # of log tempo (4 %): intervals this close are of one tempo


@dataclass(frozen=True)
class Tempo:
    """Tempo of a recording.

    Attributes:
        bpm: beats a minute; 0 where there is no tempo.
        other: the tempo that somebody might tap instead; 0 where there is none.
        share: salience of `bpm` beside `other`, in [0, 1].
        confidence: in [0, 1]: how clear the beats are, times how steady they are, times how much of what sounds like a
            beat they explain. 0 where there is no tempo.
    """

    bpm: float
    other: float
    share: float
    confidence: float


NO_TEMPO = Tempo(0.0, 0.0, 0.0, 0.0)


def tempo(beats: Beats, activation: ArrayLike | None = None, frame_rate: float = 50.0) -> Tempo:
    """The tempo that most of the beats have.

    Args:
        activation: of beats, `(frames,)`, which the beats were decoded from. It tells how salient other metrical levels
            are. Without it `other` is a second tempo of the beats, if they have one.

    Raises:
        DataError: an activation that is none.

    >>> steady = Beats(np.arange(0, 20, 0.5), np.zeros(40, np.int64), np.full(40, 0.9))
    >>> found = tempo(steady)
    >>> round(found.bpm, 6), found.other, round(found.confidence, 3)
    (120.0, 0.0, 0.9)
    """
    if len(beats) < 2:
        return NO_TEMPO
    heights = np.ones(len(beats)) if beats.confidence is None else beats.confidence
    # Several beats at once: one alone is a whole number of frames, which at 50 Hz are 6 % of a fast beat.
    span = min(SPAN, len(beats) - 1)
    intervals = (beats.times[span:] - beats.times[:-span]) / span
    votes = np.sqrt(heights[span:] * heights[:-span]) * intervals + 1e-9  # seconds that have this tempo
    bpm, here = _mode(intervals, votes)
    away = np.abs(np.log(60 / intervals / bpm)) > NEAR
    other, there = _mode(intervals[away], votes[away]) if away.any() else (0.0, 0.0)
    share = here / (here + there)
    explained = 1.0
    if activation is not None:
        x = checked(activation, 1, frame_rate, "beats")[:, 0]
        other, share = _other_level(x, frame_rate, bpm)
        explained = _explained(x, beats.times, frame_rate)
    intervals = np.diff(beats.times)
    steady = float(intervals[np.abs(np.log(intervals / _local(intervals))) <= np.log(1.1)].sum() / intervals.sum())
    return Tempo(bpm, other, share, float(np.clip(heights.mean() * steady * explained, 0, 1)))


def tempo_curve(beats: Beats, *, window: int = 9) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Tempo over time, robust against beats that are missing, doubled or displaced.

    Each interval counts as what it is after division by the whole number of beats that it most nearly holds (a missed
    beat makes an interval twice as long); the curve is their running median.

    Args:
        window: intervals under the median, an odd number.

    Returns:
        Middle of every interval in seconds, and beats a minute there; each `(beats - 1,)`, empty for fewer than two.

    >>> times = np.delete(np.arange(0, 10, 0.5), 7)
    >>> at, bpm = tempo_curve(Beats(times, np.zeros(len(times), np.int64)))
    >>> len(at), np.unique(bpm.round(9)).tolist()
    (18, [120.0])
    """
    if len(beats) < 2:
        return np.zeros(0), np.zeros(0)
    intervals = np.diff(beats.times)
    local = _local(intervals, window)
    ratio = intervals / local
    beats_in = np.where(ratio >= 1, np.maximum(np.rint(ratio), 1), 1 / np.maximum(np.rint(1 / ratio), 1))
    return beats.times[:-1] + intervals / 2, 60 / _local(intervals / beats_in, window)


def _local(intervals: NDArray[np.float64], window: int = 9) -> NDArray[np.float64]:
    """Running median; at the ends, of what there is."""
    reach = window // 2
    padded = np.pad(intervals, reach, constant_values=np.nan)
    return np.asarray(np.nanmedian(np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1), axis=1))


def _mode(intervals: NDArray[np.float64], votes: NDArray[np.float64]) -> tuple[float, float]:
    """The tempo with most votes within `NEAR`, as their weighted mean interval, and these votes."""
    logs = np.log(60 / intervals)
    order = np.argsort(logs)
    logs, votes, intervals = logs[order], votes[order], intervals[order]
    sums = np.concatenate([[0.0], np.cumsum(votes)])
    lows, highs = np.searchsorted(logs, logs - NEAR, "left"), np.searchsorted(logs, logs + NEAR, "right")
    best = int((sums[highs] - sums[lows]).argmax())
    inside = slice(int(lows[best]), int(highs[best]))
    return float(60 / np.average(intervals[inside], weights=votes[inside])), float(sums[highs[best]] - sums[lows[best]])


def _other_level(x: NDArray[np.float64], frame_rate: float, bpm: float) -> tuple[float, float]:
    """The most salient tempo among the `LEVELS` of `bpm`, and the salience of `bpm` beside it.

    Salience is the normalised autocorrelation of the activation at the tempo's period, weighted by how near listeners'
    preferred tempo of 120 beats a minute it lies (an octave away counts for 0.6; Parncutt 1994).
    """
    centred = x - x.mean()
    power = float(centred @ centred)
    if power <= 0:
        return 0.0, 1.0

    def salience(tempo: float) -> float:
        lag = 60 * frame_rate / tempo
        low = int(lag)
        if low < 1 or low + 1 >= len(x):
            return 0.0
        near = [float(centred[:-k] @ centred[k:]) / power for k in (low, low + 1)]
        return max(*near, 0.0) * float(np.exp(-0.5 * np.log2(tempo / 120) ** 2))

    found = {bpm * level: salience(bpm * level) for level in LEVELS}
    other = max(found, key=lambda tempo: found[tempo])
    own = salience(bpm)
    if found[other] <= 0:
        return 0.0, 1.0
    return other, own / (own + found[other])


def _explained(x: NDArray[np.float64], times: NDArray[np.float64], frame_rate: float) -> float:
    """Share of the activation's energy that lies within 70 ms of a beat."""
    near = np.zeros(len(x), np.bool_)
    places = np.rint(times * frame_rate).astype(np.int64)
    for shift in range(-round(0.07 * frame_rate), round(0.07 * frame_rate) + 1):
        at = places + shift
        near[at[(at >= 0) & (at < len(x))]] = True
    total = float(x @ x)
    return float(x[near] @ x[near]) / total if total > 0 else 0.0
