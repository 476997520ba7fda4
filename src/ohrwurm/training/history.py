"""The course of a run: `log.csv`, one row an epoch, the lines that a person watches, and TensorBoard's files."""

from __future__ import annotations

import csv
import io
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.pytorch.callbacks import Checkpoint

from ohrwurm.atomic import write_text
from ohrwurm.errors import TrainingError

if TYPE_CHECKING:
    from lightning import Trainer

    from ohrwurm.training.limits import Limits

log = logging.getLogger(__name__)
LINE_EVERY = 60.0  # seconds between lines within an epoch


# A `Checkpoint` in Lightning's sense only so that it runs after the task's own epoch-end hooks and sees what they log.
class History(Checkpoint):
    """Records mean training loss, learning rate, time and every logged figure of each epoch.

    The rows are part of the checkpoint, so a resumed run's log goes on without gaps or repetitions.
    """

    def __init__(self, out: Path, limits: Limits, tensorboard: bool = False) -> None:
        self.file = out / "log.csv"
        self.limits = limits
        self._board_folder = out / "tensorboard" if tensorboard else None
        self._board: Any = None
        self.rows: list[dict[str, Any]] = []
        self._sum = 0.0
        self._count = 0
        self._line_at = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "sum": self._sum, "count": self._count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = list(state_dict["rows"])
        self._sum, self._count = state_dict["sum"], state_dict["count"]

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        if self._board_folder is None or not trainer.is_global_zero:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise TrainingError("trainer.tensorboard needs the package: pip install 'ohrwurm[train]'") from error
        # What an interrupted session wrote past its last checkpoint is not shown.
        self._board = SummaryWriter(str(self._board_folder), purge_step=trainer.global_step)

    def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
        if self._board is not None:
            self._board.close()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: Any) -> None:
        self._sum, self._count = 0.0, 0

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if isinstance(outputs, dict) and outputs.get("loss") is not None:
            self._sum += float(outputs["loss"]) * trainer.accumulate_grad_batches
            self._count += 1
            if self._board is not None:
                loss = float(outputs["loss"]) * trainer.accumulate_grad_batches
                self._board.add_scalar("training/step_loss", loss, trainer.global_step)
                self._board.add_scalar("training/lr", trainer.optimizers[0].param_groups[0]["lr"], trainer.global_step)
        if time.monotonic() - self._line_at > LINE_EVERY:
            self._line_at = time.monotonic()
            log.info(
                "epoch %d  batch %d/%d  loss %.4f  %s", trainer.current_epoch + 1, batch_idx + 1,
                trainer.num_training_batches, self._sum / max(1, self._count), self._time(pl_module),
            )  # fmt: skip

    def on_train_epoch_end(self, trainer: Trainer, pl_module: Any) -> None:
        epoch = trainer.current_epoch + 1
        if self.rows and self.rows[-1]["epoch"] >= epoch:
            return  # Lightning ends an epoch once more when a run resumes from its end
        validated = self.limits.validated == trainer.current_epoch
        figures = {k: float(v) for k, v in sorted(trainer.callback_metrics.items())}
        if not validated:  # what the Trainer still knows is of an earlier epoch
            figures = {k: v for k, v in figures.items() if k != pl_module.monitor and not k.startswith("validation/")}
        elif pl_module.monitor not in figures:
            raise TrainingError(
                f"{type(pl_module).__name__} logs no {pl_module.monitor!r}, its monitor. "
                f"Logged: {', '.join(figures) or 'nothing'}."
            )
        row = {
            "epoch": epoch,
            "step": trainer.global_step,
            "minutes": round(self.limits.seconds / 60, 3),
            "loss": self._sum / max(1, self._count),
            "lr": trainer.optimizers[0].param_groups[0]["lr"],
            **figures,
        }
        self.rows.append(row)
        if trainer.is_global_zero:
            self._write()
        if self._board is not None:
            for name in row.keys() - {"epoch", "step", "lr"}:
                self._board.add_scalar(name, row[name], trainer.global_step)
            self._board.flush()
        self._line_at = time.monotonic()
        monitored = f"{pl_module.monitor} {figures[pl_module.monitor]:.4f}  " if pl_module.monitor in figures else ""
        pl_module.fraction_done = self.limits.fraction_done(epoch, trainer.global_step)
        log.info("epoch %d  loss %.4f  %s%s", epoch, row["loss"], monitored, self._time(pl_module))

    def _time(self, task: Any) -> str:
        used, done = self.limits.seconds / 60, task.fraction_done
        left = f", about {used * (1 - done) / done:.1f} left" if 0 < done < 1 else ""
        return f"{used:.1f} min{left}"

    def _write(self) -> None:
        columns = list(dict.fromkeys(k for row in self.rows for k in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self.file, text.getvalue())
