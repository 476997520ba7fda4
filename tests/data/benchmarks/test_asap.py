"""ASAP: performances whose annotations are there, with audio or without."""

from __future__ import annotations

from pathlib import Path

import pytest
from trees import sets_at_hand, write_lines

from ohrwurm.data import annotations
from ohrwurm.data.benchmarks import find
from ohrwurm.errors import DataError

HEAD = "composer,title,folder,midi_performance,performance_annotations,audio_performance"


def tree(folder: Path) -> Path:
    rows = []
    for name, audio in (("P01", "Bach/x/P01.wav"), ("P02", ""), ("P03", "")):
        rows.append(f"Bach,X,Bach/x,Bach/x/{name}.mid,Bach/x/{name}_annotations.txt,{audio}")
    write_lines(folder / "metadata.csv", HEAD, *rows)
    for name in ("P01", "P02"):  # a part of the set
        write_lines(folder / "Bach" / "x" / f"{name}_annotations.txt", "0.5\t0.5\tdb,4/4,-3", "1.0\t1.0\tb")
    return folder


def test_performances_of_one_piece_are_one_work(tmp_path: Path) -> None:
    found = find("asap").read(tree(tmp_path))
    assert [(t.track_id, t.work_id, t.split) for t in found] == [
        ("Bach/x/P01", "Bach/X", "test"),
        ("Bach/x/P02", "Bach/X", "test"),
    ]
    assert annotations.read_beats(found[0].annotations["beats"]).value.positions.tolist() == [1, 2]
    assert annotations.read_signatures(found[0].annotations["signature"]).value.labels == ("-3",)
    assert [t.track_id for t in find("asap/audio").read(tmp_path)] == ["Bach/x/P01"]
    write_lines(tmp_path / "8-fold.folds", "Bach_x_P02\t4")
    assert [t.annotations.get("fold") for t in find("asap").read(tmp_path)] == [None, 4]
    for file in (tmp_path / "Bach" / "x").glob("*.txt"):
        file.unlink()
    with pytest.raises(DataError, match="none of the annotations"):
        find("asap").read(tmp_path)


def test_the_half_at_hand() -> None:
    root = sets_at_hand()
    try:
        found = find("asap").read(root)
    except DataError:
        pytest.skip("OHRWURM_DATA holds no asap")
    assert len(found) in (593, 1067)
    assert len(found.works()) < len(found) / 3
