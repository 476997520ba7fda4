"""Version identification: does a recording find the other recordings of the same work?

Every recording asks for its versions among all others, as on Da-TACOS (Yesiler et al., "Da-TACOS: a dataset for cover
song identification and understanding", 2019) and in MIREX.

Conventions
-----------
`similarity` is `(n, n)`, rows are queries, higher is nearer (give distances negated); `labels` `(n,)` name the work of
each recording. A recording never finds itself. Recordings without a version are searched through but ask nothing.
Tied items count as in expectation over their orders (see `ranking`).

Metrics
-------
* ``MAP``: mean average precision. ``MR1``: mean rank of the first version, the best being 1. ``MRR``: mean of 1 / rank.
* ``Top-1``, ``Top-10``: share of queries with a version first, or among the first ten.
* ``P@10``: versions among the first ten, divided by ten.

``legacy=True`` gives MAP, MR1, MRR, Top-1 and Top-10 as MOVE, Re-MOVE and their successors print them: a query without
versions counts as found at rank 1 in MR1 and MRR, Top-1 is a number of queries, Top-10 the total number of versions
found among the first ten.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohrwurm.errors import DataError
from ohrwurm.evaluation.metrics.ranking import Standing, chance_standing, standing

KS = (1, 10)


def validate(similarity: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
    """The similarities as an array, the labels as numbers 0, 1, ...

    Raises:
        DataError: not a square matrix with a label for each row, or a similarity that is not finite.
    """
    s, names = np.asarray(similarity), np.asarray(labels)
    if s.ndim != 2 or s.shape[0] != s.shape[1] or names.shape != s.shape[:1]:
        raise DataError(f"similarities (n, n) and labels (n,) are needed, not {s.shape} and {names.shape}")
    if not np.isfinite(s).all():
        raise DataError("similarities hold NaN or infinite values; check for silent recordings or zero vectors")
    return s, np.unique(names, return_inverse=True)[1].reshape(-1)


def per_query(similarity: ArrayLike, labels: ArrayLike) -> dict[str, NDArray[np.floating]]:
    """Each query's figures, arrays `(n,)`, NaN for a recording without versions; for confidence intervals."""
    return _figures(_standing(*validate(similarity, labels)))


def evaluate(similarity: ArrayLike, labels: ArrayLike, *, legacy: bool = False) -> dict[str, float]:
    """All metrics; NaN if no recording has a version.

    >>> evaluate([[1.0, 0.9, 0.2], [0.9, 1.0, 0.3], [0.2, 0.3, 1.0]], ["a", "a", "b"])["MAP"]
    1.0
    """
    found = _standing(*validate(similarity, labels))
    if legacy:
        return _legacy(found)
    return {name: _mean(values) for name, values in _figures(found).items()}


def chance(labels: ArrayLike) -> dict[str, float]:
    """Expected metrics of a random ranking of a collection with these works, in closed form.

    >>> round(chance(["a", "a", "b", "b"])["Top-1"], 4)
    0.3333
    """
    _, works, counts = np.unique(np.asarray(labels), return_inverse=True, return_counts=True)
    versions = counts[works.reshape(-1)] - 1
    found = chance_standing([len(versions) - 1] * len(versions), versions.tolist(), KS)
    return {name: _mean(values) for name, values in _figures(found).items()}


def _standing(similarity: NDArray[np.floating], works: NDArray[np.int64]) -> Standing:
    return standing(similarity, lambda rows: works[rows, None] == works[None], KS, exclude_self=True)


def _figures(found: Standing) -> dict[str, NDArray[np.floating]]:
    return {
        "MAP": found.average_precision,
        "MR1": found.first + 1,
        "MRR": found.reciprocal,
        "Top-1": found.any_at[1],
        "Top-10": found.any_at[10],
        "P@10": found.count_at[10] / 10,
    }


def _legacy(found: Standing) -> dict[str, float]:
    alone = found.relevant == 0
    return {
        "MAP": _mean(found.average_precision),
        "MR1": _mean(np.where(alone, 1.0, found.first + 1)),
        "MRR": _mean(np.where(alone, 1.0, found.reciprocal)),
        "Top-1": float(np.nansum(found.any_at[1])),
        "Top-10": float(np.nansum(found.count_at[10])),
    }


def _mean(values: NDArray[np.floating]) -> float:
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")
