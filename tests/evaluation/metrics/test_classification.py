"""Accuracy is scikit-learn's and the published one; shared highest scores count in parts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from ohrwurm.errors import DataError
from ohrwurm.evaluation.metrics import classification


def test_equals_published_accuracies(golden, golden_json, golden_fill) -> None:
    g, published = golden("tune/jukemir_metrics"), golden_json("tune/jukemir_metrics")["gtzan_ff"]
    found = classification.evaluate(g["gtzan_ff/y"], g["gtzan_ff/logits"])
    assert found["accuracy"] == pytest.approx(published["accuracy"], abs=1e-6)

    fill = golden_fill("ttmr_muscall")
    for file, name, scale in (
        ("ttmr_metrics_tags", "multiclass_acc", 1.2),
        ("muscall_metrics_zeroshot", "gtzan_acc", 1.3),
    ):
        g = golden(f"ttmr_muscall/{file}")
        truth = fill.rng(int(g["seeds"][2])).integers(0, 10, int(g["n"]))
        scores = fill.normal(int(g["seeds"][3]), (len(truth), 10)) + scale * np.eye(10)[truth]
        assert classification.evaluate(truth, scores)["accuracy"] == pytest.approx(float(g[name]), abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.integers(2, 6), st.integers(0, 2**32 - 1))
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true", "ignore:A single label was found")
def test_equals_scikit_learn_in_any_order(tracks: int, classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, scores = rng.integers(classes, size=tracks), rng.random((tracks, classes))
    found = classification.evaluate(truth, scores)
    assert found["accuracy"] == pytest.approx(accuracy_score(truth, scores.argmax(1)))
    assert found["balanced accuracy"] == pytest.approx(balanced_accuracy_score(truth, scores.argmax(1)))
    assert found["classes without tracks"] == classes - len(np.unique(truth))

    tied = np.round(scores * 3)
    order, names = rng.permutation(tracks), rng.permutation(classes)
    shuffled = classification.evaluate(np.argsort(names)[truth[order]], tied[order][:, names])
    assert shuffled == pytest.approx(classification.evaluate(truth, tied))


def test_all_scores_equal_is_a_draw_among_the_classes() -> None:
    assert classification.evaluate([0, 1, 2, 2], np.zeros((4, 4)))["accuracy"] == pytest.approx(1 / 4)


def test_chance_is_the_largest_class() -> None:
    truth = np.repeat([0, 1, 2], [6, 3, 1])
    always = np.zeros((10, 3))
    always[:, 0] = 1
    found = classification.evaluate(truth, always)
    expected = classification.chance(truth)
    assert (found["accuracy"], found["balanced accuracy"]) == (expected["accuracy"], expected["balanced accuracy"])


def test_nothing_is_not_a_number() -> None:
    found = classification.evaluate(np.zeros(0, int), np.zeros((0, 3)))
    assert math.isnan(found["accuracy"])
    assert math.isnan(found["balanced accuracy"])
    assert found["classes without tracks"] == 3
    assert math.isnan(classification.chance([])["accuracy"])


def test_wrong_input_is_refused() -> None:
    with pytest.raises(DataError, match="track 1 hold NaN"):
        classification.evaluate([0, 0], [[0.5, 0.5], [0.5, math.nan]])
    for truth in ([2], [-1], [0.5], ["rock"]):
        with pytest.raises(DataError, match="class numbers"):
            classification.evaluate(truth, [[0.5, 0.5]])
    with pytest.raises(DataError, match="tracks, classes"):
        classification.evaluate([0, 1], [[0.5, 0.5]])
