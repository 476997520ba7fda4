"""Waveform → pitch: a log-frequency spectrum, constant-Q, harmonic stacks.

What MOVE and its relatives read is a pitch-class profile, 12 values a frame. The frame grid here is that of the
published features: one frame every 92.88 ms (2048 samples at 22,050 Hz = 4096 at 44,100 Hz).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

SAMPLE_RATE = 22050
HOP = 2048
FRAME_RATE = SAMPLE_RATE / HOP  # 10.77 frames a second
LOWEST_NOTE = 36  # C2; lower notes are heard through their partials
SEMITONES = 84
BINS_PER_SEMITONE = 3


def note_frequency(midi: np.ndarray | float) -> np.ndarray | float:
    """Frequency in Hz of MIDI note numbers (fractions allowed), A4 = 69 = 440 Hz.

    >>> float(note_frequency(57))
    220.0
    """
    return 440.0 * 2.0 ** ((np.asarray(midi, dtype=np.float64) - 69.0) / 12.0)


class LogFrequency(nn.Module):
    """Log-power spectrum on a logarithmic frequency axis: 7 octaves from C2, three bins a semitone.

    A frame sees 372 ms; triangular filters on the power spectrum are as wide as their spacing or as the window's
    resolution, whichever is larger. Cheaper than a constant-Q transform and, unlike one at this hop, it sees every
    sample at every frequency.

    Input `(batch, samples)` at 22,050 Hz; output `(batch, 252, samples // 2048)` in natural-log power, at least
    one frame. Bin `3 * (m - 36) + 1` is the centre of MIDI note m.

    >>> tone = torch.sin(2 * torch.pi * 440 * torch.arange(22050) / 22050)[None]
    >>> spectrum = LogFrequency()(tone)
    >>> spectrum.shape, int(spectrum[0, :, 5].argmax()) == 3 * (69 - 36) + 1
    (torch.Size([1, 252, 10]), True)
    """

    sample_rate = SAMPLE_RATE
    hop = HOP
    window = 8192
    fft_size = 8192
    floor = 1e-8
    taper: Tensor
    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.bins = SEMITONES * BINS_PER_SEMITONE
        self.register_buffer("taper", torch.hann_window(self.window), persistent=False)
        self.register_buffer("filters", torch.from_numpy(self._filters()), persistent=False)

    def _filters(self) -> np.ndarray:
        """Triangles `(bins, frequencies)`, each with unit sum, so that a bin reads mean power."""
        steps = (np.arange(self.bins + 2) - 2) / BINS_PER_SEMITONE  # one extra on both sides
        centres = np.asarray(note_frequency(LOWEST_NOTE + steps))
        grid = np.arange(self.fft_size // 2 + 1) * self.sample_rate / self.fft_size
        resolution = 1.5 * self.sample_rate / self.window
        rising = np.maximum(centres[1:-1] - centres[:-2], resolution)
        falling = np.maximum(centres[2:] - centres[1:-1], resolution)
        distance = grid[None] - centres[1:-1, None]
        triangle = np.where(distance < 0, 1 + distance / rising[:, None], 1 - distance / falling[:, None]).clip(0)
        triangle /= triangle.sum(1, keepdims=True)
        used = int(np.flatnonzero(triangle.any(0)).max()) + 1  # nothing above the highest filter is read
        return triangle[:, :used].astype(np.float32)

    def forward(self, waveform: Tensor) -> Tensor:
        frames = max(1, waveform.shape[-1] // self.hop)
        spectrum = torch.stft(
            waveform,
            self.fft_size,
            self.hop,
            self.window,
            self.taper,
            center=True,
            pad_mode="constant",
            return_complex=True,
        )[:, : self.filters.shape[1], :frames]
        power = spectrum.real.square() + spectrum.imag.square()  # (B, frequency, T)
        return torch.log(torch.matmul(self.filters, power) + self.floor)


def constant_q(
    waveform: np.ndarray, sample_rate: int, *, hop: int = 4096, lowest: float = 32.70319566257483, bins: int = 216,
    bins_per_octave: int = 36,
) -> np.ndarray:  # fmt: skip
    """Constant-Q magnitudes `(bins, 1 + samples // hop)` by librosa; defaults as in the cremaPCP input.

    Source: Schörkhuber & Klapuri 2010, as implemented by librosa.
    """
    import librosa

    return np.abs(
        librosa.cqt(waveform, sr=sample_rate, hop_length=hop, fmin=lowest, n_bins=bins, bins_per_octave=bins_per_octave)
    ).astype(np.float32)


def harmonic_stack(spectrum: Tensor, harmonics: tuple[float, ...], bins_per_octave: int) -> Tensor:
    """Shift a log-frequency spectrum so that channel h holds at each bin what sounds at h times its frequency.

    `(B, C, bins, T)` → `(B, C * len(harmonics), bins, T)`; what is shifted in from outside is 0.

    Source: Bittner et al. 2017 (deep salience), as a shift of one spectrum (Bittner et al. 2022).
    """
    bins = spectrum.shape[2]
    shifted = []
    for harmonic in harmonics:
        offset = round(bins_per_octave * float(np.log2(harmonic)))
        padded = nn.functional.pad(spectrum, (0, 0, max(0, -offset), max(0, offset)))
        shifted.append(padded[:, :, max(0, offset) : max(0, offset) + bins])
    return torch.cat(shifted, 1)


def whiten(log_power: Tensor, bins: int) -> Tensor:
    """Remove the spectral envelope: subtract the mean over `bins` neighbours along frequency (axis 1).

    Makes what follows blind to level and to equalisation; digital silence becomes 0.
    """
    half = bins // 2
    kernel = log_power.new_ones(1, 1, 2 * half + 1)
    batch, height, frames = log_power.shape
    rows = log_power.transpose(1, 2).reshape(batch * frames, 1, height)
    total = nn.functional.conv1d(rows, kernel, padding=half)
    count = nn.functional.conv1d(torch.ones_like(rows[:1]), kernel, padding=half)
    return (rows - total / count).reshape(batch, frames, height).transpose(1, 2)
