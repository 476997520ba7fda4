"""Waveforms with labels: the supervised mode of CLMR, a SampleCNN (or another encoder) that learns tags or classes.

Source: Spijkervet, Burgoyne, "Contrastive learning of musical representations", ISMIR 2021, the supervised baseline.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ohrwurm.audio.augment import chain
from ohrwurm.errors import DataError
from ohrwurm.models import registry
from ohrwurm.models.waveform import WaveformEncoder
from ohrwurm.training.batches import Batches, shuffled
from ohrwurm.training.crops import Crops
from ohrwurm.training.encoders import base_card, encoder_to_train, freeze_unused
from ohrwurm.training.limits import VALIDATION
from ohrwurm.training.task import Task, generator, rounded


class TaggingTask(Task):
    """Train an encoder with a linear head on the labels of a manifest. The defaults are CLMR's.

    Args:
        data: manifest or pack with labels.
        model, parameters, weights, layer, samples: as in `ohrwurm.training.tasks.views.ViewsTask`; SampleCNN has
            dropout 0.5 before its head here.
        name, description: of the exported model.
        labels: ``tags`` (several a track, each yes or no), or the name of a manifest column with one class a track.
        most: of the tags, how many of the most frequent; 0 for all.
        batch_size: tracks, of all processes together.
        augmentations, probabilities: of the crops; none as published.
        lr, momentum, weight_decay: of SGD with Nesterov momentum.
        factor, wait: the rate is multiplied by `factor` when the validation loss has not become lower for more than
            `wait` validations.
    """

    monitor = "validation/loss"
    mode = "min"

    def __init__(
        self,
        data: str = "",
        model: str = "samplecnn",
        parameters: dict[str, Any] | None = None,
        weights: str = "",
        name: str = "my-tagger",
        description: str = "Similar sound, trained on labels with ohrwurm.",
        labels: str = "tags",
        most: int = 50,
        layer: int | None = None,
        samples: int | None = None,
        batch_size: int = 48,
        augmentations: str | list[dict[str, Any]] = "none",
        probabilities: dict[str, float] | None = None,
        lr: float = 3e-4,
        momentum: float = 0.9,
        weight_decay: float = 1e-6,
        factor: float = 0.2,
        wait: int = 5,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.settings: Any = self.hparams
        self.chain = chain(augmentations, probabilities)
        card = base_card(model, {**({"dropout": 0.5} if model == "samplecnn" else {}), **(parameters or {})})
        card = dataclasses.replace(card, layer=card.layer if layer is None else layer)
        samples = samples or round(card.window * card.sample_rate)
        self.crops = Crops(data, card.sample_rate, samples, batch_size)
        self.classes = self._classes()
        taken = inspect.signature(registry.builder(card)).parameters
        sizes = {"n_classes": len(self.classes), "projection": 0}
        sizes = {key: size for key, size in sizes.items() if key in taken}
        card = dataclasses.replace(card, parameters={**card.parameters, **sizes})
        self.model = encoder_to_train(model, card, samples, weights)
        self.model.card = dataclasses.replace(
            self.model.card, name=name, description=description,
            features={**self.model.card.features, "labels": self.classes},
        )  # fmt: skip
        own = isinstance(self.model, WaveformEncoder)
        self.head = None if own else nn.Linear(self.model.card.dim, len(self.classes))
        self.model.eval()  # batch norms shall not see this
        freeze_unused(self, self.logits(torch.zeros(1, samples)))
        self.model.train()
        self._plateau: dict[str, Any] | None = None

    # Data ----------------------------------------------------------------------------------------------------------

    def _classes(self) -> list[str]:
        """The tags by frequency, or the classes by name, of the training tracks."""
        settings = self.settings
        training = [self.crops.track(row) for row in self.crops.training]
        if settings.labels == "tags":
            counts = Counter(tag for track in training for tag in sorted(set(track.tags)))
            found = [tag for tag, _ in counts.most_common(settings.most or None)]
        else:
            found = sorted({str(track.annotations.get(settings.labels, "")) for track in training} - {""})
        used = [*self.crops.training, *self.crops.validation, *self.crops.test]
        wanted = "tags" if settings.labels == "tags" else f"a class in the column {settings.labels!r}"
        if len(found) < 2:
            raise DataError(
                f"{settings.data}: {len(found)} labels; to train takes two or more: give the tracks {wanted}"
            )
        if settings.labels != "tags":
            unknown = [
                t for t in map(self.crops.track, used) if str(t.annotations.get(settings.labels, "")) not in found
            ]
            if unknown:
                raise DataError(
                    f"{settings.data}: {len(unknown)} tracks without {wanted} that a training track has, "
                    f"e.g. {unknown[0].track_id}"
                )
        return found

    def target(self, row: int) -> np.ndarray:
        """`(classes,)` of 0 and 1."""
        track = self.crops.track(row)
        own = set(track.tags) if self.settings.labels == "tags" else {str(track.annotations[self.settings.labels])}
        return np.array([name in own for name in self.classes], np.float32)

    def prepare(self, cache: Path, workers: int) -> None:
        """Compile the augmentations once, before workers are started."""
        self.chain.warm_up(self.model.card.sample_rate)

    def batch(self, rows: Any, seed: int, epoch: int) -> dict[str, Any]:
        """One crop of each track, `(B, samples)`, targets `(B, classes)`, and the tracks' names."""
        audio = []
        for row in map(int, rows):
            draw = generator(seed, epoch, row)
            audio.append(self.chain(self.crops.random(row, draw), self.model.card.sample_rate, draw))
        return {
            "audio": torch.from_numpy(np.stack(audio)),
            "targets": torch.from_numpy(np.stack([self.target(int(row)) for row in rows])),
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
        return Batches(groups, lambda _, group: self.batch(group, self.seed, VALIDATION), workers=self.workers)

    # Objective -----------------------------------------------------------------------------------------------------

    def logits(self, audio: Tensor) -> Tensor:
        """`(B, samples)` → `(B, classes)`."""
        vectors = self.model(audio).pooled
        if self.head is not None:
            return self.head(vectors)
        assert isinstance(self.model, WaveformEncoder)
        return self.model.logits(vectors)

    def loss(self, batch: dict[str, Any]) -> Tensor:
        """Binary cross-entropy of tags, cross-entropy of classes."""
        logits, targets = self.logits(batch["audio"]).float(), batch["targets"]
        if self.settings.labels == "tags":
            return nn.functional.binary_cross_entropy_with_logits(logits, targets)
        return nn.functional.cross_entropy(logits, targets.argmax(1))

    def training_step(self, batch: dict[str, Any], _: int) -> Tensor:
        loss = self.loss(batch)
        self.log("training/loss", loss, on_epoch=True, on_step=False, prog_bar=True, batch_size=len(batch["names"]))
        return loss

    def on_validation_epoch_start(self) -> None:
        self.losses: list[tuple[float, int]] = []

    def validation_step(self, batch: dict[str, Any], _: int) -> None:
        self.losses.append((float(self.loss(batch)), len(batch["names"])))

    def on_validation_epoch_end(self) -> None:
        loss = sum(each * count for each, count in self.losses) / sum(count for _, count in self.losses)
        self.log(self.monitor, loss, prog_bar=True)
        # Here and not by Lightning, which would do it after the checkpoint of the epoch: a resumed run lacked it.
        self.plateau.step(loss)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        settings = self.settings
        parameters = [p for p in self.parameters() if p.requires_grad]
        optimizer = torch.optim.SGD(
            parameters, settings.lr, momentum=settings.momentum, weight_decay=settings.weight_decay, nesterov=True
        )
        self.plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, factor=settings.factor, patience=settings.wait
        )
        if self._plateau is not None:
            self.plateau.load_state_dict(self._plateau)
        return optimizer

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["plateau"] = self.plateau.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._plateau = checkpoint["plateau"]

    # Result --------------------------------------------------------------------------------------------------------

    @torch.inference_mode()
    def measure(self, rows: list[int]) -> dict[str, float]:
        """Mean probabilities over a track's consecutive windows, the last one dropped (unless it is the only one), as
        published; of tags ROC-AUC and PR-AUC, averaged over those that some but not all tracks have."""
        from sklearn.metrics import average_precision_score, roc_auc_score

        several = self.settings.labels == "tags"
        found = []
        for row in rows:
            count = max(1, -(-int(self.crops.recordings.lengths[row]) // self.crops.samples) - 1)
            windows = [self.crops.at(row, i * self.crops.samples) for i in range(count)]
            parts = [self.logits(torch.from_numpy(x)[None].to(self.device)).float() for x in windows]
            logits = torch.cat(parts)
            found.append((logits.sigmoid() if several else logits.softmax(1)).mean(0).cpu().numpy())
        scores, truth = np.stack(found), np.stack([self.target(row) for row in rows])
        if not several:
            return {"accuracy": float((scores.argmax(1) == truth.argmax(1)).mean())}
        told = (truth.min(0) == 0) & (truth.max(0) == 1)
        if not told.any():
            return {"ROC-AUC": float("nan"), "PR-AUC": float("nan")}
        return {
            "ROC-AUC": float(roc_auc_score(truth[:, told], scores[:, told], average="macro")),
            "PR-AUC": float(average_precision_score(truth[:, told], scores[:, told], average="macro")),
        }

    def report(self) -> dict[str, Any]:
        """On the test tracks (without any: on the validation tracks), with the level of chance."""
        rows = self.crops.test or self.crops.validation
        truth = np.stack([self.target(row) for row in rows])
        told = (truth.min(0) == 0) & (truth.max(0) == 1)
        if self.settings.labels == "tags":
            chance = {"ROC-AUC": 0.5, "PR-AUC": float(truth[:, told].mean()) if told.any() else float("nan")}
        else:
            chance = {"accuracy": float(truth.mean(0).max())}
        return {
            "data": f"{Path(self.settings.data).name}, {'test' if self.crops.test else 'validation'} tracks",
            "protocol": "probabilities averaged over consecutive windows, the last one dropped",
            "n": f"{len(rows)} tracks, {len(self.classes)} labels",
            "test": rounded(self.measure(rows)),
            "chance": rounded(chance),
            "left_out": len(self.crops.too_short) + len(self.crops.recordings.failed),
        }

    def export(self, folder: Path) -> None:
        """Write the model folder. SampleCNN and TUNe have the head in it; its labels are on the card, in its order."""
        registry.save(self.model, folder)
