"""The window contract, for any length, window, hop, place, remainder and way of cutting the stream."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from ohrwurm.audio.windows import Cutter, Window, Windowing, plan, pool

GOLDEN = Path(__file__).parents[1] / "golden" / "tune"
SIZES = st.integers(0, 200)
SMALL = st.integers(1, 40)
REMAINDERS = ("align", "drop", "drop-last", "pad", "keep")


@st.composite
def windowings(draw: st.DrawFn) -> Windowing:
    window, place = draw(SMALL), draw(st.sampled_from(["all", "all", "all", "start", "centre", "even", "whole"]))
    return Windowing(
        window,
        hop=draw(SMALL),
        minimum=draw(st.none() | st.integers(1, window)),
        place=place,  # type: ignore[arg-type]
        remainder=draw(st.sampled_from(REMAINDERS)),  # type: ignore[arg-type]
        count=draw(st.integers(1, 5)) if place == "even" else 0,
        refuse_short=draw(st.booleans()),
    )


@given(SIZES, SMALL, SMALL)
def test_plan_covers_the_end_and_keeps_the_grid(samples, window, hop):
    windows = plan(samples, Windowing(window, hop))
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


@given(SIZES, SMALL)
def test_remainders_of_windows_side_by_side(samples, window):
    """As papers split a track: `torch.split`, then what each does with its last piece."""
    pieces = [Window(start, min(window, samples - start)) for start in range(0, samples, window)]
    whole = [piece for piece in pieces if piece.valid == window]
    if samples < window:
        for remainder in REMAINDERS:
            assert plan(samples, Windowing(window, window, remainder=remainder)) == pieces
            assert plan(samples, Windowing(window, window, remainder=remainder, refuse_short=True)) == []
        return
    assert plan(samples, Windowing(window, window, remainder="drop")) == whole
    assert plan(samples, Windowing(window, window, remainder="drop-last")) == (pieces[:-1] or pieces)
    assert plan(samples, Windowing(window, window, remainder="pad")) == pieces
    assert plan(samples, Windowing(window, window, remainder="keep")) == pieces


@given(SIZES, SMALL, st.integers(1, 8))
def test_places_by_their_definitions(samples, window, count):
    def starts(place: str, count: int = 0) -> list[int]:
        return [w.start for w in plan(samples, Windowing(window, 7, place=place, count=count))]  # type: ignore[arg-type]

    if samples < window:
        assert {tuple(starts(p)) for p in ("start", "centre")} == {(0,) if samples else ()}
        return
    assert starts("start") == [0]
    assert starts("centre") == [(samples - window) // 2]
    step = (samples - window) // count
    assert starts("even", count) == ([k * step for k in range(count)] if step else [0])
    assert plan(samples, Windowing(window, 7, place="whole")) == [Window(0, samples)]


def test_whole_track_is_refused_below_its_minimum_only():
    whole = Windowing(40, 40, minimum=5, place="whole", refuse_short=True)
    assert plan(4, whole) == []
    assert plan(5, whole) == [Window(0, 5)]
    assert plan(500, whole) == [Window(0, 500)]


@given(SIZES, windowings(), st.lists(st.integers(0, 200), max_size=8))
def test_cutter_equals_plan_for_any_blocks(samples, windowing, cuts):
    x = np.arange(1, samples + 1, dtype=np.float32)
    cutter = Cutter(windowing, samples)
    found = []
    for block in np.split(x, sorted(min(c, samples) for c in cuts)):
        found += cutter.feed(block)
    found += cutter.finish()
    assert [w for w, _ in found] == plan(samples, windowing)
    for w, cut in found:
        padded = windowing.window if windowing.remainder == "pad" and w.start else windowing.shortest
        expected = np.zeros(max(w.valid, padded), np.float32)
        expected[: w.valid] = x[w.start : w.start + w.valid]
        np.testing.assert_array_equal(cut, expected)


@pytest.mark.parametrize(("samples", "length"), [(3, 4), (4, 4), (7, 7), (9, 9), (10, 10)])
def test_short_track_is_padded_only_to_the_minimum(samples, length):
    cutter = Cutter(Windowing(10, 5, minimum=4))
    windows = [*cutter.feed(np.ones(samples)), *cutter.finish()]
    assert [w for w, _ in windows] == [Window(0, samples)]
    cut = windows[0][1]
    assert cut.shape == (length,)
    assert cut.sum() == samples


@pytest.mark.parametrize(
    "windowing",
    [Windowing(1000, 500), Windowing(1000, 3000), Windowing(1000, 1000, remainder="drop-last"),
     Windowing(1000, 1, place="centre"), Windowing(1000, 1, place="even", count=3), Windowing(1000, 1, place="start")],
    ids=lambda w: f"{w.place}-{w.hop}-{w.remainder}",
)  # fmt: skip
def test_cutter_holds_one_window_and_two_blocks(windowing):
    cutter = Cutter(windowing, 150_000)
    for _ in range(500):
        for _ in cutter.feed(np.zeros(300, np.float32)):
            pass
        assert cutter.held <= 1600


def test_windows_and_blocks_are_copies():
    cutter = Cutter(Windowing(4, 4))
    block = np.zeros(4, np.float32)
    (_, cut), *_ = cutter.feed(block)
    rest = np.zeros(2, np.float32)
    assert list(cutter.feed(rest)) == []
    block[:], rest[:] = 1, 1
    assert cut.sum() == 0
    assert [x.sum() for _, x in cutter.finish()] == [0]


@pytest.mark.parametrize(
    "given",
    [{"window": 0, "hop": 1}, {"window": 1, "hop": 0}, {"window": 4, "hop": 2, "place": "middle"},
     {"window": 4, "hop": 2, "remainder": "other"}, {"window": 4, "hop": 2, "place": "even"},
     {"window": 4, "hop": 2, "count": 3}],
    ids=str,
)  # fmt: skip
def test_impossible_windows_are_refused(given):
    with pytest.raises(ValueError, match="window"):
        Windowing(**given)


def test_minimum_beyond_the_window_and_centre_without_length_are_refused():
    with pytest.raises(ValueError, match="minimum"):
        Windowing(4, 2, minimum=5)
    with pytest.raises(ValueError, match="length"):
        Cutter(Windowing(4, 2, place="centre"))


@pytest.mark.parametrize("data", ["magnatagatune", "gtzan"])
def test_clmr_evaluation_in_its_published_chunks(data):
    """The original drops the last chunk even if it is whole; every fifth of these tracks is a multiple of the chunk.

    Its encoder returns the first samples of a chunk as logits; probabilities are averaged over the chunks.
    """
    with np.load(GOLDEN / "clmr_evaluate.npz") as golden:
        stored = {key.removeprefix(f"{data}/"): golden[key] for key in golden if key.startswith(data)}
    chunk, classes, labels = int(stored["chunk"]), int(stored["n_classes"]), stored["labels"]
    tracks = np.split(stored["audio_concat"], np.cumsum(stored["audio_len"])[:-1])
    assert any(len(track) % chunk == 0 for track in tracks)
    scores = []
    for track in tracks:
        cutter = Cutter(Windowing(chunk, chunk, remainder="drop-last"))
        logits = np.stack([x for _, x in (*cutter.feed(track), *cutter.finish())])[:, :classes].astype(np.float64)
        if data == "gtzan":
            odds = np.exp(logits)
            probabilities = odds / odds.sum(1, keepdims=True)
        else:
            probabilities = 1 / (1 + np.exp(-logits))
        scores.append(pool(probabilities, np.ones(len(logits)), "mean"))
    found = np.stack(scores)
    if data == "gtzan":
        assert (found.argmax(1) == labels).mean() == pytest.approx(float(stored["Accuracy"]), abs=1e-6)
    else:
        assert roc_auc_score(labels, found, average="macro") == pytest.approx(float(stored["ROC-AUC"]), abs=1e-6)
        average = average_precision_score(labels, found, average="macro")
        assert average == pytest.approx(float(stored["PR-AUC"]), abs=1e-6)


def test_pooling_rules_by_hand():
    vectors = np.array([[3.0, 0.0], [0.0, 4.0], [0.0, 0.0]])
    valid = np.array([2.0, 1.0, 1.0])
    np.testing.assert_allclose(pool(vectors, valid, "mean-then-l2"), np.array([6, 4]) / np.sqrt(52), rtol=1e-6)
    np.testing.assert_allclose(pool(vectors, valid, "l2-then-mean"), np.array([2, 1]) / np.sqrt(5), rtol=1e-6)
    np.testing.assert_allclose(pool(vectors, valid, "first"), [1, 0])
    np.testing.assert_allclose(pool(vectors, valid, "mean"), [1.5, 1.0])
    assert pool(vectors, valid, "first").dtype == np.float32


@pytest.mark.parametrize("rule", ["mean-then-l2", "l2-then-mean", "first", "mean"])
def test_zero_vectors_stay_zero(rule):
    assert not pool(np.zeros((3, 4)), np.ones(3), rule).any()


def test_pooling_nonsense_is_refused():
    with pytest.raises(ValueError, match="rule"):
        pool(np.ones((2, 3)), np.ones(2), "median")
    with pytest.raises(ValueError, match="cannot pool"):
        pool(np.ones((0, 3)), np.ones(0), "first")
    with pytest.raises(ValueError, match="cannot pool"):
        pool(np.ones((2, 3)), np.ones(3), "first")
