"""Version metrics are the published ones in legacy mode, and the corrected ones by default."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ohrwurm.errors import DataError
from ohrwurm.evaluation.metrics import versions

CASES = [(c, d) for c in "ab" for d in ("euc", "cos", "pear")]


PRINTED = ("MAP", "MRR", "MR1", "Top-1", "Top-10")


@pytest.mark.parametrize("depth", [None, 10])
@pytest.mark.parametrize(("case", "distance"), CASES)
def test_legacy_equals_published(golden, case: str, distance: str, depth: int | None) -> None:
    g = golden("remove/metrics")
    found = versions.evaluate(-g[f"{case}_{distance}_dist"], g[f"{case}_labels"], legacy=True, depth=depth)
    published = g[f"{case}_{distance}_metrics" + ("_k10" if depth else "")]
    # the published ones are sums in float32
    assert [found[name] for name in PRINTED] == pytest.approx(published.tolist(), rel=2e-6)


def test_top_10_counts_queries_or_versions() -> None:
    labels = np.repeat(np.arange(6), 3)
    same = (labels[:, None] == labels[None]).astype(float)
    found = versions.evaluate(same, labels, legacy=True)
    assert (found["Top-1"], found["Top-10"], found["Top-10 (queries)"]) == (18, 36, 18)
    assert versions.evaluate(same, labels, legacy=True, depth=1)["Top-10"] == 18


@pytest.mark.parametrize(("case", "distance"), CASES)
def test_default_leaves_out_queries_without_versions(golden, case: str, distance: str) -> None:
    g = golden("remove/metrics")
    labels = g[f"{case}_labels"]
    found = versions.evaluate(-g[f"{case}_{distance}_dist"], labels)
    mrr, mr1 = g[f"{case}_{distance}_fixed_mrr_mr1"]
    assert found["MRR"] == pytest.approx(mrr, rel=1e-6)
    assert found["MR1"] == pytest.approx(mr1, rel=1e-6)
    each = versions.per_query(-g[f"{case}_{distance}_dist"], labels)["MAP"]
    np.testing.assert_allclose(each[~np.isnan(each)], g[f"{case}_{distance}_ap"], rtol=1e-6)
    assert int((~np.isnan(each)).sum()) == int(g[f"{case}_n_queries_with_versions"])


def test_a_recording_never_finds_itself() -> None:
    similarity = np.array([[-9.0, 0.1, 0.2], [0.1, 9.0, 0.2], [0.3, 0.4, 9.0]])
    labels = ["a", "a", "b"]
    expected = versions.evaluate(similarity, labels)
    np.fill_diagonal(similarity, [5.0, -5.0, 0.0])
    assert versions.evaluate(similarity, labels) == expected
    assert expected["MR1"] == 2.0


def test_does_not_depend_on_the_order_of_recordings_even_with_ties() -> None:
    rng = np.random.default_rng(0)
    similarity, labels = rng.integers(3, size=(40, 40)).astype(float), rng.integers(12, size=40)
    order = rng.permutation(40)
    for legacy in (False, True):
        shuffled = versions.evaluate(similarity[order][:, order], labels[order], legacy=legacy)
        assert shuffled == pytest.approx(versions.evaluate(similarity, labels, legacy=legacy))


def test_perfect_and_worst() -> None:
    labels = np.repeat(np.arange(6), 3)
    same = (labels[:, None] == labels[None]).astype(float)
    perfect = versions.evaluate(same, labels)
    assert perfect == {"MAP": 1.0, "MR1": 1.0, "MRR": 1.0, "Top-1": 1.0, "Top-10": 1.0, "P@10": pytest.approx(0.2)}
    worst = versions.evaluate(-same, labels)
    assert worst["MR1"] == 16.0  # behind all 15 strangers
    assert worst["Top-10"] == 0.0


def test_chance_is_a_constant_similarity_and_the_mean_of_random_ones() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(25, size=60)
    expected = versions.chance(labels)
    assert versions.evaluate(np.ones((60, 60)), labels) == pytest.approx(expected)
    runs = [versions.evaluate(rng.random((60, 60)), labels) for _ in range(200)]
    for name, value in expected.items():
        values = [r[name] for r in runs]
        assert value == pytest.approx(np.mean(values), abs=5 * np.std(values) / math.sqrt(len(values)))


@pytest.mark.parametrize("count", [0, 1, 4])
def test_no_versions_is_not_a_number(count: int) -> None:
    labels = np.arange(count)
    for found in (versions.evaluate(np.eye(count), labels), versions.chance(labels)):
        assert all(math.isnan(v) for v in found.values())


def test_wrong_input_is_refused() -> None:
    with pytest.raises(DataError, match="labels"):
        versions.evaluate(np.zeros((3, 3)), ["a", "b"])
    with pytest.raises(DataError, match="NaN"):
        versions.evaluate(np.full((2, 2), np.nan), ["a", "a"])
    with pytest.raises(DataError, match="references"):
        versions.evaluate(np.zeros((2, 3)), ["a", "b"], references=["a", "b"])
    with pytest.raises(ValueError, match="depth"):
        versions.evaluate(np.eye(2), ["a", "a"], depth=10)


def test_other_recordings_may_be_searched() -> None:
    rng = np.random.default_rng(0)
    similarity, labels = rng.integers(4, size=(20, 20)).astype(float), rng.integers(6, size=20)
    rows, columns = np.arange(8), np.arange(8, 20)  # the queries are not among what is searched
    searched = versions.evaluate(similarity[rows][:, columns], labels[rows], labels[columns])
    apart = similarity.copy()
    apart[:, rows] = -9.0  # the same, as a square in which the other queries come last and belong to no work
    works = np.where(np.arange(20) < 8, -1 - np.arange(20), labels)
    each = [versions.per_query(apart, np.where(np.arange(20) == i, labels, works)) for i in rows]
    for name, value in searched.items():
        assert value == pytest.approx(np.nanmean([e[name][i] for i, e in zip(rows, each, strict=True)]))
    assert versions.evaluate(np.ones((8, 12)), labels[rows], labels[columns]) == pytest.approx(
        versions.chance(labels[rows], labels[columns])
    )
