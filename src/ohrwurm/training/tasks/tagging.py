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
from ohrwurm.data.tracks import Track
from ohrwurm.errors import DataError
from ohrwurm.evaluation.metrics import classification, tagging
from ohrwurm.models import registry
from ohrwurm.models.heads import EvaluationHead, save_head
from ohrwurm.training.batches import Batches, shuffled
from ohrwurm.training.crops import Crops
from ohrwurm.training.encoders import base_card, encoder_to_train, freeze_unused
from ohrwurm.training.limits import VALIDATION
from ohrwurm.training.plateau import Plateau
from ohrwurm.training.task import Task, generator, rounded

AREAS = ("ROC-AUC", "PR-AUC")


class TaggingTask(Task):
    """Train an encoder with a linear head on the labels of a manifest. The defaults are CLMR's.

    Args:
        data: manifest or pack with labels.
        model, parameters, weights, layer, samples: as in `ohrwurm.training.tasks.views.ViewsTask`; SampleCNN has
            dropout 0.5 before its head here.
        name, description: of the exported model.
        labels: ``tags`` (several a track, each yes or no), ``class`` (the one tag of each track), or the name of a
            manifest column with one class a track.
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
        self.head = None if "n_classes" in taken else EvaluationHead(self.model.card.dim, len(self.classes))
        self.model.eval()  # batch norms shall not see this
        freeze_unused(self, self.logits(torch.zeros(1, samples)))
        self.model.train()
        self.plateau = Plateau()

    # Data ----------------------------------------------------------------------------------------------------------

    def _classes(self) -> list[str]:
        """The tags by frequency, or the classes by name, of the training tracks."""
        settings = self.settings
        training = [self.crops.track(row) for row in self.crops.training]
        counts = Counter(name for track in training for name in sorted(self._labels(track)))
        if settings.labels == "tags":
            found = [tag for tag, _ in counts.most_common(settings.most or None)]
        else:
            found = sorted(counts)
        used = [*self.crops.training, *self.crops.validation, *self.crops.test]
        wanted = {"tags": "tags", "class": "one tag"}.get(settings.labels, f"a class in the column {settings.labels!r}")
        if len(found) < 2:
            raise DataError(
                f"{settings.data}: {len(found)} labels; to train takes two or more: give the tracks {wanted}"
            )
        if settings.labels != "tags":
            unknown = [t for t in map(self.crops.track, used) if not self._labels(t) & set(found)]
            if unknown:
                raise DataError(
                    f"{settings.data}: {len(unknown)} tracks without {wanted} that a training track has, "
                    f"e.g. {unknown[0].track_id}"
                )
        return found

    def _labels(self, track: Track) -> set[str]:
        """The tags of a track; or its class, if it has one."""
        if self.settings.labels == "tags":
            return set(track.tags)
        if self.settings.labels == "class":
            return set(track.tags) if len(track.tags) == 1 else set()
        return {str(track.annotations.get(self.settings.labels, ""))} - {""}

    def target(self, row: int) -> np.ndarray:
        """`(classes,)` of 0 and 1."""
        own = self._labels(self.crops.track(row))
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
        model: Any = self.model
        logits: Tensor = model.logits(vectors)
        return logits

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
        self.plateau.step(loss)

    def configure_optimizers(self) -> Any:
        settings = self.settings
        parameters = [p for p in self.parameters() if p.requires_grad]
        optimizer = torch.optim.SGD(
            parameters, settings.lr, momentum=settings.momentum, weight_decay=settings.weight_decay, nesterov=True
        )
        self.plateau.watch(optimizer, "min", settings.factor, settings.wait)
        return optimizer

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.plateau.save(checkpoint)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.plateau.load(checkpoint)

    # Result --------------------------------------------------------------------------------------------------------

    def windows(self, length: int) -> list[int]:
        """Where the windows of a test track of so many samples start: one after the other, the last one dropped
        (unless it is the only one), as published."""
        return [i * self.crops.samples for i in range(max(1, -(-length // self.crops.samples) - 1))]

    def joined(self, logits: Tensor) -> Tensor:
        """Logits of a track's windows `(windows, classes)` → its scores `(classes,)`: mean probabilities."""
        return (logits.sigmoid() if self.settings.labels == "tags" else logits.softmax(1)).mean(0)

    @torch.inference_mode()
    def measure(self, rows: list[int]) -> dict[str, float]:
        """Of tags ROC-AUC and PR-AUC, means over those that some but not all tracks have; of classes the accuracy."""
        found = []
        for row in rows:
            starts = self.windows(int(self.crops.recordings.lengths[row]))
            parts = [self.logits(torch.from_numpy(self.crops.at(row, s))[None].to(self.device)).float() for s in starts]
            found.append(self.joined(torch.cat(parts)).cpu().numpy())
        scores, truth = np.stack(found), np.stack([self.target(row) for row in rows])
        if self.settings.labels == "tags":
            return {name: value for name, value in tagging.evaluate(truth, scores).items() if name in AREAS}
        return {"accuracy": float(classification.per_track(truth.argmax(1), scores).mean())}

    def report(self) -> dict[str, Any]:
        """On the test tracks (without any: on the validation tracks), with the level of chance."""
        rows = self.crops.test or self.crops.validation
        truth = np.stack([self.target(row) for row in rows])
        chance = tagging.chance(truth) if self.settings.labels == "tags" else classification.chance(truth.argmax(1))
        measured = self.measure(rows)
        return {
            "data": f"{Path(self.settings.data).name}, {'test' if self.crops.test else 'validation'} tracks",
            "protocol": self.protocol,
            "n": f"{len(rows)} tracks, {len(self.classes)} labels",
            "test": rounded(measured),
            "chance": rounded({name: chance[name] for name in measured}),
            "left_out": len(self.crops.too_short) + len(self.crops.recordings.failed),
        }

    @property
    def protocol(self) -> str:
        """How it is measured, in words."""
        return "probabilities averaged over consecutive windows, the last one dropped"

    def export(self, folder: Path) -> None:
        """Write the model folder. SampleCNN, TUNe and TTMR have the head in it; of others it is `head.safetensors` in
        the run's folder (`ohrwurm evaluate linear --head-weights`). Its labels are on the card, in its order."""
        registry.save(self.model, folder)
        if self.head is not None:
            save_head(self.head, self.out / "head.safetensors")
