"""A learning rate that falls when a validation figure no longer becomes better, also in a run that is resumed."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau


class Plateau:
    """A task's `ReduceLROnPlateau`, if it asks for one: kept in its checkpoints, and stepped by the task itself.

    Lightning would step it after the checkpoint of the epoch has been written: a resumed run lacked that step.
    """

    def __init__(self) -> None:
        self._scheduler: ReduceLROnPlateau | None = None
        self._state: dict[str, Any] | None = None  # of the checkpoint, which is read before there is an optimiser

    def watch(self, optimizer: torch.optim.Optimizer, mode: Literal["min", "max"], factor: float, wait: int) -> None:
        """From here on multiply the optimiser's rates by `factor` when the figure has stalled for more than `wait`."""
        self._scheduler = ReduceLROnPlateau(optimizer, mode=mode, factor=factor, patience=wait)
        if self._state is not None:
            self._scheduler.load_state_dict(self._state)

    def step(self, figure: float) -> None:
        """Tell the figure of a validation; nothing happens where nothing is watched."""
        if self._scheduler is not None:
            self._scheduler.step(figure)

    def save(self, checkpoint: dict[str, Any]) -> None:
        """Put its state into a checkpoint."""
        if self._scheduler is not None:
            checkpoint["plateau"] = self._scheduler.state_dict()

    def load(self, checkpoint: dict[str, Any]) -> None:
        """Take its state out of one."""
        self._state = checkpoint.get("plateau")
