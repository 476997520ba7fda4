"""Peaks of an activation, and where between two frames they lie."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def pick_peaks(
    activation: NDArray[np.float64], *, threshold: float = 0.5, distance: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Local maxima: no frame within `distance` is higher, and the value lies above `threshold`.

    Equal maxima nearer than `distance` to each other are one peak, at their middle.

    Args:
        activation: `(frames,)`.
        distance: in frames.

    Returns:
        Places in frames, between two of them where a parabola through peak and neighbours has its top, and the
        activation there; each `(peaks,)`.

    >>> places, heights = pick_peaks(np.array([0.0, 0.6, 0.9, 0.6, 0.0, 0.8, 0.8, 0.0]), distance=2)
    >>> places.tolist(), heights.tolist()
    ([2.0, 5.5], [0.9, 0.8])
    """
    from scipy.ndimage import maximum_filter1d

    x = np.asarray(activation, np.float64)
    if not len(x):
        return np.zeros(0), np.zeros(0)
    highest = maximum_filter1d(x, 2 * distance + 1, mode="constant", cval=-np.inf)
    frames = np.flatnonzero((x == highest) & (x > threshold))
    if not len(frames):
        return np.zeros(0), np.zeros(0)
    groups = np.split(frames, np.flatnonzero(np.diff(frames) > distance) + 1)
    places = [refined(x, int(g[0])) if len(g) == 1 else float(g[0] + g[-1]) / 2 for g in groups]
    return np.array(places), np.array([x[g[0]] for g in groups])


def refined(x: NDArray[np.float64], frame: int) -> float:
    """The top of the parabola through `frame` and its neighbours; `frame` itself where it is no peak, or an end.

    >>> round(refined(np.array([0.0, 0.6, 0.9, 0.8, 0.0]), 2), 2)
    2.25
    """
    if not 0 < frame < len(x) - 1:
        return float(frame)
    before, here, after = x[frame - 1 : frame + 2].tolist()
    bend = before - 2 * here + after
    if bend >= 0 or here < before or here < after:
        return float(frame)
    return frame + 0.5 * (before - after) / bend
