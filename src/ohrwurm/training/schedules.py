"""How the learning rate moves over a run: by the share of it that is done, or by counted steps as published."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import lightning
import numpy as np
import torch

from ohrwurm.errors import RecipeError
from ohrwurm.training.task import Task

Schedule = Literal["warm-cosine", "warm-cosine-epochs", "cycling", "cosine-epochs", "constant"]


def warm_cosine(fraction: float, warm: float = 0.05) -> float:
    """Learning-rate factor: linear from 0 over the first `warm` of training, then a half cosine to 0.

    >>> warm_cosine(0.05), round(warm_cosine(1.0), 6)
    (1.0, 0.0)
    """
    if fraction < warm:
        return max(fraction, 1e-4) / warm
    return 0.5 * (1.0 + float(np.cos(np.pi * min(1.0, (fraction - warm) / (1.0 - warm)))))


def with_warm_cosine(task: Task, optimizer: torch.optim.Optimizer, warm: float = 0.05) -> dict[str, Any]:
    """What `configure_optimizers` returns for an optimiser under `warm_cosine`, stepped by `task.fraction_done`."""
    return by_step(optimizer, lambda _: warm_cosine(task.fraction_done, warm))


def by_step(optimizer: torch.optim.Optimizer, factor: Callable[[int], float]) -> dict[str, Any]:
    """What `configure_optimizers` returns for an optimiser whose rate is multiplied by `factor(steps taken)`."""
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def warm_cosine_epochs(epoch: float, epochs: int, warm: int, lr: float, minimum: float = 1e-9) -> float:
    """Learning rate at a fractional epoch: linear from 0 over `warm` epochs, then a half cosine to `minimum`.

    Source: TTMR (Doh et al. 2023) trains with 10 of 100 epochs of warm-up, set before every step.

    >>> warm_cosine_epochs(5, 100, 10, 1e-4), warm_cosine_epochs(100, 100, 10, 1e-4, 1e-9)
    (5e-05, 1e-09)
    """
    if epoch < warm:
        return lr * epoch / warm
    done = (epoch - warm) / (epochs - warm) if epochs > warm else 1.0
    return minimum + (lr - minimum) * 0.5 * (1.0 + float(np.cos(np.pi * done)))


def counted(trainer: lightning.Trainer, batches: int, schedule: str) -> tuple[int, int]:
    """(epochs of a run, optimiser steps of one), for schedules that count them.

    Args:
        batches: of an epoch.

    Raises:
        RecipeError: the run is not limited by epochs.
    """
    if trainer.max_epochs is None or trainer.max_epochs < 1:
        raise RecipeError(f"schedule={schedule} counts epochs: set trainer.max_epochs")
    return trainer.max_epochs, -(-batches // trainer.accumulate_grad_batches)  # the last step may be of fewer batches


def cycling_cosine(step: int, period: float) -> float:
    """Learning-rate factor that goes from 1 to 0 in `period` steps, and back, over and over.

    Source: MusCALL's original code steps a cosine annealing of a tenth of the training past its end.

    >>> cycling_cosine(0, 10), round(cycling_cosine(10, 10), 6), cycling_cosine(20, 10)
    (1.0, 0.0, 1.0)
    """
    return 0.5 * (1.0 + float(np.cos(np.pi * step / period)))


def warm_up(step: int, steps: int) -> float:
    """Learning-rate factor of the step after so many: linear up to 1 in the last of `steps` warm-up steps, then 1.

    >>> [warm_up(step, 4) for step in (0, 1, 3, 9)]
    [0.25, 0.5, 1.0, 1.0]
    """
    return min(1.0, (step + 1) / max(1, steps))


def inverse_square_root(step: int, steps: int) -> float:
    """Learning-rate factor of the step after so many: linear warm-up, then 1 / sqrt(step), whatever limits the run.

    Source: the schedule of Vaswani et al. 2017 ("Noam"), its peak at 1.

    >>> [inverse_square_root(step, 4) for step in (0, 3, 15)]
    [0.25, 1.0, 0.5]
    """
    return min(warm_up(step, steps), float(np.sqrt(max(1, steps) / (step + 1))))
