"""The house model of version identification: MOVE on the profiles of several renditions of each score.

Batches hold a few works with a few renditions each. The profile of a whole rendition is stretched and disturbed, then
cropped, as in MOVE and Re-MOVE (Yesiler, Serra, Gómez 2020). True transposition changes nothing for MOVE, which takes
the maximum over all twelve keys, so it is not drawn here; the renditions themselves are in different keys.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from ohrwurm.data.render import RenderSpec, Rendition
from ohrwurm.evaluation.metrics import versions as metrics
from ohrwurm.models import registry
from ohrwurm.models.base import ModelCard
from ohrwurm.models.move import MOVE, tile_pitch_classes
from ohrwurm.models.version_encoder import VersionEncoder
from ohrwurm.objectives.metric import normalized_softmax, triplet_loss
from ohrwurm.training.batches import Batches, shuffled
from ohrwurm.training.rendered import plan_renditions, render_examples
from ohrwurm.training.schedules import with_warm_cosine
from ohrwurm.training.task import Task, generator, rounded
from ohrwurm.training.version_scores import score, threshold


@dataclasses.dataclass
class Work:
    """The profiles `(12, T)` of one work's renditions."""

    work_id: str
    profiles: list[np.ndarray]


def labels_of(works: list[Work]) -> np.ndarray:
    """The number of its work for each rendition, in the order of the works."""
    return np.array([i for i, work in enumerate(works) for _ in work.profiles])


class ProfileExtractor:
    """Rendition → its pitch-class profile, by a pitch model loaded once per process."""

    def __init__(self, model: str) -> None:
        self.model = model
        self._net: Any = None

    def __call__(self, rendition: Rendition) -> dict[str, np.ndarray]:
        if self._net is None:
            self._net = registry.load(self.model)
        with torch.inference_mode():
            profile = self._net.profile(torch.from_numpy(rendition.audio)[None])[0]
        return {"profile": profile.numpy().astype(np.float16)}

    def __getstate__(self) -> dict[str, Any]:
        return {"model": self.model, "_net": None}


