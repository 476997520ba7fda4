"""What a run would take, before it begins: examples, steps, memory, time and disk, from a few real steps."""

from __future__ import annotations

import dataclasses
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.pytorch.callbacks import Callback

from ohrwurm.folders import cache_folder
from ohrwurm.training.limits import StepSeeds
from ohrwurm.training.recipes import Recipe, TrainerSettings
from ohrwurm.training.runner import make_trainer, prepared_task

if TYPE_CHECKING:
    from lightning import Trainer

STEPS = 3  # batches tried; the first one, which warms up, is not timed


@dataclass(frozen=True)
class Plan:
    """What a run would take.

    Attributes:
        parameters: trainable ones.
        preparation: what has to be made first and takes long; nothing below is known then.
        batches: an epoch has.
        steps: optimiser steps in all, or None where only time limits the run.
        step_seconds: one batch, forward and backward, loading included.
        peak_gib: largest memory of this process, or of the GPU.
        minutes: training without validation.
        checkpoint_gib: on disk, of all that is kept.
    """

    parameters: int
    preparation: str = ""
    batches: int | None = None
    steps: int | None = None
    step_seconds: float | None = None
    peak_gib: float | None = None
    minutes: float | None = None
    checkpoint_gib: float | None = None

    def lines(self) -> list[str]:
        """For a person."""
        found = [f"{self.parameters:,} trainable parameters"]
        if self.preparation:
            return [*found, f"first: {self.preparation} (time and memory of a step are measured once that is done)"]
        found.append(f"{self.batches:,} batches an epoch" + (f", {self.steps:,} steps in all" if self.steps else ""))
        found.append(f"{self.step_seconds:.3g} s a batch, measured; peak memory {self.peak_gib:.2f} GiB")
        found.append(f"about {self.minutes:,.1f} minutes of training, {self.checkpoint_gib:.2f} GiB of checkpoints")
        return found


class _Clock(Callback):
    """Wall seconds a batch, from one's end to the next one's end; of the first one only if there is no other."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_epoch_start(self, trainer: Trainer, pl_module: Any) -> None:
        self.begun = time.perf_counter()

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.ends.append(time.perf_counter())

    @property
    def seconds(self) -> float:
        if len(self.ends) == 1:
            return self.ends[0] - self.begun
        return (self.ends[-1] - self.ends[0]) / (len(self.ends) - 1)


def plan(recipe: Recipe, cache: Path | None = None, workers: int | None = None) -> Plan:
    """Check a recipe's data and try a few steps of it, in a temporary folder.

    Raises:
        OhrwurmError: what `run` would raise before its first step: data missing, empty or too small.
    """
    cache = cache or cache_folder()
    task = recipe.build()
    parameters = sum(p.numel() for p in task.parameters() if p.requires_grad)
    preparation = task.preparation(cache)
    if preparation:
        return Plan(parameters, preparation)
    task = prepared_task(recipe, cache, workers)
    settings, clock = recipe.trainer, _Clock()
    tried = dataclasses.replace(
        settings, max_epochs=1, max_steps=None, max_minutes=None, devices=1, nodes=1, strategy="auto"
    )
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = make_trainer(
            tried, Path(folder), [StepSeeds(recipe.seed), clock],
            limit_train_batches=STEPS, limit_val_batches=0, enable_checkpointing=False,
        )  # fmt: skip
        trainer.fit(task)
        state = folder + "/state.ckpt"
        trainer.save_checkpoint(state)
        size = Path(state).stat().st_size / 2**30
        weights = sum(p.numel() * p.element_size() for p in task.state_dict().values()) / 2**30
    batches = len(task.training_loader(recipe.seed, 0))
    total = _batches(settings, batches, clock.seconds)
    kept = (settings.max_epochs or 0) // settings.keep_every if settings.keep_every else 0
    return Plan(
        parameters,
        "",
        batches,
        None if total is None else total // settings.accumulate,
        clock.seconds,
        _peak(trainer),
        (settings.max_minutes or 0.0) if total is None else total * clock.seconds / 60,
        size * (1 + kept) + weights,
    )


def _batches(settings: TrainerSettings, an_epoch: int, seconds: float) -> int | None:
    """Batches until the nearest limit of epochs, steps or minutes; None where the minutes are nearest."""
    limits = []
    if settings.max_epochs is not None:
        limits.append(settings.max_epochs * an_epoch)
    if settings.max_steps is not None:
        limits.append(settings.max_steps * settings.accumulate)
    timed = settings.max_minutes is not None and (not limits or min(limits) * seconds > 60 * settings.max_minutes)
    return None if timed else min(limits)


def _peak(trainer: Trainer) -> float:
    import torch

    device = trainer.strategy.root_device
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**30 if sys.platform == "darwin" else 2**20)
