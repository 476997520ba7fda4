"""How sure a figure is: bootstrap confidence intervals over queries, or over works when queries hang together."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

CELLS = 4_000_000


def bootstrap(
    values: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    statistic: Literal["mean", "median"] = "mean",
    level: float = 0.95,
    samples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of the mean or median of per-query figures (as a metric's `per_query` gives them).

    Args:
        values: `(queries,)`; NaN (queries that do not count) are left out.
        groups: `(queries,)`, what to draw as one piece, e.g. the work of each query: versions of one work are not
            independent, and an interval over queries would be too narrow.
        level: share of bootstrap samples inside the interval.
        samples, seed: of the resampling; the same seed gives the same interval.

    Returns:
        Lower and upper end; NaN for an empty input.

    Source: Efron and Tibshirani, "An introduction to the bootstrap", 1993, chapter 13.

    >>> low, high = bootstrap([0.0, 1.0] * 50)
    >>> 0.35 < low < 0.5 < high < 0.65
    True
    """
    v = np.asarray(values, np.float64).reshape(-1)
    names = np.arange(len(v)) if groups is None else np.asarray(groups).reshape(-1)
    if names.shape != v.shape:
        raise ValueError(f"{len(v)} values but {len(names)} groups")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    known = ~np.isnan(v)
    v, names = v[known], names[known]
    if len(v) == 0:
        return float("nan"), float("nan")
    group = np.unique(names, return_inverse=True)[1].reshape(-1)
    rng = np.random.default_rng(seed)
    drawn = _means(v, group, samples, rng) if statistic == "mean" else _medians(v, group, samples, rng)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _means(
    v: NDArray[np.float64], group: NDArray[np.int64], samples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    sums, sizes = np.bincount(group, v), np.bincount(group)
    means = []
    for start in range(0, samples, step := max(1, CELLS // len(sums))):
        rows = rng.integers(len(sums), size=(min(step, samples - start), len(sums)))
        means.append(sums[rows].sum(1) / sizes[rows].sum(1))
    return np.concatenate(means)


def _medians(
    v: NDArray[np.float64], group: NDArray[np.int64], samples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    order = np.argsort(group, kind="stable")
    members = np.split(v[order], np.cumsum(np.bincount(group))[:-1])
    draws = (rng.integers(len(members), size=len(members)) for _ in range(samples))
    return np.array([np.median(np.concatenate([members[g] for g in drawn])) for drawn in draws])
