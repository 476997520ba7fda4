"""Layers are documents that Sonic Visualiser reads: its attributes, frames of the audio, text that is escaped."""

from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from made_up import made_up, tone

from ohrwurm.analysis.formats import write
from ohrwurm.analysis.recording import Analysis
from ohrwurm.events import Beats, Spans


def read(file: Path) -> tuple[dict[str, str], list[dict[str, str]], dict[str, str]]:
    """Model, points and layer, found as Sonic Visualiser finds them: by the ids that name one another."""
    root = ElementTree.parse(file).getroot()
    assert root.tag == "sv"
    model, dataset, layer = root.find("data/model"), root.find("data/dataset"), root.find("display/layer")
    assert model is not None
    assert dataset is not None
    assert layer is not None
    assert model.get("dataset") == dataset.get("id")
    assert layer.get("model") == model.get("id")
    assert model.get("dimensions") == dataset.get("dimensions")
    assert len({model.get("id"), dataset.get("id"), layer.get("id")}) == 3
    return dict(model.attrib), [dict(point.attrib) for point in dataset.iter("point")], dict(layer.attrib)


@pytest.mark.parametrize("rate", [8000, 44100])
def test_times_are_frames_of_the_audio(tmp_path: Path, rate: int) -> None:
    analysis = made_up(tone(tmp_path / "a.wav", 4.0, rate), 4.0)
    assert analysis.beats is not None
    assert analysis.chords is not None
    write(analysis, tmp_path / "a", ["sv"])
    model, points, layer = read(tmp_path / "a.beats.svl")
    assert (model["type"], model["dimensions"], model["sampleRate"]) == ("sparse", "1", str(rate))
    assert [int(p["frame"]) for p in points] == np.rint(analysis.beats.times * rate).tolist()
    assert [p["label"] for p in points][:4] == ["0.2", "0.3", "1.1", "1.2"]
    assert layer["type"] == "timeinstants"
    model, points, layer = read(tmp_path / "a.chords.svl")
    assert (model["dimensions"], model["subtype"], layer["type"]) == ("3", "region", "regions")
    ends = [int(p["frame"]) + int(p["duration"]) for p in points]
    assert ends[:-1] == [int(p["frame"]) for p in points[1:]]
    assert ends[-1] == 4 * rate
    assert [p["label"] for p in points] == ["Dm", "G7/B"]
    assert float(model["maximum"]) == max(float(p["value"]) for p in points)


def test_the_tempo_is_a_curve(tmp_path: Path) -> None:
    write(made_up(tone(tmp_path / "a.wav", 4.0), 4.0, bpm=90), tmp_path / "a", ["sv"])
    model, points, layer = read(tmp_path / "a.tempo.svl")
    assert (model["dimensions"], model["units"], layer["type"]) == ("2", "bpm", "timevalues")
    assert {float(p["value"]) for p in points} == {90.0}


def test_any_label_is_text(tmp_path: Path) -> None:
    odd = Spans(np.array([[0.0, 1.0], [1.0, 2.0]]), ('<"A" & B>', "Ä ♯"))
    analysis = Analysis(str(tone(tmp_path / "a.wav", 2.0)), 2.0, "m", sections=odd)
    (file,) = write(analysis, tmp_path / "a", ["sv"])
    assert [p["label"] for p in read(file)[1]] == list(odd.labels)
    assert file.read_text().startswith('<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE sonic-visualiser>\n<sv>')


def test_nothing_found_is_an_empty_layer(tmp_path: Path) -> None:
    none = dataclasses.replace(
        Analysis(str(tone(tmp_path / "a.wav", 1.0)), 1.0, "m"), beats=Beats(np.zeros(0), np.zeros(0, np.int64))
    )
    for file in write(none, tmp_path / "a", ["sv"]):
        assert read(file)[1] == []
