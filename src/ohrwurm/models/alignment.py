"""Songs slid over each other: sequences of pitch classes, compared in all keys, at all lags and at several speeds.

A vector forgets when something is played; a sequence does not, and tells versions from songs of like harmony that one
vector a song takes for the same. It takes thousands of times as long to compare (some tenths of a millisecond a pair):
large collections ask it only about what the vectors of another model find nearest (`ohrwurm.collection.versions`).

* `chroma-cross-correlation`: plain chroma, the baseline (Ellis & Poliner, "Identifying cover songs with chroma features
  and dynamic programming beat tracking", ICASSP 2007, on a fixed grid instead of beats).
* `pitch-alignment`: what a learned extractor hears, less of the drums and partials in it; `ohrwurm-alignment`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from scipy.fft import next_fast_len
from torch import Tensor, nn

from ohrwurm.audio.pitch import FRAME_RATE
from ohrwurm.audio.spectral import Chroma
from ohrwurm.models.base import AudioEncoder, Encoded, ModelCard
from ohrwurm.models.registry import architecture, register_card
from ohrwurm.models.version_encoder import extractor_class

SILENCE = 1e-4  # peak of a recording in which there is nothing to hear
AT_A_TIME = 64  # candidates whose correlations fit into the cache together


class Alignment(AudioEncoder):
    """The first `seconds` of a song as a sequence of pitch classes; songs are compared in all keys and at all lags.

    The vector is the flattened sequence `(12, frames)`, high-passed along time (slow drifts of tonality correlate
    everywhere) and of unit length, so that `similarity` is a normalised cross-correlation in [-1, 1]. Shorter songs
    are zero-padded; silence gives the zero vector, similar to nothing (0).

    Args:
        rate: frames a second of the profile.
        seconds: length of the sequence.
        average: frames of the profile averaged into one of the sequence.
        cutoff: half-power frequency of the high-pass in Hz; 0 takes off the mean alone.
        tempos: the query is also tried at these speeds.
        centred: the mean of the twelve is taken off every frame, so that loud frames without pitch correlate with
            nothing.
        whole: a query that is slowed down is compared in full; otherwise what is then later than `seconds` is cut off.

    Attributes:
        extractor: name of what makes the pitch classes.
        shortest: frames of it that are enough.
    """

    extractor = "chroma"
    shortest = 1

    def __init__(
        self,
        rate: float,
        seconds: float,
        average: int,
        cutoff: float,
        tempos: Sequence[float],
        centred: bool = False,
        whole: bool = False,
    ) -> None:
        super().__init__()
        self.average = average
        self.rate = rate / average  # frames a second
        self.frames = max(1, int(seconds * self.rate))
        self.cutoff = cutoff
        self.tempos = tuple(tempos)
        self.centred, self.whole = centred, whole

    def features(self, waveform: Tensor) -> Tensor:
        """Waveform `(B, samples)` → pitch classes `(B, 12, T)`."""
        raise NotImplementedError

    def forward(self, waveform: Tensor) -> Encoded:
        return self.encode_features(self.features(waveform))

    def encode_features(self, features: Tensor) -> Encoded:
        """Pitch classes `(B, 12, T)` → one vector a song."""
        profile = nn.functional.avg_pool1d(features, self.average, ceil_mode=True)[..., : self.frames]
        if self.centred:
            profile = profile - profile.mean(1, keepdim=True)
        sequence = nn.functional.pad(self._high_pass(profile), (0, self.frames - profile.shape[-1]))
        vectors = nn.functional.normalize(sequence.flatten(1), dim=1, eps=1e-6)
        return Encoded(pooled=vectors, frames=sequence.transpose(1, 2))

    def _high_pass(self, sequence: Tensor) -> Tensor:
        """First-order magnitude response without phase shift, each row reflected at its ends."""
        length = sequence.shape[-1]
        mirrored = torch.cat([sequence, sequence.flip(-1)], dim=-1)
        frequency = torch.fft.rfftfreq(2 * length, d=1 / self.rate, device=sequence.device)
        response = frequency / (frequency.square() + self.cutoff**2).sqrt().clamp(min=1e-9)
        return torch.fft.irfft(torch.fft.rfft(mirrored) * response, n=2 * length)[..., :length]

    def similarity(self, query: Tensor, candidates: Tensor) -> Tensor:
        """Largest normalised cross-correlation over 12 keys, all lags and the tempos; `(dim,)`, `(n, dim)` → `(n,)`."""
        if not len(candidates):
            return candidates.new_zeros(0)
        played = [self._at_tempo(query.reshape(12, -1), tempo) for tempo in self.tempos]
        length = self.frames + max(one.shape[1] for one in played)
        size = (12, next_fast_len(length, real=True))  # circular over keys, zero-padded over time
        asked = [torch.fft.rfft2(one / one.norm().clamp(min=1e-6), s=size).conj() for one in played]
        best = []
        for some in candidates.reshape(-1, 12, self.frames).split(AT_A_TIME):
            lengths = some.flatten(1).norm(dim=1).clamp(min=1e-6)
            offered = torch.fft.rfft2(some, s=size)
            peaks = [torch.fft.irfft2(offered * one, s=size).amax(dim=(1, 2)) / lengths for one in asked]
            best.append(torch.stack(peaks).amax(0))
        return torch.cat(best)

    def _at_tempo(self, sequence: Tensor, tempo: float) -> Tensor:
        """The sequence `(12, frames)` played `tempo` times as fast."""
        if tempo == 1.0:
            return sequence
        played = nn.functional.interpolate(
            sequence[None], size=max(1, round(self.frames / tempo)), mode="linear", align_corners=False
        )[0]
        return played if self.whole else played[:, : self.frames]


@architecture("chroma-cross-correlation")
class ChromaCrossCorrelation(Alignment):
    """Plain chroma, slid over each other.

    Args:
        sample_rate, n_fft, hop: of the chroma, in Hz and samples.
        **more: see `Alignment`.

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
        **more: Any,
    ) -> None:
        super().__init__(sample_rate / hop, seconds, average, cutoff, tempos, **more)
        self.chroma = Chroma(sample_rate, n_fft, hop)

    def features(self, waveform: Tensor) -> Tensor:
        return self.chroma.profile(waveform)


