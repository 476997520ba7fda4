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
    """The items of each label from the highest score down, arrays `(labels, items)`.

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

    def average_precision(self) -> Floats:
        """See the function of this name."""
        return _ratio((self.truth * (self.hits / self.taken)).sum(1), self.truth.sum(1))

    def roc_auc(self) -> Floats:
        """See the function of this name."""
        # A positive item loses to the negatives strictly above its score, and half to those level with it: the mean
        # of the negatives above and of those at or above.
        upto = self.taken - self.hits
        opens = np.ones(self.truth.shape, bool)
        opens[:, 1:] = self.scores[:, 1:] != self.scores[:, :-1]
        above = np.where(opens, np.cumsum(~self.truth, axis=1) - ~self.truth, 0)
        if above.shape[1]:
            above = np.maximum.accumulate(above, axis=1)
        positives = self.truth.sum(1)
        pairs = positives * (self.truth.shape[1] - positives)
        return _ratio(pairs - (self.truth * (upto + above)).sum(1) / 2, pairs)


def sweep(truth: ArrayLike, scores: ArrayLike) -> Sweep:
    """Lower the threshold of every column of `(items, labels)` from its highest score to its lowest."""
    given = np.asarray(scores)
    t, s = np.asarray(truth, bool).T, np.ascontiguousarray(given.T, dtype=np.result_type(given, np.float32))
    order = np.argsort(-s, axis=1)
    t, s = np.take_along_axis(t, order, 1), np.take_along_axis(s, order, 1)
    count = t.shape[1]
    closes = np.ones(t.shape, bool)  # the last of a run of equal scores
    closes[:, :-1] = s[:, 1:] != s[:, :-1]
    last = np.minimum.accumulate(np.where(closes, np.arange(count), count)[:, ::-1], axis=1)[:, ::-1]
    hits = np.take_along_axis(np.cumsum(t, axis=1, dtype=np.int64), last, 1)
    return Sweep(t, s, last + 1, hits)


def average_precision(truth: ArrayLike, scores: ArrayLike) -> Floats:
    """Area under each precision-recall curve as a sum of steps, `(labels,)`. NaN without a positive item.

    >>> average_precision([[True], [False], [True]], [[0.9], [0.8], [0.7]])
    array([0.83333333])
    """
    return sweep(truth, scores).average_precision()


def roc_auc(truth: ArrayLike, scores: ArrayLike) -> Floats:
    """Area under each ROC curve, `(labels,)`: how often a positive item outscores a negative one, equal counting half.

    NaN without a positive or without a negative item.

    >>> roc_auc([[True], [False], [True], [False]], [[0.9], [0.8], [0.8], [0.1]])
    array([0.875])
    """
    return sweep(truth, scores).roc_auc()


def best_thresholds(truth: ArrayLike, scores: ArrayLike) -> Floats:
    """The score of each column `(labels,)` from which on deciding gives the best F1; the lowest such score of several.

    NaN without a positive item: there is nothing to choose by.

    >>> best_thresholds([[True], [False], [True], [False]], [[0.9], [0.8], [0.7], [0.1]])
    array([0.7])
    """
    found = sweep(truth, scores)
    chosen = np.full(len(found.truth), np.nan)
    some = found.truth.any(1)
    if some.any():
        f1 = 2 * found.hits / (found.taken + found.truth.sum(1, keepdims=True))
        last = f1.shape[1] - 1 - np.argmax(f1[:, ::-1], axis=1)
        chosen[some] = np.take_along_axis(found.scores, last[:, None], 1)[some, 0]
    return chosen


def _ratio(part: NDArray[np.number], whole: NDArray[np.number]) -> Floats:
    """`part / whole`, NaN where nothing was there."""
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) > 0)
