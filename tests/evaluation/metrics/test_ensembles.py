"""Songs from clips as jukemir makes them, in any order of the clips (CLMR's: see `test_published_protocols`)."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ohrwurm.errors import DataError
from ohrwurm.evaluation.metrics import classification, ensembles, key


def weighted(truth, answers) -> float:
    return float(key.weighted_scores(truth, answers).mean())


@pytest.fixture
def giantsteps(golden, golden_json):
    """Logits, songs and truth of the clips of a split, and the published metrics."""
    g, published = golden("tune/jukemir_metrics"), golden_json("tune/jukemir_metrics")

    def split(name: str):
        at = "giantsteps_clips/"
        songs = [uid.split("-")[0] for uid in g[f"{at}{name}_uids"]]
        return g[f"{at}{name}_logits"], songs, g[f"{at}{name}_y"], published[at + name]

    return split


@pytest.mark.parametrize("name", ["valid", "test"])
def test_every_ensemble_equals_the_published_one(giantsteps, name: str) -> None:
    logits, songs, truth, published = giantsteps(name)
    true = ensembles.song_truth(truth, songs)
    assert classification.evaluate(truth, logits)["accuracy"] == pytest.approx(published["clip_accuracy"], abs=1e-6)
    assert weighted(truth, logits.argmax(1)) == pytest.approx(published["clip_score"], abs=1e-6)
    for strategy in ensembles.STRATEGIES:
        answers = ensembles.answers(logits, songs, strategy)
        assert (true == answers).mean() == pytest.approx(published[f"ensemble_{strategy}_accuracy"], abs=1e-6)
        assert weighted(true, answers) == pytest.approx(published[f"ensemble_{strategy}_score"], abs=1e-6)


def test_the_strategy_is_chosen_on_the_validation_songs_and_reported_on_the_test_songs(giantsteps) -> None:
    logits, songs, truth, _ = giantsteps("valid")
    strategy = ensembles.choose(logits, songs, truth, weighted)
    logits, songs, truth, published = giantsteps("test")
    true, answers = ensembles.song_truth(truth, songs), ensembles.answers(logits, songs, strategy)
    assert weighted(true, answers) == pytest.approx(published["score"], abs=1e-6)
    assert (true == answers).mean() == pytest.approx(published["accuracy"], abs=1e-6)


@pytest.mark.parametrize("strategy", ensembles.STRATEGIES)
def test_does_not_depend_on_the_order_of_clips(strategy) -> None:
    rng = np.random.default_rng(0)
    logits, songs, order = rng.integers(4, size=(60, 5)).astype(float), rng.integers(9, size=60), rng.permutation(60)
    found = ensembles.scores(logits, songs, strategy)
    np.testing.assert_allclose(ensembles.scores(logits[order], songs[order], strategy), found)


@pytest.mark.parametrize("strategy", ensembles.STRATEGIES)
def test_one_clip_a_song_is_the_clips_own_answer(strategy) -> None:
    logits = np.random.default_rng(0).normal(size=(20, 6))
    np.testing.assert_array_equal(ensembles.answers(logits, np.arange(20), strategy), logits.argmax(1))


def test_equal_votes_go_to_the_lowest_numbered_class() -> None:
    assert ensembles.answers([[0, 0, 1], [0, 1, 0], [0, 0, 1], [0, 1, 0]], ["a"] * 4, "vote") == 1


def test_huge_logits_do_not_overflow() -> None:
    with np.errstate(over="raise", invalid="raise"):
        found = ensembles.probabilities([[1e4, -1e4]], ["a"], several=False)
    np.testing.assert_array_equal(found, [[1.0, 0.0]])


@pytest.mark.parametrize("strategy", ensembles.STRATEGIES)
def test_no_clips_are_no_songs(strategy) -> None:
    assert ensembles.scores(np.zeros((0, 4)), np.zeros(0, str), strategy).shape == (0, 4)
    assert ensembles.answers(np.zeros((0, 4)), np.zeros(0, str), strategy).shape == (0,)
    assert ensembles.probabilities(np.zeros((0, 4)), np.zeros(0, str), several=True).shape == (0, 4)


def test_wrong_input_is_refused() -> None:
    with pytest.raises(DataError, match="song b"):
        ensembles.scores([[0.0, 1.0], [0.0, math.nan]], ["a", "b"], "max")
    with pytest.raises(DataError, match="song a are labelled"):
        ensembles.song_truth([1, 2], ["a", "a"])
    with pytest.raises(DataError, match="one song a clip"):
        ensembles.scores([[0.0, 1.0]], ["a", "b"], "max")
    with pytest.raises(ValueError, match="vote"):
        ensembles.scores([[0.0, 1.0]], ["a"], "median")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="no score"):
        ensembles.choose(np.zeros((0, 4)), np.zeros(0, str), np.zeros(0, int), lambda t, a: float("nan"))
