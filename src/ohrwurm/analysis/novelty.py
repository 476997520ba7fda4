"""Sections without a trained head: where the sound changes, and which parts sound alike.

Foote, "Automatic audio segmentation using a measure of audio novelty" (2000): boundaries are peaks of the correlation
of the self-similarity with a checkerboard along its diagonal. Similarity being the product of feature vectors, and the
checkerboard the product of a vector with itself, this is the squared length of the features filtered by that vector: no
matrix of all frames by all frames. Parts that sound alike get one letter.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ohrwurm.events import Spans


@dataclass(frozen=True)
class Novelty:
    """What counts as a boundary, and as alike.

    Attributes:
        kernel: seconds of the checkerboard, half of which lie before a boundary and half after it.
        nearest: seconds between two boundaries at least; half of it from the ends of the recording.
        height: of the highest novelty, which a boundary must reach.
        least: which it must reach in any case; what comes out of two unlike parts is 0.5, what of one and the same, 0.
        alike: cosine distance up to which sections bear one letter.

    Raises:
        ValueError: impossible settings.
    """

    kernel: float = 24.0
    nearest: float = 8.0
    height: float = 0.15
    least: float = 0.0
    alike: float = 0.35

    def __post_init__(self) -> None:
        if not (self.kernel > 0 and self.nearest > 0 and 0 <= self.height <= 1 and 0 <= self.least <= 1):
            raise ValueError(f"impossible settings: {self}")


NOVELTY = Novelty()


def sections_by_novelty(
    features: NDArray[np.floating], frame_rate: float, seconds: float, *, settings: Novelty = NOVELTY
) -> Spans:
    """Sections under letters, from 0 s to the end.

    Args:
        features: `(frames, dim)`, such that 0 is what is usual in this recording (`standardized`); a frame or four a
            second.
        seconds: length of the recording.

    Returns:
        One section `A` where the recording is shorter than two of them; nothing without a second.

    >>> x = np.repeat([[1.0, -1.0], [-1.0, 1.0], [1.0, -1.0]], 40, axis=0)
    >>> found = sections_by_novelty(x, 2.0, 60.0)
    >>> found.labels, found.intervals.tolist()
    (('A', 'B', 'A'), [[0.0, 20.0], [20.0, 40.0], [40.0, 60.0]])
    """
    from scipy.signal import find_peaks

    if seconds <= 0:
        return Spans(np.zeros((0, 2)), ())
    if seconds < 2 * settings.nearest or not len(features):
        return Spans(np.array([[0.0, seconds]]), ("A",))
    x = np.asarray(features, np.float64)
    curve = novelty(x, max(2, round(settings.kernel * frame_rate / 2)))
    peaks, _ = find_peaks(
        curve,
        height=max(settings.height * float(curve.max()), settings.least, 1e-9),
        distance=max(1, round(settings.nearest * frame_rate)),
    )
    margin = settings.nearest / 2
    inside = [p for p in (peaks / frame_rate).tolist() if margin <= p <= seconds - margin]
    times = np.array([0.0, *inside, seconds])
    places = np.round(times * frame_rate).astype(int).clip(0, len(x))
    means = np.stack([x[min(a, len(x) - 1) : max(b, a + 1)].mean(0) for a, b in pairwise(places)])
    return Spans(np.stack([times[:-1], times[1:]], 1), letters(means, settings.alike))


def novelty(features: NDArray[np.floating], half: int) -> NDArray[np.float64]:
    """Novelty `(frames,)` in [0, 1] of features `(frames, dim)`: cosine similarities under a checkerboard of 2 × `half`
    frames with a Gaussian over it, by the largest value that it can have.

    >>> int(np.argmax(novelty(np.repeat(np.eye(2), 8, axis=0), 4)))
    8
    """
    from scipy.ndimage import correlate1d

    unit = _unit(np.asarray(features, np.float64))
    offsets = np.arange(-half, half) + 0.5
    edge = np.sign(offsets) * np.exp(-2.0 * (offsets / half) ** 2)
    change = correlate1d(unit, edge / np.abs(edge).sum(), axis=0, mode="nearest")
    return np.asarray((change**2).sum(1))


def letters(means: NDArray[np.floating], alike: float = NOVELTY.alike) -> tuple[str, ...]:
    """A letter each for sections `(sections, features)`: near ones share one, in order of first use.

    >>> letters(np.array([[1.0, 0.0], [0.0, 1.0], [0.9, 0.1]]))
    ('A', 'B', 'A')
    """
    from sklearn.cluster import AgglomerativeClustering

    if len(means) < 2:
        return ("A",) * len(means)
    clusters = AgglomerativeClustering(
        n_clusters=None, distance_threshold=alike, metric="cosine", linkage="average"
    ).fit_predict(_unit(means))
    order = list(dict.fromkeys(clusters.tolist()))
    return tuple(_letter(order.index(cluster)) for cluster in clusters.tolist())


def standardized(features: NDArray[np.floating]) -> NDArray[np.float64]:
    """Columns of `(frames, dim)` with mean 0 and spread 1, divided so that 13 columns and 160 count alike.

    >>> standardized(np.array([[1.0, 5.0], [3.0, 5.0]])).round(3).tolist()
    [[-0.707, 0.0], [0.707, 0.0]]
    """
    x = np.asarray(features, np.float64)
    centred = x - x.mean(0)
    return np.asarray(centred / np.maximum(centred.std(0), 1e-9) / np.sqrt(max(x.shape[1], 1)))


def _unit(x: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9), np.float64)


def _letter(number: int) -> str:
    high, low = divmod(number, 26)
    return chr(65 + low) + (str(high) if high else "")
