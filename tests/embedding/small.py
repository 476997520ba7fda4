"""Small encoders with what the large ones have: layers, frames, a paper's own windows."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ohrwurm.models.base import AudioEncoder, Encoded, ModelCard, ReadOut


class SmallConvolution(AudioEncoder):
    """A real network: two strided convolutions and a mean, with seeded weights; frames of a 64th of a second or so."""

    def __init__(self, rate: int = 8000, seed: int = 0, **card: object) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.network = nn.Sequential(nn.Conv1d(1, 12, 64, 16), nn.GELU(), nn.Conv1d(12, 6, 8, 4))
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.2, generator=generator)
        given = {"window": 1.0, "hop": 0.5, "dim": 6, "good_for": ("sound",), "description": "", **card}
        self.card = ModelCard("small", "small", rate, **given)  # type: ignore[arg-type]
        self.eval()

    def forward(self, waveform: Tensor) -> Encoded:
        frames = self.network(waveform[:, None]).transpose(1, 2)
        return Encoded(pooled=frames.mean(1), frames=frames)


class Levels(AudioEncoder):
    """Means over blocks of samples: a frame is made of its own samples alone, so that its value can tell its time.

    Layer 0 has 100 frames a second of size 2, layer 1 has 50 of size 3.
    """

    def __init__(self, rate: int = 8000, seed: int = 0) -> None:
        super().__init__()
        self.rate = rate
        self.layer = 1
        self.register_buffer("weights", torch.linspace(1.0, 2.0, 3))

    @property
    def layers(self) -> Mapping[int, ReadOut]:
        return {0: ReadOut(2, 100.0), 1: ReadOut(3, 50.0)}

    def forward(self, waveform: Tensor) -> Encoded:
        read = self.layers[self.layer or 0]
        block = round(self.rate / (read.frame_rate or 1))
        blocks = waveform[:, : waveform.shape[1] // block * block].unflatten(1, (-1, block)).mean(2)
        frames = blocks[..., None] * self.weights[: read.dim]
        return Encoded(pooled=frames.mean(1), frames=frames)
