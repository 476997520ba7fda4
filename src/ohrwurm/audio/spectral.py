"""Waveforms → spectral features: STFT, mel in decibels, chroma. Every published variant is a parameter, not a copy.

Nothing here is learned; the buffers are signal-processing constants, built again from the parameters and therefore
not stored with a model's weights.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

Power = Literal["power", "real-squared"]


def htk_mel_bank(n_fft: int, sample_rate: int, n_mels: int, f_min: float, f_max: float) -> Tensor:
    """Triangular mel filters on the HTK scale, `(n_fft // 2 + 1, n_mels)`, without area normalisation.

    Mel = 2595 log10(1 + f / 700). Everything after the end points is float32 on purpose: published checkpoints were
    trained with a bank made so, and a float64 bank differs by up to 3e-3 dB.

    >>> htk_mel_bank(1024, 16000, 128, 0.0, 8000.0).shape
    torch.Size([513, 128])
    """
    bins = torch.linspace(0, sample_rate // 2, n_fft // 2 + 1)
    ends = [float(torch.log10(torch.tensor(1.0 + f / 700.0, dtype=torch.float64)) * 2595.0) for f in (f_min, f_max)]
    edges = 700.0 * (10.0 ** (torch.linspace(ends[0], ends[1], n_mels + 2) / 2595.0) - 1.0)
    width = edges[1:] - edges[:-1]
    distance = edges[None, :] - bins[:, None]  # (bins, n_mels + 2)
    rising = -distance[:, :-2] / width[:-1]
    falling = distance[:, 2:] / width[1:]
    return torch.clamp(torch.minimum(rising, falling), min=0.0)


class MelSpectrogram(nn.Module):
    """Mel spectrogram in decibels: `(batch, samples)` → `(batch, n_mels, samples // hop + 1)`.

    Centred STFT with reflected ends, periodic Hann window, HTK mel bank, `10 log10(max(mel, floor))` with reference 1.
    Unless `top_db` is given there is no limit below the maximum: a frame's values do not depend on its neighbours.

    Args:
        sample_rate, n_fft, hop: Hz and samples; the window is `window` samples long (default `n_fft`).
        n_mels, f_min, f_max: number of filters and their range in Hz (`f_max` defaults to half the sample rate; the
            filters above it, if it is higher, hear nothing and stay at the floor).
        power: ``"power"`` is |X|²; ``"real-squared"`` is Re(X)², what TTMR's published checkpoints were trained on
            (the imaginary part was dropped, so values depend on phase).
        floor: smallest mel power; 1e-10 is -100 dB.
        normalized: divide the power by the sum of the squared window.
        top_db: raise what lies more than this below the loudest cell of the same example.

    >>> MelSpectrogram()(torch.zeros(2, 16000)).shape
    torch.Size([2, 128, 101])
    """

    window: Tensor
    bank: Tensor

    def __init__(
        self,
        sample_rate: int = 16000,
        n_fft: int = 1024,
        hop: int = 160,
        n_mels: int = 128,
        f_min: float = 0.0,
        f_max: float | None = None,
        power: Power = "power",
        window: int | None = None,
        floor: float = 1e-10,
        normalized: bool = False,
        top_db: float | None = None,
    ) -> None:
        super().__init__()
        if power not in ("power", "real-squared"):
            raise ValueError(f"power must be 'power' or 'real-squared', not {power!r}")
        self.n_fft, self.hop, self.n_mels, self.power, self.floor = n_fft, hop, n_mels, power, floor
        bank = htk_mel_bank(n_fft, sample_rate, n_mels, f_min, sample_rate // 2 if f_max is None else f_max)
        self.register_buffer("window", torch.hann_window(window or n_fft), persistent=False)
        self.register_buffer("bank", bank, persistent=False)
        self.scale = 1.0 / float(self.window.square().sum()) if normalized else 1.0
        self.top_db = top_db

    def forward(self, waveform: Tensor) -> Tensor:
        if torch.is_autocast_enabled(waveform.device.type):  # half precision overflows on powers, and rounds decibels
            with torch.autocast(waveform.device.type, enabled=False):
                return self(waveform)
        spectrum = stft(waveform, self.n_fft, self.hop, self.window)  # (B, bins, T), complex
        power = spectrum.real.square() if self.power == "real-squared" else power_of(spectrum)
        mel = torch.matmul(power.transpose(-1, -2), self.bank).transpose(-1, -2)  # (B, n_mels, T)
        if self.scale != 1.0:
            mel = mel * self.scale
        decibels = 10.0 * torch.log10(torch.clamp(mel, min=self.floor))
        if self.top_db is None:
            return decibels
        return torch.maximum(decibels, decibels.amax(dim=(-2, -1), keepdim=True) - self.top_db)


def stft(waveform: Tensor, n_fft: int, hop: int, window: Tensor) -> Tensor:
    """Centred complex STFT `(batch, n_fft // 2 + 1, samples // hop + 1)`; clips too short to reflect are padded."""
    short = n_fft // 2 + 1 - waveform.shape[-1]
    if short > 0:
        waveform = nn.functional.pad(waveform, (0, short))
    return torch.stft(
        waveform,
        n_fft,
        hop_length=hop,
        win_length=window.shape[0],
        window=window,
        center=True,
        pad_mode="reflect",
        normalized=False,
        onesided=True,
        return_complex=True,
    )


def power_of(spectrum: Tensor) -> Tensor:
    """|X|² without the square root of `abs`."""
    return spectrum.real.square() + spectrum.imag.square()


class Chroma(nn.Module):
    """A plain chroma: `(batch, samples)` → `(batch, 12, frames)` in [0, 1], index 0 = C. No learning, no tuning search.

    Each STFT bin's compressed magnitude goes to the two nearest pitch classes of equal temperament (A4 = 440 Hz), one
    Gaussian a semitone wide, between `f_min` and `f_max`; every frame is divided by its largest value. Silence is 0.

    >>> chroma = Chroma()
    >>> a440 = torch.sin(2 * torch.pi * 440 * torch.arange(22050) / 22050)
    >>> chroma(a440[None])[0].mean(1).argmax().item()
    9
    """

    window: Tensor
    fold: Tensor

    def __init__(
        self,
        sample_rate: int = 22050,
        n_fft: int = 8192,
        hop: int = 2048,
        f_min: float = 80.0,
        f_max: float = 2500.0,
        silence: float = 1e-4,
    ) -> None:
        super().__init__()
        self.sample_rate, self.n_fft, self.hop, self.silence = sample_rate, n_fft, hop, silence
        frequency = torch.linspace(0, sample_rate / 2, n_fft // 2 + 1, dtype=torch.float64)
        inside = (frequency >= f_min) & (frequency <= f_max)
        pitch = 12 * torch.log2(frequency.clamp(min=1.0) / 440.0) + 9  # semitones, 0 = C
        distance = (pitch[:, None] - torch.arange(12) + 6) % 12 - 6  # (bins, 12), -6..6 semitones
        fold = torch.exp(-0.5 * (distance / 0.35) ** 2) * inside[:, None]
        # Low bins are wide in semitones and high ones many: an equal share for every octave.
        fold = fold / frequency.clamp(min=1.0)[:, None]
        fold = fold / fold.sum(0, keepdim=True)
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        self.register_buffer("fold", fold.float(), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        return self.profile(waveform)

    def profile(self, waveform: Tensor) -> Tensor:
        """Chroma of `waveform (B, samples)`: `(B, 12, samples // hop + 1)`; the same as calling the module."""
        spectrum = stft(waveform, self.n_fft, self.hop, self.window)
        magnitude = power_of(spectrum).sqrt() * (2.0 / self.n_fft)  # (B, bins, T)
        # Only peaks: a bin below its neighbours belongs to the slope of another partial.
        left, right = magnitude.roll(1, dims=-2), magnitude.roll(-1, dims=-2)
        peaks = magnitude * ((magnitude >= left) & (magnitude >= right))
        chroma = torch.matmul(peaks.sqrt().transpose(-1, -2), self.fold).transpose(-1, -2)  # (B, 12, T)
        loudest = chroma.amax(dim=-2, keepdim=True)
        return torch.where(loudest > self.silence, chroma / loudest.clamp(min=self.silence), torch.zeros_like(chroma))