@architecture("pitch-alignment")
class PitchAlignment(Alignment):
    """What a learned extractor hears, slid over each other.

    Args:
        pitch: "pitchnet" or "crema", whose weights are in this model's state dict under `pitch.`.
        pitch_parameters: arguments of the extractor.
        octaves: the query is tried at speeds from 2 ** -octaves to 2 ** octaves,
        steps: so many to an octave.
        seconds, average, cutoff: see `Alignment`.

    >>> model = PitchAlignment(seconds=10.0).eval()
    >>> model(torch.randn(1, 22050 * 10)).pooled.shape, len(model.tempos), round(max(model.tempos), 2)
    (torch.Size([1, 312]), 17, 1.59)
    """

    def __init__(
        self,
        pitch: str = "pitchnet",
        pitch_parameters: Mapping[str, Any] | None = None,
        seconds: float = 60.0,
        average: int = 4,
        cutoff: float = 0.01,
        octaves: float = 2 / 3,
        steps: int = 12,
    ) -> None:
        reach = round(octaves * steps)
        tempos = [2 ** (i / steps) for i in range(-reach, reach + 1)]
        super().__init__(FRAME_RATE, seconds, average, cutoff, tempos, centred=True, whole=True)
        self.extractor = pitch
        self.pitch: Any = extractor_class(pitch)(**(pitch_parameters or {}))

    def features(self, waveform: Tensor) -> Tensor:
        profile: Tensor = self.pitch.profile(waveform)
        return profile * (waveform.abs().amax(1) > SILENCE)[:, None, None]  # a network hears something in nothing, too


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
