"""The frames of a whole track: every instant once, from the window in which it lies furthest from an edge."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from small import SmallConvolution

import ohrwurm
from ohrwurm.audio.windows import Windowing, plan
from ohrwurm.embedding import embed
from ohrwurm.embedding.frames import Stitcher
from ohrwurm.errors import CardError, ModelError
from ohrwurm.models import registry


@given(st.integers(1, 400), st.integers(4, 60), st.integers(8, 90), st.sampled_from([0.5, 1.0, 2.0, 3.7]))
def test_every_instant_is_from_the_window_furthest_from_its_edges(samples, window, hop, frame_length):
    """Ten samples a second; the features of a frame are its own time and the start of its window.

    Windows are further apart than two frames are long, as all models' are; so each of them owns one.
    """
    rate, frame_rate = 10, 10 / frame_length
    windows = plan(samples, Windowing(window, hop))
    stitcher = Stitcher(rate, frame_rate)
    count = max(1, int(window / frame_length))
    for w in windows:
        times = w.start / rate + np.arange(count) / frame_rate
        stitcher.add(w, window, np.stack([times, np.full(count, w.start)], 1))
    frames, times = stitcher.finish()
    np.testing.assert_array_equal(times, frames[:, 0])
    assert (np.diff(times) > 0).all()
    centres = times + 0.5 / frame_rate
    if len(times) > 1:
        assert centres.max() < samples / rate
    for centre, (_, start) in zip(centres * rate, frames, strict=True):
        inside = [min(centre - w.start, w.start + w.valid - centre) for w in windows]
        own = min(centre - start, start + windows[0].valid - centre)
        assert len(times) == 1 or own >= max(inside) - 1e-6
    for w in windows:  # nothing is left out but where a window's own frames end before it does
        ends = w.start / rate + count / frame_rate
        for instant in np.arange(w.start / rate, min(ends, (w.start + w.valid) / rate), 0.5 / frame_rate):
            assert np.abs(centres - instant).min() <= 1.01 / frame_rate + (window / rate - count / frame_rate)


@pytest.fixture(scope="module")
def ramp(tmp_path_factory):
    """5.3 s whose level is its time: half of full scale in ten seconds."""
    path = tmp_path_factory.mktemp("frames") / "ramp.wav"
    soundfile.write(path, np.arange(42400) / 160000, 8000, subtype="FLOAT")
    return path


def test_frames_of_a_file_stand_where_their_time_stamps_say(ramp):
    result = embed(ramp, "test-embedding-levels", frames=True)
    assert result.frames is not None
    assert result.frame_times is not None
    assert result.frame_rate == 50.0
    assert result.frames.shape == (265, 3)
    assert result.frames.dtype == np.float32
    np.testing.assert_allclose(result.frame_times, np.arange(265) / 50, atol=1e-9)
    np.testing.assert_allclose(result.frames[:, 0], (result.frame_times + 79.5 / 8000) / 20, atol=1e-6)
    np.testing.assert_allclose(result.frames[:, 2], 2 * result.frames[:, 0], rtol=1e-6)


def test_another_layer_has_its_own_frames_and_provenance(ramp):
    upper, lower = (embed(ramp, "test-embedding-levels", layer=layer, frames=True) for layer in (1, 0))
    assert lower.frames is not None
    assert lower.frames.shape == (530, 2)
    assert lower.frame_rate == 100.0
    assert lower.vector.shape == (2,)
    assert lower.provenance != upper.provenance
    with pytest.raises(ModelError, match="layers 0 to 1"):
        embed(ramp, "test-embedding-levels", layer=2)
    with pytest.raises(ModelError, match="loaded already"):
        embed(ramp, registry.load("test-embedding-levels"), layer=1)


def test_frames_change_nothing_else(songs, model):
    for path in songs[:3]:
        plain, framed = embed(path, model), embed(path, model, frames=True)
        np.testing.assert_array_equal(plain.vector, framed.vector)
        assert plain.frames is None
        assert plain.provenance == framed.provenance


def test_frames_are_the_same_for_any_worker_count(songs, model):
    one, two = (embed(songs, model, frames=True, workers=n) for n in (1, 3))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.frames, b.frames)
        np.testing.assert_array_equal(a.frame_times, b.frame_times)


def test_padding_has_no_frames(tmp_path):
    soundfile.write(tmp_path / "short.wav", np.full(2500, 0.5), 8000)  # 0.3125 s in a window of one second
    result = embed(tmp_path / "short.wav", SmallConvolution(), frames=True)
    assert result.frames is not None
    assert result.frame_rate is not None
    assert 0.25 < len(result.frames) / result.frame_rate < 0.34
    soundfile.write(tmp_path / "blink.wav", np.full(3, 0.5), 8000)
    assert embed(tmp_path / "blink.wav", "test-embedding-levels", frames=True).frames.shape == (1, 3)


def test_model_without_frames_says_so(songs):
    with pytest.raises(CardError, match="without frames"):
        embed(songs, "mel-statistics", frames=True)


def test_a_bundled_model_has_frames_through_the_package(songs):
    result = ohrwurm.embed(songs[0], "ohrwurm-text", frames=True)
    assert result.frames is not None
    assert len(result.frames) / result.frame_rate == pytest.approx(7.3, abs=0.5)
    assert registry.card("ohrwurm-text").window == 5.0
