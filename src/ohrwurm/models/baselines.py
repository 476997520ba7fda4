"""Plain baselines without any learning: what a trained model has to beat, and what works before one is there.

* `mel-statistics`: the average spectrum and its movement (timbre; Tzanetakis & Cook 2002 in spirit).
* `chroma-cross-correlation`: chroma sequences slid over each other in all keys (Ellis & Poliner, "Identifying cover
  songs with chroma features and dynamic programming beat tracking", ICASSP 2007, on a fixed grid instead of beats).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ohrwurm.audio.spectral import Chroma, MelSpectrogram
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


@architecture("chroma-cross-correlation")
class ChromaCrossCorrelation(AudioEncoder):
    """The first `seconds` of a song as a chroma sequence; songs are compared in all keys and at all lags.

    The vector is the flattened sequence `(12, frames)`, high-passed along time (slow drifts of tonality correlate
    everywhere) and of unit length, so that `similarity` is a normalised cross-correlation in [-1, 1]. Shorter songs
    are zero-padded; silence gives the zero vector, similar to nothing (0).

    Args:
        sample_rate, n_fft, hop: of the chroma, in Hz and samples.
        average: chroma frames averaged into one of the sequence.
        seconds: length of the sequence.
        cutoff: half-power frequency of the high-pass in Hz.
        tempos: the query is also tried at these speeds.

    >>> encoder = ChromaCrossCorrelation(seconds=10.0)
    >>> song = torch.randn(1, 22050 * 10)
    >>> vector = encoder(song).pooled[0]
    >>> round(encoder.similarity(vector, vector[None]).item(), 3)
    1.0
    """

    def __init__(
        self,
        sample_rate: int = 22050,
        n_fft: int = 8192,
        hop: int = 2048,
        average: int = 4,
        seconds: float = 60.0,
        cutoff: float = 0.05,
        tempos: Sequence[float] = (0.8, 0.9, 1.0, 1.11, 1.25),
    ) -> None:
        super().__init__()
        self.chroma = Chroma(sample_rate, n_fft, hop)
        self.average = average
        self.rate = sample_rate / (hop * average)  # frames a second
        self.frames = max(1, int(seconds * self.rate))
        self.cutoff = cutoff
        self.tempos = tuple(tempos)

    def forward(self, waveform: Tensor) -> Encoded:
        chroma = self.chroma.profile(waveform)  # (B, 12, T)
        chroma = nn.functional.avg_pool1d(chroma, self.average, ceil_mode=True)[..., : self.frames]
        sequence = nn.functional.pad(self._high_pass(chroma), (0, self.frames - chroma.shape[-1]))
        vectors = nn.functional.normalize(sequence.flatten(1), dim=1, eps=1e-6)
        return Encoded(pooled=vectors, frames=sequence.transpose(1, 2))

    def _high_pass(self, sequence: Tensor) -> Tensor:
        """First-order magnitude response without phase shift, each row reflected at its ends."""
        length = sequence.shape[-1]
        mirrored = torch.cat([sequence, sequence.flip(-1)], dim=-1)
        frequency = torch.fft.rfftfreq(2 * length, d=1 / self.rate, device=sequence.device)
        response = frequency / (frequency.square() + self.cutoff**2).sqrt()
        return torch.fft.irfft(torch.fft.rfft(mirrored) * response, n=2 * length)[..., :length]

    def similarity(self, query: Tensor, candidates: Tensor) -> Tensor:
        """Largest normalised cross-correlation over 12 keys, all lags and the tempos; `(dim,)`, `(n, dim)` → `(n,)`."""
        if not len(candidates):
            return candidates.new_zeros(0)
        size = (12, 2 * self.frames)  # circular over keys, zero-padded over time
        queries = torch.stack([self._at_tempo(query.reshape(12, -1), tempo) for tempo in self.tempos])
        queries = nn.functional.normalize(queries.flatten(1), dim=1, eps=1e-6).view(-1, 12, self.frames)
        asked = torch.fft.rfft2(queries, s=size).conj()  # (tempos, 12, frames + 1)
        best = []
        for some in candidates.reshape(-1, 12, self.frames).split(256):
            lengths = some.flatten(1).norm(dim=1).clamp(min=1e-6)
            offered = torch.fft.rfft2(some, s=size)
            peaks = [torch.fft.irfft2(offered * one, s=size).amax(dim=(1, 2)) / lengths for one in asked]
            best.append(torch.stack(peaks).amax(0))
        return torch.cat(best)

    def _at_tempo(self, sequence: Tensor, tempo: float) -> Tensor:
        """The sequence `(12, frames)` played `tempo` times as fast, cut or zero-padded to the same length."""
        if tempo == 1.0:
            return sequence
        played = nn.functional.interpolate(
            sequence[None], size=max(1, round(self.frames / tempo)), mode="linear", align_corners=False
        )[0, :, : self.frames]
        return nn.functional.pad(played, (0, self.frames - played.shape[-1]))


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

register_card(
    ModelCard(
        name="chroma-cross-correlation",
        architecture="chroma-cross-correlation",
        sample_rate=22050,
        window=60.0,
        hop=60.0,
        minimum=1.0,
        dim=12 * 161,
        pooling="first",
        comparison="cross-correlation",
        good_for=("versions",),
        description="Baseline without learning: chroma of the first minute, correlated in all keys, lags and tempos.",
        paper="after Ellis & Poliner, Identifying cover songs with chroma features, ICASSP 2007",
        source="this project",
        features={"learned": False},
    )
)
