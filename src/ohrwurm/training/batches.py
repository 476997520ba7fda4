"""Batches by number: an epoch as a sequence of index groups, each turned into tensors when it is reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np


class Batches:
    """An epoch's batches, `make(number, rows)` for each group of rows; without `make` the rows themselves.

    `share` is (number of this process, how many there are): each takes every so-manieth row of each joint batch, so
    that together they see the batches of one process alone. Random numbers of `make` then have to be drawn per row.

    >>> list(Batches([[0, 1], [2, 3]], lambda number, rows: (number, sum(rows))))
    [(0, 1), (1, 5)]
    >>> list(Batches([[0, 1, 2, 3]], share=(1, 2)))
    [[1, 3]]
    """

    def __init__(
        self,
        groups: Sequence[Any],
        make: Callable[[int, Any], Any] | None = None,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        first, every = share
        self.groups = groups if every == 1 else [rows[first::every] for rows in groups]
        self.make = make

    def __len__(self) -> int:
        return len(self.groups)

    def __iter__(self) -> Iterator[Any]:
        for number, rows in enumerate(self.groups):
            yield self.make(number, rows) if self.make else rows


def shuffled(count: int, size: int, draw: np.random.Generator) -> list[np.ndarray]:
    """The numbers below `count` in random order, in groups of `size`; an incomplete last group is dropped.

    >>> [len(group) for group in shuffled(10, 4, np.random.default_rng(0))]
    [4, 4]
    """
    order = draw.permutation(count)
    return [order[i : i + size] for i in range(0, count - size + 1, size)]
