"""The best path through a bar-pointer model, beat by beat instead of frame by frame.

Within a beat the pointer of the model of Krebs, Böck and Widmer (2015) moves one position a frame and never changes its
tempo, so a path is known by the frames at which its beats start and by their lengths. For every frame, beat of the bar
and length it is therefore enough to know the best score of a beat that *starts* there: what the frames of a beat are
worth is a difference of two running sums. That is the same maximum over the same paths as Viterbi on all positions.

Ways back would be kept for every frame. Instead the scores are kept now and then (as many as the longest beat has
frames), and each stretch between is run again when the path is traced through it: memory is bounded, the path the same
whatever the length of a stretch.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ohrwurm.audio.compiled import compiled

STRETCH = 1 << 15  # frames whose ways back are held at once
LANES = 8  # numbers in a vector


@dataclass(frozen=True)
class Bars:
    """Which beats there are, how long they may be, and how one follows the other.

    Attributes:
        lengths: possible lengths of a beat in frames, increasing, `(n,)`.
        widths: frames at the start of a beat of each length that are observed as beat, `(n,)`.
        change: log probability that a beat of one length (row) is followed by one of another, `(n, n)`.
        metres: beats of each kind of bar.
        metre_change: log probability `(metres, metres)` of the next bar's kind.
    """

    lengths: NDArray[np.int64]
    widths: NDArray[np.int64]
    change: NDArray[np.float64]
    metres: tuple[int, ...]
    metre_change: NDArray[np.float64]

    @property
    def firsts(self) -> NDArray[np.int64]:
        """Number of the first beat of each kind of bar; beats are numbered through."""
        return np.cumsum([0, *self.metres[:-1]])

    @property
    def positions(self) -> NDArray[np.int64]:
        """Place in its bar of each beat, from 1."""
        return np.concatenate([np.arange(1, metre + 1) for metre in self.metres])

    @property
    def states(self) -> int:
        """Positions that a pointer can be at: all bars, beats and lengths."""
        return int(sum(self.metres) * self.lengths.sum())


def best_beats(
    bars: Bars, observed: NDArray[np.float64], *, stretch: int = STRETCH
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], float]:
    """The most likely beats.

    Args:
        observed: log densities `(3, frames)` of frames that are a downbeat, another beat, or no beat. All positions are
            equally likely at first.
        stretch: frames whose ways back are held at once; changes memory and nothing else.

    Returns:
        Start of each beat in frames (the first may lie before 0), its number among `bars.positions`, its length in
        frames; and the log probability of the path.
    """
    frames = observed.shape[1]
    sums = np.zeros((3, frames + 1))
    np.cumsum(observed, axis=1, out=sums[:, 1:])
    count, beats = len(bars.lengths), len(bars.positions)
    longest = int(bars.lengths[-1])
    scores = np.full((longest, beats, count), -np.log(bars.states))  # by start of the beat, modulo the longest
    kinds = (bars.positions > 1).astype(np.int64)  # row of `sums`
    lasts = bars.firsts + np.array(bars.metres) - 1
    change = np.pad(bars.change, ((0, 0), (0, -count % LANES)), constant_values=-np.inf)
    model = (bars.lengths, bars.widths, change, kinds, bars.firsts, lasts, bars.metre_change)

    edges = [*range(1, max(frames, 2), stretch), max(frames, 1)]
    kept: list[NDArray[np.float64]] = []
    back = np.zeros((min(stretch, frames), beats, count), np.uint16)
    for begin, end in pairwise(edges):
        kept.append(scores.copy())
        _run(begin, end, sums, scores, back, end == edges[-1], *model)
    start, beat, length, score = _end(frames, sums, scores, bars.lengths, bars.widths, kinds)

    found = [(start, beat, length)]
    for number in range(len(edges) - 2, -1, -1):
        begin, end = edges[number], edges[number + 1]
        if start < begin:
            continue
        if number < len(edges) - 2:
            _run(begin, end, sums, kept[number], back, True, *model)
        while start >= begin:
            came = int(back[start - begin, beat, length])
            # In mid-bar the beat before is known; at its start `came` also tells the kind of the bar before.
            beat = int(lasts[came // count]) if beat in bars.firsts else beat - 1
            length = came % count
            start -= int(bars.lengths[length])
            found.append((start, beat, length))
    starts, numbers, lengths = np.array(found[::-1], np.int64).T
    return starts, numbers, bars.lengths[lengths], score


@compiled
def _run(begin, end, sums, scores, back, keep, lengths, widths, change, kinds, firsts, lasts, metre_change):
    """Scores of beats that start in frames `begin` .. `end` - 1; the ways back into `back`, if they are to be kept."""
    longest, beats, count = scores.shape
    columns = change.shape[1]
    arrived = np.empty((beats, count))  # score of a beat that ends now
    into = np.empty((beats, count))  # the same by the number of the beat that follows
    bar_before = np.zeros((beats, count), np.int64)  # from which kind of bar, where a bar starts
    best, came = np.empty(columns), np.empty(columns)
    for t in range(begin, end):
        for i in range(count):
            start = t - lengths[i]
            inner = max(start + widths[i], 0)
            slot, first = start % longest, max(start, 0)
            rest = sums[2, t] - sums[2, inner]
            of_downbeat = sums[0, inner] - sums[0, first] + rest
            of_beat = sums[1, inner] - sums[1, first] + rest
            for b in range(beats):
                arrived[b, i] = scores[slot, b, i] + (of_downbeat if kinds[b] == 0 else of_beat)
        into[1:] = arrived[:-1]
        for m in range(len(firsts)):
            for i in range(count):
                highest, before = -np.inf, 0
                for other in range(len(firsts)):
                    value = arrived[lasts[other], i] + metre_change[other, m]
                    if value > highest:
                        highest, before = value, other
                into[firsts[m], i] = highest
                bar_before[firsts[m], i] = before * count
        for b in range(beats):
            best[:] = -np.inf
            came[:] = 0
            for i in range(count):
                value, number, row = into[b, i], float(i), change[i]
                # All columns and no branch, for vector instructions: three times as fast as those that are possible.
                for j in range(columns):
                    total, old = value + row[j], best[j]
                    came[j] = number if total > old else came[j]
                    best[j] = total if total > old else old
            scores[t % longest, b] = best[:count]
            if keep:
                for j in range(count):
                    i = int(came[j])
                    back[t - begin, b, j] = i + bar_before[b, i]


@compiled
def _end(frames, sums, scores, lengths, widths, kinds):
    """Start, number and length (as index) of the beat in which the best path is at the last frame, and its score."""
    highest, start, beat, length = -np.inf, 0, 0, 0
    for i in range(len(lengths)):
        for t in range(frames - lengths[i], frames):
            if t <= -lengths[i]:
                continue
            inner, first = min(max(t + widths[i], 0), frames), max(t, 0)
            rest = sums[2, frames] - sums[2, inner]
            for b in range(len(kinds)):
                value = scores[t % scores.shape[0], b, i] + sums[kinds[b], inner] - sums[kinds[b], first] + rest
                if value > highest:
                    highest, start, beat, length = value, t, b, i
    return start, beat, length, highest
