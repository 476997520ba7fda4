"""What `retrieval` and `versions` share: statistics of where the relevant items of a query stand.

**Ties.** Items of equal score have no order. Every statistic here is its expectation over all orders of the tied
items, in closed form (McSherry and Najork, "Computing information retrieval performance measures efficiently in the
presence of tied scores", 2008). Results therefore do not depend on the order of the items, and the chance level is
simply the case in which all items are tied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
CELLS = 4_000_000  # of a block of rows, so that memory does not grow with the square of the collection


@dataclass(frozen=True)
class Standing:
    """Statistics of each query, arrays `(queries,)`; NaN for a query without a relevant item.

    Attributes:
        relevant: number of its relevant items.
        first: 0-based rank of the first relevant item.
        reciprocal: 1 / (first + 1).
        average_precision: over the whole ranking.
        average_precision_at: of the first k, divided by the largest number of relevant items k can hold.
        any_at: probability that at least one relevant item is among the first k (1 or 0 without ties).
        count_at: number of relevant items among the first k.
    """

    relevant: NDArray[np.int64]
    first: Floats
    reciprocal: Floats
    average_precision: Floats
    average_precision_at: dict[int, Floats]
    any_at: dict[int, Floats]
    count_at: dict[int, Floats]


@dataclass(frozen=True)
class Groups:
    """Where the relevant items of queries stand: those of one query with one score form a group.

    Attributes:
        query: of each group, ascending; groups of one query from the nearest on.
        ahead: number of the query's items with a higher score.
        tied: number of its items with this score.
        inside: number of relevant items among the tied ones.
    """

    query: NDArray[np.int64]
    ahead: NDArray[np.int64]
    tied: NDArray[np.int64]
    inside: NDArray[np.int64]


class Rows(Protocol):
    """Scores `(queries, items)` that are made when they are asked for."""

    shape: tuple[int, int]

    def __getitem__(self, rows: slice, /) -> Floats: ...


def standing(
    scores: Floats | Rows,
    relevant: Callable[[slice], NDArray[np.bool_]],
    ks: Sequence[int],
    *,
    own: NDArray[np.int64] | None = None,
) -> Standing:
    """Statistics of every row of `scores (queries, items)`, higher is nearer.

    Args:
        relevant: gives the relevance `(rows, items)` of a slice of the queries; made block by block, so that a
            collection of 15,000 needs no matrix of its own for it.
        ks: cut-offs of the statistics at k.
        own: `(queries,)`, the item that each query itself is, which is left out of its ranking; -1 where it is none.
    """
    queries, items = scores.shape
    made = unknown(queries, ks)
    if items == 0:
        return made
    for rows in _blocks(queries, items):
        block = scores[rows]
        block = np.array(block, dtype=np.result_type(block, np.float32))
        truth = relevant(rows)
        if own is not None:
            row = np.flatnonzero(own[rows] >= 0)
            block[row, own[rows][row]] = -np.inf  # behind everything finite
            truth = truth.copy()
            truth[row, own[rows][row]] = False
        fill(made, rows, groups_of(block, truth), items, ks)
    return made


def unknown(queries: int, ks: Sequence[int]) -> Standing:
    """Statistics of queries without relevant items, to be filled."""
    return Standing(
        relevant=np.zeros(queries, np.int64),
        first=np.full(queries, np.nan),
        reciprocal=np.full(queries, np.nan),
        average_precision=np.full(queries, np.nan),
        average_precision_at={k: np.full(queries, np.nan) for k in ks},
        any_at={k: np.full(queries, np.nan) for k in ks},
        count_at={k: np.full(queries, np.nan) for k in ks},
    )


def _blocks(queries: int, items: int) -> Iterator[slice]:
    size = max(1, CELLS // items)
    for start in range(0, queries, size):
        yield slice(start, min(start + size, queries))


def groups_of(scores: Floats, truth: NDArray[np.bool_]) -> Groups:
    """Groups of a block of rows. Only the relevant items' places are looked up, in sorted scores."""
    query, item = np.nonzero(truth)
    _, inside, query, value = by_value(query, scores[query, item])
    edges = np.searchsorted(query, np.arange(len(scores) + 1))  # groups of each row
    ahead, tied = np.empty_like(query), np.empty_like(query)
    ascending = np.sort(scores, axis=1) if len(query) else scores
    for row in range(len(scores)):
        own = slice(edges[row], edges[row + 1])
        above = np.searchsorted(ascending[row], value[own], "right")
        ahead[own] = scores.shape[1] - above
        tied[own] = above - np.searchsorted(ascending[row], value[own], "left")
    return Groups(query, ahead, tied, inside)


def by_value(
    query: NDArray[np.int64], value: Floats
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], Floats]:
    """Relevant items `(n,)` of queries, with their scores, into groups.

    Returns:
        An item of each group, and of each group its size, query and score; in the order of `Groups`.
    """
    order = np.lexsort((-value, query))
    query, value = query[order], value[order]
    first = np.flatnonzero(np.append(True, (query[1:] != query[:-1]) | (value[1:] != value[:-1]))[: len(query)])
    return order[first], np.diff(first, append=len(query)), query[first], value[first]


