"""Pitch shift at unchanged length: resampled to the pitch, and stretched back to the length by overlapping segments.

    x ─resample by 2^(-cents / 1200)─▶ other pitch, other length ─WSOLA─▶ other pitch, same length

The stretch (WSOLA: waveform-similarity overlap-add) repeats or leaves out segments, each taken from where it continues
the one before it best. Of the two steps the one that shortens comes first, so that the other has less to do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ohrwurm.audio.compiled import compiled

SEGMENT, SEARCH, OVERLAP = 0.082, 0.01468, 0.012  # seconds, as sox has them for music


@dataclass(frozen=True)
class PitchShift:
    """Whole cents uniform in a range, the ends included."""

    cents: tuple[int, int] = (-700, 700)

    def __call__(self, x: np.ndarray, sample_rate: int, draw: np.random.Generator) -> np.ndarray:
        return shift_pitch(x, sample_rate, int(draw.integers(self.cents[0], self.cents[1] + 1)))


def shift_pitch(x: np.ndarray, sample_rate: int, cents: float) -> np.ndarray:
    """`x (n,)` with every frequency times 2^(cents / 1200), as long and as fast as before.

    Source: Verhelst, Roelands, "An overlap-add technique based on waveform similarity (WSOLA)", ICASSP 1993.

    >>> tone = np.sin(2 * np.pi * 1000 / 22050 * np.arange(22050)).astype(np.float32)
    >>> shifted = shift_pitch(tone, 22050, 1200)
    >>> len(shifted), int(np.abs(np.fft.rfft(shifted)).argmax())
    (22050, 2000)
    """
    import soxr

    x = np.ascontiguousarray(x, np.float32)
    n, ratio = len(x), 2 ** (cents / 1200)
    if cents == 0 or n < 2:
        return x
    if ratio > 1:
        y = stretch(soxr.resample(x, sample_rate * ratio, sample_rate), n, sample_rate)
    else:
        y = soxr.resample(stretch(x, max(1, round(n * ratio)), sample_rate), sample_rate * ratio, sample_rate)
    return y[:n] if len(y) >= n else np.pad(y, (0, n - len(y)))


def stretch(x: np.ndarray, samples: int, sample_rate: int) -> np.ndarray:
    """`x (n,)` in another tempo, with the same pitch, `samples` long.

    >>> len(stretch(np.zeros(9000, np.float32), 12345, 22050))
    12345
    """
    overlap = max(1, round(OVERLAP * sample_rate))
    hop = max(1, round((SEGMENT - OVERLAP) * sample_rate))
    return _overlap_add(np.ascontiguousarray(x, np.float32), samples, hop, overlap, round(SEARCH * sample_rate))


@compiled
def _overlap_add(x: np.ndarray, samples: int, hop: int, overlap: int, search: int) -> np.ndarray:
    """Segments every `hop` samples of the result, each blended into the one before over `overlap` samples.

    A segment starts within `search` samples around its place in `x`, where the squared difference to the continuation
    of the one before is least.
    """
    n = len(x)
    padded = np.zeros(n + hop + 2 * overlap + search, np.float32)
    padded[:n] = x
    y = np.zeros(samples + hop + overlap, np.float32)
    y[: hop + overlap] = padded[: hop + overlap]
    place = 0  # of the segment before, in `x`
    tempo = n / samples
    for start in range(hop, samples, hop):
        target = padded[place + hop : place + hop + overlap]
        low = max(0, min(int(start * tempo) - search // 2, n - 1))
        place = low
        least = np.float32(np.inf)
        for candidate in range(low, low + search):
            other = padded[candidate : candidate + overlap]
            difference = np.float32(0)
            for i in range(overlap):
                apart = other[i] - target[i]
                difference += apart * apart
            if difference < least:
                least = difference
                place = candidate
        for i in range(overlap):
            share = np.float32((i + 0.5) / overlap)
            y[start + i] += share * (padded[place + i] - y[start + i])
        y[start + overlap : start + hop + overlap] = padded[place + overlap : place + hop + overlap]
    return y[:samples]
