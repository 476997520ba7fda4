"""What the runner asks of a training paradigm; it knows no modality, only this."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

import lightning
import numpy as np
import torch

from ohrwurm.errors import TrainingError
from ohrwurm.training.batches import Batches


class Loader(Protocol):
    """Batches with a known count: a `DataLoader`, or any iterable with `len`."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Any]: ...


class Task(lightning.LightningModule):
    """One training paradigm: data + model + objective.

    A subclass takes its settings as typed keyword arguments of `__init__` (recipes are checked against that
    signature), builds its model there, and defines `prepare`, `training_loader`, `training_step`, `val_dataloader`,
    `validation_step`, `configure_optimizers`, `export` and `report`. During validation it logs `monitor`
    (``self.log(self.monitor, value)`` in `on_validation_epoch_end`).

    **Randomness.** A run that was killed and resumed ends with the same weights as an uninterrupted one, bit for bit
    on a CPU. For this, two rules:

    * `training_loader(seed, epoch)` and the items it gives are functions of ``(seed, epoch, index)`` alone. Draw from
      `generator(seed, epoch, index)`, never from the global generators.
    * `training_step` may use the global generators (dropout, mining): the runner seeds them before every step from
      ``(seed, epoch, batch)``.

    Attributes:
        monitor: name of the logged validation figure that decides which weights are best.
        mode: whether a higher (``max``) or lower (``min``) monitor is better.
        seed, cache, workers, overfit_batch: set by the runner before `prepare`.
        out: the run's folder, set before training.
        fraction_done: 0 at the start of training, 1 at its limit (epochs, steps or minutes, whichever is nearest);
            kept up to date before every step, for learning-rate schedules. Do not ask the Trainer for
            `estimated_stepping_batches`: it would build the first loader before a resumed run knows its position.
    """

    monitor: str = "validation/mAP"
    mode: Literal["max", "min"] = "max"
    seed: int = 0
    cache: Path = Path()
    out: Path = Path()
    workers: int = 0
    overfit_batch: bool = False
    fraction_done: float = 0.0

    def prepare(self, cache: Path, workers: int) -> None:
        """Make the examples once (render, extract features) under `cache`; resumable, logs its progress."""
        raise NotImplementedError

    def preparation(self, cache: Path) -> str:
        """What `prepare` would have to make that takes long, in words for `--dry-run`; empty if it is quick."""
        return ""

    def training_loader(self, seed: int, epoch: int) -> Loader:
        """The batches of one epoch, the same for the same arguments; of each, this process's `share`."""
        raise NotImplementedError

    @property
    def share(self) -> tuple[int, int]:
        """(number of this process, how many train together)."""
        if self._trainer is None:
            return 0, 1
        return self.trainer.global_rank, self.trainer.world_size

    def joint(self, x: torch.Tensor) -> torch.Tensor:
        """The rows `(n, ...)` of all processes together, `(world n, ...)`, with gradients to each process's own.

        For losses over all pairs of a batch: with every process computing the joint loss, the averaged gradients are
        those of one process with the joint batch. The rows are in that batch's order, as `Batches` has dealt them out.
        """
        if self.share[1] == 1:
            return x
        gathered = self.all_gather(x, sync_grads=x.requires_grad)
        assert isinstance(gathered, torch.Tensor)
        return gathered.transpose(0, 1).flatten(0, 1)  # (world, n, ...) → row i of every process, then row i + 1

    def names(self, batch: Any) -> list[str]:
        """The recordings in a batch, for the error when the loss is no number; empty where they have no names."""
        return []

    def export(self, folder: Path) -> None:
        """Write the model folder: `config.json`, `model.safetensors`, `README.md`. The best weights are loaded."""
        raise NotImplementedError

    def report(self) -> dict[str, Any]:
        """Final figures on test data, for the card. The best weights are loaded, in eval mode.

        Keys that `ohrwurm models record` reads: ``data``, ``protocol``, ``n`` (what was counted, in words),
        ``test`` (metric → value), and where they exist ``chance`` and ``baseline`` (metric → value) and
        ``baseline_name``. Others are kept in the run's report.
        """
        raise NotImplementedError

    def train_dataloader(self) -> Loader:
        """This epoch's batches, from where a resumed run stands; subclasses define `training_loader`."""
        position = 0
        loop = self.trainer.fit_loop
        if loop.restarting:
            progress = loop.epoch_loop.batch_progress.current
            position = progress.ready
        batches = self.training_loader(self.seed, 0 if self.overfit_batch else self.current_epoch)
        if len(batches) == 0:
            raise TrainingError(
                f"{type(self).__name__}: no training batch in epoch {self.current_epoch}; check the data."
            )
        if self.overfit_batch:
            batches = [next(iter(batches))] * len(batches)
        return Positioned(batches, position)


class Positioned:
    """A loader whose first pass starts at batch `position`; its length stays that of the whole epoch.

    >>> list(Positioned([10, 20, 30], 1)), len(Positioned([10, 20, 30], 1))
    ([20, 30], 3)
    """

    def __init__(self, loader: Loader | list[Any], position: int = 0) -> None:
        self.loader = loader
        self.position = position

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        # A generator, so that Lightning's habit of asking for an iterator twice does not start workers twice.
        if isinstance(self.loader, Batches):
            yield from self.loader.starting_at(self.position)
        else:  # made and dropped: holds for any loader that is deterministic, also one that draws as it goes
            yield from itertools.islice(iter(self.loader), self.position, None)

    def state_dict(self) -> dict[str, Any]:
        """Nothing: the position is read from the Trainer's progress. Its presence tells Lightning we can resume."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to load; see `state_dict`."""


def generator(*numbers: int) -> np.random.Generator:
    """A NumPy generator that depends on the given non-negative integers alone, e.g. ``(seed, epoch, index)``.

    >>> bool(generator(0, 3, 17).random() == generator(0, 3, 17).random())
    True
    """
    return np.random.default_rng(numbers)


def torch_generator(*numbers: int) -> torch.Generator:
    """A torch generator that depends on the given non-negative integers alone."""
    return torch.Generator().manual_seed(seed_of(numbers))


def seed_of(numbers: Iterable[int]) -> int:
    """A 63-bit seed mixed from integers; near inputs give unrelated seeds.

    >>> seed_of((0, 1)) != seed_of((1, 0))
    True
    """
    return int(np.random.SeedSequence(tuple(numbers)).generate_state(1, np.uint64)[0] >> 1)


def rounded(figures: Mapping[str, float], digits: int = 4) -> dict[str, float]:
    """Figures for a report: plain floats, rounded."""
    return {name: round(float(value), digits) for name, value in figures.items()}
