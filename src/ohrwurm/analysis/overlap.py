"""The activations of a whole track from those of its overlapping windows, on one regular grid of frames.

Where windows overlap their activations are averaged, with more weight in the middle of a window: models see least at
its edges. (`embedding.frames.Stitcher` takes the frame of one window instead and moves none: vectors must stay what the
model gave; decoders need equal distances.) Memory grows with the track's few classes only, and the sums are formed in
the order of the windows, so that the result does not depend on how they were batched.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ohrwurm.embedding.rows import Rows
from ohrwurm.errors import DataError

Weighting = Literal["centre", "equal", "nearest"]
HELD = 1e-9  # weight of a value that only counts where there is no other


class Overlap:
    """Takes window after window; gives the activations of the track.

    Frame i of a window stands at `start + i / frame_rate`. A window that does not start on the grid, such as a last one
    aligned to the end of the track, is interpolated linearly.

    Args:
        frame_rate: frames a second.
        weighting: "centre": falling linearly from the middle of a window to its edges; "equal": the plain mean;
            "nearest": the window whose middle is nearest, alone.

    Raises:
        ValueError: an unknown weighting.

    >>> track = Overlap(frame_rate=1.0, weighting="equal")
    >>> track.add(0.0, 4.0, np.zeros((4, 1)))
    >>> track.add(2.0, 4.0, np.ones((4, 1)))
    >>> track.finish()[:, 0].tolist()
    [0.0, 0.0, 0.5, 0.5, 1.0, 1.0]
    """

    def __init__(self, frame_rate: float, weighting: Weighting = "centre") -> None:
        if weighting not in get_args(Weighting):
            raise ValueError(f"unknown weighting {weighting!r}: {', '.join(get_args(Weighting))}")
        self.frame_rate, self.weighting = frame_rate, weighting
        self._done = Rows()
        self._first = 0  # frame of the first open row: windows to come may still add to these
        self._sums: NDArray[np.float64] | None = None
        self._weights = np.zeros(0)
        self._start = -np.inf

    def add(self, start: float, valid: float, activations: NDArray[np.floating]) -> None:
        """Take a window.

        Args:
            start: of the window, in seconds; not before the window ahead.
            valid: seconds of it that are audio, not padding.
            activations: `(frames, classes)`.

        Raises:
            DataError: windows out of order, a gap between them, or another number of classes.
        """
        x = np.asarray(activations, np.float64)
        if start < self._start:
            raise DataError(f"a window at {start:g} s after one at {self._start:g} s; give them in order")
        self._start = start
        if self._sums is None:
            self._sums = np.zeros((0, x.shape[1]))
        if x.ndim != 2 or x.shape[1] != self._sums.shape[1]:
            raise DataError(f"window at {start:g} s: {x.shape} activations after some of {self._sums.shape[1]} classes")
        offset = start * self.frame_rate
        first = int(np.ceil(offset - 1e-6))
        shift = max(first - offset, 0.0)  # of the grid's first frame into the window
        count = min(len(x), int(np.ceil(valid * self.frame_rate - shift - 1e-6)))
        if count <= 0:
            count = min(len(x), 1)  # a track shorter than a frame
        if shift >= 1e-6:
            x = (1 - shift) * x + shift * np.concatenate([x[1:], x[-1:]])
        if first > self._first + len(self._sums):
            raise DataError(f"no window says anything of the time before {start:g} s; windows must not leave gaps")
        self._settle(first)
        middle = (len(x) - 1) / 2
        weights = 1 - np.abs(np.arange(count) - middle) / (middle + 1)
        if self.weighting == "equal":
            weights = np.ones(count)
        if shift >= 1e-6 and count == len(x):
            weights[-1] = HELD  # nothing to interpolate with: the value of the frame before
        self._gather(first - self._first, x[:count], weights)

    def _gather(self, at: int, x: NDArray[np.float64], weights: NDArray[np.float64]) -> None:
        assert self._sums is not None
        missing = at + len(x) - len(self._sums)
        if missing > 0:
            self._sums = np.concatenate([self._sums, np.zeros((missing, x.shape[1]))])
            self._weights = np.concatenate([self._weights, np.zeros(missing)])
        rows = slice(at, at + len(x))
        if self.weighting == "nearest":
            better = weights > self._weights[rows]
            self._sums[rows][better] = weights[better, None] * x[better]
            self._weights[rows][better] = weights[better]
            return
        self._sums[rows] += weights[:, None] * x
        self._weights[rows] += weights

    def _settle(self, frame: int) -> None:
        """Frames before `frame` are complete."""
        assert self._sums is not None
        count = min(max(frame - self._first, 0), len(self._sums))
        if count:
            self._done.add((self._sums[:count] / self._weights[:count, None]).astype(np.float32))
            self._sums, self._weights = self._sums[count:], self._weights[count:]
            self._first += count

    def finish(self) -> NDArray[np.float32]:
        """Activations `(frames, classes)` of the whole track; `(0, 0)` if there was no window."""
        if self._sums is None:
            return np.zeros((0, 0), np.float32)
        self._settle(self._first + len(self._sums))
        return self._done.array
