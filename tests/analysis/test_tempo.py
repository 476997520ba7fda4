"""Tempo: right, robust, and silent where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from known_beats import RATE, played

from ohrwurm.analysis.bar_pointer import BarPointer
from ohrwurm.analysis.tempo import NO_TEMPO, tempo, tempo_curve
from ohrwurm.events import Beats


def plain(times: np.ndarray) -> Beats:
    return Beats(times, np.zeros(len(times), np.int64))


@pytest.mark.parametrize("bpm", [63.0, 97.3, 120.0, 171.0])
def test_the_tempo_of_decoded_beats(bpm: float) -> None:
    music = played(np.full(100, bpm), jitter=0.005, noise=0.1)
    beats = BarPointer().decode(music.activations, RATE)
    found = tempo(beats, music.activations[:, 0], RATE)
    assert found.bpm == pytest.approx(bpm, rel=0.01)
    assert found.confidence > 0.5
    assert found.other == 0 or np.abs(np.log2(found.other / found.bpm)) > 0.5


def test_the_other_tempo_is_what_else_is_heard() -> None:
    music = played(np.full(100, 80.0), offbeats=0.3)
    beats = BarPointer().decode(music.activations, RATE)
    found = tempo(beats, music.activations[:, 0], RATE)
    assert found.bpm == pytest.approx(80, rel=0.01)
    assert found.other == pytest.approx(160, rel=0.01)
    assert 0.3 < found.share < 0.9


def test_two_tempi_of_the_beats() -> None:
    times = np.cumsum(np.repeat([0.5, 0.4], [60, 40]))
    found = tempo(plain(times))
    assert (round(found.bpm), round(found.other)) == (120, 150)
    assert 0.5 < found.share < 0.8


def test_noise_is_not_sure_of_its_tempo() -> None:
    x = 0.3 * np.random.default_rng(0).random((3000, 2))
    found = tempo(BarPointer().decode(x, RATE), x[:, 0], RATE)
    assert found.confidence < 0.2
    unsteady = tempo(plain(np.cumsum(np.random.default_rng(0).uniform(0.2, 1.5, 100))))
    assert unsteady.confidence < 0.5


@pytest.mark.parametrize("count", [0, 1])
def test_without_beats_there_is_no_tempo(count: int) -> None:
    assert tempo(plain(np.arange(float(count)))) == NO_TEMPO
    at, bpm = tempo_curve(plain(np.arange(float(count))))
    assert len(at) == len(bpm) == 0


def test_five_seconds_are_enough() -> None:
    music = played(np.full(9, 120.0))
    beats = BarPointer().decode(music.activations[:250], RATE)
    assert tempo(beats, music.activations[:250, 0], RATE).bpm == pytest.approx(120, rel=0.01)


def test_the_curve_follows_the_tempo_and_not_mistakes() -> None:
    bpm = np.linspace(90, 130, 120)
    times = np.cumsum(60 / bpm)
    wrong = np.sort(np.append(np.delete(times, [30, 55, 90]), times[70] + 0.25))
    at, found = tempo_curve(plain(wrong))
    true = np.interp(at, times, bpm)
    assert np.abs(found / true - 1).max() < 0.04
