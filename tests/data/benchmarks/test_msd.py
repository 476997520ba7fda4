"""The Million Song Dataset with CLMR's tables."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from trees import known_as, write_audio, write_ttmr

from ohrwurm.data.benchmarks import find
from ohrwurm.data.sources import manifest_of
from ohrwurm.errors import DataError


def tree(folder: Path) -> Path:
    tables = folder / "processed_annotations"
    tables.mkdir(parents=True)
    for number, part in enumerate(("train", "val", "test")):
        (tables / f"{part}_gt_msd.tsv").write_text(f"TR{number}\t{[[0, 1], [1, 1], [1, 0]][number]}\n")
    (tables / "output_labels_msd.txt").write_text("# tags\ntags = ['rock', 'hip hop']\n")
    (folder / "MSD_id_to_7D_id.pkl").write_bytes(pickle.dumps({f"TR{i}": 4560 + i for i in range(3)}))
    for number in range(3):
        write_audio(folder / "preprocessed" / "4" / "5" / f"456{number}.clip.mp3")
    return folder


def test_million_songs_are_found_by_their_7digital_numbers(tmp_path: Path) -> None:
    train, validation, test = manifest_of(tree(tmp_path / "msd"))
    assert (train.tags, validation.tags, test.tags) == (("hip hop",), ("rock", "hip hop"), ("rock",))
    assert train.path == str(tmp_path / "msd" / "preprocessed" / "4" / "5" / "4560.clip.mp3")
    (tmp_path / "msd" / "MSD_id_to_7D_id.pkl").write_bytes(pickle.dumps({"TR0": 1}))
    with pytest.raises(DataError, match=r"val_gt_msd\.tsv, row 1: TR1 has no 7digital id"):
        manifest_of(tmp_path / "msd")
    for text in ("one line", "# tags\ntags = {'rock'}\n", "# tags\ntags = ['rock', 'rock']\n", "# tags\n[open('x')]\n"):
        (tmp_path / "msd" / "processed_annotations" / "output_labels_msd.txt").write_text(text)
        with pytest.raises(DataError, match="second line holds no list of tags"):
            manifest_of(tmp_path / "msd")


def test_a_song_in_two_parts_is_told(tmp_path: Path) -> None:
    folder = tree(tmp_path / "msd")
    (folder / "processed_annotations" / "test_gt_msd.tsv").write_text("TR0\t[0, 1]\n")
    with pytest.raises(DataError, match=r"test_gt_msd\.tsv, row 1: TR0 stands in the tables a second time"):
        manifest_of(folder)


def test_ttmrs_folder(tmp_path: Path) -> None:
    tracks = {f"TR{n}": {"tag": ["rock"], "path": f"4/5/456{n}.clip.mp3"} for n in range(3)}
    folder = write_ttmr(tmp_path, "msd", ["hip hop", "rock"], tracks)
    assert known_as(folder) == "msd"
    found = list(find("msd").read(folder, "ttmr"))
    assert [(t.track_id, t.split) for t in found] == [("TR0", "train"), ("TR1", "validation"), ("TR2", "test")]
    assert found[0].path == str(folder / "npy" / "4" / "5" / "4560.clip.npy")
    assert find("msd").labels(folder, "ttmr") == ["hip hop", "rock"]
