"""The window contract, for any length, window, hop and way of cutting the stream."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohrwurm.audio.windows import Cutter, Window, plan, pool

SIZES = st.integers(0, 200)
SMALL = st.integers(1, 40)


@given(SIZES, SMALL, SMALL)
def test_plan_covers_the_end_and_keeps_the_grid(samples, window, hop):
    windows = plan(samples, window, hop)
    if samples == 0:
        assert windows == []
        return
    if samples < window:
        assert windows == [Window(0, samples)]
        return
    starts = [w.start for w in windows]
    assert all(w.valid == window for w in windows)
    assert starts[-1] + window == samples or (starts[-1] % hop == 0 and starts[-1] + window <= samples)
    assert max(s + window for s in starts) == samples
    grid = [s for s in range(0, samples, hop) if s + window <= samples]
    assert starts[: len(grid)] == grid
    assert len(starts) - len(grid) in (0, 1)
    assert len(set(starts)) == len(starts)


@given(SIZES, SMALL, SMALL)
def test_published_plan_drops_the_remainder(samples, window, hop):
    windows = plan(samples, window, hop, "published")
    if samples >= window:
        assert windows == [Window(i * window, window) for i in range(samples // window)]
    else:
        assert len(windows) == min(samples, 1)


@given(SIZES, SMALL, SMALL, st.lists(st.integers(0, 70), max_size=8), st.sampled_from(["ohrwurm", "published"]))
def test_cutter_equals_plan_for_any_blocks(samples, window, hop, cuts, protocol):
    x = np.arange(1, samples + 1, dtype=np.float32)
    cutter = Cutter(window, hop, protocol=protocol)
    found = []
    for block in np.split(x, sorted(min(c, samples) for c in cuts)):
        found += cutter.feed(block)
    found += cutter.finish()
    assert [w for w, _ in found] == plan(samples, window, hop, protocol)
    for w, cut in found:
        expected = np.zeros(window, np.float32)
        expected[: w.valid] = x[w.start : w.start + w.valid]
        np.testing.assert_array_equal(cut, expected)


@pytest.mark.parametrize(("samples", "length"), [(3, 4), (4, 4), (7, 7), (9, 9), (10, 10)])
def test_short_track_is_padded_only_to_the_minimum(samples, length):
    cutter = Cutter(10, 5, minimum=4)
    windows = [*cutter.feed(np.ones(samples)), *cutter.finish()]
    assert [w for w, _ in windows] == [Window(0, samples)]
    cut = windows[0][1]
    assert cut.shape == (length,)
    assert cut.sum() == samples


def test_cutter_holds_one_window_and_one_block():
    cutter = Cutter(1000, 500)
    for _ in range(500):
        for _ in cutter.feed(np.zeros(300, np.float32)):
            pass
        assert len(cutter._kept) <= 1300


def test_windows_are_copies():
    cutter = Cutter(4, 4)
    block = np.zeros(4, np.float32)
    (_, cut), *_ = cutter.feed(block)
    block[:] = 1
    assert cut.sum() == 0


@pytest.mark.parametrize(("window", "hop", "protocol"), [(0, 1, "ohrwurm"), (1, 0, "ohrwurm"), (4, 2, "other")])
def test_impossible_windows_are_refused(window, hop, protocol):
    with pytest.raises(ValueError, match="window"):
        plan(10, window, hop, protocol)
    with pytest.raises(ValueError, match="window"):
        Cutter(window, hop, protocol=protocol)


def test_minimum_beyond_the_window_is_refused():
    with pytest.raises(ValueError, match="minimum"):
        Cutter(4, 2, minimum=5)


def test_pooling_rules_by_hand():
    vectors = np.array([[3.0, 0.0], [0.0, 4.0], [0.0, 0.0]])
    valid = np.array([2.0, 1.0, 1.0])
    np.testing.assert_allclose(pool(vectors, valid, "mean-then-l2"), np.array([6, 4]) / np.sqrt(52), rtol=1e-6)
    np.testing.assert_allclose(pool(vectors, valid, "l2-then-mean"), np.array([2, 1]) / np.sqrt(5), rtol=1e-6)
    np.testing.assert_allclose(pool(vectors, valid, "first"), [1, 0])
    assert pool(vectors, valid, "first").dtype == np.float32


@pytest.mark.parametrize("rule", ["mean-then-l2", "l2-then-mean", "first"])
def test_zero_vectors_stay_zero(rule):
    assert not pool(np.zeros((3, 4)), np.ones(3), rule).any()


def test_pooling_nonsense_is_refused():
    with pytest.raises(ValueError, match="rule"):
        pool(np.ones((2, 3)), np.ones(2), "median")
    with pytest.raises(ValueError, match="cannot pool"):
        pool(np.ones((0, 3)), np.ones(0), "first")
    with pytest.raises(ValueError, match="cannot pool"):
        pool(np.ones((2, 3)), np.ones(3), "first")
