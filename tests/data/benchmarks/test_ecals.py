"""ECALS: TTMR's split, tags and queries, from pickles that are never run."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from trees import golden_labels, write_array, write_json

from ohrwurm.data.benchmarks import find
from ohrwurm.data.benchmarks.ecals import TOP50
from ohrwurm.data.recordings import open_recordings
from ohrwurm.data.sources import labels_of, manifest_of
from ohrwurm.data.splits import train_and_validation
from ohrwurm.errors import DataError


def tree(folder: Path) -> Path:
    """Six tracks as in TTMR's golden data set, of which the last has no audio."""
    names = [f"TR{i}" for i in range(6)]
    split = {"train_track": names[:2], "extra_track": names[2:3], "valid_track": names[3:5], "test_track": names[5:]}
    tags = {name: [f"t{j}" for j in range(12) if (i + j) % 3 == 0] for i, name in enumerate(names)}
    write_json(folder / "ecals_annotation" / "ecals_track_split.json", split)
    annotation = {name: {"track_id": name, "tag": tags[name], "artist": f"a{name}", "x": [1]} for name in names}
    write_json(folder / "ecals_annotation" / "annotation.json", annotation)
    write_json(folder / "ecals_annotation" / "ecals_tags.json", [f"t{j}" for j in reversed(range(12))])
    write_json(folder / "ecals_annotation" / "multiquery_samples.json", {"TR5": "t1, t4"})
    (folder / "lastfm_annotation").mkdir()
    for name, table in {
        "MSD_id_to_7D_id.pkl": {name: str(100 + i) for i, name in enumerate(names)},
        "7D_id_to_path.pkl": {str(100 + i): f"1/{i}/{100 + i}.clip.mp3" for i in range(6)},
    }.items():
        (folder / "lastfm_annotation" / name).write_bytes(pickle.dumps(table, 2))
    for i in range(5):
        write_array(folder / "npy" / "1" / str(i) / f"{100 + i}.clip.npy", number=i)
    return folder


def test_ecals_trains_on_train_and_extra_with_the_published_tags(tmp_path: Path) -> None:
    recordings = open_recordings(tree(tmp_path / "msd"), 16000)
    train, validation = train_and_validation(recordings.tracks)
    assert [recordings.tracks[i].track_id for i in train] == ["TR0", "TR1", "TR2"]
    assert [recordings.tracks[i].track_id for i in validation] == ["TR3", "TR4"]
    assert recordings.tracks[0].tags == ("t0", "t3", "t6", "t9")
    assert recordings.tracks[0].annotations == {"artist": "aTR0", "sample_rate": 16000}
    assert labels_of(tmp_path / "msd") == [f"t{j}" for j in reversed(range(12))]
    assert recordings.read(2, 0, 2).tolist() == pytest.approx([0.02, 0.02])
    assert recordings.failed == [(str(tmp_path / "msd" / "npy" / "1" / "5" / "105.clip.npy"), "missing")]
    queries = {t.track_id: t.annotations["multi_query"] for t in manifest_of(tmp_path / "msd", "test")}
    assert queries == {"TR5": "t1, t4"}


def test_ecals_that_is_damaged_is_told_with_its_file(tmp_path: Path) -> None:
    folder = tree(tmp_path / "msd")

    class Call:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "owned",)

    table = folder / "lastfm_annotation" / "7D_id_to_path.pkl"
    whole = table.read_bytes()
    table.write_bytes(pickle.dumps({"100": Call()}))
    with pytest.raises(DataError, match=r"7D_id_to_path\.pkl: holds code"):
        manifest_of(folder)
    assert not (tmp_path / "owned").exists()
    table.write_bytes(pickle.dumps({"100": "a.mp3"}))
    with pytest.raises(DataError, match=r"lastfm_annotation lacks 5 of 6 tracks of the split: TR1"):
        manifest_of(folder)
    table.write_bytes(whole)
    write_json(folder / "ecals_annotation" / "annotation.json", {"TR0": {"tag": ["t0"]}})
    with pytest.raises(DataError, match=r"annotation\.json lacks 5 of 6"):
        manifest_of(folder)
    (folder / "ecals_annotation" / "annotation.json").unlink()
    with pytest.raises(DataError, match=r"annotation\.json: missing"):
        manifest_of(folder)
    write_json(folder / "ecals_annotation" / "ecals_track_split.json", {"train_track": []})
    with pytest.raises(DataError, match="no list 'extra_track'"):
        manifest_of(folder)


def test_ids_in_two_lists_and_unknown_tags_are_told(tmp_path: Path) -> None:
    folder = tree(tmp_path / "msd")
    tables = folder / "ecals_annotation"
    write_json(tables / "ecals_tags.json", [f"t{j}" for j in range(11)])
    with pytest.raises(DataError, match=r"annotation\.json, entry 'TR1': 't11' is not one of the labels of ecals_tags"):
        manifest_of(folder)
    split = {"train_track": ["TR0"], "extra_track": [], "valid_track": [], "test_track": ["TR0"]}
    write_json(tables / "ecals_track_split.json", split)
    with pytest.raises(
        DataError, match=r"ecals_track_split\.json: 'TR0' stands in train_track and again in test_track"
    ):
        manifest_of(folder)


def test_labels_have_ttmrs_order(tmp_path: Path) -> None:
    known = find("ecals")
    folder = tree(tmp_path / "msd")
    tags = golden_labels("ecals_1054")
    write_json(folder / "ecals_annotation" / "ecals_tags.json", tags)
    assert known.labels(folder) == tags
    assert len(tags) == 1054
    assert known.labels(folder, "ttmr-50") == golden_labels("ecals_top50")
    assert set(TOP50) < set(tags)
    entries = {
        f"TR{i}": {"tag": [tag, "rock"]} for i, tag in enumerate(["pop rock", "jazz", "house", "metal", "a", "b"])
    }
    entries["TR4"] = entries["TR5"] = {"tag": ["rousing"]}
    write_json(folder / "ecals_annotation" / "annotation.json", entries)
    assert [t.tags for t in known.read(folder, "ttmr-50")] == [
        ("rock",), ("jazz", "rock"), ("house", "rock"), ("metal", "rock"), (), ()
    ]  # fmt: skip
    assert known.read(folder)[0].tags == ("pop rock", "rock")
