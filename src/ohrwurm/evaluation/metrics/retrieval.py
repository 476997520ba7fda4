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
  Other cut-offs by `ks` and `depths`.
* ``MedR``: median rank, the best being 1. ``MedR (0-based)``: the same, the best being 0, as TTMR prints it.

``legacy`` gives the numbers as two papers print them, for queries with one relevant item each:

* ``"ttmr"``: MedR counts from 0 and is corrected for bias by the jackknife, which changes the median of an odd number
  of queries (the means stay as they are).
* ``"muscall"``: recall in percent; MedR counts from 1 and is the lower of the two middle ranks of an even number of
  queries. Its validation ranks audio for each caption, its test entry point captions for each audio: `directions`
  gives both, named.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

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


def per_query(
    scores: ArrayLike, relevant: ArrayLike, *, ks: Sequence[int] = KS, depths: Sequence[int] = (10,)
) -> dict[str, NDArray[np.floating]]:
    """Each query's figures, arrays `(queries,)`, NaN without a relevant item; for confidence intervals.

    `MedR` is the query's own rank here; `evaluate` takes its median.

    >>> per_query([[0.9, 0.1], [0.8, 0.2]], [[True, False], [False, True]])["MedR"]
    array([1., 2.])
    """
    s, r = validate(scores, relevant)
    return _figures(standing(s, lambda rows: r[rows], sorted({*ks, *depths})), ks, depths)


def evaluate(
    scores: ArrayLike,
    relevant: ArrayLike,
    *,
    ks: Sequence[int] = KS,
    depths: Sequence[int] = (10,),
    legacy: Literal["ttmr", "muscall"] | None = None,
) -> dict[str, float]:
    """All metrics; NaN if no query has a relevant item.

    Args:
        ks: cut-offs of ``R@k``.
        depths: cut-offs of ``mAP@k``.
        legacy: print as this paper does (see above).

    Raises:
        DataError: see `validate`; `legacy` and a query that has not exactly one relevant item.

    >>> evaluate([[0.9, 0.1], [0.8, 0.2]], [[True, False], [False, True]])["R@1"]
    0.5
    >>> evaluate([[0.9, 0.1], [0.8, 0.2]], [[True, False], [False, True]], legacy="muscall")
    {'R@1': 50.0, 'R@5': 100.0, 'R@10': 100.0, 'MedR': 1.0}
    """
    figures = per_query(scores, relevant, ks=ks, depths=depths)
    if legacy is None:
        return _summary(figures)
    counts = np.asarray(relevant, bool).sum(1)
    if not (counts == 1).all():
        odd = int(np.argmax(counts != 1))
        raise DataError(f"legacy={legacy!r} takes one relevant item a query, and query {odd} has {counts[odd]}")
    if legacy == "ttmr":
        means = {name: v for name, v in figures.items() if not name.startswith("MedR")}
        return {**_summary(means), "MedR": jackknifed_median(figures["MedR (0-based)"])}
    if legacy == "muscall":
        ranks = np.sort(figures["MedR"])
        lower = float(ranks[(len(ranks) - 1) // 2]) if len(ranks) else float("nan")
        percent = {name: 100 * v for name, v in figures.items() if name.startswith("R@")}
        return {**_summary(percent), "MedR": lower}
    raise ValueError(f"legacy must be 'ttmr', 'muscall' or None, not {legacy!r}")


def directions(
    scores: ArrayLike,
    relevant: ArrayLike,
    *,
    ks: Sequence[int] = KS,
    depths: Sequence[int] = (10,),
    legacy: Literal["ttmr", "muscall"] | None = None,
) -> dict[str, dict[str, float]]:
    """The metrics of texts `(rows)` asking for tracks `(columns)`, and of tracks asking for texts.

    >>> both = directions([[0.9, 0.1], [0.8, 0.2]], [[True, False], [False, True]])
    >>> both["text to audio"]["R@1"], both["audio to text"]["R@1"]
    (0.5, 1.0)
    """
    s, r = validate(scores, relevant)
    return {
        "text to audio": evaluate(s, r, ks=ks, depths=depths, legacy=legacy),
        "audio to text": evaluate(s.T, r.T, ks=ks, depths=depths, legacy=legacy),
    }


def jackknifed_median(values: ArrayLike) -> float:
    """The median less its bias as the jackknife estimates it: `n * median - (n - 1) * mean of leave-one-out medians`.

    The plain median for an even number of values, and for one value; NaN for none.

    Source: Efron and Stein, "The jackknife estimate of variance", 1981; used by TTMR through astropy.

    >>> jackknifed_median([0, 1, 5]), jackknifed_median([0, 1, 5, 6])
    (-1.0, 3.0)
    """
    v = np.sort(np.asarray(values, np.float64))
    n, m = len(v), len(v) // 2
    if n == 0:
        return float("nan")
    if n == 1 or n % 2 == 0:  # without one of an even number, the lower or the upper middle, equally often
        return float(np.median(v))
    # Without one of the m smaller values, without the middle, without one of the m larger ones:
    left_out = (m * (v[m] + v[m + 1]) + (v[m - 1] + v[m + 1]) + m * (v[m - 1] + v[m])) / (2 * n)
    return float(n * v[m] - (n - 1) * left_out)


def chance(relevant: ArrayLike) -> dict[str, float]:
    """Expected metrics of a random ranking (`MedR`: the median over queries of the expected rank).

    >>> round(chance(np.eye(100, dtype=bool))["R@10"], 3), chance(np.eye(100, dtype=bool))["MedR"]
    (0.1, 50.5)
    """
    r = np.asarray(relevant, bool)
    if r.ndim != 2:
        raise DataError(f"relevance must be a matrix (queries, items), not {r.shape}")
    return _summary(_figures(chance_standing([r.shape[1]] * len(r), r.sum(1).tolist(), KS), KS, (10,)))


def _figures(found: Standing, ks: Sequence[int], depths: Sequence[int]) -> dict[str, NDArray[np.floating]]:
    return {
        **{f"R@{k}": found.any_at[k] for k in ks},
        **{f"mAP@{k}": found.average_precision_at[k] for k in depths},
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
