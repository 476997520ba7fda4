"""Protocols: a perfect model gets everything, a random one chance within its interval, the order changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ohrwurm.errors import DataError
from ohrwurm.evaluation.metrics.versions import ByRow
from ohrwurm.evaluation.protocols import described, probing, versions, words
from ohrwurm.models import registry
from ohrwurm.models.base import JointModel

RUNS = 20  # a 95 % interval misses chance in one of twenty; in four or more of twenty with probability 0.016


def labels(sizes: list[int]) -> list[str]:
    return [f"work {w}" for w, size in enumerate(sizes) for _ in range(size)]


def blobs(classes: list[str], spread: float, seed: int = 0) -> np.ndarray:
    """Vectors around one centre a class; `spread` 0: exactly on it."""
    rng = np.random.default_rng(seed)
    names, inverse = np.unique(classes, return_inverse=True)
    centres = rng.normal(size=(len(names), 8))
    return (centres[inverse] + spread * rng.normal(size=(len(classes), 8))).astype(np.float32)


# Versions ------------------------------------------------------------------------------------------------------------


def test_perfect_versions_get_one() -> None:
    works = labels([3, 2, 4, 1, 1])
    found = versions.evaluate((np.array(works)[:, None] == np.array(works)).astype(np.float32), works)
    for name in ("MAP", "MR1", "MRR", "Top-1", "Top-10"):
        figure = found.figures[name]
        assert (figure.value, figure.low, figure.high) == (1.0, 1.0, 1.0), name
    assert found.counts == {"recordings": 11, "queries": 9, "works with versions": 3}


def test_random_versions_are_chance_within_the_interval() -> None:
    works = labels([3] * 20 + [1] * 30)
    inside = 0
    for seed in range(RUNS):
        noise = np.random.default_rng(seed).normal(size=(len(works), len(works)))
        figure = versions.evaluate(noise, works, seed=seed).figures["MAP"]
        assert figure.low <= figure.value <= figure.high
        inside += figure.low <= figure.chance <= figure.high
    assert inside >= RUNS - 4


@given(st.permutations(range(9)))
@settings(max_examples=8, deadline=None)
def test_versions_do_not_depend_on_the_order_of_recordings(order: list[int]) -> None:
    works = np.array(labels([3, 2, 2, 1, 1]))
    near = np.random.default_rng(1).normal(size=(9, 9)).round(1)  # rounded: with ties
    plain, mixed = versions.evaluate(near, works), versions.evaluate(near[np.ix_(order, order)], works[order])
    for name, figure in plain.figures.items():
        other = mixed.figures[name]
        np.testing.assert_allclose(
            [other.value, other.low, other.high, other.chance], [figure.value, figure.low, figure.high, figure.chance],
            err_msg=name,
        )  # fmt: skip


def test_distractors_ask_nothing_but_stand_in_the_way() -> None:
    works = ["a", "a", "b"]
    near = np.array([[1.0, 0.5, 0.9], [0.5, 1.0, 0.2], [0.9, 0.2, 1.0]])
    found = versions.evaluate(near, works)
    assert found.counts["queries"] == 2
    assert found.figures["MAP"].value == pytest.approx((1 / 2 + 1) / 2)


def test_versions_are_compared_as_the_model_compares() -> None:
    """Chroma sequences of one tune in two keys are near by the model's own comparison and far by cosine."""
    model = registry.load("chroma-cross-correlation")
    rng = torch.Generator().manual_seed(0)
    tune = torch.randn(12, model.card.dim // 12, generator=rng)
    other = torch.randn(12, model.card.dim // 12, generator=rng)
    vectors = torch.stack([tune, tune.roll(5, 0), other]).flatten(1)
    vectors = torch.nn.functional.normalize(vectors, dim=1)
    rows = versions.similarities(model, vectors.numpy())
    assert isinstance(rows, ByRow)
    near = rows[0:3]
    assert near.shape == (3, 3)
    assert near[0, 1] == pytest.approx(1.0, abs=1e-3)
    assert near[0, 2] < 0.5
    assert float(vectors[0] @ vectors[1]) < 0.5


def test_versions_without_versions_are_refused() -> None:
    with pytest.raises(DataError, match="work_id"):
        versions.evaluate(np.eye(3), ["a", "b", "c"])


# Probe ---------------------------------------------------------------------------------------------------------------


def test_perfect_vectors_are_read_by_a_probe() -> None:
    classes = ["rock"] * 20 + ["pop"] * 20 + ["jazz"] * 20
    found = probing.evaluate(blobs(classes, 0.0), classes, [f"t{i}" for i in range(60)], repeats=1)
    assert (found.figures["accuracy"].value, found.figures["accuracy"].low) == (1.0, 1.0)
    assert found.details["recall"] == {"jazz": 1.0, "pop": 1.0, "rock": 1.0}


def test_a_probe_of_noise_is_chance_within_the_interval() -> None:
    classes, tracks = ["rock", "pop", "jazz"] * 30, [f"t{i:02}" for i in range(90)]
    inside = 0
    for seed in range(6):
        noise = np.random.default_rng(seed).normal(size=(90, 8)).astype(np.float32)
        figure = probing.evaluate(noise, classes, tracks, folds=3, repeats=1, seed=seed).figures["accuracy"]
        assert figure.chance == pytest.approx(1 / 3)
        inside += figure.low <= figure.chance <= figure.high
    # Stratified folds make noise a little worse than chance (a class drawn for the test lacks in training), so that a
    # few more than one of twenty intervals miss it.
    assert inside >= 4


def test_a_probe_does_not_depend_on_the_order_of_tracks() -> None:
    classes, tracks = ["rock", "pop"] * 20, [f"t{i:02}" for i in range(40)]
    vectors = blobs(classes, 2.0)
    plain = probing.evaluate(vectors, classes, tracks, folds=3, repeats=2)
    assert 0.5 < plain.figures["accuracy"].value < 1.0  # where a change of the splits would show
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(40)
        mixed = probing.evaluate(
            vectors[order], [classes[i] for i in order], [tracks[i] for i in order], folds=3, repeats=2
        )
        assert mixed == plain


def test_classes_of_unequal_size_have_the_largest_as_chance() -> None:
    classes = ["rock"] * 30 + ["pop"] * 10
    found = probing.evaluate(np.zeros((40, 4), np.float32), classes, [f"t{i:02}" for i in range(40)], repeats=1)
    accuracy, balanced = found.figures["accuracy"], found.figures["balanced accuracy"]
    assert (accuracy.chance, balanced.chance) == (0.75, 0.5)
    # Vectors that say nothing: the probe names the larger class and is worth chance in both figures.
    assert (accuracy.value, balanced.value) == (pytest.approx(0.75), pytest.approx(0.5))
    assert found.details["recall"] == {"pop": 0.0, "rock": 1.0}


def test_the_scale_of_vectors_does_not_matter_to_a_probe() -> None:
    classes, tracks = ["rock", "pop"] * 20, [f"t{i:02}" for i in range(40)]
    vectors = blobs(classes, 2.0)
    small = probing.evaluate(vectors / 1024, classes, tracks, folds=3, repeats=1)
    assert (
        small.figures["accuracy"] == probing.evaluate(vectors, classes, tracks, folds=3, repeats=1).figures["accuracy"]
    )


@pytest.mark.parametrize("classes", [["rock"] * 40, ["rock"] * 36 + ["pop"] * 4])
def test_a_class_that_cannot_be_split_is_refused(classes: list[str]) -> None:
    with pytest.raises(DataError, match="at least 10 tracks"):
        probing.evaluate(np.zeros((40, 4), np.float32), classes, [str(i) for i in range(40)])


# Described -----------------------------------------------------------------------------------------------------------


class Words(JointModel):
    """Knows three words, one an axis."""

    def encode_text(self, texts: list[str]) -> torch.Tensor:
        return torch.tensor([[float(word in text) for word in ("waltz", "ragtime", "whale")] for text in texts])


def test_descriptions_find_their_recordings() -> None:
    vectors = np.eye(3, dtype=np.float32)
    texts = {"c": "song of a whale", "a": "sweet waltz"}
    near = words.similarities(Words(), vectors * 7, list(texts.values()))
    np.testing.assert_allclose(near, [[0, 0, 1], [1, 0, 0]])
    found = described.evaluate(near, ["a", "b", "c"], texts)
    assert found.figures["R@1"].value == found.figures["mAP@10"].value == found.figures["MedR"].value == 1.0
    assert found.details["ranks"]["c"] == {"description": "song of a whale", "rank": 1.0}
    assert found.counts == {"recordings": 3, "queries": 2}


def test_random_descriptions_are_chance_within_the_interval() -> None:
    tracks = [f"t{i}" for i in range(80)]
    texts = {t: f"text {t}" for t in tracks[:60]}
    inside = {"R@10": 0, "MedR": 0}
    for seed in range(RUNS):
        found = described.evaluate(np.random.default_rng(seed).normal(size=(60, 80)), tracks, texts, seed=seed)
        assert found.figures["R@10"].chance == pytest.approx(10 / 80)
        assert found.figures["MedR"].chance == pytest.approx(40.5)
        for name in inside:
            inside[name] += found.figures[name].low <= found.figures[name].chance <= found.figures[name].high
    assert min(inside.values()) >= RUNS - 4


@given(st.permutations(range(6)), st.permutations(range(4)))
@settings(max_examples=8, deadline=None)
def test_described_does_not_depend_on_any_order(columns: list[int], rows: list[int]) -> None:
    tracks = [f"t{i}" for i in range(6)]
    near = np.random.default_rng(2).normal(size=(4, 6)).round(1)
    plain = described.evaluate(near, tracks, {t: t for t in tracks[:4]})
    mixed = described.evaluate(
        near[np.ix_(rows, columns)], [tracks[i] for i in columns], {tracks[i]: tracks[i] for i in rows}
    )
    assert mixed.details == plain.details
    for name, figure in plain.figures.items():
        other = mixed.figures[name]
        np.testing.assert_allclose([other.value, other.low, other.high], [figure.value, figure.low, figure.high])


def test_equal_recordings_share_the_rank() -> None:
    found = described.evaluate(np.zeros((1, 5)), list("abcde"), {"b": "anything"})
    assert found.details["ranks"]["b"]["rank"] == 3.0  # the middle of 1 to 5, not 1


def test_a_description_of_nothing_is_refused() -> None:
    with pytest.raises(DataError, match="caption"):
        described.evaluate(np.zeros((0, 2)), ["a", "b"], {})
    with pytest.raises(DataError, match="'c' is not among"):
        described.evaluate(np.zeros((1, 2)), ["a", "b"], {"c": "text"})
