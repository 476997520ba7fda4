"""Version metrics are the published ones in legacy mode, and the corrected ones by default."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ohrwurm.errors import DataError
from ohrwurm.evaluation.metrics import versions

CASES = [(c, d) for c in "ab" for d in ("euc", "cos", "pear")]


@pytest.mark.parametrize(("case", "distance"), CASES)
def test_legacy_equals_published(golden, case: str, distance: str) -> None:
    g = golden("remove/metrics")
    found = versions.evaluate(-g[f"{case}_{distance}_dist"], g[f"{case}_labels"], legacy=True)
    published = dict(zip(("MAP", "MRR", "MR1", "Top-1", "Top-10"), g[f"{case}_{distance}_metrics"], strict=True))
    assert found == pytest.approx(published, rel=2e-6)  # the published ones are sums in float32


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
