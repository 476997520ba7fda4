"""What a waveform says before any model has heard it: where it is silent, and whether it is nothing but noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STEP = 0.5  # seconds that are silent or not
PIECE = 2.0  # seconds of one spectrum
FFT = 2048
BAND = (100.0, 5000.0)  # Hz in which partials are looked for
SMOOTH = 31  # frequencies under the median that partials stand above


@dataclass(frozen=True)
class Sound:
    """What a recording sounds like from afar.

    Attributes:
        peaks: highest absolute sample of every `STEP`, `(steps,)`.
        relief: how far the spectrum departs from its own smoothed course, in decibels (root mean square, median over
            the pieces that are not silent); 0 where there is no such piece. Noise of any colour, steady or modulated,
            has 0.6 to 1.1 (at 24 kHz); of 25 recordings of all kinds the least had 2.1, electronic drums 2.3, a solo
            violin 8.
    """

    peaks: NDArray[np.float32]
    relief: float

    def silent(self, frames: int, frame_rate: float, below: float) -> NDArray[np.bool_]:
        """Which of the frames at `frame_rate` lie in a step whose peak stays below `below`, `(frames,)`.

        >>> Sound(np.array([0.5, 0.0], np.float32), 3.0).silent(4, 4.0, 1e-4).tolist()
        [False, False, True, True]
        """
        if not len(self.peaks):
            return np.ones(frames, np.bool_)
        steps = (np.arange(frames) / frame_rate / STEP + 1e-9).astype(np.int64)
        return np.asarray(self.peaks[np.minimum(steps, len(self.peaks) - 1)] < below)


class SoundMeter:
    """Takes a waveform in pieces; keeps a number for every half second and every two seconds.

    >>> meter = SoundMeter(8000)
    >>> meter.feed(np.random.default_rng(0).uniform(-1, 1, 80000))
    >>> sound = meter.finish()
    >>> len(sound.peaks), sound.relief < 1.5
    (20, True)
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._peaks = _Pieces(round(STEP * rate))
        self._spectra = _Pieces(max(round(PIECE * rate), FFT))
        self._found: list[float] = []
        self._reliefs: list[float] = []
        self._taper = np.hanning(FFT).astype(np.float32)
        frequency = np.fft.rfftfreq(FFT, 1 / rate)
        self._inside = (frequency >= BAND[0]) & (frequency <= BAND[1])

    def feed(self, block: NDArray[np.floating]) -> None:
        """Take the next samples `(n,)`."""
        x = np.asarray(block, np.float32)
        self._found += [float(np.abs(piece).max()) for piece in self._peaks.feed(x)]
        self._reliefs += [self._relief(piece) for piece in self._spectra.feed(x) if piece.any()]

    def finish(self) -> Sound:
        """What was heard; the last half second may be shorter, and so may two seconds that are the only ones."""
        rest = self._peaks.rest()
        if len(rest):
            self._found.append(float(np.abs(rest).max()))
        rest = self._spectra.rest()
        if not self._reliefs and len(rest) >= FFT and rest.any():
            self._reliefs.append(self._relief(rest))
        relief = float(np.median(self._reliefs)) if self._reliefs else 0.0
        return Sound(np.array(self._found, np.float32), relief)

    def _relief(self, x: NDArray[np.float32]) -> float:
        from scipy.fft import rfft
        from scipy.ndimage import median_filter

        frames = np.lib.stride_tricks.sliding_window_view(x, FFT)[:: FFT // 2] * self._taper
        power = (np.abs(rfft(frames, axis=1)) ** 2).mean(0)
        decibels = 10 * np.log10(power + 1e-12)
        return float(np.sqrt(np.mean((decibels - median_filter(decibels, SMOOTH, mode="nearest"))[self._inside] ** 2)))


class _Pieces:
    """Blocks of any length as pieces of one length."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._held = np.zeros(0, np.float32)

    def feed(self, block: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        x = np.concatenate([self._held, block])
        whole = len(x) // self._length * self._length
        self._held = x[whole:].copy()
        return iter(x[:whole].reshape(-1, self._length))

    def rest(self) -> NDArray[np.float32]:
        return self._held
