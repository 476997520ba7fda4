"""The window contract: where the windows of a track start, how they are cut from a stream, how they are pooled.

Windows start at 0, +hop, ... as long as they fit; if the end of the track is not covered, a last window is aligned to
it; a track shorter than one window is zero-padded and only its own samples are *valid*. The vector of a track is the
mean over windows weighted by their valid length. Nothing here depends on batches, workers or other tracks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

Protocol = Literal["ohrwurm", "published"]
Rule = Literal["mean-then-l2", "l2-then-mean", "first"]


@dataclass(frozen=True)
class Window:
    """One window of a track, in samples: where it starts, and how many of its samples are audio, not padding."""

    start: int
    valid: int


def plan(samples: int, window: int, hop: int, protocol: Protocol = "ohrwurm") -> list[Window]:
    """The windows of a track of `samples` samples.

    With ``protocol="published"`` windows do not overlap and a remainder at the end is dropped, whatever `hop` is, as
    most papers of the field do. A track without samples has no windows.

    Raises:
        ValueError: `window` or `hop` below 1, or an unknown protocol.

    >>> plan(25, 10, 10)
    [Window(start=0, valid=10), Window(start=10, valid=10), Window(start=15, valid=10)]
    >>> plan(25, 10, 10, "published")
    [Window(start=0, valid=10), Window(start=10, valid=10)]
    >>> plan(7, 10, 5)
    [Window(start=0, valid=7)]
    """
    hop = _checked(window, hop, protocol)
    if samples <= 0:
        return []
    if samples < window:
        return [Window(0, samples)]
    starts = list(range(0, samples - window + 1, hop))
    if protocol == "ohrwurm" and starts[-1] + window < samples:
        starts.append(samples - window)
    return [Window(start, window) for start in starts]


class Cutter:
    """Cuts a stream into the windows of `plan`, whatever the blocks it comes in, holding one window and one block.

    A track shorter than `window` gives one window: of its own length if that is at least `minimum`, otherwise
    zero-padded to `minimum` (which is `window` unless stated).

    >>> cutter = Cutter(window=4, hop=2)
    >>> [w.start for block in (np.zeros(3), np.zeros(4)) for w, _ in cutter.feed(block)]
    [0, 2]
    >>> [(w.start, w.valid, x.shape) for w, x in cutter.finish()]
    [(3, 4, (4,))]
    """

    def __init__(self, window: int, hop: int, *, minimum: int | None = None, protocol: Protocol = "ohrwurm") -> None:
        self.window = window
        self.hop = _checked(window, hop, protocol)
        self.minimum = window if minimum is None else minimum
        if not 1 <= self.minimum <= window:
            raise ValueError(f"a minimum of {self.minimum} samples for windows of {window}")
        self.protocol = protocol
        self.samples = 0  # seen so far
        self._kept = np.zeros(0, np.float32)  # the last samples seen
        self._next = 0  # where the next window starts
        self._covered = 0  # end of the last window given

    def feed(self, block: np.ndarray) -> Iterator[tuple[Window, np.ndarray]]:
        """Take the next `(n,)` samples; yield every window that is complete, as a copy of its own.

        The block is taken when this is called, the windows are cut as they are asked for.
        """
        self._kept = np.concatenate([self._kept, np.asarray(block, np.float32)])
        self.samples += len(block)
        return self._complete()

    def _complete(self) -> Iterator[tuple[Window, np.ndarray]]:
        while self._next + self.window <= self.samples:
            start = self._next
            self._next += self.hop
            self._covered = start + self.window
            yield Window(start, self.window), self._cut(start)
        # The next window, or one aligned to an end that may come at any moment, may need all of this.
        keep = self.samples - min(self._next, max(0, self.samples - self.window))
        if len(self._kept) > keep:
            self._kept = self._kept[len(self._kept) - keep :].copy()

    def _cut(self, start: int) -> np.ndarray:
        first = start - (self.samples - len(self._kept))
        return self._kept[first : first + self.window].copy()

    def finish(self) -> Iterator[tuple[Window, np.ndarray]]:
        """Yield what the end of the track adds: the window aligned to it, or the only, shorter one."""
        yield from self._complete()
        if 0 < self.samples < self.window:
            short = np.zeros(max(self.samples, self.minimum), np.float32)
            short[: self.samples] = self._kept
            yield Window(0, self.samples), short
        elif self.protocol == "ohrwurm" and self._covered < self.samples:
            yield Window(self.samples - self.window, self.window), self._cut(self.samples - self.window)


def pool(vectors: np.ndarray, valid: np.ndarray, rule: Rule) -> np.ndarray:
    """The vector of a track from the vectors of its windows.

    Args:
        vectors: `(windows, dim)`.
        valid: `(windows,)` valid length of each window, in any unit.
        rule: ``mean-then-l2``, ``l2-then-mean`` (unit vectors first) or ``first`` (the first window alone). All end
            with L2 normalisation; the zero vector stays zero.

    Returns:
        Float32 `(dim,)`.

    Raises:
        ValueError: no windows, shapes that do not match, or an unknown rule.

    >>> pool(np.array([[3.0, 0.0], [0.0, 1.0]]), np.array([1.0, 3.0]), "mean-then-l2").round(3)
    array([0.707, 0.707], dtype=float32)
    >>> pool(np.array([[3.0, 0.0], [0.0, 1.0]]), np.array([1.0, 3.0]), "l2-then-mean").round(3)
    array([0.316, 0.949], dtype=float32)
    """
    vectors, valid = np.asarray(vectors, np.float64), np.asarray(valid, np.float64)
    if vectors.ndim != 2 or len(vectors) == 0 or valid.shape != vectors.shape[:1] or valid.sum() <= 0:
        raise ValueError(f"cannot pool vectors {vectors.shape} with valid lengths {valid.shape}")
    if rule == "first":
        return _unit(vectors[0]).astype(np.float32)
    if rule not in ("mean-then-l2", "l2-then-mean"):
        raise ValueError(f"unknown pooling rule {rule!r}: mean-then-l2, l2-then-mean or first")
    if rule == "l2-then-mean":
        vectors = _unit(vectors)
    return _unit((vectors * (valid / valid.sum())[:, None]).sum(0)).astype(np.float32)


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12)


def _checked(window: int, hop: int, protocol: str) -> int:
    if window < 1 or hop < 1:
        raise ValueError(f"windows of {window} samples every {hop}")
    if protocol not in ("ohrwurm", "published"):
        raise ValueError(f"unknown window protocol {protocol!r}: ohrwurm or published")
    return window if protocol == "published" else hop
