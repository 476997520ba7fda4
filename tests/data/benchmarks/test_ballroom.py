"""Ballroom: annotations beside the audio, alone, and without the copies."""

from __future__ import annotations

from pathlib import Path

from trees import known_as, write_audio, write_beat_this, write_lines

from ohrwurm.data import annotations
from ohrwurm.data.benchmarks import find


def tree(folder: Path, base: str = "BallroomAnnotations-master") -> Path:
    write_lines(folder / base / "Media-100601.beats", "0.5 3", "1.0 1")
    write_lines(folder / base / "Albums-AnaBelen_Veneo-01.beats", "0.194467120\t0.4", "0.849977324\t1.1")
    write_audio(folder / "BallroomData" / "ChaChaCha" / "Media-100601.wav")
    return folder


def test_both_forms_of_the_annotations(tmp_path: Path) -> None:
    first, second = find("ballroom").read(tree(tmp_path))
    assert annotations.read_beats(first.annotations["beats"]).value.positions.tolist() == [4, 1]
    assert annotations.read_beats(second.annotations["beats"]).value.positions.tolist() == [3, 1]
    assert second.annotations["dance"] == "ChaChaCha"
    assert Path(second.path).is_file()
    assert "dance" not in first.annotations


def test_the_repository_alone(tmp_path: Path) -> None:
    assert known_as(tree(tmp_path, ".")) == "ballroom"
    assert len(find("ballroom").read(tmp_path)) == 2


def test_beat_this_has_no_copies(tmp_path: Path) -> None:
    write_audio(tmp_path / "BallroomData" / "Waltz" / "Media-100601.wav")
    (track,) = find("ballroom/without-copies").read(write_beat_this(tmp_path, "ballroom_Media-100601"))
    assert track.track_id == "ballroom_Media-100601"
    assert Path(track.path).is_file()
    assert track.annotations["fold"] == 0
