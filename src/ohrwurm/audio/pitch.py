"""Waveform → pitch: a log-frequency spectrum, constant-Q, harmonic stacks.

What MOVE and its relatives read is a pitch-class profile, 12 values a frame. The frame grid here is that of the
published features: one frame every 92.88 ms (2048 samples at 22,050 Hz = 4096 at 44,100 Hz).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ohrwurm.audio.files import resample

SAMPLE_RATE = 22050
HOP = 2048
FRAME_RATE = SAMPLE_RATE / HOP  # 10.77 frames a second
LOWEST_NOTE = 36  # C2; lower notes are heard through their partials
SEMITONES = 84
BINS_PER_SEMITONE = 3
DA_TACOS_HOP = 512  # samples at 44,100 Hz between the rows of the Da-TACOS feature files
ROWS_PER_FRAME = 4096 // DA_TACOS_HOP


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
        steps = (np.arange(self.bins + 2) - 2) / BINS_PER_SEMITONE  # one extra on both sides
        centres = np.asarray(note_frequency(LOWEST_NOTE + steps))
        return log_filters(centres, self.sample_rate, self.window, self.fft_size)

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


def log_filters(centres: np.ndarray, sample_rate: int, window: int, fft_size: int) -> np.ndarray:
    """Triangles `(bins, frequencies)` on a power spectrum, each with unit sum, so that a bin reads mean power.

    They are as wide as their spacing or as the window's resolution, whichever is larger. Frequencies above the highest
    filter are left out.

    Args:
        centres: in Hz, ascending, `(bins + 2,)`: one more on either side.
        sample_rate: Hz.
        window, fft_size: samples.

    >>> log_filters(np.array([380.0, 400.0, 420.0, 440.0]), 8000, 1024, 1024).shape
    (2, 57)
    """
    grid = np.arange(fft_size // 2 + 1) * sample_rate / fft_size
    resolution = 1.5 * sample_rate / window
    rising = np.maximum(centres[1:-1] - centres[:-2], resolution)
    falling = np.maximum(centres[2:] - centres[1:-1], resolution)
    distance = grid[None] - centres[1:-1, None]
    triangle = np.where(distance < 0, 1 + distance / rising[:, None], 1 - distance / falling[:, None]).clip(0)
    triangle /= triangle.sum(1, keepdims=True)
    used = int(np.flatnonzero(triangle.any(0)).max()) + 1
    return triangle[:, :used].astype(np.float32)


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


class HarmonicConstantQ(nn.Module):
    """Constant-Q decibels at the harmonics of each bin: what the cremaPCP networks read (pumpp's `HCQTMag`).

    6 octaves of 36 bins from C1; channel i of bin b is centred on `harmonics[i] * 32.7 Hz * 2^(b / 36)`. Decibels are
    relative to a channel's own maximum in the recording and at least -80, so a recording has to be analysed whole.

    Input `(batch, samples)` at 44,100 Hz; output `(batch, samples // 4096, 216, channels)`, at least one frame.

    The numbers are those of librosa 0.11 (`constant_q`, zeros before and after the recording), apart from the frames
    at a sudden beginning or end, where its decimation by 4 at once differs by some tenths of a decibel from ours.
    Harmonics that are octaves fall on one grid, so all channels are slices of one transform; halving the rate from
    octave to octave makes every octave the same 36 filters. Frames are cut and filtered by the block.

    Args:
        harmonics: powers of two, ascending.

    Source: Schörkhuber & Klapuri 2010 (constant-Q by octaves), Bittner et al. 2017 (harmonics as channels).

    >>> tone = torch.sin(2 * torch.pi * 220 * torch.arange(44100) / 44100)[None]
    >>> spectrum = HarmonicConstantQ()(tone)
    >>> spectrum.shape, [divmod(int(b), 36) for b in spectrum[0, 5].argmax(0)]  # A3; A2 is half its frequency
    (torch.Size([1, 10, 216, 2]), [(2, 27), (1, 27)])
    """

    sample_rate = 44100
    hop = 4096
    bins = 216
    bins_per_octave = 36
    lowest = 32.70319566257483
    halvings = 7  # of the rate, down to the lowest octave
    dynamic_range = 80.0
    floor = 1e-5
    block = 1024  # frames at a time
    filters: Tensor

    def __init__(self, harmonics: tuple[int, ...] = (1, 2)) -> None:
        super().__init__()
        octaves = [int(h).bit_length() - 1 for h in harmonics]
        highest = self.halvings - self.bins // self.bins_per_octave  # an octave is at most at the rate of the samples
        if not harmonics or any(h != 2**o or o > highest for h, o in zip(harmonics, octaves, strict=True)):
            raise ValueError(f"harmonics are powers of two up to {2**highest}, not {harmonics}")
        self.octaves = tuple(octaves)
        self.register_buffer("filters", torch.from_numpy(self._filters()), persistent=False)

    def _filters(self) -> np.ndarray:
        """The lowest octave's filters at the lowest rate, `(samples, 36 real and 36 imaginary parts)`.

        A Hann window as long as its quality asks, times a complex exponential, with unit sum; of its spectrum the
        negative frequencies and the weakest hundredth are left out, as librosa does.
        """
        rate = self.sample_rate / 2**self.halvings
        centres = self.lowest * 2.0 ** (np.arange(self.bins_per_octave) / self.bins_per_octave)
        step = 2.0 ** (2.0 / self.bins_per_octave)
        lengths = (step + 1.0) / (step - 1.0) * rate / centres
        size = 2 ** int(np.ceil(np.log2(lengths.max())))
        wavelets = np.zeros((self.bins_per_octave, size), np.complex128)
        for wavelet, length, centre in zip(wavelets, lengths, centres, strict=True):
            time = np.arange(-length // 2, length // 2)
            hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(len(time)) / len(time))
            start = (size - len(time)) // 2
            wavelet[start : start + len(time)] = hann / hann.sum() * np.exp(2j * np.pi * centre / rate * time)
        spectrum = np.fft.fft(wavelets * lengths[:, None] / size)
        spectrum[:, size // 2 + 1 :] = 0
        magnitude = np.abs(spectrum)
        ascending = np.sort(magnitude, axis=1)
        weak = np.cumsum(ascending, axis=1) < 0.01 * magnitude.sum(1, keepdims=True)
        threshold = np.take_along_axis(ascending, weak.sum(1, keepdims=True), axis=1)
        spectrum[magnitude < threshold] = 0
        kernels = np.fft.fft(spectrum) / np.sqrt(lengths)[:, None]  # back to time, for a product with the samples
        return np.concatenate([kernels.real, kernels.imag]).T.astype(np.float32)

    @torch.no_grad()
    def magnitudes(self, waveform: Tensor) -> Tensor:
        """`(batch, frames, bins)` of all octaves that the channels need, the lowest first."""
        frames = max(1, waveform.shape[-1] // self.hop)
        samples = waveform.detach().float().cpu().numpy()
        octaves = self.bins // self.bins_per_octave + max(self.octaves)
        found = self.filters.new_empty(len(samples), frames, octaves * self.bins_per_octave)
        for halving in range(1, self.halvings + 1):
            samples = _halve(samples)
            octave = self.halvings - halving
            if octave < octaves:
                into = found[..., octave * self.bins_per_octave : (octave + 1) * self.bins_per_octave]
                self._correlate(torch.from_numpy(samples), self.hop >> halving, into)
        return found

    def _correlate(self, samples: Tensor, hop: int, into: Tensor) -> None:
        """Magnitude of the correlation of frames, centred on multiples of `hop`, with the filters."""
        size = len(self.filters)
        frames = into.shape[1]
        padding = (size // 2, max(0, (frames - 1) * hop + size // 2 - samples.shape[-1]))
        framed = nn.functional.pad(samples, padding).unfold(-1, size, hop)  # (B, frames or more, size), a view
        for start in range(0, frames, self.block):
            piece = framed[:, start : min(start + self.block, frames)].to(self.filters)
            real, imaginary = torch.matmul(piece, self.filters).chunk(2, dim=-1)
            torch.hypot(real, imaginary, out=into[:, start : start + self.block])

    def forward(self, waveform: Tensor) -> Tensor:
        magnitudes = self.magnitudes(waveform)
        first = [octave * self.bins_per_octave for octave in self.octaves]
        spectrum = torch.stack([magnitudes[..., b : b + self.bins] for b in first], dim=-1)  # (B, T, 216, C)
        decibels = 20.0 * torch.log10(spectrum.clamp_min(self.floor))
        return (decibels - decibels.amax((1, 2), keepdim=True)).clamp_min(-self.dynamic_range)


def _halve(samples: np.ndarray) -> np.ndarray:
    """`(batch, n)` at half the rate, `(batch, ceil(n / 2))`, with the energy it had."""
    length = -(-samples.shape[-1] // 2)
    halved = resample(samples, 2, 1)[:, :length]
    halved *= np.float32(np.sqrt(2.0))
    return np.pad(halved, ((0, 0), (0, length - halved.shape[1]))) if halved.shape[1] < length else halved


def da_tacos_rows(profile: Tensor, samples: int) -> Tensor:
    """A profile `(12, T)` in frames of 4096 samples → rows `(samples // 512, 12)` as the Da-TACOS files store them.

    Each row is the nearest frame (of two equally near the earlier, beyond the last frame the last).

    Source: acoss, which brings all its features to one hop.

    >>> da_tacos_rows(torch.arange(2.0).expand(12, 2), 16 * 512)[:, 0].tolist()
    [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """
    rows = torch.arange(samples // DA_TACOS_HOP, device=profile.device)
    nearest = (rows + ROWS_PER_FRAME // 2 - 1) // ROWS_PER_FRAME
    return profile[:, nearest.clamp_max(profile.shape[1] - 1)].T


def da_tacos_profile(rows: Tensor) -> Tensor:
    """Rows `(n, 12)` of a Da-TACOS file → `(12, ceil(n / 8))`, MOVE's input: every eighth row, which are the frames.

    >>> da_tacos_profile(da_tacos_rows(torch.rand(12, 5), 5 * 4096)).shape
    torch.Size([12, 5])
    """
    return rows[::ROWS_PER_FRAME].T


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
