"""A plain baseline without any learning: what a trained model has to beat, and what works before one is there.

`mel-statistics`: the average spectrum and its movement (timbre; Tzanetakis & Cook 2002 in spirit). The baseline for
versions, `chroma-cross-correlation`, is in `ohrwurm.models.alignment`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ohrwurm.audio.spectral import MelSpectrogram
from ohrwurm.models.base import AudioEncoder, Encoded, ModelCard
from ohrwurm.models.registry import architecture, register_card


@architecture("mel-statistics")
class MelStatistics(AudioEncoder):
    """Mean, standard deviation and mean absolute change of every mel band over time; `dim` = 3 x `n_mels`.

    Decibels are taken relative to the window's loudest cell, floored at -80, and the mean profile relative to its own
    mean, so that gain does not matter. Silence gives the zero vector.

    >>> MelStatistics()(torch.zeros(1, 16000)).pooled.abs().sum().item()
    0.0
    """

    def __init__(self, sample_rate: int = 16000, n_fft: int = 1024, hop: int = 320, n_mels: int = 64) -> None:
        super().__init__()
        self.mel = MelSpectrogram(sample_rate, n_fft, hop, n_mels, f_min=30.0, power="power")

    def forward(self, waveform: Tensor) -> Encoded:
        level = self.mel(waveform)  # (B, n_mels, T), dB
        level = (level - level.amax(dim=(1, 2), keepdim=True)).clamp(min=-80.0)
        mean = level.mean(2)
        shape = mean - mean.mean(1, keepdim=True)
        spread = level.std(2, correction=0)
        change = level.diff(dim=2).abs().sum(2) / max(level.shape[2] - 1, 1)
        return Encoded(pooled=torch.cat([shape, spread, change], dim=1))


register_card(
    ModelCard(
        name="mel-statistics",
        architecture="mel-statistics",
        sample_rate=16000,
        window=10.0,
        hop=10.0,
        minimum=1.0,
        dim=192,
        good_for=("sound",),
        description="Baseline without learning: mean, spread and movement of 64 mel bands.",
        paper="after Tzanetakis & Cook, Musical Genre Classification of Audio Signals, IEEE TSAP 2002",
        source="this project",
        features={"learned": False},
    )
)
