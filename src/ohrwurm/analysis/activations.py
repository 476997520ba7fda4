"""The check that all decoders share: activations are numbers that can be probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohrwurm.errors import DataError


def checked(
    activations: ArrayLike, classes: int | tuple[int, ...], frame_rate: float, what: str
) -> NDArray[np.float64]:
    """Activations as float64 `(frames, classes)`.

    Args:
        activations: `(frames, classes)`; `(frames,)` where there is one class.
        classes: how many there must be, or which numbers are fine.
        frame_rate: frames a second, which must be positive.
        what: whose they are, for messages.

    Raises:
        DataError: another shape, not a number, or not between 0 and 1 (logits were not turned into probabilities).

    >>> checked([0.2, 0.9], 1, 50, "beats").shape
    (2, 1)
    """
    x = np.asarray(activations, np.float64)
    allowed = (classes,) if isinstance(classes, int) else classes
    if x.ndim == 1 and 1 in allowed:
        x = x[:, None]
    if x.ndim != 2 or x.shape[1] not in allowed:
        wanted = " or ".join(str(n) for n in allowed)
        raise DataError(f"{what}: activations must be (frames, {wanted}), not {x.shape}")
    if not (np.isfinite(frame_rate) and frame_rate > 0):
        raise DataError(f"{what}: a frame rate of {frame_rate} frames a second")
    if not np.isfinite(x).all():
        frame = int(np.argmin(np.isfinite(x).all(1)))
        raise DataError(f"{what}: the activation of frame {frame} is not a number")
    if len(x) and (x.min() < -1e-6 or x.max() > 1 + 1e-6):
        raise DataError(
            f"{what}: activations between {x.min():g} and {x.max():g} are no probabilities; apply the head's "
            "sigmoid or softmax first"
        )
    return np.clip(x, 0.0, 1.0)


def shares(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows that sum to 1; a row of zeros says nothing and becomes equal shares.

    >>> shares(np.array([[0.2, 0.2], [0.0, 0.0]])).tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    total = probabilities.sum(1, keepdims=True)
    equal = np.full_like(probabilities, 1 / max(probabilities.shape[1], 1))
    return np.divide(probabilities, total, out=equal, where=total > 0)
