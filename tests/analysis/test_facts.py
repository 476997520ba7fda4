"""What a collection keeps of an analysis."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from ohrwurm.analysis.facts import facts
from ohrwurm.analysis.formats.json import plain
from ohrwurm.analysis.recording import Analysis
from ohrwurm.analysis.tempo import NO_TEMPO, Tempo
from ohrwurm.collection import Facts
from ohrwurm.events import Beats, Key, Spans

BEATS = Beats(np.arange(0.5, 20.5, 0.5), np.arange(40) % 3 + 1)
NOTHING = Spans(np.zeros((0, 2)), ())


def full() -> Analysis:
    return Analysis(
        "song.flac", 21.0, "frames:0123", beats=BEATS, tempo=Tempo(120.0, 60.0, 0.7, 0.9), metre=3,
        chords=Spans(np.array([[0.0, 4], [4, 6], [6, 12], [12, 21]]), ("N", "D:min", "X", "A:min/b3")),
        key=Key("Eb minor", 0.8), keys=Spans(np.array([[0.0, 21]]), ("Eb minor",)),
        sections=Spans(np.array([[0.0, 9], [9, 21]]), ("verse", "chorus")),
        tags=(("piano", 0.9), ("slow", 0.5), ("rock", 0.1)), remarks=("key-changes: at 9 s", "short: 21 s"),
    )  # fmt: skip


def test_every_fact_is_one_that_collections_know() -> None:
    given = facts(full())
    document = given.pop("document")
    assert set(given) <= {field.name for field in dataclasses.fields(Facts)}
    assert Facts(**given) == Facts(
        "frames:0123", tasks="beats chords key sections tags", key="Eb minor", tonic="Eb", mode="minor",
        key_confidence=0.8, bpm=120.0, bpm_confidence=0.9, metre=3, tempo_stability=1.0, beats=40, downbeats=14,
        chords="A:min/b3 D:min", sections=2, form="verse chorus", tags="piano, slow", remarks="key-changes short",
    )  # fmt: skip
    assert document == plain(full())
    json.dumps(given | {"document": document}, allow_nan=False)


@pytest.mark.parametrize(
    "nothing",
    [
        Analysis("a", 3.0, "m"),
        Analysis(
            "a", 0.0, "m", Beats(np.zeros(0), np.zeros(0, np.int64)), NO_TEMPO, None, NOTHING, Key("N", 0), NOTHING,
            NOTHING, (), ("silent: no sound",),
        ),
        Analysis("a", 3.0, "m", Beats(np.array([1.0]), np.array([0])), NO_TEMPO),
    ],
)  # fmt: skip
def test_what_was_not_found_is_no_fact(nothing: Analysis) -> None:
    found = facts(nothing)
    for name in ("key", "tonic", "mode", "key_confidence", "bpm", "bpm_confidence", "tempo_stability", "metre"):
        assert found[name] is None, name
    assert not found["chords"]
    json.dumps(found, allow_nan=False)


def test_rubato_is_told_from_steady_time() -> None:
    rng = np.random.default_rng(0)
    bends = 1 + 0.25 * np.sin(np.arange(200) / 8)
    rubato = Beats(np.cumsum(0.5 * bends), np.zeros(200, np.int64))
    steady = Beats(np.cumsum(np.full(200, 0.5)) + rng.normal(0, 0.005, 200), np.zeros(200, np.int64))
    tempo = Tempo(120.0, 0.0, 1.0, 0.5)
    one, other = (facts(Analysis("a", 100.0, "m", beats, tempo))["tempo_stability"] for beats in (rubato, steady))
    assert one < 0.35
    assert other > 0.98
