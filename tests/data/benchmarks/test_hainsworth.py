"""Hainsworth: as mirdata keeps it, its folder itself, and "Beat This!"."""

from __future__ import annotations

from pathlib import Path

import pytest
from trees import known_as, write_audio, write_beat_this, write_lines

from ohrwurm.data import annotations
from ohrwurm.data.benchmarks import find
from ohrwurm.errors import DataError


def tree(folder: Path, base: str = "H_1.0") -> Path:
    write_lines(folder / base / "annotations" / "beats" / "hains001.txt", "0.5\t4", "1.0\t1")
    write_lines(folder / base / "annotations" / "tempo" / "hains001.txt", "120")
    write_audio(folder / base / "audio" / "hains001.wav")
    return folder


@pytest.mark.parametrize("base", ["H_1.0", "."])
def test_excerpts(tmp_path: Path, base: str) -> None:
    assert known_as(tree(tmp_path, base)) == "hainsworth"
    (track,) = find("hainsworth").read(tmp_path)
    assert Path(track.path).is_file()
    assert annotations.read_beats(track.annotations["beats"]).value.downbeats.tolist() == [1.0]


def test_no_annotations_are_told(tmp_path: Path) -> None:
    (tree(tmp_path) / "H_1.0" / "annotations" / "beats" / "hains001.txt").rename(
        tmp_path / "H_1.0/annotations/beats/x.mat"
    )
    with pytest.raises(DataError, match=r"no files that end in \.beats"):
        find("hainsworth").read(tmp_path)


def test_beat_this(tmp_path: Path) -> None:
    found = find("hainsworth").read(write_beat_this(tmp_path, "hainsworth_001", "hainsworth_002"))
    assert [t.annotations["fold"] for t in found] == [0, 1]