def fill(made: Standing, rows: slice, groups: Groups, items: int, ks: Sequence[int]) -> None:
    """Write the statistics of the queries `rows` into `made`; `groups.query` counts from the first of them."""
    query, ahead, tied, inside = groups.query, groups.ahead, groups.tied, groups.inside
    if len(query) == 0:
        return
    count = rows.stop - rows.start
    edges = np.searchsorted(query, np.arange(count + 1))
    before = np.cumsum(inside) - inside  # relevant items of a higher score
    before -= before[edges[query]]
    total = np.bincount(query, inside, count).astype(np.int64)
    some = np.flatnonzero(total)
    at = some + rows.start
    made.relevant[rows] = total
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, items + 1))])

    def precision_sum(k: int) -> Floats:
        """Expected sum of the precisions at the relevant items among the first k, of each row."""
        reach = np.clip(k - ahead, 0, tied)
        # With probability inside / tied, the i-th of the group is relevant; then (i - 1)(inside - 1) / (tied - 1) of
        # the group's relevant items are expected before it. Sums of 1 / (ahead + i) and (i - 1) / (ahead + i):
        first = np.where(tied == 1, (reach > 0) / (ahead + 1), harmonic[ahead + reach] - harmonic[ahead])
        second = reach - (ahead + 1) * first
        each = inside / tied * ((before + 1) * first + (inside - 1) / np.maximum(tied - 1, 1) * second)
        return np.bincount(query, each, count)[some].astype(np.float64)

    made.average_precision[at] = precision_sum(items) / total[some]
    for k in ks:
        made.average_precision_at[k][at] = precision_sum(k) / np.minimum(total[some], k)
        made.count_at[k][at] = np.bincount(query, inside / tied * np.clip(k - ahead, 0, tied), count)[some]

    for row in some.tolist():
        group = edges[row]
        place = int(ahead[group]), int(tied[group]), int(inside[group])
        made.first[rows.start + row], made.reciprocal[rows.start + row] = first_rank(*place)
        for k in ks:
            made.any_at[k][rows.start + row] = found_within(k, *place)


def first_rank(ahead: int, tied: int, relevant: int) -> tuple[float, float]:
    """Expected 0-based rank of the first relevant item, and expected 1 / (rank + 1).

    `ahead` items stand before a group of `tied` equal ones, of which `relevant` (at least one) are relevant.

    >>> first_rank(3, 1, 1)
    (3.0, 0.25)
    >>> first_rank(0, 2, 1)
    (0.5, 0.75)
    """
    if tied == 1:
        return float(ahead), 1 / (ahead + 1)
    missing = _missing(tied, relevant)
    probability = missing[:-1] - missing[1:]  # that the first relevant item is the j-th of the group
    j = np.arange(len(probability))
    return ahead + (tied - relevant) / (relevant + 1), float((probability / (ahead + 1 + j)).sum())


def found_within(k: int, ahead: int, tied: int, relevant: int) -> float:
    """Probability that a relevant item is among the first k; arguments as in `first_rank`.

    >>> found_within(1, 0, 4, 1)
    0.25
    """
    if k <= ahead:
        return 0.0
    if tied == 1:
        return 1.0
    missing = _missing(tied, relevant)
    return 1.0 - float(missing[min(k - ahead, len(missing) - 1)])


@lru_cache(maxsize=4096)
def _missing(tied: int, relevant: int) -> Floats:
    """Probability that none of the first j items of a random order is relevant, j = 0 .. tied - relevant + 1."""
    j = np.arange(tied - relevant + 1)
    return np.concatenate([[1.0], np.cumprod((tied - relevant - j) / (tied - j))])


def chance_standing(items: Sequence[int], relevant: Sequence[int], ks: Sequence[int]) -> Standing:
    """Statistics under a random ranking: each query has all its `items` tied, `relevant` of them relevant."""
    n, r = np.asarray(items, np.int64), np.asarray(relevant, np.int64)
    pairs, inverse = np.unique(np.stack([n, r], 1).reshape(-1, 2), axis=0, return_inverse=True)
    columns: dict[object, list[float]] = {}
    for size, good in pairs.tolist():
        for name, value in _chance(size, good, ks).items():
            columns.setdefault(name, []).append(value)
    inverse = inverse.reshape(-1)
    spread = {name: np.asarray(values)[inverse] for name, values in columns.items()}

    def column(*name: object) -> Floats:
        return spread[name] if spread else np.zeros(0)

    return Standing(
        relevant=r,
        first=column("first"),
        reciprocal=column("reciprocal"),
        average_precision=column("ap"),
        average_precision_at={k: column("ap", k) for k in ks},
        any_at={k: column("any", k) for k in ks},
        count_at={k: column("count", k) for k in ks},
    )


def _chance(items: int, relevant: int, ks: Sequence[int]) -> dict[tuple[object, ...], float]:
    if relevant == 0:
        names = [("first",), ("reciprocal",), ("ap",), *((n, k) for n in ("ap", "any", "count") for k in ks)]
        return dict.fromkeys(names, float("nan"))
    first, reciprocal = first_rank(0, items, relevant)
    rank = np.arange(1, items + 1)
    precision = np.cumsum(relevant / items * (1 + (rank - 1) * (relevant - 1) / max(items - 1, 1)) / rank)
    found: dict[tuple[object, ...], float] = {
        ("first",): first,
        ("reciprocal",): reciprocal,
        ("ap",): float(precision[-1]) / relevant,
    }
    for k in ks:
        found["ap", k] = float(precision[min(k, items) - 1]) / min(k, relevant)
        found["any", k] = found_within(k, 0, items, relevant)
        found["count", k] = min(k, items) * relevant / items
    return found
