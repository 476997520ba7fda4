"""The race for the best probe: what it trains, what it passes over, and that it selects what the sweep selects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ohrwurm.evaluation.protocols import jukemir
from ohrwurm.evaluation.protocols.probe_grid import grid
from ohrwurm.evaluation.protocols.probe_race import Race

GRID = grid("gtzan_ff", "features")
ITEM = 1 / 300


def run(truth, configs=GRID):
    """Scores of a race in which probe `i` turns out to reach `truth[i]`, and the rates of its rounds."""
    race, scores, rounds = Race(configs, ITEM), np.full(len(configs), np.nan), []
    while rows := race.choose(scores):
        assert np.isnan(scores[rows]).all()  # nothing is trained twice
        scores[rows] = truth[rows]
        rounds.append({configs[row].learning_rate for row in rows})
    return race, scores, rounds


def truth(rate=0.0, decay=0.0, noise=0.0, seed=0):
    """Scores by dropout, with a gain for each lower rate and stronger decay, and noise."""
    draw = np.random.default_rng(seed)
    lower = np.array([-np.log10(c.learning_rate) - 3 for c in GRID])
    stronger = np.array([(None, 1e-4, 1e-3).index(c.l2_weight_decay) for c in GRID])
    base = np.array([0.5 + 0.2 * c.dropout_p + 0.05 * bool(c.hidden_layer_sizes) for c in GRID])
    return base + rate * lower + decay * stronger + noise * draw.normal(size=len(GRID))


def test_probes_without_hope_are_passed_over():
    score = truth(rate=-0.02)
    race, found, rounds = run(score)
    assert np.nanmax(found) == score.max()
    passed = np.isnan(found)
    assert passed.sum() > 140
    assert (race.hopes(found)[passed] <= score.max()).all()
    assert rounds[0] == {1e-3, 1e-4}  # the lowest rate waits for a trend


def test_the_first_in_grid_order_wins_among_equals():
    _, found, _ = run(np.full(216, 0.7))
    assert np.nanargmax(found) == 0  # the probe of the lowest rate, trained although it can but be equal


@pytest.mark.parametrize("gain", [0.005, 0.03])
def test_rates_that_gain_by_being_lower_are_followed(gain):
    """Features far from standardised: each lower rate is better, and the best probe has the lowest."""
    score = truth(rate=gain)
    _, found, _ = run(score)
    assert np.nanmax(found) == score.max()
    assert GRID[int(np.nanargmax(found))].learning_rate == 1e-5


def test_decay_that_helps_is_followed():
    score = truth(decay=0.01)
    _, found, _ = run(score)
    assert np.nanmax(found) == score.max()
    assert GRID[int(np.nanargmax(found))].l2_weight_decay == 1e-3


def test_more_is_trained_where_scores_scatter():
    trained = [int(np.isfinite(run(truth(rate=-0.02, noise=noise))[1]).sum()) for noise in (0, 0.01, 0.03)]
    assert trained == sorted(trained)
    assert trained[0] < trained[-1]


def test_noise_seldom_hides_the_winner():
    """Noise of two validation items in every score, in 40 grids: the winner is found, or its score missed by little."""
    missed = []
    for seed in range(40):
        score = truth(rate=-0.01, noise=2 * ITEM, seed=seed)
        missed.append(score.max() - np.nanmax(run(score)[1]))
    assert np.mean(np.array(missed) > 0) <= 0.1
    assert max(missed) < 3 * ITEM


def test_few_families_tell_no_trend():
    some = [c for c in GRID if c.dropout_p == 0.5 and c.batch_size == 64]  # four families
    _, found, _ = run(np.linspace(0.9, 0.1, len(some)), some)
    assert np.isfinite(found).all()


def test_race_selects_what_the_whole_sweep_selects():
    draw = np.random.default_rng(1)
    y = draw.integers(0, 10, 300)
    x = (draw.normal(size=(10, 16))[y] + 1.5 * draw.normal(size=(300, 16))).astype(np.float32)
    splits = np.array(["train", "train", "validation", "test"])[np.arange(300) % 4]
    linear = [c for c in grid("gtzan_ff", "features", early_stopping_boredom=4) if not c.hidden_layer_sizes]
    configs = [replace(c, learning_rate=c.learning_rate * 10) for c in linear]
    told = []
    race, fast = (
        jukemir.sweep(x, y, splits, "gtzan_ff", configs=configs, mode=mode, progress=lambda *n: told.append(n))
        for mode in ("race", "fast")
    )
    assert race.selected.config == fast.selected.config
    assert race.test == pytest.approx(fast.test)
    passed = np.isnan(race.scores)
    assert 0 < passed.sum() < len(configs)
    np.testing.assert_allclose(race.scores[~passed], fast.scores[~passed], atol=1e-6)
    assert np.isfinite(race.hopes).all()
    assert not np.isnan(fast.scores).any()
    assert told[-1] == (108, 108)
