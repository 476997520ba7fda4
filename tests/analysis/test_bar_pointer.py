"""The bar-pointer model: the best path is the best of all paths, and what it finds in music that is known."""

from __future__ import annotations

import mir_eval
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_beats import RATE, played
from numpy.typing import NDArray

from ohrwurm.analysis.bar_pointer import BarPointer
from ohrwurm.analysis.bar_viterbi import Bars, best_beats
from ohrwurm.errors import DataError

STEADY = np.full(160, 120.0)
MUSIC = {
    "steady": {"tempo": STEADY},
    "between two frames a beat": {"tempo": np.full(160, 123.7)},
    "slow": {"tempo": np.full(80, 60.0)},
    "fast": {"tempo": np.full(320, 200.0)},
    "waltz with a pickup": {"tempo": np.full(180, 160.0), "metre": 3, "pickup": 2},
    "accelerando": {"tempo": np.linspace(90, 140, 160)},
    "ritardando": {"tempo": np.linspace(150, 80, 160)},
    "another tempo": {"tempo": np.repeat([100.0, 128.0], 80)},
    "missing beats": {"tempo": STEADY, "missing": 0.3},
    "a drummer": {"tempo": 110 + 3 * np.sin(np.arange(160) / 5), "jitter": 0.012},
    "noise": {"tempo": STEADY, "noise": 0.3},
    "swing": {"tempo": STEADY, "offbeats": 0.35, "swing": 2 / 3},
    "octave trap": {"tempo": np.full(160, 90.0), "offbeats": 0.35},
    "all at once": {"tempo": np.linspace(95, 105, 160), "missing": 0.1, "jitter": 0.008, "offbeats": 0.2, "noise": 0.1},
}


@pytest.mark.parametrize("case", MUSIC)
def test_known_beats_are_found(case: str) -> None:
    music = played(**MUSIC[case])
    found = BarPointer().decode(music.activations, RATE)
    assert mir_eval.beat.f_measure(music.times, found.times) >= 0.99
    assert mir_eval.beat.f_measure(music.downbeats, found.downbeats) >= 0.97
    assert found.positions.max() == music.positions.max()


@pytest.mark.parametrize("case", [c for c in MUSIC if c not in ("octave trap", "swing", "all at once")])
def test_known_beats_are_found_without_downbeats(case: str) -> None:
    music = played(**MUSIC[case])
    found = BarPointer().decode_beats(music.activations[:, 0], RATE)
    assert mir_eval.beat.f_measure(music.times, found.times) >= 0.99
    assert not found.positions.any()


def test_a_bar_of_another_length_needs_leave() -> None:
    music = played(STEADY)
    positions = np.concatenate([music.positions[:78], np.arange(82) % 4 + 1])  # one bar of two beats
    down = np.zeros(len(music.activations))
    for t in music.times[positions == 1]:
        down[round(t * RATE)] = 0.9
    x = np.stack([music.activations[:, 0], down], 1)
    free = BarPointer(metres=(2, 3, 4), metre_change=0.02).decode(x, RATE)
    assert mir_eval.beat.f_measure(music.times[positions == 1], free.downbeats) == 1
    fixed = BarPointer().decode(x, RATE)
    assert np.all(np.diff(fixed.positions) % 4 == 1)


def naive(bars: Bars, observed: NDArray[np.float64]) -> tuple[list[int], list[int], float]:
    """Viterbi over every position of every beat: the beats that start at frame 0 or later, their numbers, the score."""
    states = [
        (b, n, p) for b in range(len(bars.positions)) for n, length in enumerate(bars.lengths) for p in range(length)
    ]
    index = {state: i for i, state in enumerate(states)}
    bar_of = np.repeat(np.arange(len(bars.metres)), bars.metres)
    change = np.full((len(states), len(states)), -np.inf)
    for (b, n, p), i in index.items():
        if p + 1 < bars.lengths[n]:
            change[i, index[b, n, p + 1]] = 0
            continue
        bar = bar_of[b]
        ends = b == bars.firsts[bar] + bars.metres[bar] - 1
        followers = [(f, bars.metre_change[bar, m]) for m, f in enumerate(bars.firsts)] if ends else [(b + 1, 0.0)]
        for follower, cost in followers:
            for other in range(len(bars.lengths)):
                change[i, index[follower, other, 0]] = bars.change[n, other] + cost
    row = np.array([2 if p >= bars.widths[n] else int(bars.positions[b] > 1) for b, n, p in states])
    score = -np.log(len(states)) + observed[row, 0]
    back = []
    for t in range(1, observed.shape[1]):
        total = score[:, None] + change
        back.append(total.argmax(0))
        score = total.max(0) + observed[row, t]
    path = [int(score.argmax())]
    for before in reversed(back):
        path.append(int(before[path[-1]]))
    path.reverse()
    starts = [t for t, i in enumerate(path) if states[i][2] == 0]
    return starts, [states[path[t]][0] for t in starts], float(score.max())


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10_000), st.integers(1, 45), st.sampled_from([(1,), (2, 3), (4,)]), st.sampled_from([0.0, 0.2, 0.5])
)
def test_the_best_path_is_the_best_of_all(seed: int, frames: int, metres: tuple[int, ...], metre_change: float) -> None:
    model = BarPointer(metres, slowest=120, fastest=220, transition=5, observation=3, metre_change=metre_change)
    bars = model.bars(10.0)  # beats of three to five frames
    observed = np.log(np.random.default_rng(seed).dirichlet(np.ones(3), frames).T + 1e-4)
    starts, numbers, score = naive(bars, observed)
    found, found_numbers, _, found_score = best_beats(bars, observed, stretch=7)
    assert found_score == pytest.approx(score, abs=1e-9)
    assert found[found >= 0].tolist() == starts
    assert found_numbers[found >= 0].tolist() == numbers


