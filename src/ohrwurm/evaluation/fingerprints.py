"""Acoustic fingerprints: is one file a copy of another, however coded, cut or levelled?

Landmarks of the spectrogram (Wang, "An industrial-strength audio search algorithm", ISMIR 2003): pairs of near spectral
peaks, as frequency, step in frequency and step in time, at a time. Two files of one recording share many landmarks at
one constant offset; two recordings of one work do not. Copies in another key or tempo are not found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ohrwurm.audio.isolation import Decoder, decoding
from ohrwurm.embedding.workers import default_workers
from ohrwurm.errors import AudioError
from ohrwurm.evaluation.vectors import FILES_A_ROUND, Rows, collect

VERSION = "1"  # of what a landmark is; part of the name they are kept under
RATE, SIZE, HOP = 8000, 1024, 256  # 128 ms windows every 32 ms
BLOCK = 60 * RATE  # samples looked at together; memory stays the same for any length
NEAR_BINS, NEAR_FRAMES = 21, 11  # a peak is the highest of so many bins and frames around it
PEAKS = 20  # the highest a second
FAN, STEPS, BINS = 4, 48, 63  # partners of a peak, at most so many frames later and bins away
# Landmarks at one offset from which two files count as one recording, and the least share of those of the shorter one.
# Measured on 232 real recordings of 30 s: of 26,796 pairs the two that do share audio (a remix, a loop and its intro)
# have 168 and 77 in common, no other more than 18 and 0.8 %. 39 recordings, coded as MP3 or Vorbis of the lowest
# quality, cut to 5 s, cut to 10 s, coded and 12 dB softer, clipped, or noise at 10 dB: all share 34 and 6 % or more.
ALIGNED, SHARE = 20, 0.02
BASIS = (
    f"{ALIGNED} or more landmarks at one offset and {SHARE:.0%} of the shorter file's; of 26,796 pairs of different "
    "real recordings only two reach it, which do share audio, and so do all of 273 coded, cut, clipped or noisy copies"
)
COMMON = 100  # a landmark that more files than this (and than one in a hundred) have says nothing


@dataclass(frozen=True)
class Match:
    """Two files that share landmarks at one offset.

    Attributes:
        query, indexed: rows of the two.
        aligned: how many landmarks; `share`: of those of the file that has fewer.
        offset: seconds by which the music of the indexed file begins later in the query.
    """

    query: int
    indexed: int
    aligned: int
    share: float
    offset: float


def landmarks(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Landmarks `(n, 2)` of a mono waveform at `RATE` Hz: what (a whole number below 2^22), and at which frame.

    Neither the level nor what lies above 4 kHz has a part in them.

    >>> noise = np.random.default_rng(0).normal(size=10 * RATE).astype(np.float32)
    >>> whole, late = landmarks(noise), landmarks(0.1 * noise[4 * HOP :])
    >>> shared = {tuple(row) for row in whole} & {(what, frame + 4) for what, frame in late}
    >>> len(shared) > 0.8 * len(late)
    True
    """
    found = []
    for start in range(0, max(len(x) - SIZE, 0) + 1, BLOCK):
        part = _block(x[start : start + BLOCK + SIZE - HOP])
        part[:, 1] += start // HOP
        found.append(part)
    return np.concatenate(found).astype(np.float32)


def _block(x: NDArray[np.float32]) -> NDArray[np.int64]:
    from scipy.ndimage import maximum_filter
    from scipy.signal import get_window

    if len(x) < SIZE:
        return np.zeros((0, 2), np.int64)
    frames = np.lib.stride_tricks.sliding_window_view(x, SIZE)[::HOP]
    power = np.abs(np.fft.rfft(frames * get_window("hann", SIZE).astype(np.float32), axis=1)).astype(np.float32) ** 2
    power = power[:, 1:-1]  # neither the mean nor the highest bin: 511, so that a bin fits into 9 bits
    if not power.max() > 0:
        return np.zeros((0, 2), np.int64)
    level = np.log(power + 1e-7 * power.max())
    peak = (maximum_filter(level, (NEAR_FRAMES, NEAR_BINS)) == level) & (level > level.mean())
    times, bins = np.nonzero(peak)
    most = round(PEAKS * len(level) * HOP / RATE)
    if len(times) > most:
        kept = np.sort(np.argpartition(-level[times, bins], most)[:most])
        times, bins = times[kept], bins[kept]
    return _pairs(times, bins)


