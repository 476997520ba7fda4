"""Contrastive learning of waveforms without labels: CLMR, on which TUNe trains too.

    track ─┬─ random crop ─ augmentations ─▶ encoder ─ projector ─▶ z_i ─┐
           └─ random crop ─ augmentations ─▶ encoder ─ projector ─▶ z_j ─┴▶ NT-Xent: find the other view of your track

Sources: Spijkervet, Burgoyne, "Contrastive learning of musical representations", ISMIR 2021; Vélez Vásquez, Burgoyne,
"Tailed U-Net", ISMIR 2022; after Chen et al., "A simple framework for contrastive learning", 2020 (SimCLR).
"""

from __future__ import annotations

import dataclasses
import inspect
import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from ohrwurm.audio.augment import chain
from ohrwurm.errors import RecipeError
from ohrwurm.evaluation.metrics import retrieval
from ohrwurm.models import registry
from ohrwurm.models.base import AudioEncoder
from ohrwurm.models.samplecnn import SampleCNN
from ohrwurm.models.tune_hybrid import TuneHybrid
from ohrwurm.models.waveform import WaveformEncoder
from ohrwurm.objectives.contrastive import nt_xent
from ohrwurm.training.batches import Batches, shuffled
from ohrwurm.training.crops import Crops
from ohrwurm.training.encoders import base_card, encoder_to_train, freeze_unused
from ohrwurm.training.limits import VALIDATION
from ohrwurm.training.optimizers.lars import LARS
from ohrwurm.training.task import Task, generator, rounded


