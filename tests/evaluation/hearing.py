"""Models for tests that hear how bright a sound is, and know words for it."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from ohrwurm.models.base import Encoded, JointModel, ModelCard

RATE = 8000
TONES = {"low": 200, "middle": 800, "high": 3200}


def tone(path: Path, pitch: float, seconds: float = 1.0, seed: int = 0) -> Path:
    """A tone in a little noise."""
    t = np.arange(round(seconds * RATE)) / RATE
    noise = np.random.default_rng(seed).normal(size=t.shape)
    soundfile.write(path, 0.4 * np.sin(2 * np.pi * pitch * t) + 0.001 * noise, RATE)
    return path


class Brightness(JointModel):
    """A window becomes an angle by how often it crosses zero; a text the angle of the tone it names."""

    def __init__(self, **card: Any) -> None:
        super().__init__()
        plain = ModelCard("brightness", "test", RATE, 0.5, 0.5, 2, ("words",), "", minimum=0.1, joint=True)
        self.card = dataclasses.replace(plain, **card)

    def forward(self, waveform: torch.Tensor) -> Encoded:
        # (B, samples) → crossings a second → angle by octaves
        rate = (waveform.sign().diff(dim=1) != 0).float().mean(1) * RATE / 2
        return Encoded(pooled=self.place(rate))

    def place(self, pitch: torch.Tensor) -> torch.Tensor:
        angle = (torch.log2(pitch.clamp(min=20)) - math.log2(200)) * math.pi / 8
        return torch.stack([angle.cos(), angle.sin()], dim=1)

    def encode_text(self, texts: list[str]) -> torch.Tensor:
        pitches = [next((p for name, p in TONES.items() if name in text), 0) for text in texts]
        vectors = self.place(torch.tensor(pitches, dtype=torch.float32))
        vectors[[i for i, p in enumerate(pitches) if not p]] = -1.0  # words that it does not know: far from all
        if any("nonsense" in text for text in texts):
            vectors[:] = float("nan")
        return vectors


class Crossings(JointModel):
    """Hears how often the sound crosses zero, and knows the words "low" and "high" for it."""

    def __init__(self) -> None:
        super().__init__()
        self.card = ModelCard("brightness", "test", 16000, 1.0, 1.0, 2, ("words",), "", minimum=0.1, joint=True)

    def forward(self, waveform: torch.Tensor) -> Encoded:
        angle = (waveform.sign().diff(dim=1) != 0).float().mean(1) * torch.pi
        return Encoded(pooled=torch.stack([angle.cos(), angle.sin()], dim=1))

    def encode_text(self, texts: list[str]) -> torch.Tensor:
        return torch.tensor([[0.0, 1.0] if "high" in text else [1.0, 0.0] for text in texts])
