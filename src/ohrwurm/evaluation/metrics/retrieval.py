"""Cross-modal retrieval: does a query (a text) find the items (tracks) that belong to it?

Text-to-music retrieval as in Doh et al., "Toward universal text-to-music retrieval" (2023) and Manco et al.,
"Contrastive audio-language learning for music" (2022). Most often one item is relevant to a query; with several, a
query counts as found at k when any of them is among the first k (as image retrieval does with several captions), and
the rank is that of the first.

Conventions
-----------
`scores` is `(queries, items)`, higher is nearer; `relevant` a boolean matrix of that shape. Queries without a relevant
item are left out. Tied items count as in expectation over their orders (see `ranking`).

Metrics
-------
* ``R@1``, ``R@5``, ``R@10``: share of queries found at k.
* ``mAP@10``: mean of the average precision of the first ten; for one relevant item 1 / rank, or 0 beyond ten.
* ``MedR``: median rank, the best being 1. ``MedR (0-based)``: the same, the best being 0, as TTMR prints it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohrwurm.errors import DataError
from ohrwurm.evaluation.metrics.ranking import Standing, chance_standing, standing

KS = (1, 5, 10)


def validate(scores: ArrayLike, relevant: ArrayLike) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
    """The arguments as arrays.

    Raises:
        DataError: not two matrices of one shape, or a score that is not finite.
    """
    s, r = np.asarray(scores), np.asarray(relevant)
    if s.ndim != 2 or s.shape != r.shape:
        raise DataError(
            f"scores and relevance must be matrices of one shape (queries, items), not {s.shape} and {r.shape}"
        )
    if not np.isfinite(s).all():
        raise DataError("scores hold NaN or infinite values; check for zero vectors before normalising")
    return s, r.astype(bool)


def per_query(scores: ArrayLike, relevant: ArrayLike) -> dict[str, NDArray[np.floating]]:
    """Each query's figures, arrays `(queries,)`, NaN without a relevant item; for confidence intervals.

    `MedR` is the query's own rank here; `evaluate` takes its median.
    """
    s, r = validate(scores, relevant)
    return _figures(standing(s, lambda rows: r[rows], KS))


def evaluate(scores: ArrayLike, relevant: ArrayLike) -> dict[str, float]:
    """All metrics; NaN if no query has a relevant item.

    >>> evaluate([[0.9, 0.1], [0.8, 0.2]], [[True, False], [False, True]])["R@1"]
    0.5
    """
    return _summary(per_query(scores, relevant))


def chance(relevant: ArrayLike) -> dict[str, float]:
    """Expected metrics of a random ranking (`MedR`: the median over queries of the expected rank).

    >>> round(chance(np.eye(100, dtype=bool))["R@10"], 3), chance(np.eye(100, dtype=bool))["MedR"]
    (0.1, 50.5)
    """
    r = np.asarray(relevant, bool)
    if r.ndim != 2:
        raise DataError(f"relevance must be a matrix (queries, items), not {r.shape}")
    return _summary(_figures(chance_standing([r.shape[1]] * len(r), r.sum(1).tolist(), KS)))


def _figures(found: Standing) -> dict[str, NDArray[np.floating]]:
    return {
        **{f"R@{k}": found.any_at[k] for k in KS},
        "mAP@10": found.average_precision_at[10],
        "MedR": found.first + 1,
        "MedR (0-based)": found.first,
    }


def _summary(figures: dict[str, NDArray[np.floating]]) -> dict[str, float]:
    summary = {}
    for name, values in figures.items():
        values = values[~np.isnan(values)]
        middle = np.median if name.startswith("MedR") else np.mean
        summary[name] = float(middle(values)) if len(values) else float("nan")
    return summary
