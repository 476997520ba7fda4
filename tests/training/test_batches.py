"""An epoch's batches are the same however they are made and wherever they begin."""

from __future__ import annotations

import os
import signal

import numpy as np
import torch

from ohrwurm.training.batches import Batches, shuffled
from ohrwurm.training.task import Positioned, generator


def make(number: int, rows: np.ndarray) -> tuple[torch.Tensor, int]:
    drawn = [generator(3, number, int(row)).random() for row in rows]
    return torch.tensor(drawn), os.getpid()


def test_workers_change_who_makes_a_batch_not_what_is_in_it() -> None:
    groups = shuffled(40, 5, generator(0))
    alone, helped = list(Batches(groups, make)), list(Batches(groups, make, workers=2))
    assert len(alone) == len(helped) == 8
    assert all(torch.equal(a, b) for (a, _), (b, _) in zip(alone, helped, strict=True))
    assert {process for _, process in alone} == {os.getpid()}
    assert os.getpid() not in {process for _, process in helped}


def test_signal_to_all_processes_of_a_run_leaves_the_workers_working() -> None:
    batches = iter(Batches([[i] for i in range(12)], make, workers=1))
    _, worker = next(batches)
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(worker, number)
    assert [process for _, process in batches] == [worker] * 11


def test_batches_before_a_position_are_not_made() -> None:
    made: list[int] = []

    def noting(number: int, rows: np.ndarray) -> int:
        made.append(number)
        return number

    assert list(Positioned(Batches([[0]] * 6, noting), 4)) == [4, 5]
    assert made == [4, 5]


def test_shares_of_all_processes_are_the_joint_batch() -> None:
    groups = shuffled(24, 6, generator(1))
    shares = [list(Batches(groups, make, (rank, 2))) for rank in range(2)]
    for number, (whole, _) in enumerate(Batches(groups, make)):
        assert torch.equal(whole[0::2], shares[0][number][0])
        assert torch.equal(whole[1::2], shares[1][number][0])
