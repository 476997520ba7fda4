"""Beats and downbeats by peak picking, as in Foscarin, Schlüter and Widmer, "Beat this!" (2024): no model of tempo.

Where the activations are clear this follows music that keeps no metre better than `bar_pointer`, which in turn bridges
what cannot be heard.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohrwurm.analysis.activations import checked
from ohrwurm.analysis.peaks import pick_peaks
from ohrwurm.events import Beats


def beats_from_peaks(
    activations: ArrayLike, frame_rate: float = 50.0, *, threshold: float = 0.5, reach: float = 0.07
) -> Beats:
    """Every peak of the beat activation is a beat; every peak of the downbeat activation makes its nearest beat one.

    Args:
        activations: `(frames, 2)`: a beat is here (downbeats included), and a downbeat is here; or `(frames, 1)`
            without downbeats.
        threshold: a peak lies above it.
        reach: seconds to either side within which no frame is higher.

    Returns:
        Beats whose confidence is the activation. Positions count from each downbeat on; before the first they are
        unknown.

    Raises:
        DataError: activations that are no probabilities.

    >>> x = np.zeros((100, 2))
    >>> x[5::20, 0] = 0.9
    >>> x[[24, 85], 1] = 0.8
    >>> found = beats_from_peaks(x)
    >>> found.times.tolist(), found.positions.tolist()
    ([0.1, 0.5, 0.9, 1.3, 1.7], [0, 1, 2, 3, 1])
    """
    x = checked(activations, (1, 2), frame_rate, "beats")
    distance = max(1, round(reach * frame_rate))
    places, heights = pick_peaks(x[:, 0], threshold=threshold, distance=distance)
    downbeats = np.zeros(0)
    if x.shape[1] == 2:
        downbeats, _ = pick_peaks(x[:, 1], threshold=threshold, distance=distance)
    times = places / frame_rate
    return Beats(times, positions_from(times, downbeats / frame_rate), heights)


def positions_from(times: NDArray[np.float64], downbeats: NDArray[np.float64]) -> NDArray[np.int64]:
    """Places in the bar of beats at `times`, from the downbeats, each of which is moved to its nearest beat.

    >>> positions_from(np.arange(6.0), np.array([0.9, 1.1, 4.0])).tolist()
    [0, 1, 2, 3, 1, 2]
    """
    positions = np.zeros(len(times), np.int64)
    if not len(times) or not len(downbeats):
        return positions
    right = np.clip(np.searchsorted(times, downbeats), 1, max(len(times) - 1, 1))
    left = right - 1
    right = np.minimum(right, len(times) - 1)
    nearest = np.unique(np.where(downbeats - times[left] <= times[right] - downbeats, left, right))
    numbers = np.arange(len(times))
    last = np.searchsorted(nearest, numbers, "right") - 1
    known = last >= 0
    positions[known] = numbers[known] - nearest[last[known]] + 1
    return positions
