"""GTZAN-Rhythm: text and JAMS, always to be tested on."""

from __future__ import annotations

from pathlib import Path

import pytest
from trees import write_audio, write_json, write_lines

from ohrwurm.data import annotations
from ohrwurm.data.benchmarks import find
from ohrwurm.errors import DataError


def tree(folder: Path, base: str = ".") -> Path:
    write_lines(folder / base / "beats" / "gtzan_blues_00000.beats", "0.5\t4", "1.0\t1")
    write_audio(folder / "genres" / "blues" / "blues.00000.wav")
    return folder


@pytest.mark.parametrize("base", [".", "gtzan_tempo_beat-main"])
def test_text(tmp_path: Path, base: str) -> None:
    (track,) = find("gtzan_rhythm").read(tree(tmp_path, base))
    assert (track.track_id, track.split, track.annotations["genre"]) == ("blues.00000", "test", "blues")
    assert Path(track.path).is_file()
    assert annotations.read_beats(track.annotations["beats"]).value.downbeats.tolist() == [1.0]


def test_jams(tmp_path: Path) -> None:
    kinds = {"beat": [0.5, 1.0, 1.5], "downbeat": [1.0]}
    listed = [
        {"namespace": "beat", "sandbox": {"annotation_type": kind}, "data": [{"time": t, "value": None} for t in times]}
        for kind, times in kinds.items()
    ]
    write_json(tmp_path / "jams" / "blues.00000.wav.jams", {"annotations": listed})
    (track,) = find("gtzan_rhythm").read(tmp_path)
    assert track.track_id == "blues.00000"
    assert annotations.read_beats(track.annotations["beats"]).value.positions.tolist() == [0, 1, 2]


def test_beat_this_is_read_as_test_too(tmp_path: Path) -> None:
    write_lines(tmp_path / "annotations" / "beats" / "gtzan_jazz_00054.beats", "0.5\t1")
    (track,) = find("gtzan_rhythm").read(tmp_path)
    assert track.split == "test"
    assert track.path.endswith("jazz.00054.wav")


def test_other_names_are_told(tmp_path: Path) -> None:
    write_lines(tree(tmp_path) / "beats" / "gtzan_x.beats", "0.5")
    with pytest.raises(DataError, match=r"gtzan_x\.beats: not called as an excerpt"):
        find("gtzan_rhythm").read(tmp_path)