class ViewsTask(Task):
    """Train an encoder to know two augmented crops of a track from those of other tracks. The defaults are CLMR's.

    Args:
        data: manifest or pack. Only the audio is used, and the columns that say what must not be split.
        model: name of a card (samplecnn, any tune-..., any other encoder), a model folder, or an architecture.
        parameters: changes to the card's parameters; of an architecture, all of them.
        weights: a checkpoint to begin from, or ``own`` for those that come with `model`; empty for random ones.
        samplecnn_weights: of a hybrid, CLMR's checkpoint for its SampleCNN (the frozen one needs it).
        name, description: of the exported model.
        layer: read-out that is trained (TUNe's `eval_layer`); the model's own output unless given.
        samples: of a crop; the card's window unless given.
        projection: size of the vectors that the loss compares.
        temperature: of NT-Xent.
        negatives: ``local``, those of the same process (as published), or ``gathered``, of all processes.
        passes: whether the two views go through the encoder ``separate`` (as published: each has its own batch
            statistics) or ``joint``.
        batch_size: tracks, of all processes together.
        augmentations: name of a published chain, or its steps (`ohrwurm.audio.augment.chain`).
        probabilities: other probabilities for its steps, e.g. ``{pitch: 0.4}``.
        optimizer: ``adam``, at a constant rate, or ``lars`` under a cosine that falls to 0, epoch by epoch.
        lr: 3e-4 for Adam, 0.3 batch_size / 256 for LARS unless given.
        lr_per_process: multiply the rate by the number of processes, as TUNe does.
        weight_decay: 0 for Adam, 1e-6 for LARS unless given.
    """

    monitor = "validation/NT-Xent"
    mode = "min"

    def __init__(
        self,
        data: str = "",
        model: str = "samplecnn",
        parameters: dict[str, Any] | None = None,
        weights: str = "",
        samplecnn_weights: str = "",
        name: str = "my-views-model",
        description: str = "Similar sound, trained without labels with ohrwurm.",
        layer: int | None = None,
        samples: int | None = None,
        projection: int = 64,
        temperature: float = 0.5,
        negatives: Literal["local", "gathered"] = "local",
        passes: Literal["separate", "joint"] = "separate",
        batch_size: int = 48,
        augmentations: str | list[dict[str, Any]] = "clmr",
        probabilities: dict[str, float] | None = None,
        optimizer: Literal["adam", "lars"] = "adam",
        lr: float | None = None,
        lr_per_process: bool = False,
        weight_decay: float | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.settings: Any = self.hparams
        if batch_size < 2:
            raise RecipeError("batch_size=1 has no negatives: a view cannot be told from others; 2 is the least")
        self.chain = chain(augmentations, probabilities)
        card = base_card(model, parameters or {})
        card = dataclasses.replace(card, layer=card.layer if layer is None else layer)
        samples = samples or round(card.window * card.sample_rate)
        self.crops = Crops(data, card.sample_rate, samples, batch_size)
        if "projection" in inspect.signature(registry.builder(card)).parameters:
            size = projection if card.layer is None else 0
            card = dataclasses.replace(card, parameters={**card.parameters, "projection": size})
        self.model = encoder_to_train(model, card, samples, weights)
        self.model.card = dataclasses.replace(self.model.card, name=name, description=description)
        if isinstance(self.model, TuneHybrid):
            self._start_hybrid(self.model)
        # Published encoders have the projector themselves, for their own output.
        own = isinstance(self.model, WaveformEncoder) and self.model.projector is not None
        self.head = None if own else projector(self.model.card.dim, projection)
        self.model.eval()  # batch norms shall not see this
        freeze_unused(self, self.project(self.model(torch.zeros(1, samples)).pooled))
        self.model.train()

    def _start_hybrid(self, model: TuneHybrid) -> None:
        settings = self.settings
        if settings.samplecnn_weights:
            loaded = registry.load("samplecnn", weights=settings.samplecnn_weights)
            assert isinstance(loaded, SampleCNN)
            model.start_from(loaded)
        elif not settings.weights and not any(p.requires_grad for p in model.model_down.parameters()):
            raise RecipeError(
                f"{settings.model}: its SampleCNN does not learn; give the weights that CLMR published: "
                "task.samplecnn_weights='clmr_epoch=10000.ckpt'"
            )

    # Data ----------------------------------------------------------------------------------------------------------

    def prepare(self, cache: Path, workers: int) -> None:
        """Compile the augmentations once, before workers are started."""
        self.chain.warm_up(self.rate)

    @property
    def rate(self) -> int:
        """Samples a second."""
        return self.model.card.sample_rate

    def view(self, row: int, *numbers: int) -> np.ndarray:
        """One view `(samples,)` of a track, a function of these numbers and the track alone."""
        draw = generator(*numbers)
        return self.chain(self.crops.random(row, draw), self.rate, draw)

    def batch(self, rows: Any, seed: int, epoch: int) -> dict[str, Any]:
        """Two views of each track, `(B, 2, samples)`, each cropped on its own, and the tracks' names."""
        views = [[self.view(row, seed, epoch, row, number) for number in (0, 1)] for row in map(int, rows)]
        return {
            "audio": torch.from_numpy(np.array(views, np.float32)),
            "names": [self.crops.track(int(row)).track_id for row in rows],
        }

    def names(self, batch: dict[str, Any]) -> list[str]:
        return batch["names"]

    def training_loader(self, seed: int, epoch: int) -> Batches:
        order = np.array(self.crops.training)
        groups = [order[group] for group in shuffled(len(order), self.settings.batch_size, generator(seed, epoch))]
        return Batches(groups, lambda _, rows: self.batch(rows, seed, epoch), self.share, self.workers)

    def val_dataloader(self) -> Batches:
        rows, size = self.crops.validation, self.settings.batch_size
        groups = [rows[i : i + size] for i in range(0, len(rows), size)]
        groups = [group for group in groups if len(group) > 1]
        return Batches(groups, lambda _, group: self.batch(group, self.seed, VALIDATION), workers=self.workers)

    # Objective -----------------------------------------------------------------------------------------------------

    def encode(self, views: Tensor) -> tuple[Tensor, Tensor]:
        """Views `(B, 2, samples)` → projections of the first and of the second ones, each `(B, projection)`."""
        if self.settings.passes == "joint":
            first, second = self.project(self.model(torch.cat(views.unbind(1))).pooled).chunk(2)
            return first, second
        first, second = (self.project(self.model(view).pooled) for view in views.unbind(1))
        return first, second

    def project(self, vectors: Tensor) -> Tensor:
        """What the encoder gives `(B, R)` → what the loss compares `(B, projection)`."""
        if self.head is not None:
            return self.head(vectors)
        assert isinstance(self.model, WaveformEncoder)
        return self.model.project(vectors)

    def training_step(self, batch: dict[str, Any], _: int) -> Tensor:
        first, second = self.encode(batch["audio"])
        if self.settings.negatives == "gathered":
            first, second = self.joint(first), self.joint(second)
        loss = nt_xent(first.float(), second.float(), self.settings.temperature)
        self.log("training/loss", loss, on_epoch=True, on_step=False, prog_bar=True, batch_size=len(batch["names"]))
        return loss

    def validation_step(self, batch: dict[str, Any], _: int) -> None:
        first, second = self.encode(batch["audio"])
        loss = nt_xent(first.float(), second.float(), self.settings.temperature)
        self.log(self.monitor, loss, on_epoch=True, prog_bar=True, batch_size=len(batch["names"]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        parameters = [p for p in self.parameters() if p.requires_grad]
        decay = self.settings.weight_decay
        if self.settings.optimizer == "adam":
            return torch.optim.Adam(parameters, self.lr, weight_decay=0.0 if decay is None else decay)
        return LARS(parameters, self.lr, weight_decay=1e-6 if decay is None else decay)

    @property
    def lr(self) -> float:
        """The learning rate at the start."""
        settings = self.settings
        published = 3e-4 if settings.optimizer == "adam" else 0.3 * settings.batch_size / 256
        lr = published if settings.lr is None else settings.lr
        return float(lr * self.share[1] if settings.lr_per_process else lr)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        if self.settings.optimizer == "lars":
            epochs = self.trainer.max_epochs or 0
            done = self.current_epoch / epochs if epochs > 0 else self.fraction_done
            for group in self.trainer.optimizers[0].param_groups:
                group["lr"] = self.lr * 0.5 * (1 + math.cos(math.pi * done))

    # Result --------------------------------------------------------------------------------------------------------

    @torch.inference_mode()
    def measure(self, model: AudioEncoder, rows: list[int]) -> dict[str, float]:
        """Retrieval of each track's second half by its first half."""
        vectors = []
        for row in rows:
            halves = torch.from_numpy(np.stack(self.crops.halves(row))).to(self.device)
            vectors.append(torch.cat([model(half[None]).pooled.float() for half in halves]))
        first, second = nn.functional.normalize(torch.stack(vectors), dim=-1).unbind(1)
        return retrieval.evaluate((first @ second.T).cpu().numpy(), np.eye(len(rows), dtype=bool))

    def report(self) -> dict[str, Any]:
        """On the test tracks (without any: on the validation tracks), beside random weights and chance."""
        rows = self.crops.test if len(self.crops.test) > 1 else self.crops.validation
        torch.manual_seed(self.seed)
        untrained = registry.build(self.model.card).to(self.device)
        return {
            "data": f"{Path(self.settings.data).name}, {'validation' if rows is self.crops.validation else 'test'} "
            "tracks",
            "protocol": "a crop of each track's first half against one of every track's second half, cosine",
            "n": f"{len(rows)} tracks",
            "test": rounded(self.measure(self.model, rows)),
            "baseline": rounded(self.measure(untrained, rows)),
            "baseline_name": "random initialisation",
            "chance": rounded(retrieval.chance(np.eye(len(rows), dtype=bool))),
            "left_out": len(self.crops.too_short) + len(self.crops.recordings.failed),
        }

    def export(self, folder: Path) -> None:
        """Write the model folder; a published encoder has its projector in it and can be written as published."""
        registry.save(self.model, folder)


def projector(dim: int, projection: int) -> nn.Sequential:
    """The two layers between encoder and loss, as SimCLR has them for CLMR."""
    return nn.Sequential(nn.Linear(dim, dim, bias=False), nn.ReLU(), nn.Linear(dim, projection, bias=False))
