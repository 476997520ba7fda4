"""Counting in blocks of vectors gives what sorting all similarities gives: ties, duplicates, strangers, any block."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ohrwurm.errors import DataError
from ohrwurm.evaluation.metrics import compared, streaming, versions
from ohrwurm.evaluation.metrics.compared import Compared, Comparison, Factors
from ohrwurm.evaluation.metrics.ranking import standing
from ohrwurm.evaluation.metrics.streaming import ByRow, standing_of_vectors

COMPARISONS: tuple[Comparison, ...] = ("cosine", "euclidean", "pearson")
PRINTED = ("MAP", "MRR", "MR1", "Top-1", "Top-10")
GOLDEN: dict[str, Comparison] = {"euc": "euclidean", "cos": "cosine", "pear": "pearson"}


def all_pairs(x: NDArray[np.float32], comparison: Comparison) -> NDArray[np.float64]:
    """The exact similarities, pair by pair."""
    factors = Factors(x, comparison)
    i, j = np.indices((len(x), len(x))).reshape(2, -1)
    return factors.exact(i, j).reshape(len(x), len(x))


def collection(seed: int, *, n: int = 90, dim: int = 6) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Vectors of few different values: equal similarities, duplicates, zeros; works of all sizes."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-1, 2, size=(n, dim)).astype(np.float32)
    x[3], x[20], x[40] = 0.0, x[21], x[41]
    works = np.concatenate([np.repeat([0, 1, 2, 3], [17, 5, 2, 2]), 10 + rng.integers(n // 2, size=n - 26)])
    order = rng.permutation(n)
    return x, works[order]


def same(one: dict[str, NDArray[np.floating]], other: dict[str, NDArray[np.floating]]) -> None:
    for name, values in other.items():
        np.testing.assert_allclose(one[name], values, rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("comparison", COMPARISONS)
def test_same_as_sorting_all_similarities(comparison: Comparison, seed: int) -> None:
    x, works = collection(seed)
    expected = versions.per_query(all_pairs(x, comparison), works)
    for block in (7, 32, 90, 1000):
        same(versions.figures(standing_of_vectors(Compared(x, comparison), works, works, (1, 10), block)), expected)
    same(versions.per_query(Compared(x, comparison), works), expected)


@pytest.mark.parametrize("comparison", COMPARISONS)
def test_same_in_any_order(comparison: Comparison) -> None:
    x, works = collection(5)
    order = np.random.default_rng(1).permutation(len(x))
    before = versions.per_query(Compared(x, comparison), works)
    after = versions.per_query(Compared(x[order], comparison), works[order])
    same(after, {name: values[order] for name, values in before.items()})


def test_large_works_are_sorted_in_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    x, works = collection(2)
    expected = versions.per_query(Compared(x), works)
    monkeypatch.setattr(streaming, "PASSES", 1)
    same(versions.per_query(Compared(x), works), expected)
    monkeypatch.setattr(streaming, "AGAIN", 3)  # what is looked at again does not wait for the end
    same(versions.per_query(Compared(x), works), expected)


def test_products_off_by_their_rounding_decide_nothing() -> None:
    """Similarities that differ by less than float32 can tell are still ranked exactly."""
    rng = np.random.default_rng(0)
    base = rng.standard_normal(40)
    x = (base + 1e-4 * rng.standard_normal((60, 40))).astype(np.float32)
    works = np.arange(60) // 3
    exact = all_pairs(x, "cosine")
    rough = x @ x.T
    assert not np.array_equal(np.argsort(exact, axis=1), np.argsort(rough, axis=1))
    same(versions.per_query(Compared(x), works), versions.per_query(exact, works))


@pytest.mark.parametrize("comparison", COMPARISONS)
def test_products_off_by_more_than_expected_are_noticed(
    comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    base = rng.standard_normal(40)
    x = (base + 1e-4 * rng.standard_normal((60, 40))).astype(np.float32)
    works = np.arange(60) // 3
    trusts = []
    real = streaming._Counts.run
    monkeypatch.setattr(streaming._Counts, "run", lambda self: (trusts.append(self.trust), real(self))[1])
    monkeypatch.setattr(compared, "ROUNDING32", 1e-14)
    same(versions.per_query(Compared(x, comparison), works), versions.per_query(all_pairs(x, comparison), works))
    assert trusts[0] == 1.0
    assert len(trusts) > 1


def test_constant_vectors_are_all_tied() -> None:
    works = np.arange(50) // 2
    for x in (np.ones((50, 4), np.float32), np.zeros((50, 4), np.float32)):
        for comparison in COMPARISONS:
            assert versions.evaluate(Compared(x, comparison), works) == pytest.approx(versions.chance(works))


@pytest.mark.parametrize("depth", [None, 10])
@pytest.mark.parametrize("case", ["a", "b"])
@pytest.mark.parametrize("distance", GOLDEN)
def test_published_numbers_from_vectors(golden, case: str, distance: str, depth: int | None) -> None:
    g = golden("remove/metrics")
    near, labels = Compared(g[f"{case}_emb"], GOLDEN[distance]), g[f"{case}_labels"]
    found = versions.evaluate(near, labels, legacy=True, depth=depth)
    published = g[f"{case}_{distance}_metrics" + ("_k10" if depth else "")]
    assert [found[name] for name in PRINTED] == pytest.approx(published.tolist(), rel=2e-6)
    corrected = versions.evaluate(near, labels)
    assert [corrected["MRR"], corrected["MR1"]] == pytest.approx(g[f"{case}_{distance}_fixed_mrr_mr1"], rel=1e-6)
    each = versions.per_query(near, labels)["MAP"]
    np.testing.assert_allclose(each[~np.isnan(each)], g[f"{case}_{distance}_ap"], rtol=1e-6)


@pytest.mark.parametrize("comparison", COMPARISONS)
def test_other_recordings_may_be_searched(comparison: Comparison) -> None:
    x, works = collection(4)
    asking, searched = np.arange(0, 60, 2), np.arange(30, 90)  # some are among both
    dense = all_pairs(x, comparison)[np.ix_(asking, searched)]
    own = np.where(asking >= 30, asking - 30, -1)
    expected = standing(dense, lambda rows: works[asking][rows, None] == works[searched], (1, 10), own=own)
    near = Compared(x, comparison).between(asking, searched)
    for block in (1, 16, 200):
        same(
            versions.figures(standing_of_vectors(near, works[asking], works[searched], (1, 10), block)),
            versions.figures(expected),
        )
    rows = ByRow(lambda i: all_pairs(x, comparison)[i], len(x)).between(asking, searched)
    same(versions.per_query(rows, works[asking], works[searched]), versions.figures(expected))


def test_row_by_row_is_the_matrix() -> None:
    rng = np.random.default_rng(0)
    similarity, works = rng.integers(4, size=(50, 50)).astype(np.float32), rng.integers(20, size=50)
    rows = ByRow(lambda i: similarity[i], 50)
    for legacy in (False, True):
        assert versions.evaluate(rows, works, legacy=legacy) == versions.evaluate(similarity, works, legacy=legacy)


@pytest.fixture
def small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("LARGE", 80), ("SAMPLE", 50), ("FEWER", 40)):
        monkeypatch.setattr(compared, name, value)


@pytest.mark.usefixtures("small_is_large")
@pytest.mark.parametrize("comparison", COMPARISONS)
def test_large_vectors_of_few_degrees_of_freedom_are_compared_in_those(comparison: Comparison) -> None:
    rng = np.random.default_rng(0)
    hidden = rng.standard_normal((150, 20)) * 10.0 ** -np.linspace(0, 3, 20)
    x = (hidden @ rng.standard_normal((20, 100)) + rng.standard_normal(100)).astype(np.float32)
    x[120:] = x[:30]  # duplicates: equal similarities to everything
    works = rng.integers(40, size=150)
    factors = Factors(x, comparison)
    assert factors.dim < 25
    i, j = rng.integers(150, size=(2, 5000))
    scale = 1.0 if comparison != "euclidean" else float(np.square(x - x.mean(0)).sum(1).max())
    assert 0 < factors.slack < 1e-9 * scale
    assert np.abs(factors.value(i, j) - factors.exact(i, j)).max() <= factors.slack
    products = (factors.left(i) * factors.right(j)).sum(1)
    exact = factors.exact(i, j)
    assert (np.abs(products - exact) <= factors.error(i, exact)).all()
    same(versions.per_query(Compared(x, comparison), works), versions.per_query(all_pairs(x, comparison), works))


@pytest.mark.usefixtures("small_is_large")
@pytest.mark.parametrize("comparison", COMPARISONS)
def test_large_vectors_of_full_rank_are_compared_as_they_are(
    comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((120, 100)).astype(np.float32)
    works = rng.integers(40, size=120)
    assert Factors(x, comparison).dim == 100
    expected = versions.per_query(Compared(x, comparison), works)
    monkeypatch.setattr(compared, "KEPT", 0)  # and those of which no copy can be kept, block by block
    same(versions.per_query(Compared(x, comparison), works), expected)
    same(expected, versions.per_query(all_pairs(x, comparison), works))


def test_wrong_vectors_are_refused() -> None:
    x = np.ones((4, 3), np.float32)
    x[2, 1] = np.nan
    with pytest.raises(DataError, match="vector 2 holds NaN"):
        versions.evaluate(Compared(x), [0, 0, 1, 1])
    with pytest.raises(DataError, match="vectors"):
        Compared(np.ones(3))
    with pytest.raises(DataError, match="labels"):
        versions.evaluate(Compared(np.ones((3, 2))), [0, 0])
    with pytest.raises(DataError, match="NaN"):
        versions.evaluate(ByRow(lambda i: np.full(2, np.nan), 2), [0, 0])


@pytest.mark.parametrize("count", [0, 1, 4])
def test_no_versions_is_not_a_number(count: int) -> None:
    found = versions.evaluate(Compared(np.ones((count, 2), np.float32)), np.arange(count))
    assert np.isnan(list(found.values())).all()
