"""What ends a run (epochs, steps, minutes, a signal, a loss that is no number), and what makes it repeatable."""

from __future__ import annotations

import math
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning.pytorch.callbacks import Callback

from ohrwurm.errors import TrainingError
from ohrwurm.training.checkpoints import last
from ohrwurm.training.processes import any_says, of_first
from ohrwurm.training.task import seed_of

if TYPE_CHECKING:
    from lightning import Trainer

    from ohrwurm.training.recipes import TrainerSettings

VALIDATION = 1 << 40  # an epoch number that no training epoch has


def seed_global_generators(*numbers: int) -> None:
    """Seed Python's, NumPy's and torch's global generators from the given integers."""
    seed = seed_of(numbers)
    random.seed(seed)
    np.random.seed(seed % (1 << 32))
    torch.manual_seed(seed)


class StepSeeds(Callback):
    """Seeds the global generators before every training step and every validation.

    A step's randomness is thereby a function of (seed, epoch, batch), whatever ran before it in this process:
    nothing needs to be saved for a resumed run to draw the same numbers.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        seed_global_generators(self.seed, trainer.current_epoch, batch_idx)

    def on_validation_start(self, trainer: Trainer, pl_module: Any) -> None:
        seed_global_generators(self.seed, VALIDATION)


class Limits(Callback):
    """Counts the time of all sessions of a run and stops it, cleanly, at the limits of its recipe.

    The time limit leaves room for one more validation, as long as the longest so far.

    Attributes:
        signal: number of a signal that asked the process to stop, or 0.
        seconds: time used, earlier sessions included.
        reached: which limit ended the run, or an empty text.
        validated: the last epoch (from 0) after which was validated; figures of earlier ones linger in the Trainer.
    """

    def __init__(self, settings: TrainerSettings) -> None:
        self.settings = settings
        self.signal = 0
        self.reached = ""
        self.validated = -1
        self._earlier = 0.0
        self._started: float | None = None
        self._validation = 0.0
        self._validation_started = 0.0

    @property
    def seconds(self) -> float:
        return self._earlier + (time.monotonic() - self._started if self._started is not None else 0.0)

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.seconds, "validation": self._validation}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._earlier = state_dict["seconds"]
        self._validation = state_dict["validation"]

    def reached_by(self, epochs: int, steps: int, seconds: float) -> str:
        """The limit that a run of this extent has reached, or an empty text."""
        s = self.settings
        if s.max_epochs is not None and epochs >= s.max_epochs:
            return f"max_epochs={s.max_epochs}"
        if s.max_steps is not None and steps >= s.max_steps:
            return f"max_steps={s.max_steps}"
        if s.max_minutes is not None and seconds + self._validation >= 60 * s.max_minutes:
            return f"max_minutes={s.max_minutes:g}"
        return ""

    def fraction_done(self, epochs: float, steps: int) -> float:
        """How much of the nearest limit is used up, 0 to 1."""
        s = self.settings
        parts = (
            epochs / s.max_epochs if s.max_epochs else 0.0,
            steps / s.max_steps if s.max_steps else 0.0,
            (self.seconds + self._validation) / (60 * s.max_minutes) if s.max_minutes else 0.0,
        )
        return min(1.0, max(parts))

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        self._started = time.monotonic()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: Any) -> None:
        if trainer.current_epoch + 1 == self.settings.max_epochs:
            trainer.check_val_every_n_epoch = 1  # the last weights are validated whatever the rhythm

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        epochs = trainer.current_epoch + batch_idx / trainer.num_training_batches
        done = self.fraction_done(epochs, trainer.global_step)
        # Clocks differ between processes, learning rates must not.
        pl_module.fraction_done = of_first(trainer, done) if self.settings.max_minutes else done

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if isinstance(outputs, dict) and outputs.get("loss") is not None and not math.isfinite(float(outputs["loss"])):
            names = pl_module.names(batch)
            raise TrainingError(
                f"the loss is {float(outputs['loss'])} at epoch {trainer.current_epoch + 1}, batch {batch_idx + 1}"
                + (f" ({', '.join(names)})" if names else "")
                + f". The last good state is kept: {last(Path(trainer.default_root_dir))}. "
                "Try a lower learning rate, trainer.clip=1 or trainer.precision=32."
            )
        reached = self.reached_by(trainer.current_epoch, trainer.global_step, self.seconds)
        if any_says(trainer, bool(reached)):
            self.reached = reached
            trainer.should_stop = True
            trainer.check_val_every_n_epoch = 1

    def on_validation_start(self, trainer: Trainer, pl_module: Any) -> None:
        self._validation_started = time.monotonic()

    def on_validation_end(self, trainer: Trainer, pl_module: Any) -> None:
        self.validated = trainer.current_epoch
        self._validation = max(self._validation, time.monotonic() - self._validation_started)
