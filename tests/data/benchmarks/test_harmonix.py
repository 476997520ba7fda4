"""The Harmonix set: its repository, and the beats of "Beat This!"."""

from __future__ import annotations

from pathlib import Path

import pytest
from trees import sets_at_hand, write_beat_this, write_lines

from ohrwurm.data import annotations
from ohrwurm.data.benchmarks import find
from ohrwurm.errors import DataError

HEAD = "File,Title,Artist,Release,Duration,BPM,Ratio Bars in 4,Time Signature,Genre"


def tree(folder: Path) -> Path:
    write_lines(
        folder / "dataset" / "metadata.csv", HEAD, '0001_12step,"1, 2 Step",Ciara,Goodies,142.47,113,100.0,4|4,R&B'
    )
    write_lines(folder / "dataset" / "beats_and_downbeats" / "0001_12step.txt", "0.0\t1\t1", "0.53\t2\t1")
    write_lines(folder / "dataset" / "segments" / "0001_12step.txt", "0.0 intro", "8.5 verse")
    return folder


def test_songs_with_their_files(tmp_path: Path) -> None:
    (track,) = find("harmonix").read(tree(tmp_path))
    assert (track.track_id, track.annotations["title"], track.annotations["metre"]) == (
        "0001_12step",
        "1, 2 Step",
        "4/4",
    )
    assert annotations.read_beats(track.annotations["beats"]).value.positions.tolist() == [1, 2]
    seconds = track.annotations["seconds"]
    sections = annotations.read(track.annotations["sections"], "sections", duration=seconds).value
    assert sections.intervals[-1].tolist() == [8.5, 142.47]  # nothing else closes it
    assert "fold" not in track.annotations
    write_lines(tmp_path / "8-fold.folds", "0001_12step\t4")
    assert find("harmonix").read(tmp_path)[0].annotations["fold"] == 4
    write_lines(tmp_path / "8-fold.folds", "0001_12step\tfour")
    with pytest.raises(DataError, match=r"8-fold\.folds, row 1: 'four' is no fold"):
        find("harmonix").read(tmp_path)


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    write_lines(tree(tmp_path) / "dataset" / "metadata.csv", HEAD, "0001_12step,x,y,z,long,113,100.0,4|4,R&B")
    with pytest.raises(DataError, match=r"metadata\.csv: 0001_12step: could not convert"):
        find("harmonix").read(tmp_path)


def test_beat_this(tmp_path: Path) -> None:
    found = find("harmonix/beats").read(write_beat_this(tmp_path, "0001_12step", "0003_6foot7foot"))
    assert [(t.track_id, t.annotations["fold"]) for t in found] == [("0001_12step", 0), ("0003_6foot7foot", 1)]


def test_as_published() -> None:
    root = sets_at_hand()
    try:
        found = find("harmonix").read(root)
    except DataError:
        pytest.skip("OHRWURM_DATA holds no harmonix")
    assert len(found) == 912
    for name in ("beats", "sections"):
        assert all(Path(t.annotations[name]).is_file() for t in found)
