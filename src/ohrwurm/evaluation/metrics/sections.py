"""What `chord` and `segment` share: labelled intervals that follow one another, checked and brought to one time span;
and mir_eval itself, which loads on first use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohrwurm.errors import DataError

ROUNDING = 1e-3  # seconds: gaps and overlaps up to here come from files that round


def mir_eval(task: str) -> ModuleType:
    """The module of mir_eval for a task.

    Raises:
        DataError: mir_eval is not installed.

    >>> mir_eval("beat").__name__
    'mir_eval.beat'
    """
    try:
        return import_module(f"mir_eval.{task}")
    except ImportError as error:
        raise DataError(f"{task} metrics need mir_eval: pip install 'ohrwurm[evaluation]'") from error


@dataclass(frozen=True)
class Sections:
    """Intervals `(n, 2)` in seconds and their labels, in order, each beginning where the one before ends."""

    intervals: NDArray[np.float64]
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def edges(self) -> NDArray[np.float64]:
        """The n + 1 times at which something begins or ends (none without an interval)."""
        return np.append(self.intervals[:, 0], self.intervals[-1:, 1])


def sections(intervals: ArrayLike, labels: Sequence[str], *, what: str, gap: str) -> Sections:
    """Checked intervals; what lies between two of them is labelled `gap`.

    Args:
        what: whose they are, for messages.

    Raises:
        DataError: not `(n, 2)` with a label each; not finite, before 0, out of order or overlapping; an interval that
            does not last.

    >>> sections([[0, 2], [3, 4]], ["A", "B"], what="reference", gap="-").labels
    ('A', '-', 'B')
    """
    x = np.asarray(intervals, np.float64)
    x = x.reshape(0, 2) if x.size == 0 else x
    if x.ndim != 2 or x.shape[1] != 2 or len(x) != len(labels):
        raise DataError(f"{what}: intervals (n, 2) and n labels are needed, not {x.shape} and {len(labels)}")
    if not np.isfinite(x).all() or (x < 0).any():
        raise DataError(f"{what}: times must be finite and not before 0 s")
    if not (x[:, 1] > x[:, 0]).all():
        row = int(np.argmin(x[:, 1] > x[:, 0]))
        raise DataError(f"{what}: interval {row} ({x[row, 0]:g} .. {x[row, 1]:g} s) does not last")
    times: list[tuple[float, float]] = []
    names: list[str] = []
    for row, ((start, end), name) in enumerate(zip(x.tolist(), labels, strict=True)):
        before = times[-1][1] if times else start
        if start < before - ROUNDING or end <= before:
            raise DataError(f"{what}: interval {row} begins at {start:g} s, before the one ahead ends ({before:g} s)")
        if start > before + ROUNDING:
            times.append((before, start))
            names.append(gap)
            before = start
        times.append((before, end))
        names.append(str(name))
    return Sections(np.asarray(times, np.float64).reshape(-1, 2), tuple(names))


def cropped(found: Sections, start: float, end: float, *, before: str, after: str) -> Sections:
    """The same from `start` to `end`: cut where longer, filled with `before` and `after` where shorter.

    >>> cropped(Sections(np.array([[1.0, 2.0]]), ("A",)), 0, 4, before="-", after="+").labels
    ('-', 'A', '+')
    """
    if not len(found) or found.intervals[0, 0] >= end or found.intervals[-1, 1] <= start:
        return Sections(np.array([[start, end]]), (before,))
    x = found.intervals.copy()
    x[0, 0] = start if abs(x[0, 0] - start) <= ROUNDING else x[0, 0]
    x[-1, 1] = end if abs(x[-1, 1] - end) <= ROUNDING else x[-1, 1]
    x = np.clip(x, start, end)
    rows = [([float(a), float(b)], name) for (a, b), name in zip(x, found.labels, strict=True) if b > a]
    if rows[0][0][0] > start:
        rows.insert(0, ([start, rows[0][0][0]], before))
    if rows[-1][0][1] < end:
        rows.append(([rows[-1][0][1], end], after))
    return Sections(np.array([times for times, _ in rows]), tuple(name for _, name in rows))


def together(a: Sections, b: Sections) -> tuple[NDArray[np.float64], list[str], list[str]]:
    """Durations of the pieces in which neither changes, and the labels of both there; both span the same time.

    >>> one = Sections(np.array([[0.0, 2.0], [2.0, 4.0]]), ("A", "B"))
    >>> together(one, Sections(np.array([[0.0, 3.0], [3.0, 4.0]]), ("A", "B")))
    (array([2., 1., 1.]), ['A', 'B', 'B'], ['A', 'A', 'B'])
    """
    edges = np.union1d(a.edges, b.edges)
    labels = [
        [found.labels[i] for i in np.searchsorted(found.intervals[:, 0], edges[:-1], "right") - 1] for found in (a, b)
    ]
    return np.diff(edges), labels[0], labels[1]
