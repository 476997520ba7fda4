"""Regression: how well are numbers that annotators gave a track (arousal, valence, tempo) predicted?

The coefficient of determination as jukemir reports it on EmoMusic (Castellon, Donahue, Liang, "Codified audio language
modeling learns useful representations for music information retrieval", 2021).

Conventions
-----------
`truth` and `estimate` are `(tracks, outputs)`, or `(tracks,)` for one output.

Metrics
-------
* ``R2 (NAME)``: 1 - residual / total sum of squares of one output, the total about the mean of **this** set of tracks:
  the best is 1, and always answering that mean gives 0. NaN where the truth does not vary (or there is no track).
* ``R2``: their unweighted mean; NaN if any of them is, so that an output is never skipped unseen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohrwurm.errors import DataError


def validate(truth: ArrayLike, estimate: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The arguments as matrices `(tracks, outputs)`.

    Raises:
        DataError: not of one shape, or values that are not finite.
    """
    t, e = np.asarray(truth, np.float64), np.asarray(estimate, np.float64)
    if t.ndim not in (1, 2) or t.shape != e.shape:
        raise DataError(f"truth and estimate must both be (tracks, outputs), not {t.shape} and {e.shape}")
    for name, values in (("truth", t), ("estimate", e)):
        if not np.isfinite(values).all():
            raise DataError(f"the {name} of track {np.argwhere(~np.isfinite(values))[0][0]} is NaN or infinite")
    return (t[:, None], e[:, None]) if t.ndim == 1 else (t, e)


def r2(truth: ArrayLike, estimate: ArrayLike) -> NDArray[np.float64]:
    """R2 of each output `(outputs,)`.

    >>> r2([1.0, 2.0, 3.0], [1.0, 2.0, 2.0])
    array([0.5])
    """
    t, e = validate(truth, estimate)
    if not len(t):
        return np.full(t.shape[1], np.nan)
    varies = (t != t[:1]).any(0)  # not total > 0: the mean of equal numbers may be off by rounding
    total, residual = ((t - t.mean(0)) ** 2).sum(0), ((t - e) ** 2).sum(0)
    return np.where(varies, 1 - residual / np.where(varies, total, 1.0), np.nan)


def evaluate(truth: ArrayLike, estimate: ArrayLike, names: Sequence[str] | None = None) -> dict[str, float]:
    """All metrics.

    Args:
        names: of the outputs; without them they are called by their number.

    >>> evaluate([[1, 4], [3, 2]], [[1, 4], [3, 4]], ["arousal", "valence"])
    {'R2': 0.0, 'R2 (arousal)': 1.0, 'R2 (valence)': -1.0}
    """
    each = r2(truth, estimate)
    called = list(names) if names is not None else [str(i) for i in range(len(each))]
    if len(called) != len(each):
        raise DataError(f"{len(each)} outputs but {len(called)} names")
    mean = float(each.mean()) if len(each) else float("nan")
    return {"R2": mean, **{f"R2 ({name})": float(v) for name, v in zip(called, each, strict=True)}}


def chance(truth: ArrayLike) -> dict[str, float]:
    """What always answering the mean gets: 0 (NaN where R2 is undefined).

    >>> chance([1.0, 2.0])
    {'R2': 0.0}
    """
    t = validate(truth, truth)[0]
    return {"R2": evaluate(t, np.broadcast_to(t.mean(0) if len(t) else 0.0, t.shape))["R2"]}
