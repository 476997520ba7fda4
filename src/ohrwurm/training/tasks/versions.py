"""Version identification: MOVE and Re-MOVE trained on works with several recordings each; the baseline experiment.

Sources: Yesiler, Serrà, Gómez, "Accurate and scalable version identification using musically-motivated embeddings",
ICASSP 2020 (MOVE); "Less is more: faster and better music version identification with embedding distillation", ISMIR
2020 (Re-MOVE). The other experiments of Re-MOVE build on this one: `versions_reconfigure`, `versions_distil`,
`versions_prune`.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ohrwurm.audio.augment_profile import AS_IT_IS, ProfileAugment, Transposition
from ohrwurm.data.cliques import works_of
from ohrwurm.errors import ModelError, RecipeError
from ohrwurm.evaluation.metrics import versions as metrics
from ohrwurm.models import registry
from ohrwurm.models.base import AudioEncoder, ModelCard
from ohrwurm.models.version_encoder import VersionEncoder
from ohrwurm.objectives.metric import Mining, group_loss, normalized_softmax, proxy_nca, triplet_loss
from ohrwurm.training.batches import Batches
from ohrwurm.training.encoders import after, base_card, encoder_to_train, freeze_unused
from ohrwurm.training.optimizers.ranger import Ranger
from ohrwurm.training.pitch_features import with_pitch
from ohrwurm.training.schedules import with_warm_cosine
from ohrwurm.training.task import Task, rounded
from ohrwurm.training.version_data import VersionData
from ohrwurm.training.version_scores import Comparison, score, threshold
from ohrwurm.training.version_songs import ProfileSongs, open_songs

Loss = Literal["triplet", "proxy-nca", "normalized-softmax", "group"]
CLIQUES = ("triplet", "group")  # losses that see several songs of a work at once


class VersionTask(Task):
    """Train an encoder whose vectors of the recordings of one work are near each other (Re-MOVE's ``baseline``).

    Args:
        data: a manifest (with `work_id`) or pack of audio, or pitch-class profiles: a folder or manifest; see
            `ohrwurm.data.version_features`.
        model: the card to start from: ``re-move-256``, ``move-16000``, a model folder, or another encoder of the
            registry, which is then trained on waveforms.
        parameters: replace those of the card.
        dim: of the embedding; the card's unless given.
        weights: a checkpoint to begin from, ``own`` for the model's own weights, empty for random ones.
        name, description: of the trained model's card.
        pitch: pitch extractor: ``pitchnet``, ``chroma``, ``crema-pcp-0.1.0``, ``crema-pcp-0.2`` or a model folder;
            unless given what the profiles say made them, or pitchnet.
        patch: frames of a training crop (92.88 ms each).
        window: seconds of a training crop of a network that takes waveforms; its card's unless given.
        loss: ``triplet``, ``proxy-nca``, ``normalized-softmax`` or ``group``. The first and last see cliques, `songs`
            recordings of each work; the others single recordings.
        mining: of triplets: ``random``, ``hard-random`` (which the published code calls semi-hard), ``hard``,
            ``all-positives``.
        margin: of the triplets, in squared distances divided by the dimension.
        temperature: of the normalized softmax.
        unit_length: compare vectors of length 1 (times the root of the dimension) in training, as search does by
            cosine; unless given, not for MOVE, as published, but for networks on waveforms.
        augment: of profiles: key, tempo, disturbed time; False leaves only the crop.
        transposition: ``legacy`` rolls the tiled rows as published, ``corrected`` is true (MOVE does not notice it).
        original_key: the song may also stay in its key (MOVE: yes, Re-MOVE: no).
        stretch, warp: probability of another tempo, and of silenced, duplicated or removed frames.
        leave_out: works not to train on (MOVE left out those in the YouTubeCovers benchmark).
        batch_size: recordings in a batch, of all processes together.
        songs: recordings of each work in a clique.
        mini_epochs: groups that the files of a data set in parts (chunks) are trained in, one after the other.
        optimizer: ``sgd`` or ``ranger``, as published, or ``adamw``.
        lr, momentum: momentum is that of SGD.
        schedule: ``milestones`` multiplies the rate by `gamma` at each of the epochs `milestones` (none: it stays);
            ``warm-cosine`` follows whatever limits the run.
        milestones, gamma: of the schedule.
    """

    monitor = "validation/MAP"
    mode = "max"

    def __init__(
        self,
        data: str = "",
        model: str = "re-move-256",
        parameters: dict[str, Any] | None = None,
        dim: int | None = None,
        weights: str = "",
        name: str = "my-versions",
        description: str = "Version identification, trained with ohrwurm.",
        pitch: str = "",
        patch: int = 1800,
        window: float | None = None,
        loss: Loss = "triplet",
        mining: Mining = "hard",
        margin: float = 1.0,
        temperature: float = 0.05,
        unit_length: bool | None = None,
        augment: bool = True,
        transposition: Transposition = "legacy",
        original_key: bool = False,
        stretch: float = 0.3,
        warp: float = 0.3,
        leave_out: list[str] | None = None,
        batch_size: int = 64,
        songs: int = 4,
        mini_epochs: int = 4,
        optimizer: Literal["sgd", "ranger", "adamw"] = "sgd",
        lr: float = 0.1,
        momentum: float = 0.0,
        schedule: Literal["milestones", "warm-cosine"] = "milestones",
        milestones: list[int] | None = None,
        gamma: float = 0.1,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.settings: Any = self.hparams
        self.model: Any = self.build()
        self.profiled = isinstance(self.model, VersionEncoder)
        self.unit_length = not self.profiled if unit_length is None else unit_length
        self.model.card = self._card(self.model.card)
        reading = ProfileAugment(transposition, original_key, stretch, warp) if augment else AS_IT_IS
        self.songs: Any = open_songs(
            data, self.model, pitch=pitch, patch=patch, augment=reading, window=self.model.card.window
        )
        self.data = VersionData(
            self.songs, data, batch_size=batch_size, clique=songs if loss in CLIQUES else 1, groups=mini_epochs,
            leave_out=leave_out or (),
        )  # fmt: skip
        self.proxies = None
        if loss != "triplet":
            self.proxies = nn.Parameter(torch.randn(len(self.data.label), self.model.card.dim))
        self._freeze_unused()

    # Model ---------------------------------------------------------------------------------------------------------

    def build(self) -> AudioEncoder:
        """The encoder that learns, in training mode; a version encoder without its extractor, which does not learn."""
        settings = self.settings
        changes = dict(settings.parameters or {})
        if settings.dim is not None:
            changes["dim"] = settings.dim
        card = base_card(settings.model, changes)
        if registry.builder(card) is not VersionEncoder:
            window = settings.window or card.window
            return encoder_to_train(settings.model, card, round(window * card.sample_rate), settings.weights)
        encoder = version_encoder(card)
        if settings.weights:
            given = registry.load(settings.model, weights=None if settings.weights == "own" else settings.weights)
            assert isinstance(given, VersionEncoder)
            if given.move.dim != encoder.move.dim:
                raise ModelError(
                    f"{settings.model} has {given.move.dim} dimensions, and task.dim asks for {encoder.move.dim}: "
                    "remove/lsr gives a trained model another dimension"
                )
            encoder.move.load_state_dict(given.move.state_dict())
        return encoder.train()

    @property
    def comparison(self) -> Comparison:
        """How vectors are compared, in validation and ever after: as the loss does."""
        if self.unit_length or not self.profiled or self.settings.loss == "normalized-softmax":
            return "cosine"
        return "pearson" if self.settings.loss == "group" else "euclidean"

    def _card(self, card: ModelCard) -> ModelCard:
        return dataclasses.replace(
            card, name=self.settings.name, description=self.settings.description, good_for=("versions",), joint=False,
            comparison=self.comparison, pooling="mean" if self.comparison == "euclidean" else "mean-then-l2",
            results=(), agreement={}, published={}, weights={}, sha256="", licence="your own", source="ohrwurm train",
            paper=after(card.paper),
        )  # fmt: skip

    def _freeze_unused(self) -> None:
        """Pooling without an exponent leaves it unused; several processes would wait for its gradient."""
        move = getattr(self.model, "move", None)
        if move is not None:
            parts = move.train(False).encode_features(torch.zeros(1, 1, 23, move.receptive_field))
            freeze_unused(move, parts)
            move.train()

    # Data ----------------------------------------------------------------------------------------------------------

    def preparation(self, cache: Path) -> str:
        return self.songs.to_make(cache)

    def prepare(self, cache: Path, workers: int) -> None:
        """Extract the profiles, unless they are given or kept."""
        self.songs.prepare(cache, workers)
        if self.songs.failed:
            self.data.without(self.songs.failed)

    def training_loader(self, seed: int, epoch: int) -> Batches:
        groups, processes = self.data.epoch(seed, epoch), self.share[1]
        if groups and len(groups[0]) % processes:
            raise RecipeError(f"the {len(groups[0])} works of a batch cannot be shared by {processes} processes evenly")
        return Batches(groups, lambda _, items: self.data.batch(items, seed, epoch), self.share, self.workers)

    def names(self, batch: dict[str, Any]) -> list[str]:
        return batch["names"]

    def val_dataloader(self) -> Batches:
        return Batches(self.data.validation)

    # Training ------------------------------------------------------------------------------------------------------

    def training_step(self, batch: dict[str, Any], _: int) -> Tensor:
        embedding = self.together(self.compared(self.songs.encode(self.model, batch["songs"]).float()))
        loss = self.objective(embedding, batch)
        self.log("training/loss", loss, on_epoch=True, on_step=False, prog_bar=True, batch_size=len(batch["names"]))
        return loss

    def together(self, x: Tensor) -> Tensor:
        """The rows of all processes as one process would have them: what is dealt out are cliques."""
        return self.joint(x.unflatten(0, (-1, self.data.clique))).flatten(0, 1)

    def compared(self, embedding: Tensor) -> Tensor:
        """Vectors as the loss compares them; of unit length, the squared distance by dimension is 2 - 2 cosine."""
        if not self.unit_length:
            return embedding
        return nn.functional.normalize(embedding, dim=-1) * embedding.shape[1] ** 0.5

    def objective(self, embedding: Tensor, batch: dict[str, Any]) -> Tensor:
        """The loss of the joint batch of all processes."""
        settings, labels = self.settings, self.together(batch["labels"])
        if self.proxies is None:
            return triplet_loss(embedding, labels, margin=settings.margin, mining=settings.mining)
        if settings.loss == "proxy-nca":
            return proxy_nca(embedding, labels, self.proxies)
        if settings.loss == "group":
            return group_loss(embedding, labels, self.proxies, songs=settings.songs)
        return normalized_softmax(embedding, labels, self.proxies, temperature=settings.temperature)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The parameters that the optimiser moves, with settings of their own where they have them."""
        return [{"params": [p for p in self.parameters() if p.requires_grad]}]

    def rate_factor(self, epoch: int) -> float:
        """What the learning rate is multiplied by in an epoch, by the milestones."""
        return self.settings.gamma ** sum(epoch >= m for m in self.settings.milestones or ())

    def configure_optimizers(self) -> Any:
        settings = self.settings
        optimizer: torch.optim.Optimizer
        if settings.optimizer == "sgd":
            optimizer = torch.optim.SGD(self.parameter_groups(), lr=settings.lr, momentum=settings.momentum)
        elif settings.optimizer == "ranger":
            optimizer = Ranger(self.parameter_groups(), lr=settings.lr)
        else:
            optimizer = torch.optim.AdamW(self.parameter_groups(), lr=settings.lr)
        if settings.schedule == "warm-cosine":
            return with_warm_cosine(self, optimizer)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self.rate_factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "epoch"}}

    # Validation and result -----------------------------------------------------------------------------------------

    def on_validation_epoch_start(self) -> None:
        self.collected: list[Tensor] = []

    def validation_step(self, row: int, _: int) -> None:
        self.collected.append(self.songs.vector(self.model, row))

    def on_validation_epoch_end(self) -> None:
        found = score(torch.stack(self.collected), self.data.works(self.data.validation), self.comparison)
        self.log_validation(found)

    def log_validation(self, found: dict[str, float]) -> None:
        """Log what validation found, the monitor among it."""
        self.log(self.monitor, found["MAP"], prog_bar=True)
        self.log("validation/Top-1", found["Top-1"])

    @torch.inference_mode()
    def vectors(self, encoder: AudioEncoder, rows: list[int]) -> Tensor:
        """Vectors `(n, dim)` of whole songs."""
        return torch.stack([self.songs.vector(encoder, row) for row in rows])

    def measure(self, encoder: AudioEncoder, rows: list[int], comparison: Comparison | None = None) -> dict[str, float]:
        """Version identification metrics of an encoder: every song against all others."""
        return rounded(score(self.vectors(encoder, rows), self.data.works(rows), comparison or self.comparison))

    @property
    def report_rows(self) -> list[int]:
        """The songs that the report is about: the test songs, and without any the validation songs."""
        return self.data.test or self.data.validation

    def result(self) -> AudioEncoder:
        """The trained encoder."""
        return self.model

    def report(self) -> dict[str, Any]:
        """Version identification among the test songs, beside random weights and chance."""
        rows, trained = self.report_rows, self.result()
        torch.manual_seed(self.seed)
        untrained = registry.build(trained.card).to(self.device)
        return {
            "data": f"{Path(self.settings.data).name}, {'test' if self.data.test else 'validation'} songs",
            "protocol": f"each song against all others, whole songs, by {self.comparison}",
            "n": f"{len(rows)} songs of {len(works_of(self.songs.tracks, rows))} works",
            "test": self.measure(trained, rows),
            "baseline": self.measure(untrained, rows),
            "baseline_name": "random initialisation",
            "chance": rounded(metrics.chance(self.data.works(rows))),
        }

    def export(self, folder: Path) -> None:
        """Write the model folder, with the pitch extractor where its weights are here."""
        self.save_encoder(self.result(), folder)

    def save_encoder(self, encoder: AudioEncoder, folder: Path) -> None:
        """Write a model folder of `encoder` with the threshold that the validation songs suggest."""
        vectors = self.vectors(encoder, self.data.validation)
        found = threshold(vectors, self.data.works(self.data.validation), self.comparison)
        whole = with_pitch(encoder, self.songs.extractor) if isinstance(self.songs, ProfileSongs) else encoder  # type: ignore[arg-type]
        whole.card = dataclasses.replace(
            whole.card, features={**whole.card.features, "version_threshold": round(found, 3)}
        )
        registry.save(whole, folder)


def version_encoder(card: ModelCard) -> VersionEncoder:
    """An untrained version encoder of profiles alone, as a card describes it."""
    parameters = {**card.parameters, "pitch": "none", "pitch_parameters": {}}
    dim = int(parameters.get("dim", card.dim))
    encoder = registry.build(dataclasses.replace(card, parameters=parameters, dim=dim))
    assert isinstance(encoder, VersionEncoder)
    return encoder
