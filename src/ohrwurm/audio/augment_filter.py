"""High- and low-pass filters of random cutoff: windowed sinc, convolved in blocks in the frequency domain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft

ZEROS = 8  # crossings of zero on each side of the sinc, which make the filter's length


@dataclass(frozen=True)
class Filter:
    """High-pass or low-pass, by a fair coin, with a cutoff uniform in the range of Hz given for each."""

    high_pass: tuple[float, float] = (200.0, 1200.0)
    low_pass: tuple[float, float] = (2200.0, 4000.0)

    def __call__(self, x: np.ndarray, sample_rate: int, draw: np.random.Generator) -> np.ndarray:
        if draw.random() < 0.5:
            return high_pass(x, sample_rate, draw.uniform(*self.high_pass))
        return low_pass(x, sample_rate, draw.uniform(*self.low_pass))


def low_pass(x: np.ndarray, sample_rate: int, cutoff: float) -> np.ndarray:
    """Keep what is below `cutoff` Hz of `x (n,)`, without delay; the ends are continued with their first and last
    sample.

    Source: julius 0.2, `lowpass_filter`, as CLMR's augmentations use it.

    >>> x = np.tile([1.0, -1.0], 500) + np.sin(np.arange(1000) / 50)  # 11,025 Hz and 70 Hz
    >>> float(np.abs(low_pass(x, 22050, 3000) - np.sin(np.arange(1000) / 50))[100:900].max().round(3))
    0.0
    """
    return _convolve(np.asarray(x, np.float32), _kernel(cutoff / sample_rate))


def high_pass(x: np.ndarray, sample_rate: int, cutoff: float) -> np.ndarray:
    """Keep what is above `cutoff` Hz of `x (n,)`: what `low_pass` takes away.

    >>> float(np.abs(high_pass(np.ones(1000, np.float32), 22050, 500)).max().round(3))
    0.0
    """
    return np.asarray(x, np.float32) - low_pass(x, sample_rate, cutoff)


def _kernel(cutoff: float) -> np.ndarray:
    """The taps, an odd number, for a cutoff as a share of the sample rate."""
    half = int(ZEROS / cutoff / 2)
    k = np.arange(-half, half + 1)
    taps = 2 * cutoff * np.hanning(2 * half + 1) * np.sinc(2 * cutoff * k)
    return (taps / taps.sum()).astype(np.float32)


def _convolve(x: np.ndarray, taps: np.ndarray) -> np.ndarray:
    """Overlap-save in blocks short enough to stay in the cache: twice as fast as one transform of everything."""
    n, half = len(x), len(taps) // 2
    size = max(1024, 1 << (4 * len(taps) - 1).bit_length())
    step = size - len(taps) + 1
    blocks = -(-n // step)
    padded = np.empty((blocks - 1) * step + size, np.float32)
    padded[:half], padded[half : half + n], padded[half + n :] = x[0], x, x[-1]
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::step]  # (blocks, size)
    spectra = fft.rfft(frames)
    spectra *= fft.rfft(taps, size)
    return fft.irfft(spectra, size)[:, len(taps) - 1 :].reshape(-1)[:n]
