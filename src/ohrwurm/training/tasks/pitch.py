"""pitchnet: learn which notes sound from rendered scores, where that is exactly known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ohrwurm.audio import pitch
from ohrwurm.audio.spectral import Chroma
from ohrwurm.data.render import Rendition
from ohrwurm.evaluation.metrics import pitch as metrics
from ohrwurm.models import registry
from ohrwurm.models.base import ModelCard
from ohrwurm.models.pitchnet import PitchNet
from ohrwurm.training.batches import Batches, shuffled
from ohrwurm.training.rendered import Example, plan_renditions, render_examples
from ohrwurm.training.schedules import with_warm_cosine
from ohrwurm.training.task import Task, generator, rounded

SUBFRAMES = 4  # truth is sampled this often within a frame


class PitchExtractor:
    """Rendition → log-frequency spectrum, the share of each frame that each note sounds, and plain chroma."""

    def __init__(self) -> None:
        self._front_ends: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {"_front_ends": None}  # made anew in each process

    def __call__(self, rendition: Rendition) -> dict[str, np.ndarray]:
        if self._front_ends is None:
            self._front_ends = pitch.LogFrequency(), Chroma()
        log_frequency, chroma = self._front_ends
        audio = torch.from_numpy(rendition.audio)[None]
        with torch.inference_mode():
            spectrum = log_frequency(audio)[0].numpy()
            plain = chroma(audio)[0, :, : spectrum.shape[1]].numpy()
        frames = spectrum.shape[1]
        # Frame t is centred on sample t * hop.
        at = (np.arange(frames * SUBFRAMES) / SUBFRAMES - 0.5 + 0.5 / SUBFRAMES) * pitch.HOP / pitch.SAMPLE_RATE
        roll = rendition.note_roll(at).reshape(128, frames, SUBFRAMES).mean(2)
        return {
            "spectrum": spectrum.astype(np.float16),
            "notes": (roll * 255).round().astype(np.uint8),
            "chroma": plain,
        }


class PitchTask(Task):
    """Train pitchnet on rendered scores.

    Args:
        channels: width of the network.
        count: renditions for training, of `seconds` each; validation and test take a tenth of that each.
        frames: length of a training crop (92.88 ms each).
    """

    monitor = "validation/AP"
    mode = "max"

    def __init__(
        self,
        name: str = "pitchnet",
        description: str = "",
        channels: int = 16,
        scores: tuple[str, ...] = ("pop909", "openewld", "freedoom"),
        count: int = 1600,
        seconds: float = 20.0,
        frames: int = 96,
        batch_size: int = 16,
        lr: float = 3e-3,
        test_soundfont: str = "FluidR3_GM",
        data: str | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.settings: Any = self.hparams
        self.card = ModelCard(
            name=name,
            architecture="pitchnet",
            sample_rate=pitch.SAMPLE_RATE,
            window=120.0,
            hop=120.0,
            minimum=1.0,
            dim=12,
            good_for=(),
            description=description,
            parameters={"channels": channels},
            frame_rate=pitch.FRAME_RATE,
            source="ohrwurm train ohrwurm/pitch",
        )
        self.model = PitchNet(channels)
        self.model.card = self.card

    def preparation(self, cache: Path) -> str:
        return f"renders {self.settings.count} training pieces, unless they are in {cache}"

    def prepare(self, cache: Path, workers: int) -> None:
        """Render and analyse the training and validation pieces."""
        self.training_examples = self._examples("train", cache, workers)
        self.validation_examples = self._examples("validation", cache, workers)

    def _examples(self, split: str, cache: Path, workers: int) -> list[Example]:
        settings = self.settings
        plan = plan_renditions(
            settings.scores,
            split,
            settings.data,
            total=settings.count if split == "train" else settings.count // 10,
            seconds=settings.seconds,
            soundfont=settings.test_soundfont if split == "test" else None,
        )
        return render_examples(plan, PitchExtractor(), cache / f"pitch-{split}", workers)

    def training_loader(self, seed: int, epoch: int) -> Batches:
        groups = shuffled(len(self.training_examples), self.settings.batch_size, generator(seed, epoch))

        def make(number: int, rows: np.ndarray) -> tuple[Tensor, Tensor]:
            draw = generator(seed, epoch, number)
            spectra, notes = [], []
            for row in rows:
                example = self.training_examples[row].arrays
                length = example["spectrum"].shape[1]
                start = int(draw.integers(max(1, length - self.settings.frames + 1)))
                window = slice(start, start + self.settings.frames)
                spectrum = example["spectrum"][:, window].astype(np.float32)
                # Equalisation and level of other rooms and microphones: a smooth random gain along frequency.
                gain = np.interp(np.arange(len(spectrum)), np.linspace(0, len(spectrum), 6), draw.normal(0, 1.5, 6))
                spectrum = spectrum + gain[:, None].astype(np.float32) + float(draw.normal(0, 2.0))
                silence = np.float32(np.log(pitch.LogFrequency.floor))
                missing = ((0, 0), (0, max(0, self.settings.frames - length)))  # a clip may be shorter: silence
                spectra.append(np.pad(np.maximum(spectrum, silence), missing, constant_values=silence))
                notes.append(np.pad(example["notes"][:, window].astype(np.float32) / 255, missing))
            return torch.from_numpy(np.stack(spectra)), torch.from_numpy(np.stack(notes))

        return Batches(groups, make)

    def val_dataloader(self) -> Batches:
        return Batches(range(len(self.validation_examples)))

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        spectra, notes = batch
        salience = self.model.notes(spectra)  # (B, 84, T)
        lowest = pitch.LOWEST_NOTE
        note_loss = nn.functional.binary_cross_entropy_with_logits(
            salience, notes[:, lowest : lowest + pitch.SEMITONES]
        )
        class_loss = nn.functional.binary_cross_entropy_with_logits(self.model.pitch_classes(salience), fold(notes))
        loss = class_loss + 3.0 * note_loss
        self.log("training/loss", loss, on_epoch=True, on_step=False, prog_bar=True)
        return loss

    def on_validation_epoch_start(self) -> None:
        self.collected: list[tuple[np.ndarray, np.ndarray]] = []

    def validation_step(self, row: int, _: int) -> None:
        self.collected.append(self.compare(self.validation_examples[row]))

    def compare(self, example: Example) -> tuple[np.ndarray, np.ndarray]:
        """Truth and probability of each pitch class in each frame, both `(T, 12)`."""
        spectrum = torch.from_numpy(example.arrays["spectrum"].astype(np.float32))[None]
        found = torch.sigmoid(self.model.pitch_classes(self.model.notes(spectrum)))[0].T.numpy()
        truth = fold(torch.from_numpy(example.arrays["notes"].astype(np.float32) / 255)[None])[0].T.numpy()
        return truth > 0.5, found

    def on_validation_epoch_end(self) -> None:
        figures = self.figures(self.collected)
        self.log(self.monitor, figures["AP"], prog_bar=True)
        self.log("validation/F1", figures["F1"])

    @staticmethod
    def figures(pairs: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
        """Frame-wise figures over all pieces."""
        return metrics.evaluate(np.concatenate([p[0] for p in pairs]), np.concatenate([p[1] for p in pairs]))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.parameters(), lr=self.settings.lr)
        return with_warm_cosine(self, optimizer)

    @torch.inference_mode()
    def report(self) -> dict[str, Any]:
        """Frame-wise pitch classes on held-out scores with another SoundFont, beside plain chroma."""
        examples = self._examples("test", self.cache, self.workers)
        pairs = [self.compare(e) for e in examples]
        plain = [(truth, e.arrays["chroma"].T) for e, (truth, _) in zip(examples, pairs, strict=True)]
        truth = np.concatenate([t for t, _ in pairs])
        return {
            "data": "rendered: held-out scores, other SoundFont",
            "protocol": "pitch classes that sound, frame by frame (93 ms)",
            "n": f"{len(examples)} renditions, {len(truth)} frames",
            "test": rounded(self.figures(pairs)),
            "chance": rounded(metrics.chance(truth)),
            "baseline": rounded(self.figures(plain)),
            "baseline_name": "plain chroma",
        }

    def export(self, folder: Path) -> None:
        """Write the model folder."""
        registry.save(self.model, folder)


def fold(notes: Tensor) -> Tensor:
    """Share of each frame that each pitch class sounds: `(B, 128, T)` → `(B, 12, T)`, the largest over octaves."""
    padded = nn.functional.pad(notes, (0, 0, 0, 4))  # 132 = 11 octaves
    return padded.unflatten(1, (11, 12)).amax(1)
