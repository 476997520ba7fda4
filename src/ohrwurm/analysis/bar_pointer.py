"""Beats and downbeats by a bar-pointer model: tempo changes slowly, and bars have so many beats.

The state space is that of Krebs, Böck and Widmer, "An efficient state-space model for joint tempo and meter tracking"
(2015): a pointer walks through the bar one position a frame, each tempo has as many positions a beat as the beat has
frames, and tempo changes between beats only, with probability proportional to exp(-transition * |new / old - 1|) of the
beats' lengths. Observations are those of Böck, Krebs and Widmer, "Joint beat and downbeat tracking with recurrent
neural networks" (2016). `bar_viterbi` finds the best path.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohrwurm.analysis.activations import checked
from ohrwurm.analysis.bar_viterbi import STRETCH, Bars, best_beats
from ohrwurm.analysis.peaks import refined
from ohrwurm.errors import DataError
from ohrwurm.events import Beats


@dataclass(frozen=True)
class BarPointer:
    """The model; the defaults are the published ones but for `least`.

    Attributes:
        metres: beats a bar may have.
        slowest, fastest: tempo in beats a minute.
        transition: how firmly the tempo is held.
        observation: a beat is heard in the first 1 / observation of its length.
        metre_change: probability that a bar has another number of beats than the one before; published 0.
        least: probability of what an activation excludes. The published one is next to nothing; then a few beats that a
            head misses outright force the path onto another tempo.
        threshold: what comes before the first, or after the last, frame whose activation reaches it has no beats.

    Raises:
        ValueError: impossible settings.

    >>> model = BarPointer(metres=(4,))
    >>> clicks = np.zeros((500, 2))
    >>> clicks[::25, 0] = 1
    >>> clicks[50::100, 1] = 1
    >>> found = model.decode(clicks, frame_rate=50)
    >>> found.times[:4].tolist(), found.positions[:4].tolist()
    ([0.0, 0.5, 1.0, 1.5], [3, 4, 1, 2])
    """

    metres: tuple[int, ...] = (3, 4)
    slowest: float = 55.0
    fastest: float = 215.0
    transition: float = 100.0
    observation: float = 16.0
    metre_change: float = 0.0
    least: float = 3e-3
    threshold: float = 0.05

    def __post_init__(self) -> None:
        if not self.metres or min(self.metres) < 1 or len(set(self.metres)) < len(self.metres):
            raise ValueError(f"bars of {self.metres} beats: different numbers from 1 are needed")
        if not 0 < self.slowest < self.fastest:
            raise ValueError(f"a tempo between {self.slowest} and {self.fastest} beats a minute")
        if not (self.transition >= 0 and self.observation >= 2 and 0 <= self.metre_change < 1):
            raise ValueError(
                "transition must be 0 or more, observation 2 or more, metre_change at least 0 and below 1, not "
                f"{self.transition}, {self.observation}, {self.metre_change}"
            )
        if not (0 < self.least < 1 and 0 < self.threshold <= 1):
            raise ValueError(f"least and threshold are probabilities above 0, not {self.least} and {self.threshold}")

    def bars(self, frame_rate: float) -> Bars:
        """Beats and their transitions at a frame rate.

        Raises:
            DataError: too few frames a second for the fastest tempo.
        """
        shortest, longest = round(60 * frame_rate / self.fastest), round(60 * frame_rate / self.slowest)
        if shortest < 2:
            raise DataError(
                f"{frame_rate:g} frames a second are too few to follow {self.fastest:g} beats a minute; "
                f"take at least {self.fastest / 30:.0f}"
            )
        lengths = np.arange(shortest, longest + 1)
        exponent = -self.transition * np.abs(lengths[None] / lengths[:, None] - 1)
        weights = np.where(exponent > np.log(np.finfo(float).eps), np.exp(exponent), 0)
        metres = len(self.metres)
        switch = np.full((metres, metres), self.metre_change / max(metres - 1, 1))
        np.fill_diagonal(switch, 1 - self.metre_change if metres > 1 else 1.0)
        with np.errstate(divide="ignore"):
            change, switch = np.log(weights / weights.sum(1, keepdims=True)), np.log(switch)
        widths = np.ceil(lengths / self.observation).astype(np.int64)
        return Bars(lengths, widths, change, self.metres, switch)

    def decode(self, activations: ArrayLike, frame_rate: float = 50.0, *, stretch: int = STRETCH) -> Beats:
        """Beats with their positions in the bar.

        Args:
            activations: `(frames, 2)`: a beat is here (downbeats included), and a downbeat is here.
            stretch: frames that are traced back at once; changes memory and nothing else.

        Raises:
            DataError: activations that are no probabilities, or too few of them a second.
        """
        x = checked(activations, 2, frame_rate, "beats")
        downbeat = x[:, 1]
        beat = np.maximum(x[:, 0] - downbeat, 0)
        return self._decode(np.stack([downbeat, beat]), np.maximum(x[:, 0], downbeat), frame_rate, stretch)

    def decode_beats(self, activation: ArrayLike, frame_rate: float = 50.0, *, stretch: int = STRETCH) -> Beats:
        """Beats alone, positions unknown, whatever the metre.

        Args:
            activation: `(frames,)`: a beat is here.
            stretch: as in `decode`.

        Raises:
            DataError: as in `decode`.
        """
        beat = checked(activation, 1, frame_rate, "beats")[:, 0]
        found = replace(self, metres=(1,))._decode(np.stack([beat, beat]), beat, frame_rate, stretch)
        return Beats(found.times, np.zeros(len(found), np.int64), found.confidence)

    def _decode(
        self, heard: NDArray[np.float64], loudest: NDArray[np.float64], frame_rate: float, stretch: int
    ) -> Beats:
        """Beats from the probabilities `(2, frames)` of downbeats and of other beats, and of any beat."""
        bars = self.bars(frame_rate)
        active = np.flatnonzero(loudest >= self.threshold)
        if not len(active):
            return Beats(np.zeros(0), np.zeros(0, np.int64), np.zeros(0))
        first, last = int(active[0]), int(active[-1]) + 1
        seen = np.maximum(np.concatenate([heard, 1 - loudest[None]])[:, first:last], self.least)
        seen[2] /= self.observation - 1
        starts, numbers, lengths, _ = best_beats(bars, np.log(seen), stretch=stretch)
        widths = bars.widths[lengths - bars.lengths[0]]
        frames, positions = [], []
        for start, width, position in zip(
            starts.tolist(), widths.tolist(), bars.positions[numbers].tolist(), strict=True
        ):
            begin, end = max(start, 0) + first, min(start + width + first, last)
            if begin < end:  # the first beat may have been before the first frame
                frames.append(begin + int(loudest[begin:end].argmax()))
                positions.append(position)
        times = np.array([refined(loudest, frame) for frame in frames]) / frame_rate
        return Beats(times, np.array(positions, np.int64), loudest[frames])
