"""A summary says what was found, and what was not, in lines that fit."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from made_up import made_up

from ohrwurm.analysis.recording import Analysis
from ohrwurm.analysis.summary import bars, summary
from ohrwurm.analysis.tempo import NO_TEMPO, Tempo
from ohrwurm.events import Beats, Key, Spans


def test_everything_has_its_line() -> None:
    text = summary(dataclasses.replace(made_up(duration=200.0), tempo=Tempo(120.0, 60.0, 0.7, 0.85)))
    lines = text.splitlines()
    assert lines[0] == "music/song.mp3  3:20"
    assert lines[1:4] == [
        "  tempo    120.0 bpm, or 60.0 (0.85)",
        "  metre    3 beats a bar",
        "  key      D minor (0.81)",
    ]
    assert any(line.startswith("  keys     0:00 C major · 0:") for line in lines)
    assert any(line.startswith("  sections 0:00 intro · 0:") for line in lines)
    assert [line[11:16] for line in lines if "|" in line] == ["  1  ", "  5  ", "  9  ", " 13  "]
    assert " " * 16 + "of 133 bars" in lines
    assert lines[-2:] == ["  note     key-changes: twice", "  note     unclear-beat: confidence 0.2"]


@pytest.mark.parametrize("width", [40, 80])
def test_lines_fit(width: int) -> None:
    many = dataclasses.replace(made_up(duration=900.0), chords=None)
    assert max(map(len, summary(many, width=width).splitlines())) <= width


def test_nothing_found_is_said() -> None:
    none = Analysis(
        "a.wav", 2.0, "m", Beats(np.zeros(0), np.zeros(0, np.int64)), NO_TEMPO, None,
        Spans(np.array([[0.0, 2.0]]), ("N",)), Key("N", 0.0), remarks=("silent: nothing sounds in it",),
    )  # fmt: skip
    assert summary(none).splitlines()[1:] == [
        "  tempo    none", "  key      none", "  chords   0:00 N.C.", "  note     silent: nothing sounds in it"
    ]  # fmt: skip


def test_a_bar_has_the_chords_that_sound_long_enough_in_it() -> None:
    beats = Beats(np.arange(12) / 2.0, np.array([3, 4, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2]))
    chords = Spans(np.array([[0, 2.0], [2, 4.8], [4.8, 5.5]]), ("C:maj", "D:min7", "G:7"))
    analysis = Analysis("a.wav", 6.0, "m", beats=beats, chords=chords)
    assert bars(analysis) == [("C", "Dm7"), ("Dm7",), ("G7",)]
    assert bars(dataclasses.replace(analysis, chords=None)) == []
