"""Batches by number: an epoch as a sequence of index groups, each turned into tensors when it is reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any


class Batches:
    """An epoch's batches, `make(number, rows)` for each group of rows; without `make` the rows themselves.

    >>> list(Batches([[0, 1], [2, 3]], lambda number, rows: (number, sum(rows))))
    [(0, 1), (1, 5)]
    """

    def __init__(self, groups: Sequence[Any], make: Callable[[int, Any], Any] | None = None) -> None:
        self.groups = groups
        self.make = make

    def __len__(self) -> int:
        return len(self.groups)

    def __iter__(self) -> Iterator[Any]:
        for number, rows in enumerate(self.groups):
            yield self.make(number, rows) if self.make else rows
