"""A contrastive task of milliseconds whose loss is over the joint batch of all processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ohrwurm.objectives.contrastive import clip_loss
from ohrwurm.training.batches import Batches, shuffled
from ohrwurm.training.task import Task, generator


class JointTask(Task):
    """Two linear towers for two noisy views of the same points."""

    monitor = "validation/loss"
    mode = "min"

    def __init__(self, dim: int = 6, batch_size: int = 8, count: int = 32) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.settings: Any = self.hparams
        self.left, self.right = nn.Linear(dim, 4), nn.Linear(dim, 4)
        self.scale = nn.Parameter(torch.tensor(1.0))

    def prepare(self, cache: Path, workers: int) -> None:
        self.points = generator(7).standard_normal((self.settings.count, self.settings.dim))

    def training_loader(self, seed: int, epoch: int) -> Batches:
        def make(number: int, rows: np.ndarray) -> Tensor:
            views = [
                self.points[r] + 0.1 * generator(seed, epoch, int(r)).standard_normal((2, self.points.shape[1]))
                for r in rows
            ]
            return torch.tensor(np.stack(views), dtype=torch.float32)  # (B, 2, dim)

        groups = shuffled(len(self.points), self.settings.batch_size, generator(seed, epoch))
        return Batches(groups, make, self.share)

    def loss(self, batch: Tensor) -> Tensor:
        return clip_loss(self.joint(self.left(batch[:, 0])), self.joint(self.right(batch[:, 1])), self.scale)

    def training_step(self, batch: Tensor, index: int) -> Tensor:
        loss = self.loss(batch)
        self.log("training/loss", loss, on_epoch=True, on_step=False, batch_size=len(batch))
        return loss

    def val_dataloader(self) -> Batches:
        return Batches([torch.tensor(np.stack([self.points, self.points], 1), dtype=torch.float32)])

    def validation_step(self, batch: Tensor, index: int) -> None:
        self.log(self.monitor, clip_loss(self.left(batch[:, 0]), self.right(batch[:, 1]), self.scale), batch_size=1)

    def configure_optimizers(self) -> Any:
        return torch.optim.AdamW(self.parameters(), 1e-2)

    def export(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(self.left.state_dict(), folder / "model.pt")
        (folder / "config.json").write_text("{}")

    def report(self) -> dict[str, Any]:
        return {"processes": self.share[1]}
