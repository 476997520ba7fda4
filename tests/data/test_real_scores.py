"""The collections themselves, where OHRWURM_DATA names them: counts, sense of the annotations, split sizes."""

from __future__ import annotations

import os
from collections import Counter

import numpy as np
import pytest

from ohrwurm.data.harmony import chord_tones
from ohrwurm.data.render import render
from ohrwurm.data.score import DURATION, ONSET
from ohrwurm.data.scores import SOURCES, Score, split_of
from ohrwurm.data.truth import chord_labels, pitch_classes

pytest.importorskip("pretty_midi")
pytestmark = [
    pytest.mark.skipif("OHRWURM_DATA" not in os.environ, reason="OHRWURM_DATA does not name the score collections"),
    pytest.mark.slow,
]

COUNTS = {  # scores, works; what cannot be read is left out
    "pop909": (2607, 809),
    "openewld": (502, 502),
    "freedoom": (111, 111),
    "openmsx": (31, 31),
    "asap": (593, 124),
    "folk_versions": (328, 145),
}


@pytest.fixture(scope="module")
def collections() -> dict[str, list[Score]]:
    return {name: read() for name, read in SOURCES.items()}


@pytest.mark.parametrize("name", list(SOURCES))
def test_counts_and_times(name: str, collections: dict[str, list[Score]]) -> None:
    scores = collections[name]
    assert (len(scores), len({s.work_id for s in scores})) == COUNTS[name]
    assert len({s.score_id for s in scores}) == len(scores)
    for score in scores:
        assert np.all(np.diff(score.beats) > 0), score.score_id
        assert score.seconds > 3
        for notes in [score.melody, *(p.notes for p in score.parts)]:
            assert np.all(np.diff(notes[:, ONSET]) >= 0)
            assert np.all(notes[:, DURATION] > 0)


def test_pop909_split_sizes(collections: dict[str, list[Score]]) -> None:
    songs = [s for s in collections["pop909"] if s.score_id == s.work_id]
    assert Counter(split_of(s) for s in songs) == {"train": 659, "validation": 50, "test": 100}


@pytest.mark.parametrize("name", ["pop909", "openewld"])
def test_melodies_agree_with_chords_and_bars(name: str, collections: dict[str, list[Score]]) -> None:
    """A misread transposition, tempo or upbeat would bring these shares to chance."""
    inside, strong = [], []
    for score in collections[name][::12]:
        onsets = score.melody[:, ONSET]
        labels = chord_labels(score, onsets + 0.05)
        for (_, duration, pitch, _), label in zip(score.melody, labels, strict=True):
            if label != "N" and duration > 0.3:
                inside.append(int(pitch) % 12 in chord_tones(label))
        gap = float(np.median(np.diff(score.beats)))
        position = np.interp(onsets, score.beats, np.arange(len(score.beats)))
        strong.append(np.abs(position * 4 - np.round(position * 4)).mean() * gap / 4)
    assert np.mean(inside) > 0.55
    assert np.median(strong) < 0.03  # seconds from the grid of sixteenths


def test_renditions_sound_in_the_pitch_classes_they_name(collections: dict[str, list[Score]]) -> None:
    """A chroma of the audio correlates with the truth far above a transposed truth."""
    right, wrong = [], []
    for i, score in enumerate(collections["openewld"][:200:20]):
        made = render(score, seed=i, seconds=12, start="random", transpose="random", tempo="random")
        size, rate = 4096, made.sample_rate
        starts = np.arange(0, len(made.audio) - size, size // 2)
        frames = np.stack([made.audio[s : s + size] for s in starts]) * np.hanning(size)
        spectrum = np.abs(np.fft.rfft(frames, axis=1))
        frequency = np.fft.rfftfreq(size, 1 / rate)
        use = (frequency > 100) & (frequency < 1500)
        notes = np.round(69 + 12 * np.log2(frequency[use] / 440)).astype(int) % 12
        chroma = np.stack([spectrum[:, use][:, notes == c].sum(1) for c in range(12)])
        truth = pitch_classes(made.score, (starts + size / 2) / rate).astype(float)
        scores = [np.corrcoef(chroma.ravel(), np.roll(truth, shift, 0).ravel())[0, 1] for shift in range(12)]
        right.append(scores[0])
        wrong.append(max(scores[1:]))
    assert np.mean(right) > 0.4
    assert np.mean(np.array(right) > np.array(wrong)) >= 0.9


def test_the_committed_data_list_is_what_trains() -> None:
    import csv
    from pathlib import Path

    from ohrwurm import recipes
    from ohrwurm.data.scores import read_scores

    with open(Path(recipes.__file__).parent / "ohrwurm" / "works.csv", encoding="utf-8", newline="") as file:
        listed = {row["work_id"]: row["split"] for row in csv.DictReader(file)}
    found = {s.work_id: split_of(s) for s in read_scores(("pop909", "openewld", "freedoom"))}
    assert found == listed
