"""The outline of a waveform, read block by block: three hours need no more memory than three minutes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ohrwurm.audio.files import open_reader, stream


@dataclass(frozen=True)
class Envelope:
    """What a waveform looks like from afar.

    Attributes:
        times: middle of each stretch in seconds, `(n,)`.
        low, high: least and greatest sample of the mean of the channels, `(n,)`.
        level: root mean square, `(n,)`.
    """

    times: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    level: NDArray[np.float64]


def envelope(file: str | Path, duration: float, count: int) -> Envelope:
    """About `count` stretches of a recording of `duration` seconds.

    Raises:
        AudioError: it cannot be read.

    >>> import soundfile, tempfile
    >>> file = tempfile.mkdtemp() + "/tone.wav"
    >>> soundfile.write(file, np.sin(np.arange(16000) / 10) / 2, 16000)
    >>> found = envelope(file, 1.0, 10)
    >>> len(found.times), round(float(found.high.max()), 2), round(float(found.level[3]), 2)
    (10, 0.5, 0.35)
    """
    rate = open_reader(file).info.sample_rate
    hop = max(1, round(duration * rate / count))
    rest = np.zeros(0, np.float32)
    rows: list[tuple[NDArray[np.float64], ...]] = []

    def take(stretches: NDArray[np.float32]) -> None:
        exact = stretches.astype(np.float64)
        rows.append((exact.min(1), exact.max(1), np.sqrt((exact**2).mean(1))))

    for block in stream(file):
        rest = np.concatenate([rest, block.mean(0)])
        whole = len(rest) // hop * hop
        if whole:
            take(rest[:whole].reshape(-1, hop))
            rest = rest[whole:]
    if len(rest):
        take(rest[None])
    if not rows:
        return Envelope(*(np.zeros(0),) * 4)
    low, high, level = (np.concatenate(part) for part in zip(*rows, strict=True))
    times = (np.arange(len(low)) + 0.5) * hop / rate
    return Envelope(times, low, high, level)