def _pairs(times: NDArray[np.int64], bins: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each peak, in order of time, with the next `FAN` that are near enough."""
    found, partners = [], np.zeros(len(times), np.int64)
    for ahead in range(1, len(times)):
        step, rise = times[ahead:] - times[:-ahead], bins[ahead:] - bins[:-ahead]
        if step.min() > STEPS:
            break
        near = (step > 0) & (step <= STEPS) & (np.abs(rise) <= BINS) & (partners[:-ahead] < FAN)
        first = np.flatnonzero(near)
        partners[first] += 1
        what = (bins[first] << 13) | ((rise[first] + BINS + 1) << 6) | step[first]
        found.append(np.stack([what, times[first]], 1))
    return np.concatenate(found) if found else np.zeros((0, 2), np.int64)


def fingerprints(
    paths: Sequence[str | Path],
    *,
    cache: Path | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Rows:
    """Landmarks of recordings, or those kept in the cache under the content of each file.

    Raises:
        DataError: not one of the recordings could be used.
    """
    threads = workers or default_workers()

    def one(decoder: Decoder, file: Path) -> NDArray[np.float32] | AudioError:
        try:
            with closing(decoder.stream(file, [RATE])) as blocks:
                return landmarks(np.concatenate([b[RATE] for b in blocks]))
        except AudioError as error:
            return error

    def make(files: list[Path], _: list[str]) -> list[NDArray[np.float32] | AudioError]:
        return list(decoding(files, one, threads))

    folder = None if cache is None else cache / "fingerprints" / VERSION
    return collect(paths, make, (None, 2), folder=folder, size=FILES_A_ROUND * threads, progress=progress)


class Index:
    """Landmarks of many files, in which those of another are looked up.

    Twelve bytes a landmark (about 75 a second of music): ten thousand clips of 30 s take 270 MB.

    >>> tune = np.random.default_rng(1).normal(size=20 * RATE).astype(np.float32)
    >>> other = np.random.default_rng(2).normal(size=20 * RATE).astype(np.float32)
    >>> (match,) = Index([landmarks(other), landmarks(tune)]).find(landmarks(tune[5 * RATE : 15 * RATE]))
    >>> match.indexed, match.offset
    (1, -5.0)
    """

    def __init__(self, files: Sequence[NDArray[np.float32]]) -> None:
        self.sizes = np.array([len(f) for f in files])
        what = np.concatenate([f[:, 0] for f in files]).astype(np.uint32)
        rows = np.repeat(np.arange(len(files), dtype=np.uint32), self.sizes)
        frames = np.concatenate([f[:, 1] for f in files]).astype(np.int32)
        order = np.argsort(what, kind="stable")
        self._what, self._rows, self._frames = what[order], rows[order], frames[order]
        self._most = max(COMMON, len(files) // 100)

    def find(self, file: NDArray[np.float32], query: int = 0) -> list[Match]:
        """The files that count as the same recording as one with these landmarks, the surest first."""
        what, frames = file[:, 0].astype(np.uint32), file[:, 1].astype(np.int64)
        first, last = (np.searchsorted(self._what, what, side) for side in ("left", "right"))
        counts = np.where(last - first > self._most, 0, last - first)
        if not counts.sum():
            return []
        places = np.repeat(first - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts) + np.arange(counts.sum())
        rows = self._rows[places].astype(np.int64)
        offsets = np.repeat(frames, counts) - self._frames[places]
        low = int(offsets.min())
        span = int(offsets.max()) - low + 3
        keys, hits = np.unique(rows * span + offsets - low + 1, return_counts=True)
        # The grids of frames of two files may lie half a frame apart: the next frame's landmarks count as well.
        beside = np.zeros(len(keys), np.int64)
        follows = np.flatnonzero(np.diff(keys) == 1)
        beside[follows] = hits[follows + 1]
        total, found = hits + beside, []
        for k in np.flatnonzero(total >= ALIGNED):
            row = int(keys[k] // span)
            share = float(total[k] / max(1, min(len(file), self.sizes[row])))
            if share >= SHARE:
                offset = (int(keys[k] % span) + low - 1) * HOP / RATE
                found.append(Match(query, row, int(total[k]), share, round(offset, 1)))
        found.sort(key=lambda m: -m.aligned)
        return list({m.indexed: m for m in reversed(found)}.values())[::-1]
