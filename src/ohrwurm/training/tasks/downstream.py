"""Heads on an encoder: beats, chords, sections, keys and tags learned from annotated tracks, one by one or together.

The encoder stays as it is (a probe: the paper's and MARBLE's frozen rows) or learns too (fine-tuning; with LoRA, a part
of it). With several heads one encoder serves them all: each track counts in the losses of what it is annotated with.

Sources: Won, Hung, Le, "A foundation model for music informatics", ICASSP 2024, and the task lengths and rates of its
repository; Yuan et al., "MARBLE", NeurIPS 2023.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.fabric.utilities import move_data_to_device
from torch import Tensor, nn

from ohrwurm.audio.augment import chain
from ohrwurm.data.statistics import sample_of
from ohrwurm.errors import RecipeError
from ohrwurm.models import registry
from ohrwurm.models.frame_heads import TARGETS, HeadSpec
from ohrwurm.models.musicfm import MusicFM
from ohrwurm.objectives.frames import frame_loss
from ohrwurm.training.batches import Batches, shuffled
from ohrwurm.training.downstream_data import AnnotatedTracks, Augment, CropBatches, measured_places
from ohrwurm.training.downstream_model import (
    WINDOWS,
    frames_of,
    given_encoder,
    head_settings,
    placed,
    states_heard,
    with_new_heads,
)
from ohrwurm.training.downstream_scores import HeadScores, watched
from ohrwurm.training.kept_features import AudioCrops, Crops, FeatureCrops, Keep, StateCrops
from ohrwurm.training.layer_groups import layer_groups
from ohrwurm.training.lora import merge
from ohrwurm.training.plateau import Plateau
from ohrwurm.training.schedules import by_step, warm_cosine, warm_up
from ohrwurm.training.task import Task, generator, rounded

log = logging.getLogger(__name__)


class DownstreamTask(Task):
    """Train heads on an encoder, and the encoder with them.

    Args:
        data: a manifest or a pack, several of them in a list or with commas between; annotations as
            `ohrwurm.data.annotations.references` finds them, and tags.
        model: the encoder: a name, a model folder or a run.
        weights: ``own`` for those that come with `model`, a checkpoint, or ``random``.
        parameters: replace those of its card.
        name, description: of the trained model's card.
        heads: what to hear: names of tasks (``beats``, ``chords``, ``chord-parts``, ``sections``, ``key``,
            ``tags``), or `HeadSpec`s as mappings.
        train: ``frozen``, the heads alone; ``finetune``, the encoder too.
        window: seconds of a crop; unless given the paper's for the head (of several the longest).
        keep: what is kept on disk so that nothing is decoded twice (`training.kept_features`).
        hop: seconds between the windows of kept states; half the window unless given.
        crops: random crops of each track in an epoch.
        most_tags: of a head for tags without classes: the most frequent ones; 0 for all.
        augment: of training crops: ``transpose`` (semitones), and for kept features ``level``, ``curve``,
            ``noise_floor``, ``mask`` (`training.downstream_data.Augment`).
        augmentations, probabilities: a chain for audio (`audio.augment.chain`).
        loss_weights: of heads by task; 1 unless given.
        positive_weight: of what is there, by output (``beats``, ``boundaries``, ``pitches``, ``tags``); 1 unless given.
        batch_size: of all processes together.
        optimizer: ``adamw``, or MARBLE's ``adam``.
        lr: of the heads.
        encoder_lr: of the encoder.
        layer_decay: see `training.layer_groups`.
        betas, weight_decay: norms and biases are not decayed.
        schedule: after `warmup_steps`: ``cosine`` to 0 over the run, ``constant``, or ``plateau`` (MARBLE: the rate is
            multiplied by `factor` when the monitor has not become better for more than `wait` validations).
        freeze_bn: batch norms of the encoder keep their statistics, as for fine-tuning given weights.
        lora: rank of low-rank adaptation of `lora_layers`, all else of the encoder frozen; 0 for none.
        lora_alpha: its scale is `lora_alpha` / `lora`.
        own_encoder: whether the model folder holds the encoder; unless given, if it has changed.
        watch: the head whose main figure decides which weights are best; ``mean`` for that of all.
        validation_size: most tracks to validate on, a fixed sample.
        validation_crops: most crops of a track to measure on, side by side.
    """

    monitor = "validation/score"
    mode = "max"

    def __init__(
        self,
        data: str | list[str] = "",
        model: str = "musicfm-msd",
        weights: str = "own",
        parameters: dict[str, Any] | None = None,
        name: str = "my-heads",
        description: str = "",
        heads: str | list[str | dict[str, Any]] = "beats",
        train: Literal["frozen", "finetune"] = "frozen",
        window: float | None = None,
        keep: Keep = "none",
        hop: float | None = None,
        crops: int = 1,
        most_tags: int = 50,
        augment: dict[str, float] | None = None,
        augmentations: str | list[dict[str, Any]] = "none",
        probabilities: dict[str, float] | None = None,
        loss_weights: dict[str, float] | None = None,
        positive_weight: dict[str, float] | None = None,
        batch_size: int = 16,
        optimizer: Literal["adamw", "adam"] = "adamw",
        lr: float = 1e-3,
        encoder_lr: float = 1e-5,
        layer_decay: float = 1.0,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.01,
        schedule: Literal["cosine", "constant", "plateau"] = "cosine",
        warmup_steps: int = 500,
        factor: float = 0.5,
        wait: int = 3,
        freeze_bn: bool = True,
        lora: int = 0,
        lora_alpha: float = 16.0,
        lora_layers: tuple[str, ...] = ("linear_q", "linear_v"),
        own_encoder: bool | None = None,
        watch: str = "mean",
        validation_size: int = 500,
        validation_crops: int = 4,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.settings: Any = self.hparams
        wanted = head_settings(heads)
        tasks = [str(head["task"]) for head in wanted]
        self._check_settings(tasks)
        encoder = given_encoder(model, weights, parameters)
        self.tracks = AnnotatedTracks(data, encoder.card.sample_rate, tasks)
        self.specs = [HeadSpec.from_dict(self._with_classes(head)) for head in wanted]
        for spec in self.specs:
            self.tracks.tell_left_out(spec)
        self.window = window or max(WINDOWS[task] for task in tasks)
        self.model = with_new_heads(encoder, self.specs, self.window, self.settings)
        self.frames = frames_of(self.model)
        self.train()
        self.batches = self._batches()
        if (count := crops * len(self.tracks.training)) < batch_size:
            raise RecipeError(
                f"{self.tracks.name}: {count} crops of {len(self.tracks.training)} training tracks are fewer than a "
                f"batch of {batch_size}. Set task.batch_size={count} or lower, or a larger task.crops."
            )
        tracks = self.tracks.recordings.tracks
        self.validation_rows = sample_of(tracks, self.tracks.validation, validation_size)
        self.plateau = Plateau()

    # Model ---------------------------------------------------------------------------------------------------------

    def _check_settings(self, tasks: Sequence[str]) -> None:
        settings = self.settings
        if settings.keep == "states" and settings.train != "frozen":
            raise RecipeError("keep=states keeps what a frozen encoder says; take train=frozen, or keep=features")
        if settings.lora and settings.train != "finetune":
            raise RecipeError("lora adapts an encoder that learns: set task.train=finetune")
        if settings.own_encoder is False and settings.train != "frozen":
            raise RecipeError("own_encoder=false: an encoder that has learned is found nowhere else")
        if settings.watch not in ("mean", *tasks):
            raise RecipeError(f"watch={settings.watch}: mean, or one of the heads {', '.join(tasks)}")
        for key in settings.loss_weights or {}:
            if key not in TARGETS:
                raise RecipeError(f"loss_weights.{key}: there are heads for {', '.join(TARGETS)}")
        for key in ("crops", "batch_size", "validation_size", "validation_crops"):
            if settings[key] < 1:
                raise RecipeError(f"{key}={settings[key]}: at least 1")

    def _with_classes(self, head: dict[str, Any]) -> dict[str, Any]:
        if head["task"] != "tags" or head.get("classes"):
            return head
        return {**head, "classes": self.tracks.tags(self.settings.most_tags)}

    def train(self, mode: bool = True) -> DownstreamTask:
        """Training or eval mode; a frozen encoder stays in eval mode, with `freeze_bn` its batch norms."""
        super().train(mode)
        if mode and self.settings.train == "frozen":
            self.model.encoder.eval()
        elif mode and self.settings.freeze_bn:
            for module in self.model.encoder.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    # Data ----------------------------------------------------------------------------------------------------------

    def _batches(self) -> CropBatches:
        settings, recordings, encoder = self.settings, self.tracks.recordings, self.model.encoder
        crops: Crops
        if settings.keep == "features":
            crops = FeatureCrops(recordings, self.window, encoder)
        elif settings.keep == "states":
            crops = StateCrops(
                recordings, self.window, settings.hop or self.window / 2, self.model, states_heard(self.model)
            )
        else:
            crops = AudioCrops(recordings, self.window)
        steps = chain(settings.augmentations, settings.probabilities)
        augment = Augment(
            settings.augment or {}, steps if steps.steps else None, crops.name,
            getattr(encoder, "bands_per_semitone", None),
        )  # fmt: skip
        normalise = (encoder.mean, encoder.std) if crops.name == "features" and isinstance(encoder, MusicFM) else None
        return CropBatches(self.tracks, crops, self.specs, self.frames, self.window, normalise, augment)

    def preparation(self, cache: Path) -> str:
        missing = self.batches.crops.missing(cache, self._all_rows)
        hours = sum(map(self.tracks.seconds, missing)) / 3600
        return f"keeps {self.settings.keep} of {len(missing)} tracks, {hours:.1f} h" if missing else ""

    @property
    def _all_rows(self) -> list[int]:
        return sorted({*self.tracks.training, *self.validation_rows, *self.tracks.test})

    def prepare(self, cache: Path, workers: int) -> None:
        """Make what is kept; tracks that cannot be heard are left out."""
        failed = self.batches.crops.prepare(cache, self._all_rows, max(1, workers))
        if self.batches.augment.chain is not None:
            self.batches.augment.chain.warm_up(self.tracks.recordings.sample_rate)
        for rows in (self.tracks.training, self.validation_rows, self.tracks.test):
            rows[:] = [row for row in rows if row not in failed]
        if len(self.tracks.training) * self.settings.crops < self.settings.batch_size or not self.validation_rows:
            raise RecipeError(f"{self.tracks.name}: too few tracks could be heard; {next(iter(failed.values()))}")

    def names(self, batch: dict[str, Any]) -> list[str]:
        return batch["names"]

    def training_loader(self, seed: int, epoch: int) -> Batches:
        crops = [(row, crop) for row in self.tracks.training for crop in range(self.settings.crops)]
        groups = shuffled(len(crops), self.settings.batch_size, generator(seed, epoch))

        def make(_: int, group: list[tuple[int, int]]) -> dict[str, Any]:
            return self.batches.together([self.batches.random(row, crop, seed, epoch) for row, crop in group])

        return Batches([[crops[i] for i in group] for group in groups], make, self.share, self.workers)

    def fixed_batches(self, rows: Sequence[int]) -> Batches:
        """Crops of these tracks side by side: the same ones always."""
        size = self.settings.batch_size
        places = measured_places(self.tracks, self.batches.crops, rows, self.settings.validation_crops)
        groups = [places[i : i + size] for i in range(0, len(places), size)]

        def make(_: int, group: list[tuple[int, float]]) -> dict[str, Any]:
            return self.batches.together([self.batches.fixed(row, start) for row, start in group])

        return Batches(groups, make, workers=self.workers)

    def val_dataloader(self) -> Batches:
        return self.fixed_batches(self.validation_rows)

    # Objective -----------------------------------------------------------------------------------------------------

    def heard(self, batch: dict[str, Any]) -> dict[Any, dict[str, Tensor]]:
        """Logits of a batch: task → output → `(B, frames, n)`."""
        if "states" in batch:
            return self.model.hear_states(placed(batch["states"], self.model))
        if self.settings.train == "finetune":
            if "features" in batch:
                return self.model.hear_features(batch["features"])
            return self.model.hear(batch["audio"])
        with torch.no_grad():
            features = batch["features"] if "features" in batch else self.model.features(batch["audio"])
            states = self.model.states(features)
        return self.model.hear_states(states)

    def losses(self, batch: dict[str, Any], heard: dict[Any, dict[str, Tensor]]) -> tuple[dict[str, Tensor], Tensor]:
        """Mean loss of each head over what is known of it in the joint batch, detached; and the one to minimise."""
        positive = self.settings.positive_weight or {}
        names, parts = [], []
        for task, targets in batch["targets"].items():
            for output, truth in targets.items():
                names.append(task)
                parts.append(torch.stack(frame_loss(heard[task][output], truth, float(positive.get(output, 1.0)))))
        mine = torch.stack(parts)  # (outputs, 2): sum, count
        together = self.joint(mine.detach()[None]).sum(0)
        counts = together[:, 1].clamp(min=1)
        weights = self.settings.loss_weights or {}
        weight = mine.new_tensor([float(weights.get(task, 1.0)) for task in names])
        loss = (weight * mine[:, 0] / counts).sum() * self.share[1]
        means = together[:, 0] / counts
        return {task: sum((m for n, m in zip(names, means, strict=True) if n == task), means.new_zeros(()))
                for task in dict.fromkeys(names)}, loss  # fmt: skip

    def training_step(self, batch: dict[str, Any], _: int) -> Tensor:
        means, loss = self.losses(batch, self.heard(batch))
        size = len(batch["names"])
        self.log("training/loss", loss.detach(), on_epoch=True, on_step=False, prog_bar=True, batch_size=size)
        for task, mean in means.items():
            self.log(f"training/{task} loss", mean, on_epoch=True, on_step=False, batch_size=size)
        return loss

    def configure_optimizers(self) -> Any:
        settings = self.settings
        groups = layer_groups(
            self.model.encoder, self.model.heads, encoder_lr=settings.encoder_lr, lr=settings.lr,
            weight_decay=settings.weight_decay, layer_decay=settings.layer_decay,
        )  # fmt: skip
        kind = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
        optimizer = kind(groups, betas=tuple(settings.betas))
        warm = settings.warmup_steps
        if settings.schedule == "cosine":
            return by_step(optimizer, lambda step: warm_up(step, warm) * warm_cosine(self.fraction_done, 0.0))
        if settings.schedule == "constant":
            return by_step(optimizer, lambda step: warm_up(step, warm))
        self.plateau.watch(optimizer, "max", settings.factor, settings.wait)
        return optimizer

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.plateau.save(checkpoint)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.plateau.load(checkpoint)

    # Validation and result -----------------------------------------------------------------------------------------

    def on_validation_epoch_start(self) -> None:
        self.scores: dict[str, HeadScores] = {spec.task: HeadScores(spec) for spec in self.specs}
        self.validation_losses: list[tuple[float, int]] = []

    def validation_step(self, batch: dict[str, Any], _: int) -> None:
        heard = self.heard(batch)
        positive = self.settings.positive_weight or {}
        weights = self.settings.loss_weights or {}
        total = 0.0
        for task, targets in batch["targets"].items():
            self.scores[task].add(heard[task], targets)
            for output, truth in targets.items():
                loss, known = frame_loss(heard[task][output], truth, float(positive.get(output, 1.0)))
                total += float(weights.get(task, 1.0)) * float(loss / known.clamp(min=1))
        self.validation_losses.append((total, len(batch["names"])))

    def on_validation_epoch_end(self) -> None:
        for task, scores in self.scores.items():
            for name, value in scores.figures().items():
                self.log(f"validation/{task} {name}", value)
        count = sum(size for _, size in self.validation_losses)
        self.log("validation/loss", sum(loss * size for loss, size in self.validation_losses) / max(1, count))
        score = watched(self.scores, self.settings.watch)
        self.log(self.monitor, score, prog_bar=True)
        self.plateau.step(score)

    @torch.inference_mode()
    def measure(self, rows: Sequence[int]) -> dict[str, HeadScores]:
        """What the heads say of crops of these tracks, the same always."""
        scores: dict[str, HeadScores] = {spec.task: HeadScores(spec) for spec in self.specs}
        for batch in self.fixed_batches(rows):
            there = move_data_to_device(batch, self.device)
            heard = self.heard(there)
            for task, targets in there["targets"].items():
                scores[task].add(heard[task], targets)
        return scores

    def report(self) -> dict[str, Any]:
        """On crops of the test tracks (without any: of the validation tracks), with the level of chance."""
        rows = self.tracks.test or self.validation_rows
        scores = self.measure(rows)
        figures = {f"{task} {name}": value for task, s in scores.items() for name, value in s.figures().items()}
        chance = {f"{task} {name}": value for task, s in scores.items() for name, value in s.chance().items()}
        annotated = ", ".join(f"{self.tracks.count(s.task, rows)} with {s.task}" for s in self.specs)
        return {
            "data": f"{self.tracks.name}, {'test' if self.tracks.test else 'validation'} tracks",
            "protocol": f"at most {self.settings.validation_crops} crops of {self.window:g} s of each track, side by "
            "side, nothing averaged or smoothed; beats by peaks. Whole tracks are measured by ohrwurm evaluate",
            "n": f"{len(rows)} tracks: {annotated}",
            "test": rounded(figures),
            "chance": rounded(chance),
            "left_out": dict(self.tracks.failed),
        }

    def export(self, folder: Path) -> None:
        """Write the model folder: encoder and heads; of a frozen encoder the heads, and where it is found."""
        merge(self.model.encoder)
        registry.save(self.model, folder)
