"""Beats from peaks: what counts as one, and which beat a downbeat belongs to."""

from __future__ import annotations

import mir_eval
import numpy as np
import pytest
from known_beats import RATE, played

from ohrwurm.analysis.beats import beats_from_peaks, positions_from
from ohrwurm.analysis.peaks import pick_peaks, refined


def test_known_beats_are_found_whatever_the_tempo_does() -> None:
    music = played(60 / np.random.default_rng(0).uniform(0.3, 1.2, 100))
    found = beats_from_peaks(music.activations, RATE)
    assert mir_eval.beat.f_measure(music.times, found.times) == 1
    assert mir_eval.beat.f_measure(music.downbeats, found.downbeats) == 1
    assert np.array_equal(found.positions, music.positions)


def test_silence_has_no_beats() -> None:
    for frames in (0, 1, 500):
        assert len(beats_from_peaks(np.zeros((frames, 2)), RATE)) == 0
    assert len(beats_from_peaks(np.full((500, 2), 0.5), RATE)) == 0  # not above the threshold


def test_a_downbeat_belongs_to_its_nearest_beat_and_makes_none() -> None:
    times = np.array([1.0, 1.5, 2.0])
    assert positions_from(times, np.array([1.45])).tolist() == [0, 1, 2]
    assert positions_from(times, np.array([0.2, 9.0])).tolist() == [1, 2, 1]
    assert positions_from(times, np.array([1.48, 1.52])).tolist() == [0, 1, 2]
    assert positions_from(times[:1], np.array([3.0])).tolist() == [1]
    assert positions_from(np.zeros(0), np.array([3.0])).tolist() == []


def test_a_plateau_is_one_peak_and_near_peaks_are_the_higher() -> None:
    x = np.zeros(40)
    x[10:13] = 0.8
    x[[25, 27]] = 0.7, 0.9
    places, heights = pick_peaks(x, distance=3)
    assert places.tolist() == [11.0, 27.0]
    assert heights.tolist() == [0.8, 0.9]


def test_a_parabola_has_its_top_back() -> None:
    for top in (4.6, 5.0, 5.3):
        x = 1 - 0.1 * (np.arange(10) - top) ** 2
        assert refined(x, round(top)) == pytest.approx(top)
    assert refined(np.array([1.0, 0.5]), 0) == 0
    assert refined(np.array([0.0, 0.5, 1.0, 0.0]), 1) == 1  # no peak
