"""The files of MOVE and Re-MOVE: written as published, read again, checked, and finished after a kill."""

from __future__ import annotations

import importlib.util
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from typer.testing import CliRunner

from ohrwurm.data import version_files
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.data.version_features import ProfileSet, open_profiles, profiles_of
from ohrwurm.data.version_files import check_version_files, labels_in, write_matrix, write_version_files
from ohrwurm.errors import DataError
from ohrwurm.unpickle import read_pickle

GOLDEN = Path(__file__).parents[1] / "golden" / "remove"
WORKS = ["a", "a", "b", "b", "b", "c", "c", "v", "v", "t", "t", "u"]
SPLITS = ["train"] * 7 + ["validation"] * 2 + ["test"] * 3


def profile(number: int) -> np.ndarray:
    return np.random.default_rng(number).random((12, 20 + number), dtype=np.float32)


def songs(damaged: int = -1) -> ProfileSet:
    tracks = [
        Track(f"s{i}", f"s{i}.npz", split, work_id=work)
        for i, (work, split) in enumerate(zip(WORKS, SPLITS, strict=True))
    ]

    def read(i: int) -> np.ndarray:
        if i == damaged:
            raise DataError(f"s{i}.npz: damaged")
        return profile(i)

    return ProfileSet(tracks, read, "pitchnet:ab")


def teacher(x: np.ndarray) -> np.ndarray:
    return x.mean(1)


def test_songs_are_prepared_as_published(tmp_path: Path) -> None:
    """A Da-TACOS feature file becomes the golden tensor: every eighth row, 23 rows, nothing else."""
    h5py = pytest.importorskip("h5py")
    spec = importlib.util.spec_from_file_location("remove_fill", GOLDEN / "fill.py")
    assert spec is not None
    assert spec.loader is not None
    fill = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fill)
    golden = np.load(GOLDEN / "preproc.npz")
    file = tmp_path / "da-tacos_benchmark_subset_crema" / "W_1_crema" / "P_1_crema.h5"
    file.parent.mkdir(parents=True)
    with h5py.File(file, "w") as content:
        content["crema"] = fill.pcp12(int(golden["seed"]), int(golden["n"]))
    write_version_files(open_profiles(file.parent.parent), tmp_path / "out")
    found = read_pickle(tmp_path / "out" / "benchmark_crema.pt")
    assert found["labels"] == ["W_1"]
    assert found["data"][0].shape == golden["out"].shape == (1, 23, 101)
    np.testing.assert_array_equal(found["data"][0].numpy(), golden["out"])


