"""What is written is read again: by ourselves, by the readers of annotations, and as the formats say."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from made_up import made_up

from ohrwurm.analysis.formats import FORMATS, files_of, from_json, to_json, write
from ohrwurm.analysis.recording import Analysis
from ohrwurm.analysis.tempo import NO_TEMPO, Tempo, tempo_curve
from ohrwurm.data import annotations
from ohrwurm.data.annotations import jams, keys
from ohrwurm.errors import DataError
from ohrwurm.events import Beats, Key, Spans

EVERYTHING = made_up()
NOTHING = Analysis("silence.wav", 2.0, "m")
EMPTY = Analysis(
    "silence.wav", 2.0, "m", beats=Beats(np.zeros(0), np.zeros(0, np.int64)), tempo=NO_TEMPO, key=Key("N", 0.0),
    chords=Spans(np.array([[0.0, 2.0]]), ("N",)), keys=Spans(np.array([[0.0, 2.0]]), ("N",)), tags=(),
    sections=Spans(np.zeros((0, 2)), ()),
)  # fmt: skip
TEXTS = [name for name in FORMATS if name not in ("click", "figure", "figure-svg", "sv")]


def same(one: Analysis, other: Analysis) -> bool:
    return repr_of(one) == repr_of(other)


def repr_of(analysis: Analysis) -> dict[str, object]:
    def plain(value: object) -> object:
        if dataclasses.is_dataclass(value):
            return {name: plain(part) for name, part in vars(value).items()}
        return value.tolist() if isinstance(value, np.ndarray) else value

    return {name: plain(value) for name, value in vars(analysis).items()}


@pytest.mark.parametrize("analysis", [EVERYTHING, NOTHING, EMPTY], ids=["everything", "nothing", "empty"])
@pytest.mark.parametrize("one_line", [True, False])
def test_json_keeps_every_bit(analysis: Analysis, one_line: bool) -> None:
    text = to_json(analysis, one_line=one_line)
    assert same(from_json(text), analysis)
    assert (text.count("\n") == 0) == one_line


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not readable as JSON"),
        ("[1]", "no analysis of ohrwurm"),
        ('{"format": "ohrwurm-analysis", "version": 99}', "version 99"),
        ('{"format": "ohrwurm-analysis", "version": 1}', "damaged"),
    ],
)
def test_json_of_others_is_refused(content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_json(content)


def test_readers_of_annotations_read_analyses(tmp_path: Path) -> None:
    write(EVERYTHING, tmp_path / "a", ["json"])
    file = tmp_path / "a.json"
    assert EVERYTHING.beats is not None
    assert EVERYTHING.sections is not None
    assert np.array_equal(annotations.read(file, "beats").value.times, EVERYTHING.beats.times)
    assert annotations.read(file, "sections").value.labels == EVERYTHING.sections.labels
    assert annotations.read(file, "chords").value.labels[1] == "G:7/3"
    assert annotations.read(file, "key").value == EVERYTHING.key
    write(NOTHING, tmp_path / "b", ["json"])
    for kind in annotations.KINDS:
        with pytest.raises(DataError, match=rf"b\.json: no {kind} in it; .*--tasks {kind}"):
            annotations.read(tmp_path / "b.json", kind)


@pytest.mark.parametrize("ending", ["json", "jams", "lab and beats"])
def test_readers_give_the_same_values(tmp_path: Path, ending: str) -> None:
    write(EVERYTHING, tmp_path / "a", TEXTS)
    one = tmp_path / f"a.{ending}"
    files = {kind: one if one.exists() else tmp_path / f"a.{kind}.lab" for kind in ("chords", "sections")}
    beats = annotations.read(one if one.exists() else tmp_path / "a.beats", "beats").value
    key = annotations.read(one if one.exists() else tmp_path / "a.key", "key").value
    assert EVERYTHING.beats is not None
    assert EVERYTHING.key is not None
    assert np.abs(beats.times - EVERYTHING.beats.times).max() < 1e-6
    assert np.array_equal(beats.positions, EVERYTHING.beats.positions)
    assert key.label == EVERYTHING.key.label
    for kind, file in files.items():
        found, truth = annotations.read(file, kind).value, getattr(EVERYTHING, kind)
        assert found.labels == truth.labels
        assert np.abs(found.intervals - truth.intervals).max() < 1e-6


@pytest.mark.parametrize("format", ["json", "jams", "lab"])
def test_a_folder_of_analyses_can_be_evaluated(tmp_path: Path, format: str) -> None:
    from ohrwurm.audio.isolation import Decoder
    from ohrwurm.data.tracks import Track
    from ohrwurm.evaluation.systems import files_in

    track = Track("t1", "music/song.mp3", "test")
    write(EVERYTHING, tmp_path / "song", [format, "beats", "csv"])
    for kind in annotations.KINDS:
        system = files_in(tmp_path, kind, [track])
        found = system.events(track, Decoder())
        assert found is not None, kind
        truth = getattr(EVERYTHING, kind)
        if isinstance(found, Key):
            assert found.label == truth.label
        else:
            assert len(found) == len(truth)


def test_keys_in_time_are_read_again(tmp_path: Path) -> None:
    write(EVERYTHING, tmp_path / "a", ["lab", "jams"])
    assert EVERYTHING.keys is not None
    for found in (keys.read_keys(tmp_path / "a.key.lab"), jams.read_keys(tmp_path / "a.jams", "1")):
        assert found.value.labels == EVERYTHING.keys.labels
        assert np.abs(found.value.intervals - EVERYTHING.keys.intervals).max() < 1e-6
    alone = dataclasses.replace(EVERYTHING, keys=None)
    write(alone, tmp_path / "b", ["lab"])
    assert keys.read_keys(tmp_path / "b.key.lab").value.labels == ("D minor",)


def test_jams_keeps_to_its_schema(tmp_path: Path) -> None:
    """Of jams_schema.json and the schemata of the namespaces: what is required, and which values are allowed."""
    two = dataclasses.replace(EVERYTHING, tempo=Tempo(120.0, 60.0, 0.75, 0.9))
    for analysis in (two, EMPTY, NOTHING):
        write(analysis, tmp_path / "a", ["jams"])
        content = json.loads((tmp_path / "a.jams").read_text())
        assert re.fullmatch(r"\d\.\d\.\d", content["file_metadata"]["jams_version"])
        assert content["file_metadata"]["duration"] == analysis.duration
        for annotation in content["annotations"]:
            assert {"annotation_metadata", "data", "namespace", "time", "duration", "sandbox"} <= annotation.keys()
            for row in annotation["data"]:
                assert row.keys() == {"time", "duration", "value", "confidence"}
                assert row["time"] >= 0
                assert row["duration"] >= 0
                kind, value = annotation["namespace"], row["value"]
                if kind == "tempo":
                    assert value > 0
                    assert 0 <= row["confidence"] <= 1
                elif kind == "key_mode":
                    assert re.fullmatch(r"N|([A-G][b#]?)(:(major|minor))?", value)
                elif kind == "beat":
                    assert value is None or value > 0
                else:
                    assert isinstance(value, str)
        assert any(a["namespace"] == "tempo" for a in content["annotations"]) == (analysis is two)
    write(two, tmp_path / "b", ["jams"])
    assert jams.read_tempo(tmp_path / "b.jams") == [(120.0, 0.75), (60.0, 0.25)]
    assert jams.read_tags(tmp_path / "b.jams") == ["piano", "slow & <soft>"]


def test_tables_are_tidy(tmp_path: Path) -> None:
    write(EVERYTHING, tmp_path / "a", ["csv"])

    def rows(name: str) -> list[dict[str, str]]:
        with open(tmp_path / f"a.{name}.csv", newline="") as stream:
            return list(csv.DictReader(stream))

    assert EVERYTHING.beats is not None
    assert EVERYTHING.chords is not None
    beats = rows("beats")
    assert [float(r["time"]) for r in beats] == pytest.approx(EVERYTHING.beats.times.tolist(), abs=1e-6)
    assert [int(r["position"]) for r in beats] == EVERYTHING.beats.positions.tolist()
    chords = rows("chords")
    assert tuple(r["label"] for r in chords) == EVERYTHING.chords.labels
    assert [float(r["end"]) for r in chords] == pytest.approx(EVERYTHING.chords.intervals[:, 1].tolist(), abs=1e-6)
    assert [r["confidence"] for r in rows("sections")] == ["", ""]
    assert [float(r["bpm"]) for r in rows("tempo")] == pytest.approx(tempo_curve(EVERYTHING.beats)[1].tolist())
    assert rows("tags")[1] == {"tag": "slow & <soft>", "probability": "0.6"}
    (track,) = rows("track")
    assert (track["key"], track["metre"], float(track["bpm"])) == ("D minor", "3", pytest.approx(120))


def test_only_what_was_looked_for_is_written(tmp_path: Path) -> None:
    made = write(NOTHING, tmp_path / "a.b.c", TEXTS)
    assert sorted(file.name for file in made) == ["a.b.c.jams", "a.b.c.json", "a.b.c.track.csv"]
    assert made == files_of(NOTHING, tmp_path / "a.b.c", TEXTS)
    some = write(EMPTY, tmp_path / "empty", TEXTS)
    assert {file.name for file in some} >= {"empty.beats", "empty.tags.csv", "empty.sections.lab", "empty.key"}
    assert (tmp_path / "empty.beats").read_text() == ""
    assert all(file.exists() for file in (*made, *some))
    with pytest.raises(DataError, match="'txt' is not a format; there are json, jams"):
        write(NOTHING, tmp_path / "a", ["txt"])
