"""MARBLE's counts against numbers computed by hand, and against mir_eval where both mean the same."""

from __future__ import annotations

import mir_eval
import numpy as np
import pytest

from ohrwurm.errors import DataError
from ohrwurm.evaluation.metrics import marble
from ohrwurm.events import Spans


def spans(*rows: tuple[float, float, str]) -> Spans:
    return Spans(np.array([row[:2] for row in rows]).reshape(-1, 2), tuple(row[2] for row in rows))


def test_within_one_clip_f1_is_mir_evals_on_frame_times() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        reference, estimate = (np.unique(np.round(rng.uniform(0, 9.9, 18) * 25)) / 25 for _ in range(2))
        wanted = mir_eval.beat.f_measure(reference, estimate)
        assert marble.beats(reference, estimate).share == pytest.approx(wanted)


def test_frames_decide_and_not_the_times_themselves() -> None:
    """75 ms may be one frame, and 45 ms two: at the tolerance quantised times say something else."""
    assert marble.beats([0.525], [0.595]).right == 0.0  # frames 13 and 15
    assert marble.beats([0.545], [0.609]).right == 1.0  # frames 14 and 15
    assert marble.beats([1.0, 1.01], [1.0]).total == 1.0  # two events of one frame are one


def test_an_event_is_found_in_its_own_clip_alone() -> None:
    assert marble.beats([9.99], [10.01]).right == 0.0
    assert marble.beats([9.99], [10.01], clip=20.0).right == 1.0
    assert marble.beats([], []).share != marble.beats([], []).share  # nothing to be measured
    assert marble.beats([1.0], []).share == 0.0


def test_counts_of_long_recordings_weigh_more() -> None:
    long, short = marble.beats(np.arange(0, 60, 0.5), np.arange(0, 60, 0.5)), marble.beats([1.0, 2.0], [5.0, 6.0])
    assert (long.right + short.right) / (long.total + short.total) == pytest.approx(120 / 122)


def test_times_that_are_none_are_refused() -> None:
    with pytest.raises(DataError, match="finite times from 0 s on"):
        marble.beats([-1.0], [1.0])
    with pytest.raises(DataError, match="finite times from 0 s on"):
        marble.beats([1.0], [float("nan")])


def test_frames_of_chords() -> None:
    truth = spans((0, 10, "C:maj"), (10, 20, "A:min7"), (20, 25, "G:aug"), (25, 30, "N"))
    found = spans((0, 15, "C:7"), (15, 30, "A:min"))
    assert marble.chords(truth, found).share == pytest.approx((10 + 5) / 25)  # G:aug does not count
    assert marble.chords(truth, truth).share == 1.0
    assert marble.chords(truth, spans((0, 5, "C"))).share == pytest.approx(5 / 25)  # nothing said is wrong
    assert np.isnan(marble.chords(spans((0, 3, "C:sus4")), found).share)


def test_as_published_a_pause_is_the_chord_before_it_but_not_across_clips() -> None:
    truth, held = spans((0, 10, "C"), (10, 20, "N"), (20, 30, "C")), spans((0, 30, "C"))
    assert marble.chords(truth, held).share == pytest.approx(20 / 30)
    assert marble.chords(truth, held, published=True).share == pytest.approx(25 / 30)  # 15 .. 20 s open a clip
    assert marble.chords(truth, truth, published=True).share == pytest.approx(25 / 30)
