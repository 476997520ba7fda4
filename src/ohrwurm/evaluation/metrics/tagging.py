"""Tagging: which of many labels hold for a track, when several may?

Multi-label auto-tagging as on MagnaTagATune, MTG-Jamendo and the Million Song Dataset (Won et al., "Evaluation of
CNN-based automatic music tagging models", 2020), and zero-shot tagging by text (TTMR, MusCALL).

Conventions
-----------
`truth` is boolean `(tracks, labels)`, `scores` of that shape, higher is likelier. NaN scores are refused.
A **label without positives** (or, for ROC, without negatives) has no curve. It is left out of the means over labels,
counted in the result, and named by `gaps`; scikit-learn would give 0 or nothing for it. Ties: see `curves`.

Metrics
-------
* ``ROC-AUC``, ``PR-AUC``: mean over labels (macro) of the areas under the ROC and precision-recall curves; the latter
  is average precision, which the field prints as PR-AUC or mAP.
* ``ROC-AUC (micro)``, ``PR-AUC (micro)``: of all cells as if they were one label.
* ``F1``, ``F1 (micro)``: with thresholds given, mean over labels and over all cells. Take the thresholds from the
  **validation** split (`curves.best_thresholds`): chosen on the test split they flatter, as in TTMR's published
  macro F1.
* ``labels``, ``labels without positives``, ``labels without negatives``: what the means rest on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohrwurm.errors import DataError
from ohrwurm.evaluation.metrics import curves


def validate(truth: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.floating]]:
    """The arguments as arrays.

    Raises:
        DataError: not two matrices `(tracks, labels)` of one shape, truth that is not 0 or 1, or a score that is not
            finite.
    """
    t, s = np.asarray(truth), np.asarray(scores)
    if t.ndim != 2 or t.shape != s.shape:
        raise DataError(f"truth and scores must be matrices of one shape (tracks, labels), not {t.shape} and {s.shape}")
    if not np.isfinite(s).all():
        row, label = np.argwhere(~np.isfinite(s))[0]
        raise DataError(
            f"the score of label {label} for track {row} is {s[row, label]}; a model must score every track"
        )
    if not np.isin(t, (0, 1)).all():
        raise DataError("truth must hold 0 and 1 only; label confidences need a threshold first")
    return t.astype(bool), s


def gaps(truth: ArrayLike, names: Sequence[str] | None = None) -> dict[str, list[str]]:
    """The labels that no mean over labels can count: those that no track has, and those that all tracks have.

    Args:
        names: of the labels; without them they are called by their number.

    >>> gaps([[1, 0, 1], [0, 0, 1]], ["rock", "polka", "music"])
    {'labels without positives': ['polka'], 'labels without negatives': ['music']}
    """
    t = np.asarray(truth).astype(bool)
    if t.ndim != 2:
        raise DataError(f"truth must be a matrix (tracks, labels), not {t.shape}")
    called = list(names) if names is not None else [str(i) for i in range(t.shape[1])]
    if len(called) != t.shape[1]:
        raise DataError(f"{t.shape[1]} labels but {len(called)} names")
    return {
        "labels without positives": [called[i] for i in np.flatnonzero(~t.any(0))],
        "labels without negatives": [called[i] for i in np.flatnonzero(t.all(0) & (len(t) > 0))],
    }


def per_label(truth: ArrayLike, scores: ArrayLike) -> dict[str, NDArray[np.float64]]:
    """``ROC-AUC`` and ``PR-AUC`` of each label, arrays `(labels,)`; NaN for a label without positives (or negatives).

    >>> per_label([[1, 0], [0, 0]], [[0.8, 0.3], [0.1, 0.4]])["ROC-AUC"]
    array([ 1., nan])
    """
    found = curves.sweep(*validate(truth, scores))
    return {"ROC-AUC": found.roc_auc(), "PR-AUC": found.average_precision()}


def decide(scores: ArrayLike, thresholds: ArrayLike, *, strict: bool = False) -> NDArray[np.bool_]:
    """Decisions `(tracks, labels)`: scores at or above their label's threshold; NaN (no threshold): never.

    Args:
        thresholds: one for all labels, or one each.
        strict: only scores above it, as TTMR decides; the track that gave the threshold is then lost.

    >>> decide([[0.5, 0.2], [0.4, 0.9]], [0.5, float("nan")])
    array([[ True, False],
           [False, False]])
    """
    s, t = np.asarray(scores), np.asarray(thresholds)
    return s > t if strict else s >= t


def f1(truth: ArrayLike, decisions: ArrayLike) -> NDArray[np.float64]:
    """F1 of each label `(labels,)`. NaN without a positive track: there is nothing to find.

    >>> f1([[1, 0], [1, 0]], [[1, 0], [0, 1]])
    array([0.66666667,        nan])
    """
    t, d = validate(truth, np.asarray(decisions, float))
    hits, wanted = (t & (d > 0)).sum(0), t.sum(0)
    whole = (d > 0).sum(0) + wanted
    return np.divide(2 * hits, whole, out=np.full(len(whole), np.nan), where=wanted > 0)


def evaluate(truth: ArrayLike, scores: ArrayLike, thresholds: ArrayLike | None = None) -> dict[str, float]:
    """All metrics; NaN where no label has a curve.

    Args:
        thresholds: one for all labels or one each, from the validation split; without them no F1.

    >>> found = evaluate([[1, 0], [0, 1], [1, 1]], [[0.8, 0.3], [0.1, 0.4], [0.7, 0.2]], thresholds=0.5)
    >>> found["ROC-AUC"], round(found["PR-AUC"], 4), round(found["F1 (micro)"], 4)
    (0.75, 0.9167, 0.6667)
    """
    t, s = validate(truth, scores)
    each, empty = per_label(t, s), gaps(t)
    cells = curves.sweep(t.reshape(-1, 1), s.reshape(-1, 1))
    found = {
        "ROC-AUC": _mean(each["ROC-AUC"]),
        "PR-AUC": _mean(each["PR-AUC"]),
        "ROC-AUC (micro)": float(cells.roc_auc()[0]),
        "PR-AUC (micro)": float(cells.average_precision()[0]),
    }
    if thresholds is not None:
        decisions = decide(s, thresholds)
        found["F1"] = _mean(f1(t, decisions))
        found["F1 (micro)"] = float(f1(t.reshape(-1, 1), decisions.reshape(-1, 1))[0])
    return {**found, "labels": float(t.shape[1]), **{name: float(len(labels)) for name, labels in empty.items()}}


def chance(truth: ArrayLike) -> dict[str, float]:
    """Expected areas of scores that know nothing: one half, and about the share of positive cells.

    >>> chance([[1, 0], [0, 0], [0, 1], [0, 1]])
    {'ROC-AUC': 0.5, 'PR-AUC': 0.375, 'ROC-AUC (micro)': 0.5, 'PR-AUC (micro)': 0.375}
    """
    t = np.asarray(truth).astype(bool)
    told = t.any(0) & ~t.all(0)
    half = 0.5 if told.any() else float("nan")
    return {
        "ROC-AUC": half,
        "PR-AUC": _mean(t[:, t.any(0)].mean(0)) if t.any() else float("nan"),
        "ROC-AUC (micro)": 0.5 if t.any() and not t.all() else float("nan"),
        "PR-AUC (micro)": float(t.mean()) if t.any() else float("nan"),
    }


def _mean(values: NDArray[np.floating]) -> float:
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")
