"""A manifest says the same in every format, and a faulty one says where."""

from __future__ import annotations

from pathlib import Path

import pytest

from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError


def tracks(folder: Path) -> list[Track]:
    return [
        Track(
            "a",
            str(folder / "music" / "a b.flac"),
            "train",
            ("jazz", "slow, sad"),
            'A "quiet", line',
            "w1",
            {"bpm": 90},
        ),
        Track("b", "/elsewhere/b.flac", "", (), "", "", {"bpm": 120}),
        Track("ç", str(folder / "c.flac"), "test", ("übermütig",), "zwei\nZeilen", "w1", {"bpm": 7}),
    ]


@pytest.mark.parametrize("name", ["m.csv", "m.jsonl", "m.parquet"])
def test_read_gives_back_what_was_written(tmp_path: Path, name: str) -> None:
    written = tracks(tmp_path)
    Manifest(written).write(tmp_path / name)
    read = Manifest.read(tmp_path / name)
    for a, b in zip(written, read, strict=True):
        assert (a.track_id, a.path, a.split, a.tags, a.caption, a.work_id) == (
            b.track_id, b.path, b.split, b.tags, b.caption, b.work_id,
        )  # fmt: skip
        assert float(b.annotations["bpm"]) == a.annotations["bpm"]
    assert [t.track_id for t in read.works()["w1"]] == ["a", "ç"]
    assert [t.track_id for t in read.split("test")] == ["ç"]


def test_a_manifest_moves_with_its_folder(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    Manifest([Track("a", str(tmp_path / "one" / "a.flac"))]).write(tmp_path / "one" / "m.csv")
    (tmp_path / "one").rename(tmp_path / "two")
    moved = Manifest.read(tmp_path / "two" / "m.csv")
    assert moved[0].path == str(tmp_path / "two" / "a.flac")
    assert moved.missing_files() == [moved[0].path]


def test_only_a_path_is_needed(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("path\na.flac\n")
    assert Manifest.read(tmp_path / "m.csv")[0].track_id == "a.flac"


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("m.csv", "file,tags\na.flac,x\n", "no column 'path'"),
        ("m.csv", "path,split\na.flac,train\nb.flac,dev\n", "row 3: split 'dev'"),
        ("m.csv", "path,tags\na.flac,x,y\n", "row 2: not as many values"),
        ("m.csv", "path,tags\n ,x\n", "row 2: no path"),
        ("m.csv", "track_id,path\na,a.flac\na,b.flac\n", "row 3: track_id 'a' stands in row 2"),
        ("m.jsonl", '{"path": "a"}\nnonsense\n', "row 2: not JSON"),
        ("m.jsonl", '{"path": "a", "tags": [1]}\n', "row 1: tags"),
        ("m.parquet", "nonsense", "not a readable Parquet"),
        ("m.txt", "path\n", "a manifest is a .csv"),
    ],
)
def test_a_fault_is_named_with_file_and_row(tmp_path: Path, name: str, text: str, complaint: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError) as caught:
        Manifest.read(tmp_path / name)
    assert complaint in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)


def test_a_tag_with_the_separator_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="contains ';'"):
        Manifest([Track("a", "a.flac", tags=("x;y",))]).write(tmp_path / "m.csv")
