"""A model with heads that hears clicks and triads for certain, so that what comes out of it is known.

Its features are a hundred frames a second: how loud each is, and its chroma. Its states are the louder and the mean of
two. Heads are linear, their weights set by hand.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ohrwurm.audio.spectral import Chroma
from ohrwurm.models.base import AudioEncoder, Encoded, ModelCard, ReadOut
from ohrwurm.models.frame_heads import HeadSpec
from ohrwurm.models.headed import HeadedEncoder

RATE, HOP = 8000, 80
TRIADS = ((0, 4, 7), (0, 3, 7))
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10))


class Listener(AudioEncoder):
    """`(B, samples)` → frames `(B, samples // 160, 13)`."""

    feature_hop = HOP

    def __init__(self, fft: int = 2048) -> None:
        super().__init__()
        self.feature_reach = fft // 2
        self.chroma = Chroma(RATE, fft, HOP, silence=1e-3)
        self.card = ModelCard("listener", "listener", RATE, 6.0, 6.0, 13, ("sound",), "", minimum=0.3, frame_rate=50.0)

    @property
    def layers(self) -> dict[int, ReadOut]:
        return {0: ReadOut(13, 50.0)}

    def features(self, waveform: Tensor) -> Tensor:
        frames = waveform.shape[-1] // HOP
        padded = nn.functional.pad(waveform, (HOP // 2, HOP))[:, : frames * HOP]  # centred, as a spectrogram's frames
        loud = padded.unflatten(1, (frames, HOP)).abs().amax(2)
        return torch.cat([loud[:, None], self.chroma(waveform)[..., :frames]], 1)  # (B, 13, frames)

    def hidden_states(self, features: Tensor) -> list[Tensor]:
        pairs = features[..., : features.shape[-1] // 2 * 2].unflatten(-1, (-1, 2))
        return [torch.cat([pairs[:, :1].amax(-1), pairs[:, 1:].mean(-1)], 1).transpose(1, 2)]

    def encode_features(self, features: Tensor) -> Encoded:
        (frames,) = self.hidden_states(features)
        return Encoded(frames.mean(1), frames)

    def forward(self, waveform: Tensor) -> Encoded:
        return self.encode_features(self.features(waveform))


def listener(window: float = 6.0, fft: int = 2048) -> HeadedEncoder:
    """Beats are louder than 0.5, downbeats than 0.85; chords and keys go by tones; the tag "not" is never told."""
    specs = [HeadSpec(task, hidden=None) for task in ("beats", "chords", "key")]
    specs.append(HeadSpec("tags", classes=("loud", "not"), hidden=None))
    model = HeadedEncoder.around(Listener(fft), specs, name="listener", window=window)
    with torch.no_grad():
        heads = {name: head.mlp for name, head in model.heads.items()}  # type: ignore[union-attr]
        for head in heads.values():
            nn.init.zeros_(head.weight)  # type: ignore[arg-type]
            nn.init.zeros_(head.bias)  # type: ignore[arg-type]
        heads["beats"].weight[:, 0], heads["beats"].bias[:] = 40.0, torch.tensor([-20.0, -34.0])  # type: ignore[index]
        heads["tags"].weight[0, 0], heads["tags"].bias[:] = 100.0, torch.tensor([-5.0, -20.0])  # type: ignore[index]
        for name, modes in (("chords", TRIADS), ("key", SCALES)):
            for row in range(24):
                for tone in modes[row // 12]:
                    heads[name].weight[row, 1 + (row + tone) % 12] = 6.0 if tone else 7.0  # type: ignore[index]
        heads["chords"].bias[24] = 4.0  # type: ignore[index]
    return model.eval()


def clicks(times: NDArray[np.float64], seconds: float, metre: int = 4) -> NDArray[np.float32]:
    """Clicks, the first of every bar louder, on next to nothing."""
    x = np.random.default_rng(0).normal(0, 1e-3, round(seconds * RATE)).astype(np.float32)
    places = np.rint(times * RATE).astype(int)
    x[places] = 0.7
    x[places[::metre]] = 1.0
    return x


def triads(chords: list[tuple[int, int]], seconds: float) -> NDArray[np.float32]:
    """One after the other, each so long: (tonic, 0 major or 1 minor)."""
    t = np.arange(round(seconds * RATE)) / RATE
    parts = [
        sum(np.sin(2 * np.pi * 261.63 * 2 ** ((tonic + tone) % 12 / 12) * t) for tone in TRIADS[mode])
        for tonic, mode in chords
    ]
    return (0.1 * np.concatenate(parts)).astype(np.float32)