@pytest.mark.parametrize("stretch", [1, 13, 500, 10_000])
def test_same_beats_for_any_stretch(stretch: int) -> None:
    music = played(np.linspace(95, 105, 60), missing=0.2, noise=0.2)
    whole = BarPointer().decode(music.activations, RATE)
    parts = BarPointer().decode(music.activations, RATE, stretch=stretch)
    assert np.array_equal(whole.times, parts.times)
    assert np.array_equal(whole.positions, parts.positions)


@pytest.mark.parametrize("frames", [0, 1, 2, 40, 250, 3000])
def test_silence_has_no_beats(frames: int) -> None:
    model = BarPointer()
    assert len(model.decode(np.zeros((frames, 2)), RATE)) == 0
    assert len(model.decode_beats(np.full(frames, 0.04), RATE)) == 0


@pytest.mark.parametrize("frames", [1, 2, 13, 14, 55, 250])
def test_any_length_has_a_result(frames: int) -> None:
    found = BarPointer().decode(np.random.default_rng(frames).random((frames, 2)), RATE)
    assert len(found) <= frames // 14 + 2
    assert (found.times >= 0).all()
    assert (found.times <= frames / RATE).all()


def test_beats_end_where_the_music_does() -> None:
    music = played(np.full(40, 120.0), start=10.0)
    found = BarPointer().decode(np.concatenate([music.activations, np.zeros((2000, 2))]), RATE)
    assert len(found) == 40
    assert found.times == pytest.approx(music.times, abs=0.021)


def test_what_is_not_heard_has_no_confidence() -> None:
    music = played(np.full(60, 120.0))
    x = music.activations.copy()
    x[700:900] = 0  # four seconds within the music
    found = BarPointer().decode(x, RATE)
    silent = (found.times > 14) & (found.times < 18)
    assert found.confidence is not None
    assert silent.sum() in (7, 8)
    assert found.confidence[silent].max() == 0
    assert found.confidence[~silent].min() > 0.8


def test_beats_lie_between_frames() -> None:
    times = 0.3 + np.arange(40) * 0.5 + 0.007
    at = np.arange(1100) / RATE
    x = np.exp(-0.5 * ((at[:, None] - times) / 0.02) ** 2).max(1)
    found = BarPointer().decode_beats(x, RATE)
    assert found.times == pytest.approx(times, abs=0.002)


def test_logits_and_wrong_shapes_are_refused() -> None:
    model = BarPointer()
    with pytest.raises(DataError, match="sigmoid"):
        model.decode(np.full((10, 2), 3.0), RATE)
    with pytest.raises(DataError, match="frame 4"):
        model.decode(np.where(np.arange(10)[:, None] == 4, np.nan, np.zeros((10, 2))), RATE)
    with pytest.raises(DataError, match=r"\(frames, 2\)"):
        model.decode(np.zeros((10, 3)), RATE)
    with pytest.raises(DataError, match="frames a second"):
        model.decode(np.zeros((10, 2)), 2.0)
    with pytest.raises(ValueError, match="beats"):
        BarPointer(metres=())
    with pytest.raises(ValueError, match="tempo"):
        BarPointer(slowest=100, fastest=50)


@pytest.mark.slow
def test_three_hours_in_bounded_memory() -> None:
    import tracemalloc

    x = np.tile(played(np.full(1200, 120.0), noise=0.1).activations[:30_000], (18, 1))
    model = BarPointer()
    model.decode(x[:1000], RATE)
    tracemalloc.start()
    found = model.decode(x, RATE)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == pytest.approx(3 * 3600 * 2, abs=20)
    assert peak < 200e6
