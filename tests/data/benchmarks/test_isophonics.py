"""Isophonics: four kinds of annotations of one song, in the folders of the packages or of mirdata."""

from __future__ import annotations

from pathlib import Path

import pytest
from trees import known_as, write_audio, write_lines

from ohrwurm.data import annotations
from ohrwurm.data.benchmarks import find
from ohrwurm.errors import DataError

SONG = "The Beatles/01_-_Please_Please_Me/01_-_I_Saw_Her"


def tree(folder: Path, base: str = "annotations") -> Path:
    write_lines(folder / base / "chordlab" / f"{SONG}.lab", "0.0 2.5 N", "2.5 5.0 E:7/3")
    write_lines(folder / base / "seglab" / f"{SONG}.lab", "0.0\t2.5\t0\tsilence", "2.5\t5.0\t1\tverse_(solo)")
    write_lines(folder / base / "keylab" / f"{SONG}.lab", "0.0\t2.5\tSilence", "2.5\t5.0\tKey\tE")
    write_lines(folder / base / "beat" / f"{SONG}.txt", "2.6 3", "3.0 4", "3.4 1")
    write_lines(folder / base / "chordlab" / "Queen" / "Greatest" / "01_One.lab", "0.0 1.0 N")
    return folder


@pytest.mark.parametrize("base", ["annotations", "The Beatles Annotations", "."])
def test_songs_with_their_files(tmp_path: Path, base: str) -> None:
    write_audio(tmp_path / "audio" / "01_-_Please_Please_Me" / "01_-_I_Saw_Her.wav")
    (track,) = find("isophonics").read(tree(tmp_path, base))
    assert known_as(tmp_path) == "isophonics"
    assert track.track_id == SONG
    assert (track.annotations["album"], track.annotations["title"]) == ("Please Please Me", "I Saw Her")
    assert Path(track.path).is_file()
    assert annotations.read(track.annotations["chords"], "chords").value.labels == ("N", "E:7/3")
    assert annotations.read(track.annotations["sections"], "sections").value.labels == ("silence", "verse_(solo)")
    assert annotations.read(track.annotations["key"], "key").value.label == "E major"
    assert annotations.read_beats(track.annotations["beats"]).value.positions.tolist() == [3, 4, 1]
    assert [t.annotations["artist"] for t in find("isophonics/all").read(tmp_path)] == ["Queen", "The Beatles"]


def test_nothing_there_is_told(tmp_path: Path) -> None:
    for kind in ("chordlab", "seglab"):
        (tmp_path / "annotations" / kind).mkdir(parents=True)
    with pytest.raises(DataError, match="unpack the packages here"):
        find("isophonics").read(tmp_path)