class RenderedVersionTask(Task):
    """Train MOVE on rendered versions.

    Args:
        channels, dim, kernel_time: size of MOVE.
        pitch: name or folder of the pitch model.
        renditions: how many of each work are rendered for training; `seconds` of each.
        patch: frames of a training crop (92.88 ms each).
        works: works in a batch, `songs` renditions of each.
        loss: "triplet" (hard mining, `margin`), "softmax" (NormalizedSoftmax, `temperature`), or "both".
        held_out_styles: arrangement styles that are rendered for the test only.
        test_soundfont: another SoundFont, for the test only.
    """

    monitor = "validation/mAP"
    mode = "max"

    def __init__(
        self,
        name: str = "ohrwurm-versions",
        description: str = "",
        channels: int = 48,
        dim: int = 128,
        kernel_time: int = 180,
        pitch: str = "pitchnet",
        scores: tuple[str, ...] = ("pop909", "openewld"),
        renditions: int = 3,
        seconds: float = 60.0,
        patch: int = 512,
        works: int = 16,
        songs: int = 3,
        loss: Literal["triplet", "softmax", "both"] = "both",
        margin: float = 0.3,
        temperature: float = 0.1,
        lr: float = 1e-3,
        weight_decay: float = 1e-4,
        window: float = 120.0,
        held_out_styles: tuple[str, ...] = (),
        test_soundfont: str = "FluidR3_GM",
        data: str | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.settings: Any = self.hparams
        self.model = MOVE(channels=channels, dim=dim, kernel_time=kernel_time, short_input="repeat")

    # Data ----------------------------------------------------------------------------------------------------------

    def preparation(self, cache: Path) -> str:
        return f"renders {self.settings.renditions} versions of every training work, unless they are in {cache}"

    def prepare(self, cache: Path, workers: int) -> None:
        """Render every work's versions and keep their profiles; made once, resumed where it stopped."""
        self.training_works = self._works("train", self.settings.renditions, cache, workers)
        self.validation_works = self._works("validation", 3, cache, workers)
        self.proxies = nn.Parameter(torch.randn(len(self.training_works), self.settings.dim))

    def _works(self, split: str, renditions: int, cache: Path, workers: int) -> list[Work]:
        settings = self.settings
        test = split == "test"
        plan: list[RenderSpec] = plan_renditions(
            settings.scores,
            split,
            settings.data,
            renditions=renditions,
            seconds=settings.seconds,
            soundfont=settings.test_soundfont if test else None,
            without_styles=() if test else settings.held_out_styles,
        )
        folder = cache / f"versions-{split}"
        extractor = ProfileExtractor(settings.pitch)
        examples = render_examples(plan, extractor, folder, workers, identity=registry.card(settings.pitch).provenance)
        grouped: dict[str, list[np.ndarray]] = {}
        for example in examples:
            grouped.setdefault(example.work_id, []).append(example.arrays["profile"])
        return [Work(work, profiles) for work, profiles in sorted(grouped.items()) if len(profiles) > 1]

    def training_loader(self, seed: int, epoch: int) -> Batches:
        groups = shuffled(len(self.training_works), self.settings.works, generator(seed, epoch))

        def make(number: int, rows: np.ndarray) -> tuple[Tensor, Tensor]:
            draw = generator(seed, epoch, number)
            patches, labels = [], []
            for row in rows:
                work = self.training_works[row]
                enough = len(work.profiles) >= self.settings.songs
                for i in draw.choice(len(work.profiles), self.settings.songs, replace=not enough):
                    patches.append(crop(disturb(work.profiles[i], draw), self.settings.patch, draw))
                    labels.append(row)
            return torch.from_numpy(np.stack(patches)), torch.tensor(labels)

        return Batches(groups, make)

    def val_dataloader(self) -> Batches:
        return Batches(range(len(self.validation_works)))

    # Training ------------------------------------------------------------------------------------------------------

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        profiles, labels = batch
        embedding = self.model.encode_features(tile_pitch_classes(profiles))
        settings = self.settings
        loss = embedding.new_zeros(())
        if settings.loss != "triplet":
            loss = loss + normalized_softmax(embedding, labels, self.proxies, temperature=settings.temperature)
        if settings.loss != "softmax":
            # On the unit sphere, where search compares by cosine: squared distance = 2 - 2 cos.
            sphere = nn.functional.normalize(embedding, dim=-1) * settings.dim**0.5
            loss = loss + triplet_loss(sphere, labels, margin=settings.margin, mining="hard")
        self.log("training/loss", loss, on_epoch=True, on_step=False, prog_bar=True)
        return loss

    def on_validation_epoch_start(self) -> None:
        self.collected: list[Tensor] = []

    def validation_step(self, row: int, _: int) -> None:
        self.collected.append(self.embed(self.validation_works[row].profiles))

    def embed(self, profiles: list[np.ndarray]) -> Tensor:
        """Vectors `(n, dim)` of whole profiles."""
        made = [
            self.model.encode_features(tile_pitch_classes(torch.from_numpy(p.astype(np.float32))[None]))
            for p in profiles
        ]
        return torch.cat(made)

    def on_validation_epoch_end(self) -> None:
        works = self.validation_works[: len(self.collected)]
        found = score(torch.cat(self.collected), labels_of(works))
        self.log(self.monitor, found["MAP"], prog_bar=True)
        self.log("validation/Top-1", found["Top-1"])

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.settings.lr, weight_decay=self.settings.weight_decay)
        return with_warm_cosine(self, optimizer)

    # Result --------------------------------------------------------------------------------------------------------

    @torch.inference_mode()
    def report(self) -> dict[str, Any]:
        """Held-out rendered works (other SoundFont, keys, tempi and instruments), with the chance level."""
        works = self._works("test", 3, self.cache, self.workers)
        labels = labels_of(works)
        found = score(torch.cat([self.embed(w.profiles) for w in works]), labels)
        return {
            "data": "rendered: held-out works; other SoundFont, keys, tempi and instruments",
            "protocol": "each rendition against all others",
            "n": f"{len(labels)} renditions of {len(works)} works",
            "test": rounded(found),
            "chance": rounded(metrics.chance(labels)),
        }

    def export(self, folder: Path) -> None:
        """Write the model folder: the pitch model and MOVE as one encoder of waveforms."""
        settings = self.settings
        pitch = registry.load(settings.pitch)
        with torch.inference_mode():
            vectors = torch.cat([self.embed(w.profiles) for w in self.validation_works])
        card = ModelCard(
            name=settings.name,
            architecture="version-encoder",
            sample_rate=pitch.card.sample_rate,
            window=settings.window,
            hop=settings.window,
            minimum=5.0,
            dim=settings.dim,
            features={"version_threshold": round(threshold(vectors, labels_of(self.validation_works)), 3)},
            good_for=("versions",),
            description=settings.description,
            parameters={
                "pitch": pitch.card.architecture,
                "pitch_parameters": dict(pitch.card.parameters),
                "channels": settings.channels,
                "dim": settings.dim,
                "kernel_time": settings.kernel_time,
                "short_input": "repeat",
            },
            paper="After MOVE (Yesiler, Serra, Gomez, ICASSP 2020), reduced",
            source="ohrwurm train ohrwurm/versions",
        )
        model = registry.build(card)
        assert isinstance(model, VersionEncoder)
        model.pitch.load_state_dict(pitch.state_dict())
        model.move.load_state_dict(self.model.state_dict())
        registry.save(model, folder)


def disturb(profile: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Stretch a profile `(12, T)` in time and disturb it as extraction from real recordings would."""
    x = profile.astype(np.float32)
    if draw.random() < 0.7:  # tempo
        factor = float(np.exp(draw.uniform(np.log(0.75), np.log(1.33))))
        at = np.linspace(0, x.shape[1] - 1, max(2, int(x.shape[1] * factor)))
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, x.shape[1] - 1)
        part = (at - low).astype(np.float32)
        x = x[:, low] * (1 - part) + x[:, high] * part
    kind = draw.random()
    if kind < 0.1:  # silenced frames
        x = x * (draw.random(x.shape[1]) > 0.1)
    elif kind < 0.2:  # dropped frames
        kept = np.flatnonzero(draw.random(x.shape[1]) > 0.1)
        x = x[:, kept] if len(kept) else x
    if draw.random() < 0.5:  # contrast of the extractor
        x = x ** float(np.exp(draw.uniform(-0.7, 0.7)))
    if draw.random() < 0.5:  # partials heard as notes: a fifth and a major third up
        x = x + draw.uniform(0, 0.3) * np.roll(x, 7, 0) + draw.uniform(0, 0.15) * np.roll(x, 4, 0)
    if draw.random() < 0.3:  # noise floor
        x = x + draw.uniform(0, 0.2) * draw.random(x.shape, dtype=np.float32)
    return np.clip(x, 0.0, 1.0).astype(np.float32)


def crop(profile: np.ndarray, frames: int, draw: np.random.Generator) -> np.ndarray:
    """A uniform crop of `frames`; a shorter profile is zero-padded at its end."""
    length = profile.shape[1]
    if length >= frames:
        start = int(draw.integers(length - frames + 1))
        return profile[:, start : start + frames]
    return np.pad(profile, ((0, 0), (0, frames - length)))
