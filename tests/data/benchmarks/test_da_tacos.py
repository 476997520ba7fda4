"""Da-TACOS: works, songs and features by the metadata, in their order; faults named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from trees import write_json

from ohrwurm.audio.pitch import da_tacos_rows
from ohrwurm.data.benchmarks import find
from ohrwurm.data.version_features import profiles_of
from ohrwurm.errors import DataError

h5py = pytest.importorskip("h5py")
WORKS = {"W_9": ("P_3", "P_1"), "W_2": ("P_20", "P_7"), "W_5": ("P_6",)}


def profile(song: str) -> np.ndarray:
    return np.random.default_rng(int(song[2:])).random((12, 15), dtype=np.float32)


def metadata(works: dict[str, tuple[str, ...]]) -> dict[str, dict[str, dict[str, object]]]:
    return {
        work: {
            song: {
                "perf_title": f"title {song}", "perf_artist": "Artist", "work_title": "T", "work_artist": "A",
                "release_year": "1961", "work_id": work, "perf_id": song, "instrumental": "No",
                "mb_performances": {"4ce2": {"length": "175000"}, "7c10": {"length": "177653"}},
            }
            for song in songs
        }
        for work, songs in works.items()
    }  # fmt: skip


def features(file: Path, work: str, song: str, whole: bool = False) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(file, "w") as content:
        content["crema"] = da_tacos_rows(torch.from_numpy(profile(song)), 15 * 4096).numpy()
        content["label"], content["track_id"] = work, song
        if whole:
            content["hpcp"], content["key_extractor/key"] = np.zeros((3, 12)), "A"


def tree(folder: Path) -> Path:
    write_json(folder / "da-tacos_metadata" / "da-tacos_benchmark_subset_metadata.json", metadata(WORKS))
    base = folder / "da-tacos_benchmark_subset_crema"
    for work, songs in WORKS.items():
        for song in songs:
            features(base / f"{work}_crema" / f"{song}_crema.h5", work, song)
    return folder


def test_songs_come_in_the_order_of_the_metadata_with_their_features(tmp_path: Path) -> None:
    found = find("da_tacos").read(tree(tmp_path))
    assert [t.track_id for t in found] == ["P_3", "P_1", "P_20", "P_7", "P_6"]
    assert [t.work_id for t in found] == ["W_9", "W_9", "W_2", "W_2", "W_5"]
    assert {t.split for t in found} == {"test"}
    assert found[0].annotations["perf_title"] == "title P_3"
    assert found[0].annotations["mb_performances"] == "4ce2 7c10"
    profiles = profiles_of(found.tracks)
    assert profiles.extractor == "crema-pcp-0.1.0"
    for i, track in enumerate(found):
        np.testing.assert_array_equal(profiles.read(i), profile(track.track_id))


def test_files_of_all_features_stand_in(tmp_path: Path) -> None:
    write_json(tmp_path / "da-tacos_coveranalysis_subset_metadata.json", metadata({"W_1": ("P_1", "P_2")}))
    for song in ("P_1", "P_2"):
        features(tmp_path / "da-tacos_coveranalysis_subset_single_files" / "W_1" / f"{song}.h5", "W_1", song, True)
    found = find("da_tacos/pairs").read(tmp_path)
    np.testing.assert_array_equal(profiles_of(found.tracks).read(1), profile("P_2"))


def test_features_alone_name_their_works(tmp_path: Path) -> None:
    (tree(tmp_path) / "da-tacos_metadata" / "da-tacos_benchmark_subset_metadata.json").unlink()
    found = find("da_tacos").read(tmp_path)
    assert {t.work_id: t.track_id for t in found if t.work_id != "W_9"}["W_5"] == "P_6"
    assert len(found) == 5


def test_faults_are_named(tmp_path: Path) -> None:
    file = tmp_path / "da-tacos_metadata" / "da-tacos_benchmark_subset_metadata.json"
    wrong = metadata(WORKS)
    wrong["W_9"]["P_3"]["work_id"] = "W_8"
    write_json(file, wrong)
    with pytest.raises(DataError, match="P_3 of W_9 has work_id 'W_8'"):
        find("da_tacos").read(tmp_path)
    write_json(file, {"W_9": {}})
    with pytest.raises(DataError, match="W_9 holds no songs"):
        find("da_tacos").read(tmp_path)
    with pytest.raises(DataError, match="missing"):
        find("da_tacos/pairs").read(tmp_path)
    write_json(file, metadata(WORKS))
    lost = find("da_tacos").read(tmp_path)
    with pytest.raises(DataError, match=r"P_3_crema\.h5: missing; get it again, or take P_3 out"):
        profiles_of(lost.tracks).read(0)
