"""Classification: to which one of several classes (genre, emotion, instrument, key) does a track belong?

Accuracy as on GTZAN (with the fault-filtered split of Sturm, "The state of the art ten years after a state of the art",
2014), FMA and Emotify. Where clips are scored, the song's class is found first: see `ensembles`.

Conventions
-----------
`truth` is the class number of each track `(tracks,)`; `scores` `(tracks, classes)`, higher is likelier. The highest
score is the answer. Of several equal highest scores one is drawn, in expectation: a track with two of them, one right,
counts half. (Published code takes the first of them, which depends on the order of the classes.)

Metrics
-------
* ``accuracy``: share of tracks answered rightly.
* ``balanced accuracy``: mean over classes of the share of its tracks; a class without tracks is left out, counted under
  ``classes without tracks`` and can be told from `per_class`, where it is NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohrwurm.errors import DataError


def validate(truth: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.floating]]:
    """The arguments as arrays.

    Raises:
        DataError: not one class a track and one score a class, a class without a score, or a score that is not finite.
    """
    t, s = np.asarray(truth), np.asarray(scores)
    if t.ndim != 1 or s.ndim != 2 or len(t) != len(s):
        raise DataError(f"truth (tracks,) and scores (tracks, classes) are needed, not {t.shape} and {s.shape}")
    if not np.isfinite(s).all():
        raise DataError(f"the scores of track {np.argwhere(~np.isfinite(s))[0][0]} hold NaN or infinite values")
    if len(t) and not (np.issubdtype(t.dtype, np.integer) and t.min() >= 0 and t.max() < s.shape[1]):
        raise DataError(f"truth must hold class numbers 0 .. {s.shape[1] - 1}")
    return t.astype(np.int64), s


def per_track(truth: ArrayLike, scores: ArrayLike) -> NDArray[np.float64]:
    """1 for each track answered rightly, 0 for the others, a part for a shared highest score; for intervals.

    >>> per_track([0, 1], [[0.6, 0.4], [0.5, 0.5]])
    array([1. , 0.5])
    """
    t, s = validate(truth, scores)
    if not len(t):
        return np.zeros(0)
    best = s == s.max(1, keepdims=True)
    return best[np.arange(len(t)), t] / best.sum(1)


def per_class(truth: ArrayLike, scores: ArrayLike) -> NDArray[np.float64]:
    """Share of the tracks of each class answered rightly (recall) `(classes,)`; NaN for a class without tracks.

    >>> per_class([0, 0], [[0.6, 0.4], [0.1, 0.9]])
    array([0.5, nan])
    """
    t, s = validate(truth, scores)
    counts = np.bincount(t, minlength=s.shape[1])
    right = np.bincount(t, per_track(t, s), minlength=s.shape[1])
    return np.divide(right, counts, out=np.full(len(counts), np.nan), where=counts > 0)


def evaluate(truth: ArrayLike, scores: ArrayLike) -> dict[str, float]:
    """All metrics; NaN without a track.

    >>> evaluate([0, 0, 1], [[0.6, 0.4], [0.1, 0.9], [0.2, 0.8]])["balanced accuracy"]
    0.75
    """
    right, recall = per_track(truth, scores), per_class(truth, scores)
    known = recall[~np.isnan(recall)]
    return {
        "accuracy": float(right.mean()) if len(right) else float("nan"),
        "balanced accuracy": float(known.mean()) if len(known) else float("nan"),
        "classes without tracks": float(len(recall) - len(known)),
    }


def chance(truth: ArrayLike) -> dict[str, float]:
    """The share of the largest class (always answering it), and one over the number of classes that have tracks.

    >>> chance([0, 0, 0, 1])
    {'accuracy': 0.75, 'balanced accuracy': 0.5}
    """
    counts = np.unique(np.asarray(truth), return_counts=True)[1]
    if not len(counts):
        return {"accuracy": float("nan"), "balanced accuracy": float("nan")}
    return {"accuracy": float(counts.max() / counts.sum()), "balanced accuracy": 1 / len(counts)}
