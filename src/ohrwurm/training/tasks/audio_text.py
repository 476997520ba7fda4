"""Text-audio training: TTMR's three objectives and MusCALL's, on any manifest with tags or captions.

Sources: Doh, Won, Choi, Nam, "Toward universal text-to-music retrieval", ICASSP 2023; Manco, Benetos, Quinton,
Fazekas, "Contrastive audio-language learning for music", ISMIR 2022.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections import Counter
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from ohrwurm.audio.windows import Windowing, plan
from ohrwurm.data.recordings import open_recordings
from ohrwurm.data.splits import train_and_validation
from ohrwurm.data.text_views import Representation, check_texts, text_view
from ohrwurm.errors import DataError, RecipeError
from ohrwurm.evaluation.metrics import retrieval
from ohrwurm.models import registry
from ohrwurm.models.base import AudioEncoder, JointModel
from ohrwurm.models.text_static import split_words
from ohrwurm.models.ttmr import TTMRClassifier
from ohrwurm.objectives.classification import binary_cross_entropy
from ohrwurm.objectives.contrastive import clip_loss, content_weights, weighted_clip_loss
from ohrwurm.objectives.sampling import label_aware_triplet_loss
from ohrwurm.training.batches import Batches, shuffled
from ohrwurm.training.limits import VALIDATION
from ohrwurm.training.schedules import Schedule, by_step, cycling_cosine, warm_cosine_epochs, with_warm_cosine
from ohrwurm.training.sentences import kept_sentence_vectors
from ohrwurm.training.task import Task, generator, rounded, seed_of

Loss = Literal["contrastive", "content-aware", "triplet", "classification"]
LARGEST_SCALE = 100.0
CYCLES = 5  # of MusCALL's learning rate over a training


class AudioTextTask(Task):
    """Train a model of text and audio, or a tagger, from audio files with tags or captions.

    Args:
        data: a manifest (CSV, JSONL, Parquet) or a pack of one; `--data` on the command line.
        model: name of the card to start from, e.g. ``ttmr-contrastive-bert-stochastic``, ``muscall``.
        parameters: replace those of the card.
        name, description: of the trained model's card.
        window: seconds of a training crop; the card's unless given.
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
        augment: probability of each augmentation of the training audio, e.g. ``{noise: 0.3, pitch_shift: 0.4}``.
        ssl_augment: the same for its second view.
        batch_size: of all processes together.
        optimizer, lr, betas, eps, weight_decay: ``adam`` (TTMR) or ``adamw`` (MusCALL).
        decay_all: weight decay also on norms, biases and the temperature, as MusCALL's original.
        schedule: ``warm-cosine`` (5 % of warm-up, by whatever limits the run), ``warm-cosine-epochs`` (TTMR's),
            ``cycling`` (MusCALL's, five full periods), ``cosine-epochs`` or ``constant``.
        warmup_epochs, min_lr: of TTMR's schedule.
        monitor: ``loss`` of random crops and texts as published (lower is better), or ``R@10`` / ``mAP@10`` of
            text-to-audio retrieval among the validation tracks.
        validation_size: most tracks that retrieval is validated on, a fixed sample.
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
        validation_size: int = 1000,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.settings: Any = self.hparams
        self.monitor = f"validation/{monitor}"
        self.mode = "min" if monitor == "loss" else "max"
        if not data:
            raise RecipeError("what to train on? give a manifest or a pack: --data MANIFEST")
        card = registry.card(model)
        self.window = window or card.window
        self.rate = int((parameters or {}).get("sample_rate", card.sample_rate))
        self.recordings = open_recordings(data, self.rate)
        self._check_data()
        self._check_kind(registry.builder(card))
        parameters = {**card.parameters, **(parameters or {})}
        card = dataclasses.replace(
            card, name=name, description=description, parameters=self._completed(parameters), window=self.window,
            hop=self.window, sample_rate=self.rate, dim=int(parameters.get("dim", card.dim)), results=(), sha256="",
            published={}, weights={}, licence="your own", paper=f"After {card.paper}",
            source="ohrwurm train", agreement={},
        )  # fmt: skip
        self.model: Any = registry.build(card).train()  # build gives it in eval mode, and the Trainer keeps that
        if ssl_weight and getattr(self.model, "audio_ssl", None) is None:
            raise RecipeError("ssl_weight needs a model with a projection for it: model=muscall parameters.ssl_dim=128")
        encoder: Any = getattr(self.model, "text_encoder", None)
        if pretrained_text:
            encoder.load_pretrained(pretrained_text)
        if freeze_text:
            encoder.requires_grad_(False)

    # Data ----------------------------------------------------------------------------------------------------------

    def _check_data(self) -> None:
        settings, tracks = self.settings, self.recordings.tracks
        self.training_rows, self.validation_rows = train_and_validation(tracks)
        self.test_rows = [i for i, t in enumerate(tracks) if t.split == "test"]
        used = [tracks[i] for i in (*self.training_rows, *self.validation_rows)]
        labelled = settings.loss in ("triplet", "classification")
        check_texts(used, "tag" if settings.loss == "classification" else settings.representation, settings.data)
        if labelled:
            check_texts(used, "tag", settings.data)
        if settings.batch_size > len(self.training_rows):
            raise DataError(
                f"{settings.data}: {len(self.training_rows)} training tracks are fewer than a batch of "
                f"{settings.batch_size}. Set task.batch_size={len(self.training_rows)} or lower."
            )
        found = {tag for i in self.training_rows for tag in tracks[i].tags}
        self.tags = sorted(found) if labelled else []
        self.column = {tag: column for column, tag in enumerate(self.tags)}

    def _completed(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """The card's parameters with what only the data can say: the tags, the words."""
        settings = self.settings
        if settings.loss == "classification":
            return {**parameters, "tags": self.tags}
        if parameters.get("text") == "static" and not parameters.get("text_parameters"):
            tracks = [self.recordings.tracks[i] for i in self.training_rows]
            words = Counter(word for t in tracks for text in (*t.tags, t.caption) for word in split_words(text))
            entries = [word for word, count in words.most_common() if count >= settings.minimum_count]
            return {**parameters, "text_parameters": {"vocabulary": entries}}
        return parameters

    def _check_kind(self, kind: Any) -> None:
        loss = self.settings.loss
        if loss == "classification" and kind is not TTMRClassifier:
            raise RecipeError("loss=classification trains a tagger: model=ttmr-classification")
        if loss != "classification" and not issubclass(kind, JointModel):
            raise RecipeError(f"loss={loss} needs a model of text and audio, e.g. ttmr-contrastive-bert-stochastic")

    def prepare(self, cache: Path, workers: int) -> None:
        """Ask the sentence encoder for the training texts, where the loss needs their similarities."""
        if self.settings.loss == "content-aware":
            texts = [text_view(t, self.settings.representation) for t in self.recordings.tracks]
            self.sentences = torch.from_numpy(kept_sentence_vectors(texts, cache))

    def item(self, row: int, seed: int, epoch: int) -> dict[str, Any]:
        """One track's random text and crop, in this order, from Python's generator as TTMR's original draws them."""
        draw = random.Random(seed_of((seed, epoch, row)))
        track = self.recordings.tracks[row]
        labels = np.zeros(len(self.tags), np.float32)
        labels[[self.column[tag] for tag in track.tags if tag in self.column]] = 1
        text = "" if self.settings.loss == "classification" else text_view(track, self.settings.representation, draw)
        samples = round(self.window * self.rate)
        start = draw.randint(0, max(0, int(self.recordings.lengths[row]) - samples))
        audio = self.recordings.read(row, start, samples)
        return {
            "audio": audio,
            "text": text,
            "labels": labels,
            "row": row,
            **self._augmented(audio, (seed, epoch, row)),
        }

    def _augmented(self, audio: np.ndarray, numbers: tuple[int, ...]) -> dict[str, np.ndarray]:
        settings = self.settings
        if not settings.augment and not settings.ssl_weight:
            return {}
        from ohrwurm.audio.augment import muscall_chain

        views = {}
        if settings.augment:
            views["audio"] = muscall_chain(settings.augment)(audio, self.rate, generator(*numbers, 0))
        if settings.ssl_weight:
            views["second"] = muscall_chain(settings.ssl_augment or {})(audio, self.rate, generator(*numbers, 1))
        return views

    def batch(self, rows: Any, seed: int, epoch: int) -> dict[str, Any]:
        """Items of these tracks together: audio `(B, samples)`, texts, labels `(B, tags)`, rows, names."""
        items = [self.item(int(row), seed, epoch) for row in rows]
        tensors: dict[str, Any] = {
            key: torch.from_numpy(np.stack([item[key] for item in items]))
            for key in ("audio", "labels", "second") if key in items[0]
        }  # fmt: skip
        names = [self.recordings.tracks[item["row"]].track_id for item in items]
        return {**tensors, "texts": [i["text"] for i in items], "rows": torch.tensor([int(r) for r in rows]),
                "names": names}  # fmt: skip

    def names(self, batch: dict[str, Any]) -> list[str]:
        return batch["names"]

    def training_loader(self, seed: int, epoch: int) -> Batches:
        groups = shuffled(len(self.training_rows), self.settings.batch_size, generator(seed, epoch))
        rows = [[self.training_rows[i] for i in group] for group in groups]
        return Batches(rows, lambda _, group: self.batch(group, seed, epoch), self.share, self.workers)

    def val_dataloader(self) -> Batches:
        size = min(self.settings.batch_size, len(self.validation_rows))
        groups = [self.validation_rows[i : i + size] for i in range(0, len(self.validation_rows) - size + 1, size)]
        return Batches(groups, lambda _, group: self.batch(group, self.seed, VALIDATION), workers=self.workers)

    # Objective -----------------------------------------------------------------------------------------------------

    def loss(self, batch: dict[str, Any]) -> Tensor:
        """The recipe's loss over the joint batch of all processes."""
        settings, model = self.settings, self.model
        audio = model(batch["audio"]).pooled
        if settings.loss == "classification":
            return binary_cross_entropy(model.tag_logits(audio), batch["labels"])
        text = self.joint(model.encode_text(batch["texts"]))
        audio = self.joint(audio)
        if settings.loss == "triplet":
            return label_aware_triplet_loss(audio, text, self.joint(batch["labels"]), margin=settings.margin)
        largest = LARGEST_SCALE if settings.clamp == "loss" else math.inf
        if settings.loss == "contrastive":
            return clip_loss(audio, text, self.logit_scale, largest)
        vectors = self.sentences[self.joint(batch["rows"]).cpu()].to(audio)
        return weighted_clip_loss(audio, text, self.logit_scale, content_weights(vectors @ vectors.T), largest)

    def ssl_loss(self, batch: dict[str, Any]) -> Tensor:
        """NT-Xent between the training audio and its second view, as MusCALL's audio branch."""
        from ohrwurm.objectives.contrastive import nt_xent

        views = [
            self.model.project_ssl(self.model.audio_backbone(self.model.features(batch[key])))
            for key in ("audio", "second")
        ]
        return nt_xent(self.joint(views[0]), self.joint(views[1]), self.settings.ssl_temperature)

    @property
    def logit_scale(self) -> Tensor:
        """The logarithm of the contrastive multiplier: learned, or that of a fixed temperature."""
        fixed = getattr(self.model, "temperature", None)
        return self.model.logit_scale if fixed is None else torch.tensor(-math.log(fixed), device=self.device)

    def training_step(self, batch: dict[str, Any], _: int) -> Tensor:
        loss = self.loss(batch).float()
        if self.settings.ssl_weight:
            share = self.settings.ssl_weight
            loss = (1 - share) * loss + share * self.ssl_loss(batch)
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
        epochs = self.trainer.max_epochs
        if epochs is None or epochs < 1:
            raise RecipeError(f"schedule={settings.schedule} counts epochs: set trainer.max_epochs")
        steps = max(1, len(self.training_rows) // settings.batch_size)
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
        self.log("validation/loss", self.loss(batch).float(), batch_size=len(batch["names"]), on_epoch=True)

    def on_validation_epoch_end(self) -> None:
        rows = self.validation_rows
        if len(rows) > self.settings.validation_size:
            sample = generator(self.seed, VALIDATION).permutation(len(rows))[: self.settings.validation_size]
            rows = sorted(rows[i] for i in sample)
        for name, value in self.measure(self.model, rows).items():
            self.log(f"validation/{name}", value)

    @torch.inference_mode()
    def measure(self, model: AudioEncoder, rows: list[int]) -> dict[str, float]:
        """Retrieval among these tracks, text to audio; of a tagger, its tags' ranking of them (macro averages)."""
        audio = nn.functional.normalize(self.track_vectors(model, rows), dim=-1)
        tracks = [self.recordings.tracks[i] for i in rows]
        if isinstance(model, TTMRClassifier):
            names = [tag for tag in self.tags if 0 < sum(tag in t.tags for t in tracks) < len(tracks)]
            scores = model.encode_tags(names) @ audio.T
            relevant = np.array([[tag in t.tags for t in tracks] for tag in names])
        else:
            assert isinstance(model, JointModel)
            texts = [text_view(t, self.settings.representation) for t in tracks]
            parts = [model.encode_text(texts[i : i + 64]) for i in range(0, len(texts), 64)]
            scores = nn.functional.normalize(torch.cat(parts).float(), dim=-1) @ audio.T
            relevant = np.array([[a == b for b in texts] for a in texts])
        return retrieval.evaluate(scores.float().cpu().numpy(), relevant)

    def track_vectors(self, model: AudioEncoder, rows: list[int]) -> Tensor:
        """`(n, dim)`, each the mean over the track's windows, weighted by how much of them is audio."""
        samples = round(self.window * self.rate)
        vectors = []
        for row in rows:
            windows = plan(int(self.recordings.lengths[row]), Windowing(samples, samples))
            audio = np.stack([self.recordings.read(row, window.start, samples) for window in windows])
            pooled = torch.cat([model(torch.from_numpy(a)[None].to(self.device)).pooled.float() for a in audio])
            weight = torch.tensor([float(window.valid) for window in windows], device=pooled.device)
            vectors.append((pooled * weight[:, None]).sum(0) / weight.sum())
        return torch.stack(vectors)

    def report(self) -> dict[str, Any]:
        """Retrieval on the test tracks (without any: on the validation tracks), beside random weights and chance."""
        rows = self.test_rows or self.validation_rows
        torch.manual_seed(self.seed)
        untrained = registry.build(self.model.card).to(self.device)
        tracks = [self.recordings.tracks[i] for i in rows]
        texts = [text_view(t, self.settings.representation) if t.tags or t.caption else "" for t in tracks]
        return {
            "data": f"{Path(self.settings.data).name}, {'test' if self.test_rows else 'validation'} tracks",
            "protocol": "tags rank the tracks, macro average" if self.settings.loss == "classification"
            else "each track's text against all tracks; tracks with the same text are all right",
            "n": f"{len(rows)} tracks",
            "test": rounded(self.measure(self.model, rows)),
            "baseline": rounded(self.measure(untrained, rows)),
            "baseline_name": "random initialisation",
            "chance": rounded(retrieval.chance(np.array([[a == b for b in texts] for a in texts]))),
        }  # fmt: skip

    def export(self, folder: Path) -> None:
        """Write the model folder; a vocabulary that was learned from the data travels in the weights."""
        card = self.model.card
        encoder: Any = getattr(self.model, "text_encoder", None)
        if hasattr(encoder, "parameters_for_card"):
            parameters = {**card.parameters, "text_parameters": encoder.parameters_for_card}
            self.model.card = dataclasses.replace(card, parameters=parameters)
        registry.save(self.model, folder)
