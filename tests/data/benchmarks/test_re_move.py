"""The files of MOVE and Re-MOVE as benchmarks: songs by file and place, splits by the file's name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ohrwurm.data.benchmarks import find, recognise
from ohrwurm.data.tracks import Manifest
from ohrwurm.data.version_features import profiles_of
from ohrwurm.errors import DataError


def song(seed: int) -> torch.Tensor:
    x = np.random.default_rng(seed).random((12, 20), dtype=np.float32)
    return torch.from_numpy(np.concatenate([x, x[:11]])[None])


def chunk(file: Path, *works: str, seed: int = 0) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"data": [song(seed + i) for i in range(len(works))], "labels": list(works)}, file)


def tree(folder: Path) -> Path:
    chunk(folder / "train_chunk_1.pt", "W_1", "W_1", seed=10)
    chunk(folder / "train_chunk_2.pt", "W_2", "W_3", seed=20)
    chunk(folder / "val_chunk.pt", "W_4", "W_4", seed=30)
    torch.save({"W_1": 0, "W_2": 1, "W_3": 2}, folder / "red_label_idx.pt")
    return folder


def test_songs_keep_file_place_and_split(tmp_path: Path) -> None:
    chunk(tree(tmp_path) / "benchmark_crema.pt", "W_5", "W_6", seed=40)
    found = find("re_move").read(tmp_path)
    assert {t.split for t in found} == {"train", "validation"}
    found.write(tmp_path / "mine.csv")
    again = Manifest.read(tmp_path / "mine.csv").tracks
    at = [t.track_id for t in again].index("train_chunk_2/1")
    assert again[at].work_id == "W_3"
    np.testing.assert_array_equal(profiles_of(again).read(at), song(21)[0, :12])
    assert [t.track_id for t in find("re_move/benchmark").read(tmp_path)] == ["benchmark_crema/0", "benchmark_crema/1"]


def test_the_benchmark_alone_also_below_data(tmp_path: Path) -> None:
    chunk(tmp_path / "data" / "benchmark_crema.pt", "W_5", "W_5")
    known = recognise(tmp_path)
    assert known is not None
    assert known[1].variants == ("benchmark",)
    assert [t.split for t in find("re_move/benchmark").read(tmp_path)] == ["test", "test"]
    with pytest.raises(DataError, match="do not hold the variant 'training'"):
        find("re_move").read(tmp_path)


def test_a_wrong_row_is_named(tmp_path: Path) -> None:
    found = find("re_move").read(tree(tmp_path)).tracks
    found[0].annotations["row"] = 7
    with pytest.raises(DataError, match="names no song in it"):
        profiles_of(found).read(0)
