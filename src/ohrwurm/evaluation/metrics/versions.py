"""Version identification: does a recording find the other recordings of the same work?

Every recording asks for its versions among all others, as on Da-TACOS (Yesiler et al., "Da-TACOS: a dataset for cover
song identification and understanding", 2019) and in MIREX.

Conventions
-----------
`similarity` is `(n, n)`, rows are queries, higher is nearer (give distances negated); `labels` `(n,)` name the work of
each recording. A recording never finds itself. Recordings without a version are searched through but ask nothing.
With `references`, other recordings are searched, as on the YouTube covers: `similarity` is then `(n, references)`.
Tied items count as in expectation over their orders (see `ranking`).

In place of a matrix, `similarity` may be vectors and how they are compared (`Compared`), or a function that gives it
row by row (`ByRow`): the same numbers in a fraction of the time and memory (see `streaming`). These two may also be
narrowed to some recordings that ask and some that are searched, `between`; a recording among both never finds itself.

Metrics
-------
* ``MAP``: mean average precision. ``MR1``: mean rank of the first version, the best being 1. ``MRR``: mean of 1 / rank.
* ``Top-1``, ``Top-10``: share of queries with a version first, or among the first ten.
* ``P@10``: versions among the first ten, divided by ten.

``legacy=True`` gives MAP, MR1, MRR, Top-1 and Top-10 as MOVE, Re-MOVE and their successors print them: a query without
versions counts as found at rank 1 in MR1 and MRR, Top-1 is a number of queries, Top-10 the total number of versions
found among the first ten (``Top-10 (queries)``, which they do not print, is the number of queries that find any). With
a `depth`, only the first so many places are looked at, and a query that finds nothing there counts as rank 1 too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohrwurm.errors import DataError
from ohrwurm.evaluation.metrics.compared import Compared
from ohrwurm.evaluation.metrics.ranking import Standing, chance_standing, standing
from ohrwurm.evaluation.metrics.streaming import ByRow, own_of, standing_of_vectors

__all__ = ["ByRow", "Compared", "as_published", "chance", "evaluate", "figures", "per_query", "standing_of", "validate"]

KS = (1, 10)
Similarity = ArrayLike | Compared | ByRow


def validate(
    similarity: Similarity, labels: ArrayLike, references: ArrayLike | None = None
) -> tuple[NDArray[np.floating] | Compared | ByRow, NDArray[np.int64], NDArray[np.int64]]:
    """The similarities as an array; the works of the queries and of the searched recordings as numbers 0, 1, ...

    Raises:
        DataError: not a matrix with a label for each row and column, or a similarity that is not finite.
    """
    s = similarity if isinstance(similarity, Compared | ByRow) else np.asarray(similarity)
    names = np.asarray(labels)
    searched = names if references is None else np.asarray(references)
    if names.ndim != 1 or searched.ndim != 1 or s.shape != (len(names), len(searched)):
        raise DataError(
            "similarities (n, n) and labels (n,), or similarities (n, references) and labels of both, are needed, "
            f"not {s.shape}, {names.shape}" + ("" if references is None else f" and {searched.shape}")
        )
    if isinstance(s, np.ndarray):
        _check_finite(s)
    works = np.unique(np.concatenate([names, searched]), return_inverse=True)[1].reshape(-1)
    return s, works[: len(names)], works[len(names) :]


def per_query(
    similarity: Similarity, labels: ArrayLike, references: ArrayLike | None = None
) -> dict[str, NDArray[np.floating]]:
    """Each query's figures, arrays `(n,)`, NaN for a recording without versions; for confidence intervals."""
    return figures(standing_of(similarity, labels, references))


