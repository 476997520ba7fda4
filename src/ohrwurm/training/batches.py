"""Batches by number: an epoch as a sequence of index groups, each turned into tensors when it is reached."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Dataset


class Batches:
    """An epoch's batches, `make(number, rows)` for each group of rows; without `make` the rows themselves.

    `share` is (number of this process, how many there are): each takes every so-manieth row of each joint batch, so
    that together they see the batches of one process alone. Random numbers of `make` then have to be drawn per row.
    With `workers` the batches are made in that many processes, some ahead; in which order they finish changes nothing.

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
        workers: int = 0,
    ) -> None:
        first, every = share
        self.groups = groups if every == 1 else [rows[first::every] for rows in groups]
        self.make = make
        self.workers = workers

    def __len__(self) -> int:
        return len(self.groups)

    def __iter__(self) -> Iterator[Any]:
        return self.starting_at(0)

    def starting_at(self, position: int) -> Iterator[Any]:
        """The batches from number `position` on; those before are not made."""
        numbers = range(position, len(self.groups))
        made = _Made(self)
        if self.workers == 0 or len(numbers) < 2:
            return map(made.__getitem__, numbers)
        workers = min(self.workers, len(numbers))
        loader = DataLoader(
            made, batch_size=None, sampler=numbers, num_workers=workers, worker_init_fn=_leave_signals_to_the_parent
        )
        return iter(loader)


def _leave_signals_to_the_parent(worker: int) -> None:
    """Batch systems and Ctrl-C signal all processes of a run. It still needs its batches until it has saved."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class _Made(Dataset):
    """The batches of an epoch by number."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches

    def __getitem__(self, number: int) -> Any:
        rows, make = self.batches.groups[number], self.batches.make
        return make(number, rows) if make else rows


def shuffled(count: int, size: int, draw: np.random.Generator) -> list[np.ndarray]:
    """The numbers below `count` in random order, in groups of `size`; an incomplete last group is dropped.

    >>> [len(group) for group in shuffled(10, 4, np.random.default_rng(0))]
    [4, 4]
    """
    order = draw.permutation(count)
    return [order[i : i + size] for i in range(0, count - size + 1, size)]
