"""The beat grid of a score at the pulse of a style: where each beat falls, in which bar, at which place."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ohrwurm.data.score import Score


@dataclass(frozen=True)
class Grid:
    """Beats in order. `times` has one more entry than the others: the end of the last beat."""

    times: NDArray[np.float64]
    bars: NDArray[np.int64]
    places: NDArray[np.int64]
    beats_per_bar: int

    def position(self, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Beat positions of times, extrapolated at both ends."""
        index = np.clip(np.searchsorted(self.times, seconds, side="right") - 1, 0, len(self.times) - 2)
        lengths = np.diff(self.times)
        return index + (seconds - self.times[index]) / lengths[index]

    def seconds(self, position: NDArray[np.float64]) -> NDArray[np.float64]:
        """Times of beat positions, extrapolated at both ends."""
        index = np.clip(np.floor(position).astype(int), 0, len(self.times) - 2)
        lengths = np.diff(self.times)
        return self.times[index] + (position - index) * lengths[index]


def beat_grid(score: Score, pulse: float = 1.0) -> Grid:
    """The grid at `pulse` times the score's own beat: 1, 2 (twice as many beats) or 0.5 (half as many).

    Beats are continued to the beginning and the end of the score at the neighbouring tempo.
    """
    beats = score.beats
    if len(beats) < 2:
        step = 60.0 / score.tempo
        beats = np.arange(0.0, max(score.seconds, 4 * step) + step, step)
    down = np.isin(np.round(beats, 3), np.round(score.downbeats, 3))
    first, last = beats[1] - beats[0], beats[-1] - beats[-2]
    before = int(np.ceil(max(0.0, beats[0] - 1e-6) / first))
    after = int(np.ceil(max(0.0, score.seconds - beats[-1]) / last)) + 1
    beats = np.concatenate(
        [beats[0] - first * np.arange(before, 0, -1), beats, beats[-1] + last * np.arange(1, after + 1)]
    )
    down = np.concatenate([np.zeros(before, bool), down, np.zeros(after, bool)])
    size = bar_size(score)
    marks = np.flatnonzero(down)
    start = int(marks[0]) if len(marks) else 0
    places = np.zeros(len(beats), dtype=np.int64)
    bars = np.zeros(len(beats), dtype=np.int64)
    place, bar = (-start) % size, -1 if start % size else 0
    bar -= start // size
    for i in range(len(beats)):
        if i and (down[i] or place == size):
            place, bar = 0, bar + 1
        places[i], bars[i] = place, bar
        place += 1
    bars -= bars.min()
    if pulse == 2.0:
        middle = (beats[:-1] + beats[1:]) / 2
        times = np.insert(beats, np.arange(1, len(beats)), middle)
        doubled = np.repeat(2 * places[:-1], 2) + np.tile([0, 1], len(beats) - 1)
        return Grid(times, np.repeat(2 * bars[:-1], 2) + doubled // size, doubled % size, size)
    if pulse == 0.5 and size % 2 == 0:
        keep = np.flatnonzero(places % 2 == 0)
        half = bars[keep] * (size // 2) + places[keep] // 2
        return Grid(beats[keep], half[:-1] // size, half[:-1] % size, size)
    return Grid(beats, bars[:-1], places[:-1], size)


def bar_size(score: Score) -> int:
    """Beats in a bar, by the score's downbeats where it has them, else by its metre."""
    if len(score.downbeats) > 1 and len(score.beats) > 1:
        index = np.searchsorted(score.beats, score.downbeats - 1e-3)
        return max(1, int(np.median(np.diff(index))))
    numerator, denominator = score.metre
    compound = denominator == 8 and numerator % 3 == 0 and numerator > 3
    return numerator // 3 if compound else numerator


def in_metre(score: Score, beats: int) -> Score:
    """The tune set in a metre of 3 or 4 beats, as an arranger makes a waltz of a song.

    To three: every pair of beats becomes three (long, short). To four: the first of three beats is doubled.
    A score that has such a metre already is returned as it is.
    """
    size = bar_size(score)
    triple = size % 3 == 0
    if triple == (beats == 3) or size == 1:
        return score
    grid = beat_grid(score)
    lengths = np.ones(len(grid.times) - 1)
    lengths[(grid.places % 2 == 0) if beats == 3 else (grid.places % 3 == 0)] = 2.0
    at = np.concatenate([[0.0], np.cumsum(lengths)])  # new beat position of every old beat
    gap = float(np.median(np.diff(grid.times)))
    origin = grid.times[0]
    new_times = origin + at * gap

    def time_map(seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        position = grid.position(seconds)
        index = np.clip(np.floor(position).astype(int), 0, len(lengths) - 1)
        return new_times[index] + (position - index) * lengths[index] * gap

    warped = score.warped(time_map, tempo=60.0 / gap)
    starts = at[:-1][grid.places % (2 if beats == 3 else 3) == 0]
    every = np.arange(0.0, at[-1])
    return dataclasses.replace(warped, beats=origin + every * gap, downbeats=origin + starts * gap, metre=(beats, 4))
