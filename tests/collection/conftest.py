"""Small sounds, and a small joint model: it hears eight frequency bands, and reads their names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from ohrwurm.collection import Collection
from ohrwurm.models.base import Encoded, JointModel, ModelCard, Precision
from ohrwurm.models.registry import architecture, register_card

RATE = 8000
BANDS = ("lowest", "low", "lower", "middle", "upper", "high", "higher", "highest")


@architecture("test-bands")
class Bands(JointModel):
    """Share of the energy in each of eight bands of 500 Hz. Remembers how many windows it was given; can do bf16."""

    def __init__(self, tilt: float = 0.0) -> None:
        super().__init__()
        self.tilt = tilt
        self.heard: list[int] = []

    @property
    def precisions(self) -> tuple[Precision, ...]:
        return ("fp32", "bf16")

    def forward(self, waveform: Tensor) -> Encoded:
        self.heard.append(len(waveform))
        if bool((waveform.abs().amax(1) == 0.625).any()):  # a sound that this model cannot bear
            raise RuntimeError("shape mismatch")
        energy = torch.fft.rfft(waveform).abs().square()[:, : waveform.shape[1] // 2]
        bands = energy.unflatten(1, (8, -1)).sum(2)
        if self.precision == "bf16":
            bands = bands.bfloat16().float()
        return Encoded(bands / bands.sum(1, keepdim=True).clamp(min=1e-9) + self.tilt)

    def encode_text(self, texts: list[str]) -> Tensor:
        return torch.tensor([[float(band in text.split()) for band in BANDS] for text in texts])


def _card(name: str, **changes: object) -> ModelCard:
    values: dict = {
        "architecture": "test-bands", "sample_rate": RATE, "window": 1.0, "hop": 1.0, "dim": 8, "minimum": 0.5,
        "good_for": ("words", "sound"), "description": "test", "joint": True,
        "features": {"learned": False},
    }  # fmt: skip
    return ModelCard(name=name, **values | changes)


register_card(_card("test-bands"))
register_card(
    _card("test-versions", joint=False, good_for=("versions",), features={"learned": False, "version_threshold": 0.8})
)

Write = Callable[..., Path]


def tone(*bands: int, seconds: float = 2.0, peak: float = 0.5) -> np.ndarray:
    """A sound with its energy in some of the eight bands."""
    time = np.arange(int(seconds * RATE)) / RATE
    wave = sum(np.sin(2 * np.pi * (500 * band + 250) * time) for band in bands)
    return (peak * wave / np.abs(wave).max()).astype(np.float32)


@pytest.fixture
def sound() -> Callable[..., np.ndarray]:
    """The function `tone`."""
    return tone


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a sound below `music/`: `write("a.wav", 0, 3)` has its energy in bands 0 and 3."""

    def write(name: str, *bands: int, seconds: float = 2.0, peak: float = 0.5) -> Path:
        path = tmp_path / "music" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, tone(*bands, seconds=seconds, peak=peak), RATE)
        return path

    return write


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """The folder that `write` writes to."""
    (tmp_path / "music").mkdir(exist_ok=True)
    return tmp_path / "music"


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    """An empty collection with the joint test model."""
    return Collection(tmp_path / "collection", models=["test-bands"])
