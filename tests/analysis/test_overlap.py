"""Windows of a track give the activations of the track."""

from __future__ import annotations

import numpy as np
import pytest

from ohrwurm.analysis.overlap import Overlap
from ohrwurm.audio.windows import Windowing, plan
from ohrwurm.errors import DataError

SR = 1000


def stitched(track: np.ndarray, seconds: float, rate: float, weighting: str = "centre", hop: float = 3.0) -> np.ndarray:
    """A track's activations from windows of six seconds that each see the true ones."""
    overlap = Overlap(rate, weighting)  # type: ignore[arg-type]
    for window in plan(round(seconds * SR), Windowing(6 * SR, round(hop * SR))):
        start = window.start / SR
        at = start + np.arange(int(6 * rate)) / rate
        seen = np.stack([np.interp(at, np.arange(len(track)) / rate, column) for column in track.T], 1)
        overlap.add(start, window.valid / SR, seen)
    return overlap.finish()


@pytest.mark.parametrize("weighting", ["centre", "equal", "nearest"])
@pytest.mark.parametrize("seconds", [2.0, 6.0, 9.0, 30.0])
def test_a_track_comes_back(weighting: str, seconds: float) -> None:
    track = np.random.default_rng(0).random((int(seconds * 50), 2))
    found = stitched(track, seconds, 50.0, weighting)
    assert found.shape == track.shape
    assert found == pytest.approx(track, abs=1e-6)


@pytest.mark.parametrize("rate", [50.0, 16.0, 8.0, 0.5])
def test_a_last_window_off_the_grid_is_interpolated(rate: float) -> None:
    seconds = 20.345
    at = np.arange(int(np.ceil(seconds * rate))) / rate
    track = (at / 30)[:, None]  # a ramp, which interpolation keeps
    found = stitched(track, seconds, rate)
    assert len(found) == len(track)
    inner = at < seconds - 2 / rate
    assert found[inner] == pytest.approx(track[inner], abs=1e-6)


def test_the_middle_of_a_window_counts_more() -> None:
    overlap = Overlap(10.0)
    overlap.add(0.0, 6.0, np.zeros((60, 1)))
    overlap.add(3.0, 6.0, np.ones((60, 1)))
    found = overlap.finish()[:, 0]
    assert (np.diff(found[29:60]) > 0).all()
    assert found[31] < 0.1
    assert found[58] > 0.9


def test_padding_is_left_out() -> None:
    overlap = Overlap(50.0)
    overlap.add(0.0, 2.01, np.ones((300, 2)))
    assert overlap.finish().shape == (101, 2)
    tiny = Overlap(0.5)
    tiny.add(0.0, 0.7, np.ones((6, 2)))
    assert tiny.finish().shape == (1, 2)
    assert Overlap(50.0).finish().shape == (0, 0)


def test_gaps_and_disorder_are_refused() -> None:
    overlap = Overlap(10.0)
    overlap.add(3.0 - 3.0, 6.0, np.zeros((60, 1)))
    with pytest.raises(DataError, match="gaps"):
        overlap.add(7.0, 6.0, np.zeros((60, 1)))
    with pytest.raises(DataError, match="order"):
        overlap.add(1.0, 6.0, np.zeros((60, 1)))
    with pytest.raises(DataError, match="classes"):
        overlap.add(7.0, 6.0, np.zeros((60, 3)))
    with pytest.raises(ValueError, match="weighting"):
        Overlap(10.0, "hann")  # type: ignore[arg-type]


def test_open_frames_do_not_grow_with_the_track() -> None:
    overlap = Overlap(50.0)
    for number in range(400):
        overlap.add(3.0 * number, 6.0, np.full((300, 2), 0.5))
        assert overlap._sums is not None
        assert len(overlap._sums) <= 300
    assert len(overlap.finish()) == 150 * 401
