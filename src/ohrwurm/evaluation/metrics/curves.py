"""What `tagging` and `pitch` share: areas under the curves of a score, and the threshold that suits it best.

Each function works on a matrix `(items, labels)`, one curve a column, all columns at once. Items of equal score are
told apart by no threshold: they enter a curve together (average precision) or count half (ROC), as in scikit-learn.

Sources: Fawcett, "An introduction to ROC analysis", 2006; Davis and Goadrich, "The relationship between
precision-recall and ROC curves", 2006.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sweep:
    """The items of each column from the highest score down, arrays `(items, labels)`.

    Attributes:
        truth: whether the item is positive.
        scores: its score.
        taken: how many items score at least as high.
        hits: how many of those are positive.
    """

    truth: NDArray[np.bool_]
    scores: NDArray[np.floating]
    taken: NDArray[np.int64]
    hits: NDArray[np.int64]


def sweep(truth: NDArray[np.bool_], scores: NDArray[np.floating]) -> Sweep:
    """Lower the threshold of every column of `(items, labels)` from its highest score to its lowest."""
    order = np.argsort(-scores, axis=0, kind="stable")
    t, s = np.take_along_axis(truth, order, 0), np.take_along_axis(scores, order, 0)
    closes = np.ones(t.shape, bool)  # the last of a run of equal scores
    closes[:-1] = s[1:] != s[:-1]
    place = np.where(closes, np.arange(len(t))[:, None], len(t))
    last = np.minimum.accumulate(place[::-1], axis=0)[::-1]
    hits = np.take_along_axis(np.cumsum(t, axis=0, dtype=np.int64), last, 0)
    return Sweep(t, s, last + 1, hits)


def average_precision(truth: ArrayLike, scores: ArrayLike) -> Floats:
    """Area under each precision-recall curve as a sum of steps, `(labels,)`. NaN without a positive item.

    >>> average_precision([[True], [False], [True]], [[0.9], [0.8], [0.7]])
    array([0.83333333])
    """
    t = np.asarray(truth, bool)
    found = sweep(t, np.asarray(scores))
    return _ratio((found.truth * found.hits / found.taken).sum(0), t.sum(0))


def roc_auc(truth: ArrayLike, scores: ArrayLike) -> Floats:
    """Area under each ROC curve, `(labels,)`: how often a positive item outscores a negative one, equal counting half.

    NaN without a positive or without a negative item.

    >>> roc_auc([[True], [False], [True], [False]], [[0.9], [0.8], [0.8], [0.1]])
    array([0.875])
    """
    t = np.asarray(truth, bool)
    found = sweep(t, np.asarray(scores))
    # A positive item loses to the negatives strictly above its score, and half to those level with it: the mean of
    # the negatives above and of those at or above.
    upto = found.taken - found.hits
    opens = np.ones(t.shape, bool)
    opens[1:] = found.scores[1:] != found.scores[:-1]
    above = np.where(opens, np.cumsum(~found.truth, axis=0) - ~found.truth, 0)
    above = np.maximum.accumulate(above, axis=0) if len(t) else above
    lost = (found.truth * (upto + above)).sum(0) / 2
    positives = t.sum(0)
    pairs = positives * (len(t) - positives)
    return _ratio(pairs - lost, pairs)


def best_thresholds(truth: ArrayLike, scores: ArrayLike) -> Floats:
    """The score of each column `(labels,)` from which on deciding gives the best F1; the lowest such score of several.

    NaN without a positive item: there is nothing to choose by.

    >>> best_thresholds([[True], [False], [True], [False]], [[0.9], [0.8], [0.7], [0.1]])
    array([0.7])
    """
    t, s = np.asarray(truth, bool), np.asarray(scores)
    chosen = np.full(t.shape[1], np.nan)
    if not len(t):
        return chosen
    found = sweep(t, s)
    f1 = 2 * found.hits / (found.taken + t.sum(0))
    last = len(t) - 1 - np.argmax(f1[::-1], axis=0)
    some = t.any(0)
    chosen[some] = np.take_along_axis(found.scores, last[None], 0)[0, some]
    return chosen


def _ratio(part: NDArray[np.number], whole: NDArray[np.number]) -> Floats:
    """`part / whole`, NaN where nothing was there."""
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) > 0)
