"""Where the versions of recordings stand, without the matrix of similarities and without sorting.

What the metrics need of a ranking are the places of a query's few versions, and the place of a version is the number of
recordings that are nearer. So products of blocks of vectors are made and compared with each query's versions, and only
counts are kept: N² comparisons per version a work has on average, in the memory of one block.

A product of float32 is off by some `error`. Recordings nearer to a threshold than that are looked at again, in float64
and at last exactly (see `compared`), so the counts are those of the exact similarities, ties included, for any block
size, order and number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ohrwurm.evaluation.metrics.compared import Compared, Doubles, Factors, Indices
from ohrwurm.evaluation.metrics.ranking import Groups, Standing, by_value, fill, unknown

BLOCK, LARGE_BLOCK = 1024, 2048  # vectors of a block on either side; more where making them ready takes long
LINES, PIECE = 128, 32  # of a block counted at a time: its comparisons fit a byte, and the cache
FEW = 0.8  # share of groups up to which columns are picked out
PASSES = 48  # most versions of a query that are compared one by one; for more, sorting is faster
WIDER = 16.0  # times as much products are held to be off if they are found to be
AGAIN = 200_000  # pairs that are looked at again at a time


class ByRow:
    """Similarities that a function of the model's own gives row by row, as `versions` takes them in place of a matrix.

    Args:
        row: number of a query → its similarities to all recordings `(n,)`.
        count: number of recordings.
        asking, searched: which ask, and which are searched; by default all.
    """

    def __init__(
        self,
        row: Callable[[int], NDArray[np.floating]],
        count: int,
        asking: Indices | None = None,
        searched: Indices | None = None,
    ) -> None:
        self.row, self.count, self.asking, self.searched = row, count, asking, searched
        self.shape = (count if asking is None else len(asking), count if searched is None else len(searched))

    def __getitem__(self, rows: slice) -> NDArray[np.floating]:
        numbers = np.arange(self.count) if self.asking is None else self.asking
        found = np.stack([self.row(int(i)) for i in numbers[rows]])
        return found if self.searched is None else found[:, self.searched]

    def between(self, asking: Indices | list[int], searched: Indices | list[int]) -> ByRow:
        """The same recordings, of which only some ask and only some are searched."""
        return ByRow(self.row, self.count, np.asarray(asking, np.int64), np.asarray(searched, np.int64))


def own_of(similarity: Compared | ByRow) -> Indices:
    """The column in which each query itself stands, `(asking,)`; -1 where it is not among the searched."""
    asking, searched = similarity.asking, similarity.searched
    if asking is None or searched is None:
        return np.arange(similarity.shape[0])
    if len(searched) == 0:
        return np.full(len(asking), -1)
    order = np.argsort(searched, kind="stable")
    place = np.searchsorted(searched[order], asking).clip(max=len(searched) - 1)
    return np.where(searched[order][place] == asking, order[place], -1)


def standing_of_vectors(
    compared: Compared, works: Indices, searched: Indices, ks: Sequence[int], block: int | None = None
) -> Standing:
    """`ranking.standing` of vectors, whose similarities are never all there at once.

    Args:
        works, searched: `(asking,)` and `(searched,)`, the works of the recordings that ask and that are searched.
        block: of how many vectors products are made at a time; the result does not depend on it.
    """
    made = unknown(len(works), ks)
    if len(works) == 0 or len(searched) == 0:
        return made
    plan = _Plan.of(compared, works, searched)
    factors = compared.factors()
    query, item = plan.pairs()
    if len(query) == 0:
        return made
    value = _settled(factors, plan, query, item)
    chosen, inside, group_query, group_value = by_value(query, value)
    size = block or (BLOCK if factors.kept else LARGE_BLOCK)
    counts = _Counts(factors, plan, value, group_query, item[chosen], group_value, size)
    while not counts.run():
        counts = replace(counts, trust=counts.trust / WIDER)
    before = np.cumsum(inside) - inside
    before -= before[np.searchsorted(group_query, group_query)]
    groups = Groups(group_query, counts.above + before, counts.equal + inside, inside)
    in_plan = unknown(len(works), ks)
    fill(in_plan, slice(0, len(works)), groups, len(searched), ks)
    for name in ("relevant", "first", "reciprocal", "average_precision"):
        getattr(made, name)[plan.asking_order] = getattr(in_plan, name)
    for name in ("average_precision_at", "any_at", "count_at"):
        for k in ks:
            getattr(made, name)[k][plan.asking_order] = getattr(in_plan, name)[k]
    return made


@dataclass(frozen=True)
class _Plan:
    """Queries with most versions first, and recordings of one work side by side.

    Attributes:
        asking_order: the queries in this order, by their numbers among those that ask.
        asking, searched: numbers of the vectors, in this order.
        begins, ends: `(asking,)`, the places among `searched` where a query's work begins and ends.
        own: `(asking,)`, the place of the query itself, or -1.
        mirrored: those that ask are those that are searched, in one order: each block of products serves twice.
    """

    asking_order: Indices
    asking: Indices
    searched: Indices
    begins: Indices
    ends: Indices
    own: Indices
    mirrored: bool

    @classmethod
    def of(cls, compared: Compared, works: Indices, searched: Indices) -> _Plan:
        mirrored = compared.asking is None
        sizes = np.bincount(searched, minlength=int(max(works.max(), searched.max())) + 1)
        order = np.lexsort((searched, -sizes[searched]))
        asking_order = order if mirrored else np.lexsort((works, -sizes[works]))
        place = np.empty(len(searched), np.int64)
        place[order] = np.arange(len(searched))
        # Works by size, of equals by number: the first place of each.
        ranked = np.lexsort((np.arange(len(sizes)), -sizes))
        first = np.empty(len(sizes), np.int64)
        first[ranked] = np.cumsum(sizes[ranked]) - sizes[ranked]
        begins = first[works[asking_order]]
        own = own_of(compared)[asking_order]
        return cls(
            asking_order=asking_order,
            asking=asking_order if compared.asking is None else compared.asking[asking_order],
            searched=order if compared.searched is None else compared.searched[order],
            begins=begins,
            ends=begins + sizes[works[asking_order]],
            own=np.where(own < 0, -1, place[own]),
            mirrored=mirrored,
        )

    def pairs(self) -> tuple[Indices, Indices]:
        """(query, version) of all versions of all queries, as places in this order."""
        size = self.ends - self.begins
        query = np.repeat(np.arange(len(size)), size)
        item = np.arange(len(query)) - np.repeat(np.cumsum(size) - size - self.begins, size)
        other = item != self.own[query]
        return query[other], item[other]


def _settled(factors: Factors, plan: _Plan, query: Indices, item: Indices) -> Doubles:
    """Similarities of queries to their versions; exact where they are too near to each other to be told apart."""
    i, j = plan.asking[query], plan.searched[item]
    value = factors.value(i, j)
    if factors.slack == 0:
        return value
    order = np.lexsort((value, query))
    close = (np.diff(value[order]) <= 2 * factors.slack) & (np.diff(query[order]) == 0)
    near = order[np.append(close, False) | np.append(False, close)]
    value[near] = factors.exact(i[near], j[near])
    return value


@dataclass
class _Counts:
    """Of each group of versions (one query, one similarity), how many strangers are nearer, and how many as near.

    Groups are `(groups,)`, those of a query from the nearest on: its `query`, one of its versions `item`, and `value`;
    `pairs` are the similarities of all of `plan.pairs()`. Products are held to be off by no more than `Factors.error`
    divided by `trust`.
    """

    factors: Factors
    plan: _Plan
    pairs: Doubles
    query: Indices
    item: Indices
    value: NDArray[np.floating]
    block: int
    trust: float = 1.0
    above: Indices = field(init=False)
    equal: Indices = field(init=False)

    def __post_init__(self) -> None:
        self.above, self.equal = np.zeros_like(self.query), np.zeros_like(self.query)
        self.edges = np.searchsorted(self.query, np.arange(len(self.plan.asking) + 1))
        value = np.asarray(self.value, np.float64)
        error = self._error(self.query, value)
        self.low, self.high = ((self.value + sign * error).astype(np.float32) for sign in (-1, 1))
        self._again: list[tuple[Indices, Indices]] = []  # (group, item) too near to tell
        self._waiting = 0
        self._worst = 0.0  # of products that can be compared, in units of the error
        plan = self.plan
        count = plan.ends - plan.begins - ((plan.own >= plan.begins) & (plan.own < plan.ends))
        self._first_pair = np.cumsum(count) - count

    def _error(self, query: Indices, value: Doubles) -> Doubles:
        return self.factors.error(self.plan.asking[query], value) / self.trust + 2.0**-23 * np.abs(value)

    def run(self) -> bool:
        """Count; False, and nothing counted, if products are off by more than expected."""
        plan, asking = self.plan, int(self.query[-1]) + 1  # the queries after that have no versions
        for first in range(0, asking, self.block):
            left = self.factors.left(plan.asking[first : first + self.block])
            for start in range(first if plan.mirrored else 0, len(plan.searched), self.block):
                products = self.factors.right(plan.searched[start : start + self.block]) @ left.T
                if plan.mirrored and start > first and start < asking:
                    self._count(_turned(products), start, first, asking)
                self._count(products, first, start, asking)
                if self._worst > 0.5:
                    return False
        self._look_again()
        return True

    def _count(self, products: NDArray[np.float32], first: int, start: int, asking: int) -> None:
        """Count in similarities `(items from start on, queries from first on)`."""
        plan, stop = self.plan, min(first + products.shape[1], asking)
        products = products[:, : stop - first]
        begins, ends = plan.begins[first:stop] - start, plan.ends[first:stop] - start
        if ends.max() > 0 and begins.min() < len(products):  # versions are no strangers
            place = np.arange(len(products))[:, None]
            item, query = np.nonzero((place >= begins) & (place < ends))
            self._compare(products[item, query], query + first, item + start)
            products[item, query] = -np.inf
        edges = self.edges[first : stop + 1]
        count = np.diff(edges)
        if count.max() > PASSES:
            self._by_sorting(products, edges, start)
            return
        for line in range(0, len(products), LINES):
            self._by_comparing(products[line : line + LINES], edges, line + start)

    def _compare(self, products: NDArray[np.float32], query: Indices, item: Indices) -> None:
        """Products of queries and their versions with what they should be."""
        plan = self.plan
        other = item != plan.own[query]
        products, query, item = products[other], query[other], item[other]
        own = plan.own[query]
        behind = (own >= plan.begins[query]) & (own < item)  # the query itself is no pair
        known = self.pairs[self._first_pair[query] + item - plan.begins[query] - behind]
        off = np.abs(products - known) / (self._error(query, known) + 1e-300)  # which is 0 where all vectors are equal
        self._worst = max(self._worst, float(off.max(initial=0.0)))

    def _by_comparing(self, lines: NDArray[np.float32], edges: Indices, item: int) -> None:
        """All groups of the queries between `edges`, in similarities to a few items from `item` on.

        Most versions of a good model are nearer than all of the items: the others alone are compared, unless they are
        so many that columns side by side are faster than columns picked out.
        """
        count, groups = np.diff(edges), np.arange(edges[0], edges[-1])
        query = np.repeat(np.arange(len(count)), count)
        low = self.low[groups]
        pieces = [lines[start : start + PIECE] for start in range(0, len(lines), PIECE)]
        nearest = [piece.max(axis=0) for piece in pieces]
        if np.count_nonzero(np.maximum.reduce(nearest).take(query) >= low) <= len(groups) * FEW:
            for n, (piece, near) in enumerate(zip(pieces, nearest, strict=True)):
                some = np.flatnonzero(near.take(query) >= low)
                self._tally(piece.take(query[some], axis=1), groups[some], item + n * PIECE)
            return
        for n in range(count.max()):
            having = np.flatnonzero(count > n)  # most versions come first: mostly all up to the last
            side_by_side = having[-1] + 1 == len(having)
            self._tally(
                lines[:, : len(having)] if side_by_side else lines.take(having, axis=1), edges[having] + n, item
            )

    def _tally(self, columns: NDArray[np.float32], group: Indices, item: int) -> None:
        """A column of similarities for each of some groups, to items from `item` on."""
        low, high = self.low[group], self.high[group]
        mask = np.greater(columns, high)
        sure = np.add.reduce(mask.view(np.uint8), axis=0, dtype=np.uint8)
        np.greater_equal(columns, low, out=mask)
        maybe = np.add.reduce(mask.view(np.uint8), axis=0, dtype=np.uint8)
        self.above[group] += sure
        unsure = np.flatnonzero(sure != maybe)
        if len(unsure):
            column = columns.take(unsure, axis=1)
            place, at = np.nonzero((column >= low[unsure]) & (column <= high[unsure]))
            self._later(group[unsure[at]], place + item)

    def _by_sorting(self, products: NDArray[np.float32], edges: Indices, start: int) -> None:
        """All groups of the queries between `edges`."""
        rows = _turned(products)
        for row, ascending, a, b in zip(rows, np.sort(rows, axis=1), edges[:-1], edges[1:], strict=True):
            over = len(ascending) - np.searchsorted(ascending, self.high[a:b], "right")
            maybe = len(ascending) - np.searchsorted(ascending, self.low[a:b], "left")
            self.above[a:b] += over
            for group in (a + np.flatnonzero(maybe != over)).tolist():
                item = np.flatnonzero((row >= self.low[group]) & (row <= self.high[group]))
                self._later(np.full(len(item), group), item + start)

    def _later(self, group: Indices, item: Indices) -> None:
        self._again.append((group, item))
        self._waiting += len(group)
        if self._waiting > AGAIN:
            self._look_again()

    def _look_again(self) -> None:
        """Decide the pairs that float32 could not, in float64, and what that cannot, exactly."""
        if not self._again:
            return
        group, item = (np.concatenate(parts) for parts in zip(*self._again, strict=True))
        self._again, self._waiting = [], 0
        i, j = self.plan.asking[self.query[group]], self.plan.searched[item]
        found = self.factors.value(i, j) - self.value[group]
        if slack := self.factors.slack:
            near = np.flatnonzero(np.abs(found) <= 2 * slack)
            own = self.plan.searched[self.item[group[near]]]
            found[near] = self.factors.exact(i[near], j[near]) - self.factors.exact(i[near], own)
        self.above += np.bincount(group[found > 0], minlength=len(self.above))
        self.equal += np.bincount(group[found == 0], minlength=len(self.equal))


def _turned(block: NDArray[np.float32]) -> NDArray[np.float32]:
    """The transposed block in memory order of its own; torch does that nine times as fast as numpy."""
    import torch

    return torch.from_numpy(block).t().contiguous().numpy()
