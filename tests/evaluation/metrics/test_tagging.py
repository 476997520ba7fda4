"""Tagging metrics are scikit-learn's and the published ones, and say which labels they could not measure."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import average_precision_score, f1_score, precision_recall_curve, roc_auc_score

from ohrwurm.errors import DataError
from ohrwurm.evaluation.metrics import curves, tagging

GRID = arrays.arrays(np.int8, st.tuples(st.integers(2, 12), st.integers(1, 4)), elements=st.integers(0, 5))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.fixture
def ttmr(golden, golden_fill):
    """The published metrics with their truth and scores `(100, 30)`."""
    g, fill = golden("ttmr_muscall/ttmr_metrics_tags"), golden_fill("ttmr_muscall")
    shape = int(g["n"]), int(g["k"])
    truth = fill.binary_labels(int(g["seeds"][0]), *shape, 0.15)
    return g, truth, fill.normal(int(g["seeds"][1]), shape) + np.float32(0.9) * truth


def test_equals_published_tag_retrieval(ttmr) -> None:
    g, truth, logits = ttmr
    found, each = tagging.evaluate(truth, logits), tagging.per_label(truth, logits)
    assert found["ROC-AUC"] == pytest.approx(float(g["roc_auc"]), abs=1e-6)
    assert found["PR-AUC"] == pytest.approx(float(g["pr_auc"]), abs=1e-6)
    np.testing.assert_allclose(each["ROC-AUC"], g["tag_roc"], atol=1e-6)
    np.testing.assert_allclose(each["PR-AUC"], g["tag_pr"], atol=1e-6)


def test_equals_published_thresholds_and_their_f1(ttmr) -> None:
    g, truth, logits = ttmr
    scores = sigmoid(logits)
    thresholds = curves.best_thresholds(truth, scores)
    np.testing.assert_allclose(thresholds, g["thresholds"], atol=1e-6)
    decisions = tagging.decide(scores, thresholds, strict=True)
    np.testing.assert_array_equal(decisions, g["best_decisions"])
    assert tagging.f1(truth, decisions).mean() == pytest.approx(float(g["macro_f1_best"]), abs=1e-6)
    corrected = tagging.evaluate(truth, scores, thresholds)["F1"]
    assert corrected > float(g["macro_f1_best"])  # the track that gave the threshold is no longer lost


def test_equals_published_zero_shot_tagging(golden, golden_fill) -> None:
    g, fill = golden("ttmr_muscall/muscall_metrics_zeroshot"), golden_fill("ttmr_muscall")
    truth = fill.binary_labels(int(g["seeds"][0]), int(g["n"]), 9, 0.3)
    found = tagging.evaluate(truth, fill.normal(int(g["seeds"][1]), truth.shape) + np.float32(0.8) * truth)
    assert found["ROC-AUC"] == pytest.approx(float(g["roc"]), abs=1e-6)
    assert found["PR-AUC"] == pytest.approx(float(g["ap"]), abs=1e-6)


def test_equals_published_probe_metrics_with_ties(golden, golden_json) -> None:
    g, published = golden("tune/jukemir_metrics"), golden_json("tune/jukemir_metrics")["magnatagatune"]
    found = tagging.evaluate(g["magnatagatune/y"], sigmoid(g["magnatagatune/logits"]))
    assert found["ROC-AUC"] == pytest.approx(published["auc_roc"], abs=1e-6)
    assert found["PR-AUC"] == pytest.approx(published["ap"], abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(GRID, st.integers(0, 2**32 - 1))
def test_equals_scikit_learn_on_any_scores_with_ties(levels, seed: int) -> None:
    truth = np.random.default_rng(seed).random(levels.shape) < 0.4
    each, empty = tagging.per_label(truth, levels), tagging.gaps(truth)
    thresholds = curves.best_thresholds(truth, levels)
    for i in range(levels.shape[1]):
        t, s = truth[:, i], levels[:, i]
        if not t.any():
            assert math.isnan(each["PR-AUC"][i])
            assert math.isnan(thresholds[i])
            assert str(i) in empty["labels without positives"]
            continue
        assert each["PR-AUC"][i] == pytest.approx(average_precision_score(t, s))
        best = max(f1_score(t, s >= c) for c in precision_recall_curve(t, s)[2])
        assert f1_score(t, s >= thresholds[i]) == pytest.approx(best)
        if t.all():
            assert math.isnan(each["ROC-AUC"][i])
            assert str(i) in empty["labels without negatives"]
        else:
            assert each["ROC-AUC"][i] == pytest.approx(roc_auc_score(t, s))


@settings(max_examples=30, deadline=None)
@given(GRID, st.integers(0, 2**32 - 1))
def test_does_not_depend_on_the_order_of_tracks_or_labels(levels, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.random(levels.shape) < 0.4
    rows, columns = rng.permutation(len(truth)), rng.permutation(truth.shape[1])
    shuffled = tagging.evaluate(truth[rows][:, columns], levels[rows][:, columns], 3)
    assert shuffled == pytest.approx(tagging.evaluate(truth, levels, 3), nan_ok=True)


def test_micro_and_macro_equal_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth, scores = rng.random((80, 7)) < 0.3, rng.integers(9, size=(80, 7)) / 8
    found = tagging.evaluate(truth, scores, 0.5)
    for form, name in (("macro", ""), ("micro", " (micro)")):
        assert found[f"ROC-AUC{name}"] == pytest.approx(roc_auc_score(truth, scores, average=form))
        assert found[f"PR-AUC{name}"] == pytest.approx(average_precision_score(truth, scores, average=form))
        assert found[f"F1{name}"] == pytest.approx(f1_score(truth, scores >= 0.5, average=form))


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int64, np.float16, np.float64])
def test_scores_of_any_kind_of_number_rank_alike(kind: type) -> None:
    rng = np.random.default_rng(2)
    truth, scores = rng.random((30, 3)) < 0.4, rng.integers(2, size=(30, 3))
    assert tagging.evaluate(truth, scores.astype(kind), 1) == tagging.evaluate(truth, scores.astype(float), 1)


def test_a_label_without_positives_is_counted_and_named_not_averaged() -> None:
    rng = np.random.default_rng(1)
    truth, scores = rng.random((40, 3)) < 0.4, rng.random((40, 3))
    holed = np.concatenate([truth, np.zeros((40, 1)), np.ones((40, 1))], 1)
    found = tagging.evaluate(holed, np.concatenate([scores, scores[:, :2]], 1), 0.5)
    assert found["ROC-AUC"] == pytest.approx(tagging.evaluate(truth, scores)["ROC-AUC"])
    assert (found["labels"], found["labels without positives"], found["labels without negatives"]) == (5, 1, 1)
    assert tagging.gaps(holed, list("abcde")) == {"labels without positives": ["d"], "labels without negatives": ["e"]}


def test_a_threshold_never_decides_for_a_label_that_had_none() -> None:
    thresholds = curves.best_thresholds([[1, 0], [0, 0]], [[0.5, 0.9], [0.1, 0.8]])
    assert not tagging.decide(np.ones((3, 2)), thresholds)[:, 1].any()


def test_chance_is_what_random_scores_get() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((2000, 5)) < 0.3
    runs = [tagging.evaluate(truth, rng.random(truth.shape)) for _ in range(30)]
    for name, value in tagging.chance(truth).items():
        assert value == pytest.approx(np.mean([r[name] for r in runs]), abs=0.004)


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (4, 0), (4, 3)])
def test_nothing_to_measure_is_not_a_number(shape: tuple[int, int]) -> None:
    found = tagging.evaluate(np.zeros(shape), np.zeros(shape), 0.5)
    assert all(math.isnan(v) for name, v in found.items() if not name.startswith("labels"))
    assert found["labels without positives"] == shape[1]
    assert all(math.isnan(v) for v in tagging.chance(np.zeros(shape)).values())


def test_wrong_input_is_refused() -> None:
    with pytest.raises(DataError, match="label 1 for track 0 is nan"):
        tagging.evaluate([[1, 0]], [[0.5, math.nan]])
    with pytest.raises(DataError, match="shape"):
        tagging.evaluate([[1, 0]], [[0.5]])
    with pytest.raises(DataError, match="0 and 1"):
        tagging.evaluate([[2, 0]], [[0.5, 0.5]])
    with pytest.raises(DataError, match="names"):
        tagging.gaps([[1, 0]], ["rock"])
