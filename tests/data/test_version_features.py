"""Profiles of works from the published layouts and our own: right numbers, works and splits; faults named."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from ohrwurm.audio.pitch import da_tacos_rows
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.data.version_features import holds_profiles, open_profiles
from ohrwurm.errors import DataError


def profile(seed: int, frames: int = 30) -> np.ndarray:
    return np.random.default_rng(seed).random((12, frames), dtype=np.float32)


def tiled(seed: int, frames: int = 30) -> torch.Tensor:
    x = profile(seed, frames)
    return torch.from_numpy(np.concatenate([x, x[:11]])[None])


def crema(folder: Path, work: str, song: str, x: np.ndarray) -> None:
    h5py = pytest.importorskip("h5py")
    file = folder / f"{work}_crema" / f"{song}_crema.h5"
    file.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(file, "w") as content:
        content["crema"] = da_tacos_rows(torch.from_numpy(x), x.shape[1] * 4096).numpy()
        content["label"], content["track_id"] = work, song


def keep(file: Path, x: np.ndarray, **facts: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(file, profile=x.astype(np.float16), facts=np.frombuffer(json.dumps(facts).encode(), np.uint8))


def test_da_tacos_files_give_the_frames_that_were_brought_to_its_hop(tmp_path: Path) -> None:
    crema(tmp_path / "train", "W_2", "P_9", profile(1))
    crema(tmp_path / "train", "W_2", "P_10", profile(2, 41))
    crema(tmp_path / "validation", "W_3", "P_1", profile(3))
    found = open_profiles(tmp_path)
    assert holds_profiles(tmp_path)
    assert {(t.track_id, t.work_id, t.split) for t in found.tracks} == {
        ("P_9", "W_2", "train"), ("P_10", "W_2", "train"), ("P_1", "W_3", "validation")
    }  # fmt: skip
    assert found.extractor == "crema-pcp-0.1.0"
    for i, track in enumerate(found.tracks):
        expected = {"P_9": profile(1), "P_10": profile(2, 41), "P_1": profile(3)}[track.track_id]
        np.testing.assert_array_equal(found.read(i), expected)


def test_nobody_trains_on_the_benchmark(tmp_path: Path) -> None:
    folder = tmp_path / "da-tacos_benchmark_subset_crema"
    crema(folder, "W_1", "P_1", profile(1))
    assert [t.split for t in open_profiles(folder).tracks] == ["test"]


def test_chunks_are_read_in_their_order_and_what_lies_beside_them_is_passed_over(tmp_path: Path) -> None:
    for chunk in (1, 2, 10):
        songs = [tiled(100 * chunk + i, 20 + i) for i in range(3)]
        torch.save({"data": songs, "labels": ["W_1", "W_1", f"W_{chunk}"]}, tmp_path / f"train_chunk_{chunk}.pt")
    torch.save({"data": [tiled(7)], "labels": ["W_5"]}, tmp_path / "val_chunk.pt")
    torch.save({"data": [tiled(8).double()], "labels": ["W_6"]}, tmp_path / "benchmark_crema.pt")
    torch.save({"W_1": 0}, tmp_path / "red_label_idx.pt")
    torch.save(torch.zeros(2, 2), tmp_path / "ytrue_val.pt")
    found = open_profiles(tmp_path)
    rows = {t.track_id: i for i, t in enumerate(found.tracks)}
    assert list(dict.fromkeys(p for p in found.parts if "train" in p)) == [
        "train_chunk_1", "train_chunk_2", "train_chunk_10"
    ]  # fmt: skip
    assert {t.track_id: t.split for t in found.tracks if t.split != "train"} == {
        "val_chunk/0": "validation", "benchmark_crema/0": "test"
    }  # fmt: skip
    assert found.tracks[rows["train_chunk_10/2"]].work_id == "W_10"
    np.testing.assert_array_equal(found.read(rows["train_chunk_10/2"]), profile(1002, 22))
    last = found.read(rows["benchmark_crema/0"])
    assert last.dtype == np.float32
    again = pickle.loads(pickle.dumps(found.tracks))
    assert again == found.tracks


def test_kept_profiles_come_with_work_split_and_extractor(tmp_path: Path) -> None:
    for split, count in (("train", 3), ("validation", 2), ("test", 2)):
        for i in range(count):
            keep(tmp_path / f"versions-{split}-0a1b" / f"{i:04x}.npz", profile(i), work_id=f"{split}{i // 2}")
        identity = json.dumps({"identity": "pitchnet:ab"})
        (tmp_path / f"versions-{split}-0a1b" / "identity.json").write_text(identity)
    np.savez(tmp_path / "else.npz", vectors=np.zeros(3))
    (tmp_path / "text-train-77").mkdir()
    np.savez(tmp_path / "text-train-77" / "x.npz", mel=np.zeros(3))
    found = open_profiles(tmp_path)
    assert found.extractor == "pitchnet:ab"
    assert [t.split for t in found.tracks].count("train") == 3
    assert {t.work_id for t in found.tracks if t.split == "train"} == {"train0", "train1"}
    np.testing.assert_array_equal(found.read(0), profile(0).astype(np.float16))
    one = open_profiles(tmp_path / "versions-train-0a1b")
    assert [t.split for t in one.tracks] == [""] * 3
    keep(tmp_path / "versions-train-ffff" / "0.npz", profile(1), work_id="w")
    with pytest.raises(DataError, match="which of versions-train-0a1b, versions-train-ffff is the train"):
        open_profiles(tmp_path)


def test_manifest_may_name_profiles(tmp_path: Path) -> None:
    keep(tmp_path / "a.npz", profile(4))
    Manifest([Track("a", str(tmp_path / "a.npz"), "train", work_id="w")]).write(tmp_path / "mine.csv")
    assert holds_profiles(tmp_path / "mine.csv")
    found = open_profiles(tmp_path / "mine.csv")
    assert found.tracks[0].work_id == "w"
    assert found.read(0).shape == (12, 30)
    Manifest([Track("a", str(tmp_path / "b.npz"))]).write(tmp_path / "gone.csv")
    with pytest.raises(DataError, match=r"1 of 1 files are missing, e\.g\. .*b\.npz"):
        open_profiles(tmp_path / "gone.csv")


def test_profiles_of_two_extractors_are_not_mixed(tmp_path: Path) -> None:
    for split, identity in (("train", "pitchnet:1"), ("validation", "chroma:1")):
        keep(tmp_path / split / "0.npz", profile(1), work_id="w")
        (tmp_path / split / "identity.json").write_text(json.dumps({"identity": identity}))
    with pytest.raises(DataError, match="different extractors: chroma:1, pitchnet:1"):
        open_profiles(tmp_path)


def test_faults_are_named_with_the_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        open_profiles(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no profiles here"):
        open_profiles(tmp_path)
    keep(tmp_path / "kept" / "good.npz", profile(1), work_id="w")
    torn = tmp_path / "kept" / "torn.npz"
    torn.write_bytes((tmp_path / "kept" / "good.npz").read_bytes()[:300])
    with pytest.raises(DataError, match=r"torn\.npz: damaged"):
        open_profiles(tmp_path / "kept")
    keep(torn, np.full((12, 3), np.nan))
    found = open_profiles(tmp_path / "kept")
    with pytest.raises(DataError, match=r"torn\.npz: not a pitch-class profile"):
        found.read([t.path for t in found.tracks].index(str(torn)))
    for name, content, message in (
        ("labels", {"data": [tiled(1)], "labels": []}, "1 songs but 0 labels"),
        ("rolled", {"data": [tiled(1).roll(1, 1)], "labels": ["w"]}, "not 12 pitch classes tiled"),
    ):
        folder = tmp_path / name
        folder.mkdir()
        torch.save(content, folder / "train_chunk_1.pt")
        with pytest.raises(DataError, match=message):
            open_profiles(folder).read(0)


def test_chunk_that_holds_code_is_refused(tmp_path: Path) -> None:
    class Code:
        def __reduce__(self):  # type: ignore[no-untyped-def]
            return Path.touch, (tmp_path / "ran",)

    torch.save({"data": [Code()], "labels": ["w"]}, tmp_path / "train_chunk_1.pt")
    with pytest.raises(DataError, match="holds code"):
        open_profiles(tmp_path)
    assert not (tmp_path / "ran").exists()
