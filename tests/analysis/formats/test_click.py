"""Clicks are where the beats are, downbeats are higher, and the music stays what it is."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from made_up import tone

from ohrwurm.analysis.formats import write
from ohrwurm.analysis.formats.click import BEAT, CLICK, DOWNBEAT, LENGTH, MUSIC, mixed_blocks
from ohrwurm.analysis.recording import Analysis
from ohrwurm.events import Beats

RATE = 16000


def silence(seconds: float, block: int, channels: int = 1) -> Iterator[np.ndarray]:
    left = round(seconds * RATE)
    while left:
        n = min(block, left)
        yield np.zeros((channels, n), np.float32)
        left -= n


def heard(beats: Beats, seconds: float = 3.0, block: int = 5000) -> np.ndarray:
    return np.concatenate(list(mixed_blocks(silence(seconds, block), beats, RATE, 1)))[:, 0]


def test_a_click_begins_on_its_beat_and_tells_downbeats() -> None:
    beats = Beats(np.array([0.25, 1.0, 1.75]), np.array([2, 1, 0]))
    x = heard(beats)
    for time, position in zip(beats.times, beats.positions, strict=True):
        at = round(time * RATE)
        assert not x[at - 500 : at + 1].any()
        assert x[at + 1] != 0
        spectrum = np.abs(np.fft.rfft(x[at : at + round(LENGTH * RATE)], RATE))
        assert spectrum.argmax() == pytest.approx(DOWNBEAT if position == 1 else BEAT, abs=25)
        assert 0.5 * CLICK < np.abs(x[at : at + 200]).max() <= CLICK


@pytest.mark.parametrize("block", [37, 4000, 10**6])
def test_blocks_leave_no_trace(block: int) -> None:
    beats = Beats(np.arange(0.0, 3.0, 0.0301), np.arange(100) % 4 + 1)  # clicks that overlap, one cut by the end
    assert np.abs(heard(beats, block=block) - heard(beats, block=5000)).max() < 1e-6


def test_rate_channels_length_and_music_stay(tmp_path: Path) -> None:
    file = tone(tmp_path / "a.wav", 2.0, 22050)
    analysis = Analysis(str(file), 2.0, "m", beats=Beats(np.array([1.0]), np.array([1])))
    (made,) = write(analysis, tmp_path / "a", ["click"])
    before, after = soundfile.read(file)[0], soundfile.read(made)[0]
    assert soundfile.info(made).samplerate == 22050
    assert after.shape == before.shape
    assert np.abs(after[:22050] - MUSIC * before[:22050]).max() < 1e-4
    assert np.abs(after[22060:22200] - MUSIC * before[22060:22200]).max() > 0.1


def test_the_loudest_music_is_not_clipped(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.ones((RATE, 2)), RATE, subtype="FLOAT")
    beats = Beats(np.arange(0.0, 1.0, 0.05), np.ones(20, np.int64))
    (made,) = write(Analysis(str(tmp_path / "a.wav"), 1.0, "m", beats=beats), tmp_path / "a", ["click"])
    assert 0.98 < soundfile.read(made)[0].max() < 1.0001


def test_memory_does_not_grow_with_the_recording() -> None:
    def peak(seconds: float) -> int:
        beats = Beats(np.arange(0.0, seconds, 10.0), np.ones(int(np.ceil(seconds / 10)), np.int64))
        tracemalloc.start()
        for _ in mixed_blocks(silence(seconds, 65536, 2), beats, RATE, 2):
            pass
        return tracemalloc.get_traced_memory()[1]

    try:
        peak(10)
        tracemalloc.stop()
        short, long = peak(60), (tracemalloc.stop(), peak(1800))[1]
    finally:
        tracemalloc.stop()
    assert long < 1.2 * short
