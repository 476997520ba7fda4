"""Checkpoints of a run: the last state, to go on from, the best weights, to export, and every so many epochs one to
keep. Each complete or absent."""

from __future__ import annotations

import math
import os
import secrets
import shutil
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.callbacks import Checkpoint

from ohrwurm.atomic import replacing, write_text
from ohrwurm.errors import Interrupted, ModelError, TrainingError
from ohrwurm.training.processes import any_says, of_first
from ohrwurm.unpickle import read_pickle

if TYPE_CHECKING:
    from lightning import Trainer

    from ohrwurm.training.limits import Limits
    from ohrwurm.training.recipes import TrainerSettings
    from ohrwurm.training.task import Task

FOLDER = "checkpoints"
CURRENT = "current"  # in a sharded checkpoint, the name of the folder that counts
SHARED = "meta.pt"  # in that folder, what is not split; Lightning's name
BEST_KEEPS = ("state_dict", "epoch", "global_step", "ohrwurm")


def last(out: Path) -> Path:
    """The file that a resumed run goes on from."""
    return out / FOLDER / "last.ckpt"


def best(out: Path) -> Path:
    """The weights with the best monitor."""
    return out / FOLDER / "best.ckpt"


def kept(out: Path, epoch: int) -> Path:
    """The state after an epoch that `keep_every` keeps."""
    return out / FOLDER / f"epoch-{epoch:04d}.ckpt"


def exists(path: Path) -> bool:
    """Whether there is a complete checkpoint, in one file or in shards."""
    return path.is_file() or (path / CURRENT).is_file()


def remove(path: Path) -> None:
    """Remove a checkpoint, if there is one."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def read(path: Path) -> dict[str, Any]:
    """A checkpoint's content, on the CPU; of one in shards all but weights and optimiser state.

    Only tensors and plain values are accepted, never pickled code.
    """
    try:
        return read_pickle(shards(path) / SHARED if path.is_dir() else path)
    except ModelError as error:
        raise TrainingError(f"{error} Delete it to train from the start.") from error


def load_weights(task: Task, path: Path) -> None:
    """Fill a task, which is not split over processes, with the weights of a checkpoint."""
    if path.is_dir():
        from torch.distributed.checkpoint import load

        state = {"state_dict": task.state_dict()}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="torch.distributed is disabled")  # as meant
            load(state, checkpoint_id=shards(path), no_dist=True)
    else:
        state = read(path)
    task.load_state_dict(state["state_dict"])


def shards(path: Path) -> Path:
    """The folder with the shards of a checkpoint that several processes wrote, each its part."""
    return path / (path / CURRENT).read_text(encoding="utf-8").strip()


def next_shards(path: Path) -> Path:
    """A new folder for shards; they count once `commit_shards` says so."""
    if path.is_file():
        path.unlink()
    folder = path / secrets.token_hex(6)
    folder.mkdir(parents=True)
    return folder


def commit_shards(path: Path, folder: Path) -> None:
    """Let the checkpoint at `path` be what all processes have written to `folder`, at once; remove older shards.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "last.ckpt"
    >>> for _ in range(2):
    ...     before, new = exists(path), next_shards(path)
    ...     commit_shards(path, new)
    >>> before, shards(path) == new, len(list(path.iterdir()))
    (True, True, 2)
    """
    for file in folder.iterdir():
        with open(file, "rb") as written:
            os.fsync(written.fileno())
    write_text(path / CURRENT, folder.name)
    for other in path.iterdir():
        if other.is_dir() and other != folder:
            shutil.rmtree(other)


class AtomicIO(TorchCheckpointIO):
    """Writes a checkpoint through a temporary file, flushed and renamed; of the best one, no optimiser state."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        if Path(path).name == best(Path()).name:
            # Not Lightning's `weights_only`: that skips the callbacks, and with them averaged weights.
            checkpoint = {key: checkpoint[key] for key in BEST_KEEPS}
        with replacing(path) as temporary:
            torch.save(checkpoint, temporary)


