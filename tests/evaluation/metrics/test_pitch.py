"""Pitch-class metrics against scikit-learn, and at the edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score

from ohrwurm.errors import DataError
from ohrwurm.evaluation.metrics import pitch


@pytest.mark.parametrize("levels", [5, 10_000])
def test_equals_scikit_learn_with_and_without_ties(levels: int) -> None:
    rng = np.random.default_rng(levels)
    truth = rng.random((200, 12)) < 0.3
    estimate = np.clip((rng.integers(levels, size=(200, 12)) / levels + 0.3 * truth) / 1.3, 0, 1)
    found = pitch.evaluate(truth, estimate)
    t, e = truth.ravel(), estimate.ravel()
    assert found["precision"] == pytest.approx(precision_score(t, e > 0.5))
    assert found["recall"] == pytest.approx(recall_score(t, e > 0.5))
    assert found["F1"] == pytest.approx(f1_score(t, e > 0.5))
    assert found["AP"] == pytest.approx(average_precision_score(t, e))
    assert found["AP (mean of classes)"] == pytest.approx(average_precision_score(truth, estimate, average="macro"))


def test_does_not_depend_on_the_order_of_frames() -> None:
    rng = np.random.default_rng(0)
    truth, estimate, order = rng.random((50, 12)) < 0.3, rng.integers(3, size=(50, 12)) / 2, rng.permutation(50)
    assert pitch.evaluate(truth[order], estimate[order]) == pytest.approx(pitch.evaluate(truth, estimate))


def test_silence_and_nothing_are_not_a_number_where_undefined() -> None:
    assert all(math.isnan(v) for v in pitch.evaluate(np.zeros((0, 12)), np.zeros((0, 12))).values())
    false_alarms = pitch.evaluate(np.zeros((4, 12)), np.ones((4, 12)))
    assert false_alarms["precision"] == 0.0
    assert false_alarms["F1"] == 0.0
    assert math.isnan(false_alarms["recall"])
    missed = pitch.evaluate(np.ones((4, 12)), np.zeros((4, 12)))
    assert missed["recall"] == 0.0
    assert math.isnan(missed["precision"])


def test_wrong_input_is_refused() -> None:
    with pytest.raises(DataError, match="12"):
        pitch.evaluate(np.zeros((12, 50)), np.zeros((12, 50)))
    with pytest.raises(DataError, match="NaN"):
        pitch.evaluate(np.zeros((1, 12)), np.full((1, 12), np.nan))
