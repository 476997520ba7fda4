"""Expectations over ties against every order of the tied items, one by one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from ohrwurm.evaluation.metrics.ranking import chance_standing, standing

KS = (1, 2, 10)


def one_order(hits: list[bool]) -> dict[str, float]:
    """The statistics of a ranking without ties, by their definitions."""
    ranks = [i for i, h in enumerate(hits) if h]
    precisions = [(i, (n + 1) / (i + 1)) for n, i in enumerate(ranks)]
    found = {
        "first": ranks[0],
        "reciprocal": 1 / (ranks[0] + 1),
        "average_precision": sum(p for _, p in precisions) / len(ranks),
    }
    for k in KS:
        found[f"average_precision_at {k}"] = sum(p for i, p in precisions if i < k) / min(k, len(ranks))
        found[f"any_at {k}"] = float(ranks[0] < k)
        found[f"count_at {k}"] = sum(i < k for i in ranks)
    return found


def expected(scores: list[int], relevant: list[bool]) -> dict[str, float]:
    """Mean of the statistics over all orders that respect the scores."""
    groups = [[r for s, r in zip(scores, relevant, strict=True) if s == v] for v in sorted(set(scores), reverse=True)]
    orders = itertools.product(*(itertools.permutations(g) for g in groups))
    each = [one_order([h for g in order for h in g]) for order in orders]
    return {name: float(np.mean([e[name] for e in each])) for name in each[0]}


def flat(found, row: int) -> dict[str, float]:
    return {
        **{n: getattr(found, n)[row] for n in ("first", "reciprocal", "average_precision")},
        **{f"{n} {k}": getattr(found, n)[k][row] for n in ("average_precision_at", "any_at", "count_at") for k in KS},
    }


@pytest.mark.parametrize("levels", [1, 2, 3, 50])
def test_ties_count_as_the_mean_over_their_orders(levels: int) -> None:
    rng = np.random.default_rng(levels)
    scores = rng.integers(levels, size=(12, 6))
    relevant = rng.random((12, 6)) < 0.4
    relevant[np.arange(12), rng.integers(6, size=12)] = True
    found = standing(scores.astype(np.float32), lambda rows: relevant[rows], KS)
    for row in range(12):
        assert flat(found, row) == pytest.approx(expected(scores[row].tolist(), relevant[row].tolist()))


def test_chance_is_the_case_of_all_items_tied() -> None:
    items, counts = 9, [1, 2, 5, 9]
    relevant = np.arange(items)[None] < np.array(counts)[:, None]
    tied = standing(np.zeros((4, items)), lambda rows: relevant[rows], KS)
    random = chance_standing([items] * 4, counts, KS)
    for row in range(4):
        assert flat(random, row) == pytest.approx(flat(tied, row))


def test_blocks_do_not_change_the_result(monkeypatch) -> None:
    rng = np.random.default_rng(0)
    scores, relevant = rng.integers(5, size=(30, 20)), rng.random((30, 20)) < 0.2
    one = standing(scores, lambda rows: relevant[rows], KS)
    monkeypatch.setattr("ohrwurm.evaluation.metrics.ranking.CELLS", 70)
    many = standing(scores, lambda rows: relevant[rows], KS)
    np.testing.assert_array_equal(one.average_precision, many.average_precision)
    np.testing.assert_array_equal(one.first, many.first)
    np.testing.assert_array_equal(one.count_at[2], many.count_at[2])
