"""JAMS of several hands, and the truth of renditions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ohrwurm.data import annotations
from ohrwurm.data.annotations import jams
from ohrwurm.errors import DataError
from ohrwurm.events import Beats, Key, Spans


def observation(time: float, value: Any, duration: float = 0.0, confidence: Any = None) -> dict[str, Any]:
    return {"time": time, "duration": duration, "value": value, "confidence": confidence}


def write(file: Path, *listed: dict[str, Any]) -> Path:
    file.write_text(
        json.dumps({"annotations": list(listed), "file_metadata": {"duration": 4.0}})
    )  # NaN as many have it
    return file


def annotation(namespace: str, data: Any, annotator: str = "", **sandbox: str) -> dict[str, Any]:
    meta = {"annotator": {"id": annotator}} if annotator else {}
    return {"namespace": namespace, "data": data, "annotation_metadata": meta, "sandbox": sandbox}


def test_beats_without_values_as_smc_has_them(tmp_path: Path) -> None:
    nan = float("nan")
    file = write(tmp_path / "a.jams", annotation("beat", [observation(0.8, nan, 0.0, nan), observation(2.2, nan)]))
    assert annotations.read_beats(file).value.times.tolist() == [0.8, 2.2]
    assert annotations.read_beats(file).value.positions.tolist() == [0, 0]


def test_columns_of_older_files(tmp_path: Path) -> None:
    data = {"time": [0.0, 0.5], "duration": [0.0, 0.0], "value": [4, 1], "confidence": [None, None]}
    file = write(tmp_path / "a.jams", annotation("beat", data))
    assert annotations.read_beats(file).value.positions.tolist() == [4, 1]


def test_positions_as_objects(tmp_path: Path) -> None:
    value = {"position": 3, "measure": 2, "num_beats": 4, "beat_units": 4}
    file = write(tmp_path / "a.jams", annotation("beat_position", [observation(1.0, value)]))
    assert annotations.read_beats(file).value.positions.tolist() == [3]


def test_gtzan_rhythm_has_downbeats_apart(tmp_path: Path) -> None:
    beats = [observation(t / 2, None) for t in range(6)]
    file = write(
        tmp_path / "blues.00000.wav.jams",
        annotation("beat", [observation(t / 4, None) for t in range(12)], annotation_type="tatum"),
        annotation("beat", beats, annotation_type="beat"),
        annotation("beat", [observation(0.51, None), observation(2.0, None)], annotation_type="downbeat"),
    )
    found = annotations.read_beats(file).value
    assert len(found) == 6
    assert found.positions.tolist() == [0, 1, 2, 3, 1, 2]


def test_several_annotators(tmp_path: Path) -> None:
    rows = [[observation(0.0, label, 4.0)] for label in ("Intro", "Verse")]
    file = write(
        tmp_path / "a.jams",
        annotation("segment_open", [observation(0.0, "x", 4.0)]),
        *(annotation("segment_salami_function", data, name) for data, name in zip(rows, ("5", "8"), strict=True)),
    )
    assert annotations.read(file, "sections").value.labels == ("Intro",)  # by function, of the first
    assert annotations.read(f"{file}#8", "sections").value.labels == ("Verse",)
    assert annotations.read(f"{file}#1", "sections").value.labels == ("Verse",)
    with pytest.raises(DataError, match="2 annotators of sections, none of them '9'"):
        annotations.read(f"{file}#9", "sections")


def test_chords_keys_tempo_and_tags(tmp_path: Path) -> None:
    file = write(
        tmp_path / "a.jams",
        annotation("chord_harte", [observation(0.0, "C:maj", 2.0), observation(1.5, "G:7", 2.5)]),
        annotation("key_mode", [observation(0.0, "Eb:minor", 3.0), observation(3.0, "C:major", 1.0)]),
        annotation("tempo", [observation(0.0, 120.0, 4.0, 0.9)]),
        annotation("tag_open", [observation(0.0, "jazz", 4.0), observation(0.0, "slow", 4.0)]),
    )
    chords = annotations.read(file, "chords")
    assert chords.value.intervals.tolist() == [[0, 1.5], [1.5, 4]]
    assert chords.remarks == ("1 overlaps of chords cut where the later begins (C:maj at 1.5 s)",)
    assert annotations.read(file, "key").value == Key("Eb minor", 0.75)
    assert jams.read_tempo(file) == [(120.0, 0.9)]
    assert jams.read_tags(file) == ["jazz", "slow"]
    with pytest.raises(DataError, match=r"a\.jams: no beats in it"):
        annotations.read(file, "beats")


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "not readable as JSON"),
        ("[]", "not a JSON object"),
        ("{}", "not JAMS; it has no list of annotations"),
        ('{"annotations": [{"namespace": "beat", "data": [{"value": 1}]}]}', "an observation that is none"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.jams").write_text(text)
    with pytest.raises(DataError, match=rf"a\.jams: {message}"):
        annotations.read_beats(tmp_path / "a.jams")


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "a.jams"
    beats = Beats(np.array([0.5, 1.0]), np.array([0, 1]), np.array([0.5, 0.75]))
    chords = Spans(np.array([[0.0, 1.0], [1.0, 2.0]]), ("N", "A:min7"), np.array([0.25, 1.0]))
    sections = Spans(np.array([[0.0, 2.0]]), ("verse",))
    local = Spans(np.array([[0.0, 0.5], [0.5, 2.0]]), ("N", "Eb minor"))
    jams.write_jams(
        file, duration=2.0, beats=beats, chords=chords, sections=sections, keys=local,
        tempi=[(120.5, 0.75), (60.25, 0.25)], tags=[("jazz", 0.5), ("piano", None)],
    )  # fmt: skip
    assert annotations.read_beats(file).value.positions.tolist() == [0, 1]
    assert annotations.read(file, "chords").value.labels == chords.labels
    assert annotations.read(file, "sections").value.intervals.tolist() == [[0, 2]]
    assert annotations.read(file, "key").value.label == "Eb minor"
    assert jams.read_keys(file).value.labels == local.labels
    assert jams.read_tempo(file) == [(120.5, 0.75), (60.25, 0.25)]
    assert jams.read_tags(file) == ["jazz", "piano"]
    content = json.loads(file.read_text())
    assert content["annotations"][0]["data"][0] == {"time": 0.5, "duration": 0.0, "value": None, "confidence": 0.5}
    assert content["file_metadata"]["duration"] == 2.0


def test_truth_of_renditions(tmp_path: Path) -> None:
    truth = {
        "score_id": "s", "seconds": 4.0, "beats": [0.5, 1.0, 1.5, 2.0, 9.0], "downbeats": [1.0, 2.0],
        "chords": [[0.0, 2.0, "C:maj"], [2.0, 4.0, "A:min"]], "key": "Gb:maj",
    }  # fmt: skip
    file = tmp_path / "a.json"
    file.write_text(json.dumps(truth))
    assert annotations.read_beats(file).value.positions.tolist() == [0, 1, 2, 1]  # nothing after the audio's end
    assert annotations.read(file, "chords").value.labels == ("C:maj", "A:min")
    assert annotations.read(file, "key").value == Key("Gb major", 1.0)
    file.write_text(json.dumps(truth | {"key": None, "chords": [], "beats": []}))
    for kind, message in (("key", "no key is known"), ("chords", "no chords are known"), ("beats", "no beats are")):
        with pytest.raises(DataError, match=message):
            annotations.read(file, kind)  # type: ignore[arg-type]
