"""R2 is scikit-learn's and jukemir's, and undefined where the truth does not vary."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import r2_score

from ohrwurm.errors import DataError
from ohrwurm.evaluation.metrics import regression


def test_equals_published_emotion_scores(golden, golden_json) -> None:
    g, published = golden("tune/jukemir_metrics"), golden_json("tune/jukemir_metrics")["emomusic"]
    found = regression.evaluate(g["emomusic/y"], g["emomusic/pred"], ["arousal", "valence"])
    assert found["R2"] == pytest.approx(published["r2"], abs=1e-6)
    assert found["R2 (arousal)"] == pytest.approx(published["arousal_r2"], abs=1e-6)
    assert found["R2 (valence)"] == pytest.approx(published["valence_r2"], abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 30), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_equals_scikit_learn_in_any_order_of_tracks(tracks: int, outputs: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(tracks, outputs)) * 10 + 100
    estimate, order = truth + rng.normal(size=truth.shape), rng.permutation(tracks)
    expected = r2_score(truth, estimate, multioutput="raw_values")
    np.testing.assert_allclose(regression.r2(truth, estimate), expected, rtol=1e-9)
    np.testing.assert_allclose(regression.r2(truth[order], estimate[order]), expected, rtol=1e-9)
    assert regression.evaluate(truth, estimate)["R2"] == pytest.approx(r2_score(truth, estimate))


def test_a_constant_truth_is_not_a_number_and_not_skipped() -> None:
    found = regression.evaluate([[0.1, 1.0], [0.1, 2.0], [0.1, 3.0]], [[0.1, 1.0], [0.1, 2.0], [0.1, 3.0]])
    assert math.isnan(found["R2 (0)"])
    assert found["R2 (1)"] == 1.0
    assert math.isnan(found["R2"])


def test_answering_the_mean_is_chance() -> None:
    truth = np.random.default_rng(0).normal(size=(20, 2))
    assert regression.evaluate(truth, np.broadcast_to(truth.mean(0), truth.shape))["R2"] == pytest.approx(0)
    assert regression.chance(truth)["R2"] == pytest.approx(0)


@pytest.mark.parametrize("shape", [(0,), (0, 2), (1, 2), (3, 0)])
def test_nothing_to_explain_is_not_a_number(shape: tuple[int, ...]) -> None:
    assert all(math.isnan(v) for v in regression.evaluate(np.ones(shape), np.ones(shape)).values())
    assert math.isnan(regression.chance(np.ones(shape))["R2"])


def test_wrong_input_is_refused() -> None:
    with pytest.raises(DataError, match="estimate of track 1 is NaN"):
        regression.evaluate([1.0, 2.0], [1.0, math.nan])
    with pytest.raises(DataError, match="tracks, outputs"):
        regression.evaluate([1.0, 2.0], [1.0])
    with pytest.raises(DataError, match="names"):
        regression.evaluate([1.0, 2.0], [1.0, 2.0], ["arousal", "valence"])