class Checkpoints(Checkpoint):
    """Keeps `last.ckpt` (every epoch, every so many minutes, and on a signal), `best.ckpt` (by the task's monitor) and
    the states of every `keep_every`-th epoch; ends the run when the monitor has not become better for long enough.

    The best weights are written before the last state: killed in between, the resumed run repeats the epoch and
    writes the same best again.

    Args:
        out: the run's folder.
        recipe: the resolved configuration, stored in all files.
        settings: how often to save, what to keep, how long to wait.
        limits: told by a signal handler that the run shall stop, and by us that patience is at its end.

    Attributes:
        waited: validations since the monitor was best (of all that were not, if `patience_resets` is off).
    """

    def __init__(self, out: Path, recipe: dict[str, Any], settings: TrainerSettings, limits: Limits) -> None:
        self.out = out
        self.recipe = recipe
        self.settings = settings
        self.limits = limits
        self.best_score = math.nan
        self.best_epoch = 0
        self.waited = 0
        self._saved_at = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        return {"best_score": self.best_score, "best_epoch": self.best_epoch, "waited": self.waited}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best_score = state_dict["best_score"]
        self.best_epoch = state_dict["best_epoch"]
        self.waited = state_dict["waited"]

    @property
    def out_of_patience(self) -> bool:
        return self.settings.patience is not None and self.waited >= self.settings.patience

    def on_save_checkpoint(self, trainer: Trainer, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        checkpoint["ohrwurm"] = {"recipe": self.recipe, "score": self.best_score}

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        self._saved_at = time.monotonic()

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        count = trainer.num_training_batches
        if (batch_idx + 1) % trainer.accumulate_grad_batches and batch_idx + 1 < count:
            return  # half a step's gradients are not part of a checkpoint
        if batch_idx + 1 >= count:
            return  # the epoch's end follows
        since = time.monotonic() - self._saved_at
        # Before the last batch, too: validation may be long, and killed in it only that batch is repeated.
        before_last = batch_idx + 1 + trainer.accumulate_grad_batches >= count
        late = since > 60.0 * self.settings.save_every_minutes or (before_last and since > 10.0)
        signalled = any_says(trainer, bool(self.limits.signal))
        if signalled or trainer.should_stop or of_first(trainer, late):
            self._save_last(trainer)
        if signalled:
            raise Interrupted(f"stopped by a signal, saved to {last(self.out)}; the same command goes on from there.")

    def on_validation_batch_end(self, *_: Any, **__: Any) -> None:
        if self.limits.signal:
            raise Interrupted(f"stopped by a signal in validation; {self.out}: the same command goes on from there.")

    def on_train_epoch_end(self, trainer: Trainer, pl_module: Any) -> None:
        task: Task = pl_module
        epoch = trainer.current_epoch + 1
        score = trainer.callback_metrics.get(task.monitor)
        validated = self.limits.validated == trainer.current_epoch
        score = None if score is None else of_first(trainer, float(score))  # to save is for all processes or none
        if validated and score is not None and self._is_better(score, task.mode):
            self.best_score, self.best_epoch = score, epoch
            self.waited = 0 if self.settings.patience_resets else self.waited
            trainer.save_checkpoint(best(self.out))
        elif validated:
            self.waited += 1
        if self.out_of_patience:
            self.limits.reached = f"patience={self.settings.patience}"
            trainer.should_stop = True
        progress = trainer.fit_loop.epoch_loop.batch_progress
        if progress.current.ready >= trainer.num_training_batches:
            if self.settings.keep_every and epoch % self.settings.keep_every == 0:
                trainer.save_checkpoint(kept(self.out, epoch))
            self._save_last(trainer)
        if self.limits.signal:
            raise Interrupted(f"stopped by a signal after epoch {epoch}; the same command goes on from there.")

    def _is_better(self, score: float, mode: str) -> bool:
        if math.isnan(score):
            return False
        if math.isnan(self.best_score):
            return True
        gain = score - self.best_score if mode == "max" else self.best_score - score
        return gain > self.settings.min_delta

    def _save_last(self, trainer: Trainer) -> None:
        trainer.save_checkpoint(last(self.out))
        self._saved_at = time.monotonic()
