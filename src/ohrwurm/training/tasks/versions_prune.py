"""Pruning, Re-MOVE's ``pruning``: the dimensions that matter, found in the way of the lottery ticket.

A whole training; the rows of the last layer with the smallest weights go; everything else begins anew from the weights
it had at the start; and again. Source: Yesiler, Serrà, Gómez, "Less is more", ISMIR 2020, section 3.1; Frankle and
Carbin, "The lottery ticket hypothesis", ICLR 2019.

What the published code does otherwise: there the best score is never reset, so that a pruned model is kept only if it
beats the unpruned one; rows come back to life in the first step of a cycle; the state of the optimiser survives the
rewind; and the model stays as large as it was. Here each cycle keeps its best, and what is exported is small.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor

from ohrwurm.atomic import replacing
from ohrwurm.errors import RecipeError
from ohrwurm.models.base import AudioEncoder
from ohrwurm.models.move_reduction import PUBLISHED_SIZES, mask_rows, prune, rows_kept
from ohrwurm.training import checkpoints
from ohrwurm.training.tasks.versions import VersionTask, version_encoder


class PruneTask(VersionTask):
    """Train, prune, rewind, and again. Settings beside these are those of `VersionTask`.

    Distances are divided by the whole dimension in all cycles, as published. ``model`` is that of the last cycle;
    those of the cycles before are exported beside it, as ``model-DIM``.

    Args:
        dim: before pruning.
        iterations: how often is pruned; there is one cycle more.
        cycle_epochs: of each; `trainer.max_epochs` is that of all cycles together.
        sizes: dimensions left after each cycle; unless given 8000, 4000, 2048, ... of 16,000, and else a half each.
    """

    # A later cycle's best takes the place of an earlier one's.
    monitor = "validation/cycle+MAP"
    keep: Tensor
    cycle: Tensor

    def __init__(
        self,
        dim: int = 16000,
        iterations: int = 3,
        cycle_epochs: int = 70,
        sizes: list[int] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(dim=dim, **settings)
        if not self.profiled:
            raise RecipeError(f"only MOVE's latent space is pruned, and {self.settings.model} is none")
        if iterations < 1 or cycle_epochs < 1:
            raise RecipeError(f"{iterations} iterations of {cycle_epochs} epochs; at least 1 of each")
        published = PUBLISHED_SIZES if dim == 16000 else tuple(dim >> i for i in range(1, dim.bit_length()))
        self.sizes = [dim, *(sizes or published)[:iterations]]
        if len(self.sizes) <= iterations or any(a <= b for a, b in zip(self.sizes, self.sizes[1:], strict=False)):
            raise RecipeError(
                f"{iterations} iterations need as many falling sizes below {dim}, not {self.sizes[1:]}: set task.sizes"
            )
        self.register_buffer("keep", torch.ones(dim, dtype=torch.bool))
        self.register_buffer("cycle", torch.tensor(0))
        self.initial = {name: value.clone() for name, value in self.learned().items()}

    def learned(self) -> dict[str, Tensor]:
        """What a rewind sets back: weights, statistics and proxies."""
        return {name: value for name, value in self.state_dict().items() if name not in ("keep", "cycle")}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["initial"] = self.initial

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.initial = checkpoint["initial"]

    def on_train_start(self) -> None:
        every, length = self.trainer.check_val_every_n_epoch or 1, self.settings.cycle_epochs
        if every > length:
            raise RecipeError(
                f"a cycle of {length} epochs is never validated: lower trainer.validate_every, now {every}"
            )
        if any(isinstance(callback, WeightAveraging) for callback in self.trainer.callbacks):  # type: ignore[attr-defined]
            raise RecipeError("averaged weights would outlive the rewind: pruning goes without trainer.ema")

    def rate_factor(self, epoch: int) -> float:
        return super().rate_factor(epoch - self.settings.cycle_epochs * self.cycle_of(epoch))

    def cycle_of(self, epoch: int) -> int:
        """The cycle that an epoch belongs to, from 0; what follows the last one belongs to it."""
        return min(epoch // self.settings.cycle_epochs, self.settings.iterations)

    def on_train_epoch_start(self) -> None:
        cycle = self.cycle_of(self.current_epoch)
        if cycle > int(self.cycle):
            if self.trainer.is_global_zero:
                self._keep_best()
            self.rewind(cycle)

    @torch.no_grad()
    def rewind(self, cycle: int) -> None:
        """Begin a cycle: choose the dimensions by the weights there are, and set everything back."""
        keep = rows_kept(self.model.move.lin1.weight, self.sizes[cycle])
        current = self.state_dict()
        for name, value in self.initial.items():
            current[name].copy_(value)
        self.keep.copy_(keep)
        self.cycle.fill_(cycle)
        mask_rows(self.model.move, self.keep)
        if self._trainer is not None:
            for optimizer in self.trainer.optimizers:
                optimizer.state.clear()

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        super().optimizer_step(*args, **kwargs)
        if int(self.cycle):
            mask_rows(self.model.move, self.keep)

    def log_validation(self, found: dict[str, float]) -> None:
        self.log(self.monitor, float(self.cycle) + found["MAP"])
        self.log("validation/MAP", found["MAP"], prog_bar=True)
        self.log("validation/Top-1", found["Top-1"])

    # Result --------------------------------------------------------------------------------------------------------

    def _kept(self, cycle: int) -> Path:
        """The best weights of a cycle that is over."""
        return self.out / checkpoints.FOLDER / f"cycle-{cycle}.ckpt"

    def _keep_best(self) -> None:
        """Put the best weights of the cycle that ends aside; killed and run again, the same."""
        best = checkpoints.best(self.out)
        # Killed after the next cycle's first validation, `best` is that one's already.
        if best.is_file() and int(checkpoints.read(best)["state_dict"]["cycle"]) == int(self.cycle):
            with replacing(self._kept(int(self.cycle))) as temporary:
                shutil.copyfile(best, temporary)

    def result(self) -> AudioEncoder:
        """The encoder without the dimensions that were pruned."""
        dim = int(self.keep.sum())
        card = self.model.card
        small = version_encoder(dataclasses.replace(card, parameters={**card.parameters, "dim": dim}))
        small.move = prune(self.model.move, self.keep).eval()
        return small

    def earlier(self) -> Iterator[AudioEncoder]:
        """The best encoders of the cycles before."""
        now = {name: value.clone() for name, value in self.state_dict().items()}
        for cycle in range(int(self.cycle)):
            if self._kept(cycle).is_file():
                self.load_state_dict(checkpoints.read(self._kept(cycle))["state_dict"])
                encoder = self.result()
                self.load_state_dict(now)
                yield encoder

    def report(self) -> dict[str, Any]:
        """As ever, of the last cycle, and what the cycles before it came to."""
        cycles = [{"dim": encoder.card.dim, **self.measure(encoder, self.report_rows)} for encoder in self.earlier()]
        return {**super().report(), "dim": int(self.keep.sum()), "cycles": cycles}

    def export(self, folder: Path) -> None:
        """Write the model folder of the last cycle, and beside it those of the cycles before, as ``model-DIM``."""
        super().export(folder)
        for encoder in self.earlier():
            dim, name = encoder.card.dim, f"{encoder.card.name}-{encoder.card.dim}"
            encoder.card = dataclasses.replace(encoder.card, name=name)
            self.save_encoder(encoder, folder.with_name(f"{folder.name}-{dim}"))