def test_every_split_becomes_its_files(tmp_path: Path) -> None:
    found = write_version_files(songs(), tmp_path, chunks=2, teacher=teacher)
    assert found.songs == {
        "train_chunk_1.pt": 4, "train_chunk_2.pt": 3, "val_chunk.pt": 2, "benchmark_crema.pt": 3
    }  # fmt: skip
    assert sorted(found.others) == ["centroids.pt", "red_label_idx.pt", "ytrue_benchmark.pt", "ytrue_val.pt"]
    assert labels_in(tmp_path / "train_chunk_1.pt") == ["a", "a", "c", "c"]
    truth = read_pickle(tmp_path / "ytrue_benchmark.pt")
    assert truth.dtype == torch.float32
    assert truth.tolist() == [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    numbers = read_pickle(tmp_path / "red_label_idx.pt")
    assert numbers == {"a": 0, "c": 1, "b": 2}
    centroids = read_pickle(tmp_path / "centroids.pt")
    assert {number: tuple(value.shape) for number, value in centroids.items()} == dict.fromkeys(range(3), (1, 12))
    np.testing.assert_allclose(centroids[1][0], (teacher(profile(5)) + teacher(profile(6))) / 2, rtol=1e-6)
    assert check_version_files(tmp_path) == []
    assert not [f for f in tmp_path.iterdir() if "partial" in f.name or "tmp" in f.name]

    again = open_profiles(tmp_path)
    assert again.extractor == "pitchnet:ab"
    assert [t.split for t in again.tracks].count("train") == 7
    at = next(i for i, t in enumerate(again.tracks) if t.track_id == "train_chunk_2/1")
    np.testing.assert_array_equal(again.read(at), profile(3))


def test_move_has_other_names(tmp_path: Path) -> None:
    found = write_version_files(songs(), tmp_path, code="move")
    assert {"val_subset_crema.pt", "ytrue_validation.pt"} <= {*found.songs, *found.others}
    assert {t.split for t in open_profiles(tmp_path).tracks} == {"train", "validation", "test"}


def test_killed_it_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def dying(x: np.ndarray) -> np.ndarray:
        asked.append(x.shape[1] - 20)
        if len(asked) == 4:
            raise KeyboardInterrupt
        return teacher(x)

    with pytest.raises(KeyboardInterrupt):
        write_version_files(songs(), tmp_path, chunks=2, teacher=dying)
    assert not (tmp_path / "centroids.pt").exists()
    with open(tmp_path / ".centroids.pt.partial", "ab") as stream:
        stream.write(b"xy")  # half a number
    monkeypatch.setattr(version_files, "write_songs", lambda *a: pytest.fail("written before"))
    heard: list[int] = []
    write_version_files(songs(), tmp_path, chunks=2, teacher=lambda x: (heard.append(x.shape[1] - 20), teacher(x))[1])
    assert asked == [0, 1, 5, 6]
    whole = tmp_path / "whole"
    monkeypatch.undo()
    write_version_files(songs(), whole, chunks=2, teacher=teacher)
    one, other = (read_pickle(folder / "centroids.pt") for folder in (tmp_path, whole))
    assert all(torch.equal(one[n], other[n]) for n in range(3))
    assert 5 in heard
    with pytest.raises(DataError, match=r"train_chunk_1\.pt: is there, and of other songs"):
        write_version_files(songs(), whole, chunks=3)


def test_damaged_songs_are_left_out_by_name(tmp_path: Path) -> None:
    found = write_version_files(songs(damaged=9), tmp_path)
    assert found.failures == {"s9": "s9.npz: damaged"}
    assert found.songs["benchmark_crema.pt"] == 2
    assert read_pickle(tmp_path / "ytrue_benchmark.pt").sum() == 0
    lost = songs()
    lost.tracks[2] = Track("s2", "s2.npz", "train")
    with pytest.raises(DataError, match="s2: names no work"):
        write_version_files(lost, tmp_path / "other")
    lost.tracks[2] = Track("s2", "s2.npz", work_id="b")
    with pytest.raises(DataError, match="s2: in no split"):
        write_version_files(lost, tmp_path / "other")


def test_what_does_not_fit_together_is_said(tmp_path: Path) -> None:
    write_version_files(songs(), tmp_path, teacher=teacher)
    write_matrix(tmp_path / "ytrue_val.pt", ["v", "w"])
    torch.save({"a": 0, "b": 1, "d": 2}, tmp_path / "red_label_idx.pt")
    torch.save({0: torch.zeros(1, 3), 1: torch.zeros(1, 4), 7: torch.zeros(1, 3)}, tmp_path / "centroids.pt")
    faults = " ".join(check_version_files(tmp_path))
    for part in (
        "ytrue_val.pt says otherwise",
        "no number for 1 works",
        "for other works",
        "vectors (1, dim) of one size",
    ):
        assert part in faults
    with pytest.raises(DataError, match="no files of MOVE or Re-MOVE"):
        check_version_files(tmp_path.parent)


def test_a_matrix_is_never_in_memory_whole(tmp_path: Path) -> None:
    labels = [f"w{i // 3}" for i in range(2400)]
    tracemalloc.start()
    write_matrix(tmp_path / "ytrue.pt", labels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2400 * 2400 * 4 / 3
    assert read_pickle(tmp_path / "ytrue.pt", mapped=True).sum() == 2400 * 2


def test_command_writes_and_checks(tmp_path: Path) -> None:
    from ohrwurm.cli import app

    for i, (work, split) in enumerate(zip(WORKS, SPLITS, strict=True)):
        (tmp_path / split).mkdir(exist_ok=True)
        facts = np.frombuffer(json.dumps({"work_id": work}).encode(), np.uint8)
        np.savez(tmp_path / split / f"{i}.npz", profile=profile(i), facts=facts)
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["data", "version-files", str(tmp_path), str(out), "--chunks", "2", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["songs"]["val_chunk.pt"] == 2
    assert CliRunner().invoke(app, ["data", "version-files", str(out), "--check"]).exit_code == 0
    (out / "ytrue_val.pt").write_bytes((out / "ytrue_benchmark.pt").read_bytes())
    wrong = CliRunner().invoke(app, ["data", "version-files", str(out), "--check"])
    assert wrong.exit_code == 1
    assert "ytrue_val.pt says otherwise" in wrong.output
    assert CliRunner().invoke(app, ["data", "version-files", str(tmp_path)]).exit_code == 2


def test_command_takes_audio_through_an_extractor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ohrwurm.cli import app

    monkeypatch.setenv("OHRWURM_CACHE", str(tmp_path / "cache"))
    noise = np.random.default_rng(0)
    for name in "abc":
        soundfile.write(tmp_path / f"{name}.wav", noise.uniform(-0.5, 0.5, 44100), 22050)
    tracks = [
        Track(name, str(tmp_path / f"{name}.wav"), "test", work_id=work)
        for name, work in zip("abc", "xxy", strict=True)
    ]
    (tmp_path / "c.wav").write_bytes(b"no audio")
    Manifest(tracks).write(tmp_path / "mine.csv")
    given = ["data", "version-files", str(tmp_path / "mine.csv"), str(tmp_path / "out"), "--pitch", "chroma", "--json"]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["songs"] == {"benchmark_crema.pt": 2}
    again = open_profiles(tmp_path / "out")
    assert again.extractor == "chroma:1"
    assert [t.work_id for t in again.tracks] == ["x", "x"]
    assert again.read(0).shape[0] == 12
    assert list(found["failures"]) == [str(tmp_path / "c.wav")]


def test_profiles_in_the_files_keep_their_extractor(tmp_path: Path) -> None:
    tracks = [Track(f"s{i}", "s.npz", "test", work_id="w") for i in range(2)]
    write_version_files(ProfileSet(tracks, profile, "pitchnet:ab"), tmp_path)
    assert open_profiles(tmp_path).extractor == "pitchnet:ab"
    assert profiles_of([Track("0", str(tmp_path / "benchmark_crema.pt"))]).extractor == "pitchnet:ab"