def evaluate(
    similarity: Similarity,
    labels: ArrayLike,
    references: ArrayLike | None = None,
    *,
    legacy: bool = False,
    depth: int | None = None,
) -> dict[str, float]:
    """All metrics; NaN if no recording has a version.

    Args:
        references: works of the searched recordings, if they are others than those that ask.
        legacy: print as MOVE does.
        depth: with `legacy`, look no further than this place.

    >>> evaluate([[1.0, 0.9, 0.2], [0.9, 1.0, 0.3], [0.2, 0.3, 1.0]], ["a", "a", "b"])["MAP"]
    1.0
    >>> evaluate([[0.1, 0.9]], ["a"], references=["b", "a"])["MR1"]
    1.0
    """
    if depth is not None and (not legacy or depth < 1):
        raise ValueError(f"depth goes with legacy=True and is at least 1, not {depth}")
    found = standing_of(similarity, labels, references, depth=depth)
    if legacy:
        return as_published(found, depth)
    return {name: _mean(values) for name, values in figures(found).items()}


def chance(labels: ArrayLike, references: ArrayLike | None = None, *, own: ArrayLike | None = None) -> dict[str, float]:
    """Expected metrics of a random ranking of a collection with these works, in closed form.

    Args:
        own: `(n,)`, whether each query is itself among the references; by default none is.

    >>> round(chance(["a", "a", "b", "b"])["Top-1"], 4)
    0.3333
    """
    names = np.asarray(labels)
    searched = names if references is None else np.asarray(references)
    works, counts = np.unique(searched, return_counts=True)
    of = dict(zip(works.tolist(), counts.tolist(), strict=True))
    # A recording never finds itself.
    mine = np.full(len(names), references is None) if own is None else np.asarray(own, bool)
    versions = np.array([of.get(name, 0) for name in names.tolist()], np.int64) - mine
    found = chance_standing((len(searched) - mine).tolist(), versions.tolist(), KS)
    return {name: _mean(values) for name, values in figures(found).items()}


def standing_of(
    similarity: Similarity, labels: ArrayLike, references: ArrayLike | None = None, *, depth: int | None = None
) -> Standing:
    """Where the versions of each query stand; what `figures` and `as_published` are made of.

    Raises:
        DataError: see `validate`.
    """
    ks = KS if depth is None else sorted({*KS, depth})
    scores, works, searched = validate(similarity, labels, references)
    if isinstance(scores, Compared):
        return standing_of_vectors(scores, works, searched, ks)
    if isinstance(scores, ByRow):
        own, row = own_of(scores), scores.row
        scores = ByRow(lambda i: _check_finite(row(i)), scores.count, scores.asking, scores.searched)
    else:
        own = np.where(references is None, np.arange(len(works)), -1)
    return standing(scores, lambda rows: works[rows, None] == searched[None], ks, own=own)


def figures(found: Standing) -> dict[str, NDArray[np.floating]]:
    """Each query's figures, arrays `(n,)`, NaN for a recording without versions."""
    return {
        "MAP": found.average_precision,
        "MR1": found.first + 1,
        "MRR": found.reciprocal,
        "Top-1": found.any_at[1],
        "Top-10": found.any_at[10],
        "P@10": found.count_at[10] / 10,
    }


def as_published(found: Standing, depth: int | None = None) -> dict[str, float]:
    """The metrics as MOVE prints them; with a `depth`, `found` is to have been made with it."""
    precision, alone, ten = found.average_precision, found.relevant == 0, 10
    if depth is not None:
        # Published: what lies beyond the depth is not counted as a hit, but still as a version to be found.
        reachable = np.minimum(found.relevant, depth) / np.maximum(found.relevant, 1)
        precision = found.average_precision_at[depth] * reachable
        alone, ten = alone | (found.first >= depth), min(10, depth)
    return {
        "MAP": _mean(precision),
        "MR1": _mean(np.where(alone, 1.0, found.first + 1)),
        "MRR": _mean(np.where(alone, 1.0, found.reciprocal)),
        "Top-1": float(np.nansum(found.any_at[1])),
        "Top-10": float(np.nansum(found.count_at[ten])),
        "Top-10 (queries)": float(np.nansum(found.any_at[ten])),
    }


def _check_finite(similarity: NDArray[np.floating]) -> NDArray[np.floating]:
    if not np.isfinite(similarity).all():
        raise DataError("similarities hold NaN or infinite values; check for silent recordings or zero vectors")
    return similarity


def _mean(values: NDArray[np.floating]) -> float:
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")
