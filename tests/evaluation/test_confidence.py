"""Bootstrap intervals cover what they say, are repeatable, and widen when queries hang together."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ohrwurm.evaluation.confidence import bootstrap


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        low, high = bootstrap(rng.normal(3.0, 1.0, 60), level=0.9, samples=400, seed=trial)
        covered += low <= 3.0 <= high
    assert 0.83 < covered / 200 < 0.96


def test_same_seed_same_interval() -> None:
    values = np.random.default_rng(0).random(30)
    assert bootstrap(values, seed=1) == bootstrap(values, seed=1) != bootstrap(values, seed=2)


def test_groups_widen_the_interval() -> None:
    """Ten works of twenty equal versions carry the information of ten numbers, not of two hundred."""
    works = np.repeat(np.arange(10), 20)
    values = np.random.default_rng(0).random(10)[works]
    alone, together = bootstrap(values), bootstrap(values, groups=works)
    assert together[1] - together[0] > 3 * (alone[1] - alone[0])


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_missing_values_are_left_out(statistic: str) -> None:
    values = np.random.default_rng(0).random(40)
    with_gaps = np.insert(values, [3, 20], math.nan)
    assert bootstrap(with_gaps, statistic=statistic, samples=200) == bootstrap(values, statistic=statistic, samples=200)
    low, high = bootstrap(values, statistic=statistic, samples=200)
    assert low < getattr(np, statistic)(values) < high


def test_nothing_is_not_a_number() -> None:
    assert all(math.isnan(end) for end in bootstrap([]))
    assert all(math.isnan(end) for end in bootstrap([math.nan]))
