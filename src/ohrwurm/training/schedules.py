"""How the learning rate moves over a run, by the share of it that is done."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ohrwurm.training.task import Task


def warm_cosine(fraction: float, warm: float = 0.05) -> float:
    """Learning-rate factor: linear from 0 over the first `warm` of training, then a half cosine to 0.

    >>> warm_cosine(0.05), round(warm_cosine(1.0), 6)
    (1.0, 0.0)
    """
    if fraction < warm:
        return max(fraction, 1e-4) / warm
    return 0.5 * (1.0 + float(np.cos(np.pi * min(1.0, (fraction - warm) / (1.0 - warm)))))


def with_warm_cosine(task: Task, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """What `configure_optimizers` returns for an optimiser under `warm_cosine`, stepped by `task.fraction_done`."""
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: warm_cosine(task.fraction_done))
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
