"""Text-audio training: TTMR's three objectives and MusCALL's, on any manifest with tags or captions.

Sources: Doh, Won, Choi, Nam, "Toward universal text-to-music retrieval", ICASSP 2023; Manco, Benetos, Quinton,
Fazekas, "Contrastive audio-language learning for music", ISMIR 2022.
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ohrwurm.audio.augment import muscall_chain
from ohrwurm.data.text_views import Representation
from ohrwurm.errors import RecipeError
from ohrwurm.evaluation.metrics import retrieval
from ohrwurm.models import registry
from ohrwurm.models.base import AudioEncoder, JointModel
from ohrwurm.models.ttmr import TTMRClassifier, label_list
from ohrwurm.objectives.classification import binary_cross_entropy
from ohrwurm.objectives.contrastive import (
    clip_logits,
    clip_loss,
    content_weights,
    in_batch_accuracy,
    nt_xent,
    weighted_clip_loss,
)
from ohrwurm.objectives.sampling import label_aware_triplet_loss
from ohrwurm.training.batches import Batches, shuffled
from ohrwurm.training.encoders import after, freeze_unused, start_from_pretrained
from ohrwurm.training.limits import VALIDATION
from ohrwurm.training.schedules import (
    Schedule,
    by_step,
    counted,
    cycling_cosine,
    warm_cosine_epochs,
    with_warm_cosine,
)
from ohrwurm.training.sentences import kept_sentence_vectors
from ohrwurm.training.task import Task, generator, rounded
from ohrwurm.training.text_examples import TextExamples, ValidationCrop
from ohrwurm.training.text_scores import query_scores, relevance, track_vectors

Loss = Literal["contrastive", "content-aware", "triplet", "classification"]
LARGEST_SCALE = 100.0
CYCLES = 5  # of MusCALL's learning rate over a training


class AudioTextTask(Task):
    """Train a model of text and audio, or a tagger, from audio files with tags or captions.

    Args:
        data: a manifest, a pack, or a data set as published (`ohrwurm.data.sources`); `--data` on the command line.
        model: name of the card to start from, e.g. ``ttmr-contrastive-bert-stochastic``, ``muscall``.
        parameters: replace those of the card. A tagger's ``tags``, its classes, are those of the data set as published,
            else of the training tracks by the alphabet, unless they are given here, as a list or by a list's name.
        name, description: of the trained model's card.
        window: seconds of a crop; the card's unless given. Shorter recordings are filled up with zeros.
        loss: ``contrastive``; ``content-aware`` (MusCALL: items whose text resembles the others' weigh more);
            ``triplet`` (TTMR: negatives drawn by similarity and labels); ``classification`` (of the tags).
        representation: ``tag``, ``caption`` (all tags) and ``stochastic`` as TTMR names them; ``sentence`` is the
            manifest's caption; ``mixed`` is sentence or stochastic.
        pretrained_text: folder or hub name to start the text encoder from (BERT, CLIP).
        freeze_text: leave the text encoder as it is, and train what is behind it.
        minimum_count: of the words that a static text encoder without a vocabulary of its own learns.
        margin: of the triplets.
        clamp: where the contrastive multiplier is held at 100: in the ``loss`` (TTMR), or as ``parameter`` after
            each step (MusCALL).
        ssl_weight: share of audio self-supervision in the loss (MusCALL: 0.3); 0 has none.
        ssl_temperature: of its NT-Xent.
        augment: probability of each augmentation of the training audio, e.g. ``{noise: 0.3, pitch_shift: 0.4}``; there
            are ``polarity``, ``noise``, ``gain`` and ``pitch_shift``.
        ssl_augment: the same for its second view.
        batch_size: of all processes together.
        optimizer, lr, betas, eps, weight_decay: ``adam`` (TTMR) or ``adamw`` (MusCALL).
        decay_all: weight decay also on norms, biases and the temperature, as MusCALL's original.
        schedule: ``warm-cosine`` (5 % of warm-up, by whatever limits the run), ``warm-cosine-epochs`` (TTMR's),
            ``cycling`` (MusCALL's, five full periods), ``cosine-epochs`` or ``constant``.
        warmup_epochs, min_lr: of TTMR's schedule.
        monitor: ``loss`` (lower is better), or ``R@10`` / ``mAP@10`` of text-to-audio retrieval among the validation
            tracks.
        validation_crop: where validation and the final test listen. ``random``: the loss is that of random crops and
            texts (TTMR's; but the same ones each time), a track's vector is the mean over all its windows. ``centre``:
            both hear the crop in the middle alone (MusCALL).
        validation_size: most tracks that retrieval is validated on, a fixed sample.

    Raises:
        RecipeError: settings that do not go together. DataError: too little data, or tracks without text or tags.
        ModelError: no such model, or parameters or a window that it cannot take.
    """

    def __init__(
        self,
        data: str = "",
        model: str = "ttmr-contrastive-bert-stochastic",
        parameters: dict[str, Any] | None = None,
        name: str = "my-text-model",
        description: str = "Text-to-music retrieval, trained with ohrwurm.",
        window: float | None = None,
        loss: Loss = "contrastive",
        representation: Representation = "stochastic",
        pretrained_text: str | None = None,
        freeze_text: bool = False,
        minimum_count: int = 1,
        margin: float = 0.4,
        clamp: Literal["loss", "parameter"] = "loss",
        ssl_weight: float = 0.0,
        ssl_temperature: float = 0.5,
        augment: dict[str, float] | None = None,
        ssl_augment: dict[str, float] | None = None,
        batch_size: int = 64,
        optimizer: Literal["adam", "adamw"] = "adam",
        lr: float = 5e-5,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decay_all: bool = False,
        schedule: Schedule = "warm-cosine",
        warmup_epochs: int = 10,
        min_lr: float = 1e-9,
        monitor: Literal["loss", "R@10", "mAP@10"] = "loss",
        validation_crop: ValidationCrop = "random",
        validation_size: int = 1000,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.settings: Any = self.hparams
        self.monitor = f"validation/{monitor}"
        self.mode = "min" if monitor == "loss" else "max"
        if batch_size < 2:
            raise RecipeError("batch_size=1 has no negatives; 2 is the least")
        card = registry.card(model)
        given = (parameters or {}).get("tags") or ()
        parameters = {**card.parameters, **(parameters or {})}
        self._check_kind(registry.builder(card), parameters)
        rate = int(parameters.get("sample_rate", card.sample_rate))
        window = window or card.window
        self.examples = TextExamples(
            data, rate, round(window * rate), None if loss == "classification" else representation,
            loss in ("triplet", "classification"), list(label_list(given) if isinstance(given, str) else given),
            batch_size, validation_crop,
        )  # fmt: skip
        self.by_tag = loss == "classification"
        self.judged = self.examples.test if len(self.examples.test) > 1 else self.examples.validation
        for rows in (self.examples.validation, self.judged):
            relevance(self.examples, rows, self.by_tag)  # there is something to judge by
        card = dataclasses.replace(
            card, name=name, description=description, parameters=self._completed(parameters), window=window, hop=window,
            minimum=None, sample_rate=rate, dim=int(parameters.get("dim", card.dim)), results=(), sha256="",
            published={}, weights={}, licence="your own", paper=after(card.paper), source="ohrwurm train",
            agreement={},
        )  # fmt: skip
        self.model: Any = registry.build(card)
        second = muscall_chain(ssl_augment or {})
        self.chains = (muscall_chain(augment) if augment else None, second if ssl_weight else None)
        self._start_text()
        self._check_model()
        self.model.train()  # build gives it in eval mode, and the Trainer keeps that

    def _check_kind(self, kind: Any, parameters: dict[str, Any]) -> None:
        settings = self.settings
        if settings.loss == "classification":
            if kind is not TTMRClassifier:
                raise RecipeError("loss=classification trains a tagger: model=ttmr-classification")
            return
        if not (isinstance(kind, type) and issubclass(kind, JointModel)):
            raise RecipeError(
                f"loss={settings.loss} needs a model of text and audio, e.g. ttmr-contrastive-bert-stochastic"
            )
        if settings.loss != "triplet" and parameters.get("objective") == "triplet":
            raise RecipeError(
                f"loss={settings.loss} needs a temperature, which a triplet model has not; set "
                "task.parameters.objective=contrastive"
            )
        if settings.ssl_weight and not parameters.get("ssl_dim"):
            raise RecipeError(
                "ssl_weight needs a projection for it: task.model=muscall task.parameters.ssl_dim=128 (as published)"
            )

    def _completed(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """The card's parameters with what only the data can say: the tags, the words."""
        if self.by_tag:
            return {**parameters, "tags": self.examples.tags}
        if parameters.get("text") == "static" and not parameters.get("text_parameters"):
            vocabulary = self.examples.entries(self.settings.minimum_count)
            return {**parameters, "text_parameters": {"vocabulary": vocabulary}}
        return parameters

    def _start_text(self) -> None:
        """The text encoder as the recipe wants it."""
        settings, encoder = self.settings, getattr(self.model, "text_encoder", None)
        if encoder is None:
            if not self.by_tag:
                raise RecipeError("text=none has nothing to train on: give the model a text encoder, e.g. text=static")
            return
        if settings.pretrained_text:
            start_from_pretrained(encoder, settings.pretrained_text)
        if settings.freeze_text:
            encoder.requires_grad_(False)
        if next(encoder.parameters(), None) is None:  # vectors that are looked up: is there one for every tag?
            encoder(self.examples.units())

    def _check_model(self) -> None:
        """Let the model hear one window and read one text, and take out of training what that does not use: several
        processes would wait for its gradients."""
        model, audio = self.model, torch.zeros(1, self.examples.samples)
        if self.by_tag:
            used = [model.tag_logits(model(audio).pooled)]
        else:
            used = [model(audio).pooled, model.encode_text([self.examples.text(self.examples.training[0])])]
            scale = getattr(model, "logit_scale", None)
            used += [scale] if scale is not None and self.settings.loss != "triplet" else []
        if self.settings.ssl_weight:
            used.append(model.project_ssl(model.audio_backbone(model.features(audio))))
        freeze_unused(self, torch.stack([part.float().sum() for part in used]))

    def setup(self, stage: str) -> None:
        """Apple's GPUs have no float64, in which TTMR has its temperature."""
        if self.trainer.strategy.root_device.type == "mps":
            self.model.float()

    # Data ----------------------------------------------------------------------------------------------------------

    def prepare(self, cache: Path, workers: int) -> None:
        """Compile the augmentations before workers are started. Ask the sentence encoder for the texts, where the loss
        needs their similarities."""
        for chain in self.chains:
            if chain is not None:
                chain.warm_up(self.examples.recordings.sample_rate)
        if self.settings.loss == "content-aware":
            texts = [self.examples.text(row) for row in range(len(self.examples.recordings.tracks))]
            self.sentences = torch.from_numpy(kept_sentence_vectors(texts, cache))

    def names(self, batch: dict[str, Any]) -> list[str]:
        return batch["names"]

    def training_loader(self, seed: int, epoch: int) -> Batches:
        size, processes, order = self.settings.batch_size, self.share[1], self.examples.training
        if size % processes:
            raise RecipeError(f"{processes} processes cannot share batch_size={size} evenly; make it a multiple")

        def make(_: int, rows: Any) -> dict[str, Any]:
            return self.examples.batch(rows, (seed, epoch), True, *self.chains)

        groups = [[order[i] for i in group] for group in shuffled(len(order), size, generator(seed, epoch))]
        return Batches(groups, make, self.share, self.workers)

    def val_dataloader(self) -> Batches:
        rows = self.examples.validation
        size = min(self.settings.batch_size, len(rows))
        groups = [rows[i : i + size] for i in range(0, len(rows) - size + 1, size)]
        return Batches(
            groups, lambda _, group: self.examples.batch(group, (self.seed, VALIDATION), False), workers=self.workers
        )

    # Objective -----------------------------------------------------------------------------------------------------

    def loss(self, batch: dict[str, Any], training: bool = True) -> Tensor:
        """The recipe's loss; in training over the joint batch of all processes, and with its share of self-supervision.

        What comes out of the networks is compared in single precision, whatever they compute in.
        """
        settings, model = self.settings, self.model
        together = self.joint if training else _alone  # validation has the whole batch in every process
        ssl = settings.ssl_weight if training else 0.0
        heard = model.audio_backbone(model.features(batch["audio"])) if ssl else None
        audio = (model(batch["audio"]).pooled if heard is None else model.audio_projection(heard)).float()
        text = None if self.by_tag else together(model.encode_text(batch["texts"]).float())
        with torch.autocast(self.device.type, enabled=False):
            if text is None:
                return binary_cross_entropy(model.tag_logits(audio), batch["labels"])
            loss = self._pairs(together(audio), text, {k: together(batch[k]) for k in self.needs}, training)
        if heard is None:
            return loss
        first, second = (
            together(model.project_ssl(x).float())
            for x in (heard, model.audio_backbone(model.features(batch["second"])))
        )
        with torch.autocast(self.device.type, enabled=False):
            return (1 - ssl) * loss + ssl * nt_xent(first, second, settings.ssl_temperature)

    @property
    def needs(self) -> tuple[str, ...]:
        """What of a batch the loss needs beside audio and text."""
        return {"triplet": ("labels", "draws"), "content-aware": ("rows",)}.get(self.settings.loss, ())

    def _pairs(self, audio: Tensor, text: Tensor, more: dict[str, Tensor], training: bool) -> Tensor:
        """The loss of pairs: audio and text `(B, dim)`, and what else it needs."""
        settings = self.settings
        if settings.loss == "triplet":
            uniform = more["draws"].T
            return label_aware_triplet_loss(audio, text, more["labels"], margin=settings.margin, uniform=uniform)
        largest = LARGEST_SCALE if settings.clamp == "loss" else math.inf
        if not training:
            audio_right, text_right = in_batch_accuracy(clip_logits(audio, text, self.logit_scale, largest))
            figures = {"audio accuracy": audio_right, "text accuracy": text_right, "logit scale": self.logit_scale}
            self.log_dict({f"validation/{k}": v.float() for k, v in figures.items()}, batch_size=len(audio))
        if settings.loss == "contrastive":
            return clip_loss(audio, text, self.logit_scale, largest)
        vectors = self.sentences[more["rows"].cpu()].to(audio)
        return weighted_clip_loss(audio, text, self.logit_scale, content_weights(vectors @ vectors.T), largest)

    @property
    def logit_scale(self) -> Tensor:
        """The logarithm of the contrastive multiplier: learned, or that of a fixed temperature."""
        fixed = getattr(self.model, "temperature", None)
        return self.model.logit_scale if fixed is None else torch.tensor(-math.log(fixed), device=self.device)

    def training_step(self, batch: dict[str, Any], _: int) -> Tensor:
        loss = self.loss(batch).float()
        self.log("training/loss", loss, on_epoch=True, on_step=False, prog_bar=True, batch_size=len(batch["names"]))
        return loss

    def configure_optimizers(self) -> Any:
        settings = self.settings
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        plain = [] if settings.decay_all else [p for p in parameters if p.ndim < 2]
        decayed = [p for p in parameters if settings.decay_all or p.ndim >= 2]
        groups = [{"params": decayed, "weight_decay": settings.weight_decay}]
        if plain:
            groups.append({"params": plain, "weight_decay": 0.0})
        make = torch.optim.Adam if settings.optimizer == "adam" else torch.optim.AdamW
        optimizer = make(groups, lr=settings.lr, betas=tuple(settings.betas), eps=settings.eps)
        if settings.schedule == "constant":
            return optimizer
        if settings.schedule == "warm-cosine":
            return with_warm_cosine(self, optimizer)
        batches = len(self.examples.training) // settings.batch_size
        epochs, steps = counted(self.trainer, batches, settings.schedule)
        if settings.schedule == "cycling":
            period = max(1.0, epochs * steps / (2 * CYCLES))
            return by_step(optimizer, lambda step: cycling_cosine(step, period))
        warm = settings.warmup_epochs if settings.schedule == "warm-cosine-epochs" else 0
        return by_step(
            optimizer,
            lambda step: warm_cosine_epochs(step / steps, epochs, warm, settings.lr, settings.min_lr) / settings.lr,
        )

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        super().optimizer_step(*args, **kwargs)
        if self.settings.clamp == "parameter" and isinstance(getattr(self.model, "logit_scale", None), nn.Parameter):
            with torch.no_grad():
                self.model.logit_scale.clamp_(max=math.log(LARGEST_SCALE))

    # Validation and result -----------------------------------------------------------------------------------------

    def validation_step(self, batch: dict[str, Any], _: int) -> None:
        loss = self.loss(batch, training=False).float()
        self.log("validation/loss", loss, batch_size=len(batch["names"]), on_epoch=True)

    def on_validation_epoch_end(self) -> None:
        rows = self.examples.validation
        if len(rows) > self.settings.validation_size:
            sample = generator(self.seed, VALIDATION).permutation(len(rows))[: self.settings.validation_size]
            rows = sorted(rows[i] for i in sample)
        for name, value in self.measure(self.model, rows).items():
            self.log(f"validation/{name}", value)

    def measure(self, model: AudioEncoder, rows: list[int]) -> dict[str, float]:
        """Retrieval among these tracks, text to audio; of a tagger, its tags' ranking of them (macro averages)."""
        queries, relevant = relevance(self.examples, rows, self.by_tag)
        audio = track_vectors(model, self.examples, rows, self.workers)
        return retrieval.evaluate(query_scores(model, queries, audio), relevant)

    def report(self) -> dict[str, Any]:
        """Retrieval on the test tracks (without any: on the validation tracks), beside random weights and chance."""
        rows, source = self.judged, Path(self.settings.data).name
        torch.manual_seed(self.seed)
        untrained = registry.build(self.model.card).to(self.device)
        heard = "the 1 window in the middle of each" if self.settings.validation_crop == "centre" else "all windows"
        return {
            "data": f"{source}, {'validation' if rows is self.examples.validation else 'test'} tracks",
            "protocol": ("tags rank the tracks, macro average" if self.by_tag else "each track's text against all "
                         "tracks; tracks with the same text are all right") + f"; {heard}",
            "n": f"{len(rows)} tracks",
            "test": rounded(self.measure(self.model, rows)),
            "baseline": rounded(self.measure(untrained, rows)),
            "baseline_name": "random initialisation",
            "chance": rounded(retrieval.chance(relevance(self.examples, rows, self.by_tag)[1])),
            "left_out": len(self.examples.recordings.failed),
        }  # fmt: skip

    def export(self, folder: Path) -> None:
        """Write the model folder; a vocabulary that was learned from the data travels in the weights."""
        card = self.model.card
        encoder: Any = getattr(self.model, "text_encoder", None)
        if hasattr(encoder, "parameters_for_card"):
            parameters = {**card.parameters, "text_parameters": encoder.parameters_for_card}
            self.model.card = dataclasses.replace(card, parameters=parameters)
        registry.save(self.model, folder)


def _alone(x: Tensor) -> Tensor:
    return x
