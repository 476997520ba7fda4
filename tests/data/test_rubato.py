"""The tempo comes and goes; truth and sound go with it."""

from __future__ import annotations

import numpy as np
import pytest

from ohrwurm.data.render import render
from ohrwurm.data.rubato import played_freely
from ohrwurm.data.score import ONSET, Part, Score, make_notes

pytest.importorskip("tinysoundfont")
pytest.importorskip("pretty_midi")


def strict(beats: int = 64) -> Score:
    at = np.arange(beats) * 0.5
    notes = make_notes([(float(t), 0.2, 60 + i % 12, 90) for i, t in enumerate(at)])
    return Score(
        "s", "s", "", "test", notes, beats=at, downbeats=at[::4], parts=(Part(0, False, notes),), seconds=beats * 0.5
    )


@pytest.mark.parametrize("amount", [0.02, 0.1, 0.3])
def test_every_note_stays_on_its_beat(amount: float) -> None:
    freely = played_freely(strict(), amount, np.random.default_rng(3))
    assert np.allclose(freely.parts[0].notes[:, ONSET], freely.beats, atol=1e-9)
    assert np.allclose(freely.beats[::4], freely.downbeats, atol=1e-9)
    assert (np.diff(freely.beats) > 0.1).all()
    assert freely.seconds == pytest.approx(32.0)


def test_the_tempo_varies_by_what_was_asked() -> None:
    def deviation(amount: float) -> float:
        found = [played_freely(strict(), amount, np.random.default_rng(seed)).beats for seed in range(30)]
        return float(np.mean([np.log(np.diff(beats)).std() for beats in found]))

    assert deviation(0.0) == pytest.approx(0.0, abs=1e-9)
    assert 0.05 < deviation(0.1) < 0.2
    assert 1.6 < deviation(0.1) / deviation(0.05) < 2.4


def test_a_score_without_beats_varies_too() -> None:
    notes = make_notes([(t, 0.2, 60, 90) for t in np.arange(0.0, 10.0, 0.5)])
    score = Score("s", "s", "", "test", notes, parts=(Part(0, False, notes),), seconds=10.0)
    freely = played_freely(score, 0.1, np.random.default_rng(1))
    assert np.diff(freely.parts[0].notes[:, ONSET]).std() > 0.01


def test_what_is_heard_is_where_the_truth_says() -> None:
    made = render(strict(), seed=5, style="as-is", sample_rate=22050, rubato=0.15, degrade=False)
    assert made.changes["rubato"] == 0.15
    assert np.diff(made.score.beats).std() > 0.02
    for beat in made.score.beats[1:-1]:
        at = round(beat * 22050)
        before, after = made.audio[at - 400 : at - 50], made.audio[at : at + 400]
        assert np.abs(after).max() > 2 * np.abs(before).max()


def test_strict_time_draws_nothing() -> None:
    one, other = (render(strict(), seed=5, style="as-is", **more) for more in ({}, {"rubato": 0.0}))
    assert np.array_equal(one.audio, other.audio)
    assert "rubato" not in one.changes
