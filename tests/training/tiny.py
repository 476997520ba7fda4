"""A task of milliseconds: a regression with dropout, batch norm, a schedule and per-item noise."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ohrwurm.training.task import Positioned, Task, generator, torch_generator


class TinyTask(Task):
    """Fits a fixed random linear map. `slow` seconds are added to every step; `bad_epoch` has a NaN loss."""

    monitor = "validation/error"
    mode = "min"

    def __init__(
        self,
        lr: float = 1e-2,
        batches: int = 6,
        width: int = 16,
        slow: float = 0.0,
        bad_epoch: int | None = None,
        logs_monitor: bool = True,
        sizes: list[int] | None = None,
        names: tuple[str, ...] = ("a", "b"),
    ) -> None:
        super().__init__()
        self.save_hyperparameters()  # as real tasks do: they travel in the checkpoint
        self.lr, self.batches, self.slow, self.bad_epoch, self.logs_monitor = lr, batches, slow, bad_epoch, logs_monitor
        self.net = nn.Sequential(
            nn.Linear(8, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.2), nn.Linear(width, 3)
        )
        self.fractions: list[float] = []
        self.seen: list[float] = []

    def prepare(self, cache: Path, workers: int) -> None:
        self.register_buffer("truth", torch.randn(8, 3, generator=torch_generator(0)))

    def _batch(self, *numbers: int) -> dict[str, Tensor]:
        x = torch.from_numpy(generator(*numbers).standard_normal((12, 8), dtype="float32"))
        return {"x": x}

    def training_loader(self, seed: int, epoch: int) -> list[dict[str, Tensor]]:
        return [self._batch(seed, epoch, i) for i in range(self.batches)]

    def val_dataloader(self) -> Positioned:
        return Positioned([self._batch(1, 2, 3, i) for i in range(3)])

    def names(self, batch: dict[str, Tensor]) -> list[str]:
        return ["first.wav", "second.wav"]

    def training_step(self, batch: dict[str, Tensor], index: int) -> Tensor:
        time.sleep(self.slow)
        self.fractions.append(self.fraction_done)
        self.seen.append(float(batch["x"][0, 0]))
        loss = (self.net(batch["x"]) - batch["x"] @ self.truth).square().mean()
        return loss * float("nan") if self.current_epoch == self.bad_epoch else loss

    def validation_step(self, batch: dict[str, Tensor], index: int) -> None:
        error = (self.net(batch["x"]) - batch["x"] @ self.truth).abs().mean()
        self.log(self.monitor if self.logs_monitor else "validation/other", error, batch_size=12)

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.parameters(), self.lr)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + 0.1 * step))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def export(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        torch.save({k: v.cpu() for k, v in self.net.state_dict().items()}, folder / "model.pt")
        (folder / "config.json").write_text(json.dumps({"name": "tiny"}))

    def report(self) -> dict[str, Any]:
        batches = self.val_dataloader()
        return {"error": sum(float((self.net(b["x"]) - b["x"] @ self.truth).abs().mean()) for b in batches) / 3}
