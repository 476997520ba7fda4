"""The window contract: where the windows of a track start, how they are cut from a stream, how they are pooled.

Ours: windows start at 0, +hop, ... as long as they fit; if the end of the track is not covered, a last window is
aligned to it; a track shorter than one window is zero-padded and only its own samples are *valid*. The vector of a
track is the mean over windows weighted by their valid length. Nothing here depends on batches, workers or other tracks.
Papers window otherwise; `Windowing` says all of their ways.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

Protocol = Literal["ohrwurm", "published"]
Place = Literal["all", "start", "centre", "even", "whole"]
Remainder = Literal["align", "drop", "drop-last", "pad", "keep"]
Rule = Literal["mean-then-l2", "l2-then-mean", "first", "mean"]


@dataclass(frozen=True)
class Window:
    """One window of a track, in samples: where it starts, and how many of its samples are audio, not padding."""

    start: int
    valid: int


@dataclass(frozen=True)
class Windowing:
    """How a track is cut, in samples. The defaults are our own way.

    Attributes:
        window, hop: length of a window, and from the start of one to the start of the next.
        minimum: what is shorter is zero-padded to it; at most `window`, and equal to it if None.
        place: "all" windows; one at the "start" or in the "centre"; `count` of them "even"ly from the start, the k-th
            at k * ((samples - window) // count); or the "whole" track as one window.
        remainder: what follows the last window that fits, where `place` is "all": one more window "align"ed to the end;
            "drop"; "drop-last", which drops the last window even if it is whole, unless it is the only one; "pad" with
            zeros to a window; "keep" as long as it is.
        refuse_short: a track shorter than `window` (with "whole": than `minimum`) has no windows; otherwise it has one,
            of its own length if that is at least `minimum`.

    Raises:
        ValueError: impossible lengths, or an unknown word.
    """

    window: int
    hop: int
    minimum: int | None = None
    place: Place = "all"
    remainder: Remainder = "align"
    count: int = 0
    refuse_short: bool = False

    def __post_init__(self) -> None:
        if self.window < 1 or self.hop < 1:
            raise ValueError(f"windows of {self.window} samples every {self.hop}")
        if not 1 <= self.shortest <= self.window:
            raise ValueError(f"a minimum of {self.minimum} samples for windows of {self.window}")
        for word, known in ((self.place, Place), (self.remainder, Remainder)):
            if word not in get_args(known):
                raise ValueError(f"unknown windows {word!r}: {', '.join(get_args(known))}")
        if (self.place == "even") != (self.count > 0):
            raise ValueError(f"a count of {self.count} windows, placed {self.place}")

    @property
    def shortest(self) -> int:
        """Fewest samples that the model is given."""
        return self.window if self.minimum is None else self.minimum

    @property
    def needs_length(self) -> bool:
        """Whether the length of the track has to be known before its first window can be cut."""
        return self.place in ("centre", "even")


def plan(samples: int, windowing: Windowing) -> list[Window]:
    """The windows of a track of `samples` samples, in order. A track without samples has none.

    >>> plan(25, Windowing(10, 10))
    [Window(start=0, valid=10), Window(start=10, valid=10), Window(start=15, valid=10)]
    >>> plan(25, Windowing(10, 10, remainder="drop"))
    [Window(start=0, valid=10), Window(start=10, valid=10)]
    >>> plan(20, Windowing(10, 10, remainder="drop-last"))
    [Window(start=0, valid=10)]
    >>> plan(7, Windowing(10, 5))
    [Window(start=0, valid=7)]
    """
    window, hop = windowing.window, windowing.hop
    short = samples < (windowing.shortest if windowing.place == "whole" else window)
    if samples <= 0 or (short and windowing.refuse_short):
        return []
    if short or windowing.place == "whole":
        return [Window(0, samples)]
    if windowing.place == "start":
        return [Window(0, window)]
    if windowing.place == "centre":
        return [Window((samples - window) // 2, window)]
    if windowing.place == "even":
        step = (samples - window) // windowing.count
        return [Window(k * step, window) for k in range(windowing.count if step else 1)]
    starts = range(0, samples - window + 1, hop)
    windows = [Window(start, window) for start in starts]
    covered = starts[-1] + window
    if windowing.remainder == "drop-last":
        return windows if covered < samples or len(windows) == 1 else windows[:-1]
    rest = starts[-1] + hop  # lies beyond the end if there was a gap between windows
    if covered < samples and windowing.remainder == "align":
        windows.append(Window(samples - window, window))
    elif covered < samples and rest < samples and windowing.remainder in ("pad", "keep"):
        windows.append(Window(rest, samples - rest))
    return windows


class Cutter:
    """Cuts a stream into the windows of `plan`, whatever the blocks it comes in, holding one window and two blocks.

    >>> cutter = Cutter(Windowing(window=4, hop=2))
    >>> [w.start for block in (np.zeros(3), np.zeros(4)) for w, _ in cutter.feed(block)]
    [0, 2]
    >>> [(w.start, w.valid, x.shape) for w, x in cutter.finish()]
    [(3, 4, (4,))]

    Args:
        windowing: how to cut; a "whole" track is held until its end.
        samples: length of the track, where `windowing.needs_length`.

    Raises:
        ValueError: the length is needed.
    """

    def __init__(self, windowing: Windowing, samples: int | None = None) -> None:
        if windowing.needs_length and samples is None:
            raise ValueError(f"the length of the track decides where its windows ({windowing.place}) are")
        self.windowing = windowing
        self.samples = 0  # seen so far
        self._planned = plan(samples, windowing) if windowing.needs_length and samples is not None else None
        self._given = 0  # windows
        self._blocks: deque[np.ndarray] = deque()  # the last samples seen
        self._first = 0  # index of their first
        # One more sample shows that a window is not the last.
        self._beyond = int(windowing.remainder == "drop-last" and windowing.place == "all")

    @property
    def held(self) -> int:
        """Samples in memory."""
        return self.samples - self._first

    def feed(self, block: np.ndarray) -> Iterator[tuple[Window, np.ndarray]]:
        """Take the next `(n,)` samples; yield every window that is complete, as a copy of its own.

        The block is taken when this is called, the windows are cut as they are asked for.
        """
        if len(block):
            self._blocks.append(np.array(block, np.float32))
        self.samples += len(block)
        return self._complete()

    def _complete(self) -> Iterator[tuple[Window, np.ndarray]]:
        while (window := self._upcoming()) is not None:
            if window.start + window.valid + self._beyond > self.samples:
                break
            self._given += 1
            yield window, self._cut(window)
        self._forget()

    def _upcoming(self) -> Window | None:
        """The next window of a track that has no end, or of the known length."""
        if self._planned is not None:
            return self._planned[self._given] if self._given < len(self._planned) else None
        if self.windowing.place == "whole" or (self.windowing.place == "start" and self._given):
            return None
        return Window(self._given * self.windowing.hop, self.windowing.window)

    def _forget(self) -> None:
        """Let go of what no window can need: neither the next one, nor one aligned to an end that may come now."""
        if self.windowing.place == "whole":
            return
        upcoming = self._upcoming()
        keep = self.samples if upcoming is None else upcoming.start
        if self._planned is None and self.windowing.place == "all":
            keep = min(keep, max(0, self.samples - self.windowing.window))
        while self._blocks and self._first + len(self._blocks[0]) <= keep:
            self._first += len(self._blocks.popleft())

    def _cut(self, window: Window) -> np.ndarray:
        remainder = window.start > 0 and self.windowing.remainder == "pad"
        shortest = self.windowing.window if remainder else self.windowing.shortest
        cut = np.zeros(max(window.valid, shortest), np.float32)
        begin = self._first
        for block in self._blocks:
            first, last = max(window.start, begin), min(window.start + window.valid, begin + len(block))
            if first < last:
                cut[first - window.start : last - window.start] = block[first - begin : last - begin]
            begin += len(block)
        return cut

    def finish(self) -> Iterator[tuple[Window, np.ndarray]]:
        """Yield what the end of the track adds."""
        yield from self._complete()
        planned = plan(self.samples, self.windowing) if self._planned is None else self._planned
        for window in planned[self._given :]:
            self._given += 1
            yield window, self._cut(window)


def pool(vectors: np.ndarray, valid: np.ndarray, rule: Rule) -> np.ndarray:
    """The vector of a track from the vectors of its windows.

    Args:
        vectors: `(windows, dim)`.
        valid: `(windows,)` valid length of each window, in any unit.
        rule: ``mean-then-l2``, ``l2-then-mean`` (unit vectors first), ``first`` (the first window alone) or ``mean``.
            All but the last end with L2 normalisation; the zero vector stays zero.

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
    if rule not in get_args(Rule):
        raise ValueError(f"unknown pooling rule {rule!r}: {', '.join(get_args(Rule))}")
    if rule == "first":
        return _unit(vectors[0]).astype(np.float32)
    if rule == "l2-then-mean":
        vectors = _unit(vectors)
    mean = (vectors * (valid / valid.sum())[:, None]).sum(0)
    return (mean if rule == "mean" else _unit(mean)).astype(np.float32)


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12)
