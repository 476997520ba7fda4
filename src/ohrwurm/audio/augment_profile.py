"""Augmentation of pitch-class profiles as MOVE and Re-MOVE train: another key, another tempo, a disturbed time axis.

    profile (12, T) ─tile─▶ 23 rows ─another key─▶ ─stretch─▶ ─warp─▶ (23, T') ─crop or pad─▶ (23, patch)

All of it moves cells and makes no new values. So it is planned as indices, which pitch class each row reads and which
frame each column, and only the crop that is trained on is computed.

Source: Yesiler, Serrà, Gómez, MOVE (ICASSP 2020), section 3.3, and the training code of Re-MOVE (ISMIR 2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

# "legacy" rolls the 23 tiled rows, as the published code: the rows that come round are then one semitone off. MOVE,
# which a true transposition does not touch at all, sees a disturbed song, and was trained on that.
Transposition = Literal["legacy", "corrected", "none"]
ROWS = 23  # the 12 pitch classes, and 11 of them once more: 12 adjacent rows are the song in one of its 12 keys
SILENCED, DUPLICATED, KEPT = 0.1, 0.15, 0.9  # share of the frames, in each kind of warp


@dataclass(frozen=True)
class Reading:
    """A song as an augmentation lets it be read.

    Attributes:
        rows: `(23,)`, the pitch class that each row reads.
        frames: `(n,)`, the frame that each column reads.
        silent: `(n,)`, the columns that are 0 instead; or None.
    """

    rows: np.ndarray
    frames: np.ndarray
    silent: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.frames)

    def read(self, profile: np.ndarray, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Columns `start` to `stop` of the augmented song, float32 `(23, stop - start)`, from its profile `(12, T)`."""
        columns = slice(start, stop)
        view = profile[:, self.frames[columns]].astype(np.float32)[self.rows]
        if self.silent is not None:
            view[:, self.silent[columns]] = 0.0
        return view

    def crop(self, profile: np.ndarray, patch: int, draw: np.random.Generator) -> np.ndarray:
        """A random crop `(23, patch)`; a song shorter than that is padded with zeros at its end."""
        missing = patch - len(self)
        if missing > 0:
            return np.pad(self.read(profile), ((0, 0), (0, missing)))
        start = int(draw.integers(1 - missing))
        return self.read(profile, start, start + patch)


@dataclass(frozen=True)
class ProfileAugment:
    """How a song is read in training; the defaults are Re-MOVE's.

    Attributes:
        transposition: always, by a random number of semitones: ``legacy`` as published; ``corrected``, a true one,
            which MOVE does not notice but networks that do not look through all keys do; or ``none``.
        original_key: the shift may be 0 (MOVE); else it is 1 to 11 (Re-MOVE).
        stretch: probability of another tempo, 0.7 to 1.5 times as long.
        warp: probability that frames are silenced, duplicated or removed.

    >>> reading = ProfileAugment()(400, np.random.default_rng(1))
    >>> reading.crop(np.random.rand(12, 400), 300, np.random.default_rng(2)).shape
    (23, 300)
    """

    transposition: Transposition = "legacy"
    original_key: bool = False
    stretch: float = 0.3
    warp: float = 0.3

    def __call__(self, frames: int, draw: np.random.Generator) -> Reading:
        """A way to read a song of so many frames."""
        rows = np.arange(ROWS)
        if self.transposition != "none":
            draw.random()  # the published code draws also for what always happens
            shift = int(draw.integers(12))
            while shift == 0 and not self.original_key:
                shift = int(draw.integers(12))
            rows = (rows - shift) % (ROWS if self.transposition == "legacy" else 12)
        grid = np.linspace(0, frames - 1, frames)
        if draw.random() < self.stretch:
            grid = np.linspace(0, frames - 1, max(1, int(frames * stretch_factor(draw.random()))))
        silent = None
        if draw.random() < self.warp:
            kind = draw.random()
            mask = draw.random(len(grid))
            if kind < 0.3:
                silent = mask < SILENCED
            elif kind < 0.7:
                grid = np.repeat(grid, 1 + (mask < DUPLICATED))
            elif (mask < KEPT).any():
                grid = grid[mask < KEPT]
        # The nearest frame; of two equally near the earlier.
        return Reading(rows % 12, np.ceil(grid - 0.5).astype(np.int64), silent)


AS_IT_IS = ProfileAugment("none", stretch=0.0, warp=0.0)


def stretch_factor(u: float) -> float:
    """Length after stretching, of 1, for u uniform in [0, 1): a fifth 0.7, a quarter 1.5, the rest between.

    In single precision, as published: 450 frames times 0.9 are 404.

    >>> [round(stretch_factor(u), 3) for u in (0.1, 0.45, 0.6, 0.9)]
    [0.9, 0.7, 1.2, 1.5]
    """
    u32 = np.float32(u)
    factor = np.clip(1 - u32, np.float32(0.7), np.float32(1)) if u <= 0.5 else np.clip(2 * u32, 1, np.float32(1.5))
    return float(factor)
