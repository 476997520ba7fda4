"""Whether two models differ on the same queries, tracks or labels: intervals and tests that keep the pairs together.

Sources: the percentile bootstrap of the difference (Efron and Tibshirani 1993, chapter 13) and the sign-flip test
(Fisher 1935; Smucker, Allan and Carterette, CIKM 2007, for retrieval), both with scipy, both over whole groups where
items hang together; Holm 1979 for several tests at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

CELLS = 4_000_000
Statistic = Literal["mean", "median"]


@dataclass(frozen=True)
class Paired:
    """Two models on the same items.

    Attributes:
        first, second: mean or median of each over the items that both have.
        low, high: 95 % interval of `second` minus `first`.
        p: how probable a difference at least as large is if the two were exchangeable in every group.
        items: how many pair; `groups`: how many independent pieces they are.
    """

    first: float
    second: float
    low: float
    high: float
    p: float
    items: int
    groups: int

    @property
    def difference(self) -> float:
        """Of the second from the first."""
        return self.second - self.first


def paired(
    first: ArrayLike,
    second: ArrayLike,
    *,
    groups: Sequence[str] = (),
    statistic: Statistic = "mean",
    samples: int = 9999,
    seed: int = 0,
) -> Paired:
    """Interval and two-sided p-value of the difference of two means or medians over pairs.

    Args:
        first, second: `(items,)`; a pair with a NaN on either side is left out.
        groups: `(items,)`, what is drawn and flipped as one piece, e.g. works; empty: each item on its own.
        samples: of the bootstrap and of the test; with few groups the test is exact.

    Raises:
        ValueError: the lengths differ.

    >>> better = paired([0.1, 0.3, 0.2, 0.5] * 5, [0.2, 0.5, 0.3, 0.7] * 5)
    >>> round(better.difference, 3), better.low > 0, better.p < 0.01
    (0.15, True, True)
    """
    from scipy.stats import bootstrap, permutation_test

    a, b = np.asarray(first, np.float64).reshape(-1), np.asarray(second, np.float64).reshape(-1)
    names = np.asarray(groups if len(groups) else range(len(a))).reshape(-1)
    if a.shape != b.shape or a.shape != names.shape:
        raise ValueError(f"{len(a)} values are to be paired with {len(b)}, in {len(names)} groups")
    known = ~(np.isnan(a) | np.isnan(b))
    a, b = a[known], b[known]
    group = np.unique(names[known], return_inverse=True)[1].reshape(-1)
    count = int(group.max()) + 1 if len(group) else 0
    if count == 0:
        return Paired(*(float("nan"),) * 5, items=0, groups=0)
    middle = np.mean if statistic == "mean" else np.median
    values = float(middle(a)), float(middle(b))
    if count == 1:  # one piece says nothing about how much pieces vary
        return Paired(*values, *(float("nan"),) * 3, items=len(a), groups=1)
    batch = max(1, CELLS // len(a))
    drawn = bootstrap(
        (np.arange(count),), _difference_of_draws(a, b, group, statistic), vectorized=True, method="percentile",
        n_resamples=samples, batch=batch, rng=np.random.default_rng(seed),
    ).confidence_interval  # fmt: skip
    # scipy exchanges the two samples of a pair; a group is the pair of its number and that number plus `count`, so
    # that one exchange flips all items of a group together.
    flipped = permutation_test(
        (np.arange(count), np.arange(count) + count), _difference_of_flips(a, b, group, count, statistic),
        permutation_type="samples", vectorized=True, n_resamples=samples, batch=batch, rng=np.random.default_rng(seed),
    )  # fmt: skip
    return Paired(*values, float(drawn.low), float(drawn.high), float(flipped.pvalue), items=len(a), groups=count)


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Holm's adjusted p-values: the chance of any false alarm among all tests stays below the level.

    NaN (nothing to test) stays NaN and does not count.

    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    raw = np.asarray(p, np.float64)
    adjusted = np.full(raw.shape, np.nan)
    known = np.flatnonzero(~np.isnan(raw))
    order = known[np.argsort(raw[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(raw[order] * factors))
    return adjusted


def _difference_of_draws(
    a: NDArray[np.float64], b: NDArray[np.float64], group: NDArray[np.int64], statistic: Statistic
) -> Callable[..., NDArray[np.float64]]:
    """Of group numbers `(..., draws)`: the difference of the two means or medians over all items of those groups."""
    if statistic == "mean":
        sums, sizes = np.bincount(group, b - a), np.bincount(group)
        return lambda drawn, axis: sums[drawn].sum(axis) / sizes[drawn].sum(axis)
    count = int(group.max()) + 1

    def medians(drawn: NDArray[np.int64], axis: int) -> NDArray[np.float64]:
        rows = np.moveaxis(drawn, axis, -1).reshape(-1, drawn.shape[axis])
        times = np.stack([np.bincount(row, minlength=count) for row in rows])[:, group]  # (R, items)
        found = _weighted_median(b, times) - _weighted_median(a, times)
        return found.reshape(np.moveaxis(drawn, axis, -1).shape[:-1])

    return medians


def _difference_of_flips(
    a: NDArray[np.float64], b: NDArray[np.float64], group: NDArray[np.int64], count: int, statistic: Statistic
) -> Callable[..., Any]:
    """Of exchanged pieces: the difference of means or medians with the items of flipped groups exchanged."""
    sums = np.bincount(group, b - a)

    def difference(x: NDArray[np.int64], y: NDArray[np.int64], axis: int) -> NDArray[np.float64]:
        flipped = np.moveaxis(x >= count, axis, -1)  # (..., groups)
        if statistic == "mean":
            return np.where(flipped, -sums, sums).sum(-1) / len(group)
        other = flipped[..., group]  # (..., items)
        return np.median(np.where(other, a, b), -1) - np.median(np.where(other, b, a), -1)

    return difference


def _weighted_median(values: NDArray[np.float64], times: NDArray[np.int64]) -> NDArray[np.float64]:
    """Median of `values (n,)`, each counted `times (R, n)`."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(times[:, order], 1)
    total = reached[:, -1:]
    lower = np.argmax(reached >= (total + 1) // 2, 1)
    upper = np.argmax(reached >= total // 2 + 1, 1)
    ranked = values[order]
    return (ranked[lower] + ranked[upper]) / 2
