"""Pitch classes: in which frames does each of the twelve sound?

Frame-level multi-label detection, as chord and transcription systems report it (Bay, Ehmann, Downie, "Evaluation of
multiple-F0 estimation and tracking systems", 2009, with pitches folded to classes).

Conventions
-----------
`truth` is boolean `(frames, 12)`, `estimate` a probability or salience of that shape, higher is likelier. Precision,
recall and F1 count over all cells at a threshold (a cell is estimated where it is strictly above it).

Metrics
-------
* ``precision``, ``recall``, ``F1``: at the threshold.
* ``AP``: average precision over all cells, no threshold; its chance level is the share of true cells.
* ``AP (mean of classes)``: the same for each pitch class that occurs, then the mean.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohrwurm.errors import DataError
from ohrwurm.evaluation.metrics.curves import average_precision

CLASSES = 12


def validate(truth: ArrayLike, estimate: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.floating]]:
    """The arguments as arrays.

    Raises:
        DataError: not two matrices `(frames, 12)` of one shape, or an estimate that is not finite.
    """
    t, e = np.asarray(truth), np.asarray(estimate)
    if t.ndim != 2 or t.shape != e.shape or t.shape[1] != CLASSES:
        raise DataError(f"truth and estimate must both be (frames, {CLASSES}), not {t.shape} and {e.shape}")
    if not np.isfinite(e).all():
        raise DataError("the estimate holds NaN or infinite values")
    return t.astype(bool), e


def evaluate(truth: ArrayLike, estimate: ArrayLike, threshold: float = 0.5) -> dict[str, float]:
    """All metrics; NaN where nothing was there to be measured (no frame, no true cell, no estimated cell).

    >>> evaluate(np.eye(12, dtype=bool), np.eye(12))["F1"]
    1.0
    """
    t, e = validate(truth, estimate)
    found = e > threshold
    hits, estimated, true = int((found & t).sum()), int(found.sum()), int(t.sum())
    classes = average_precision(t, e)[t.any(0)]
    return {
        "precision": _ratio(hits, estimated),
        "recall": _ratio(hits, true),
        "F1": _ratio(2 * hits, estimated + true),
        "AP": float(average_precision(t.reshape(-1, 1), e.reshape(-1, 1))[0]),
        "AP (mean of classes)": float(np.mean(classes)) if len(classes) else float("nan"),
    }


def chance(truth: ArrayLike) -> dict[str, float]:
    """Expected AP of estimates that know nothing: about the share of true cells."""
    t = np.asarray(truth, bool)
    return {"AP": float(t.mean()) if t.size else float("nan")}


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
