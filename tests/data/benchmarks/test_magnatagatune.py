"""MagnaTagATune: the same clips from the published tables, Pons', Won's, jukemir's and TTMR's."""

from __future__ import annotations

import gzip
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trees import annotations_at_hand, golden_labels, known_as, write_audio, write_json, write_ttmr

from ohrwurm.data.benchmarks import find
from ohrwurm.data.benchmarks.magnatagatune import CODIFIED, DROPPED, TAGS
from ohrwurm.data.sources import manifest_of
from ohrwurm.data.tracks import Track
from ohrwurm.errors import DataError

MTT = find("magnatagatune")
INFO = [
    "clip_id",
    "track_number",
    "title",
    "artist",
    "album",
    "url",
    "segmentStart",
    "segmentEnd",
    "original_url",
    "mp3_path",
]
# Three clips of one song, in no order; one of another; one without tags; a broken one; one without a file.
CLIPS = (
    ("6", "01", "http://a", 59, "0/slow-59-88.mp3", ("guitar", "slow", "twangy")),
    ("2", "01", "http://a", 30, "0/slow-30-59.mp3", ("slow",)),
    ("30", "01", "http://a", 117, "0/slow-117-146.mp3", ()),
    ("10", "02", "http://a", 0, "c/none-0-29.mp3", ("choral",)),
    ("11", "01", "http://b", 0, "f/loud-0-29.mp3", ("loud", "twangy")),
    ("12", "02", "http://b", 0, "e/plain-0-29.mp3", ("twangy",)),
    ("35644", "03", "http://b", 0, "6/broken-0-29.mp3", ("guitar",)),
    ("13", "04", "http://b", 0, "", None),
)


def quoted(values: list[str]) -> str:
    return "\t".join(f'"{value}"' for value in values) + "\n"


def tree(folder: Path) -> Path:
    """The tables as published, in which all columns are quoted and separated by tabs."""
    folder.mkdir(parents=True)
    columns = ["twangy", *sorted(TAGS)]
    info, annotations = quoted(INFO), quoted(["clip_id", *columns, "mp3_path"])
    for name, number, url, start, path, tags in CLIPS:
        info += quoted([name, number, "Title", "Artist", "Album", url, str(start), str(start + 29), "", path])
        if tags is not None:
            annotations += quoted([name, *(str(int(tag in tags)) for tag in columns), path])
    (folder / "clip_info_final.csv").write_text(info)
    (folder / "annotations_final.csv").write_text(annotations)
    write_audio(folder / "0" / "slow-59-88.mp3")
    return folder


def pons(folder: Path) -> Path:
    clips = {"2": "f/loud.mp3", "6": "0/slow.mp3", "10": "c/none.mp3"}
    folder.mkdir(parents=True)
    (folder / "index_mtt.tsv").write_text("".join(f"{k}\t{path}\n" for k, path in clips.items()))
    for part, name, tags in (("train", "6", (0, 2)), ("val", "10", (49,)), ("test", "2", (23,))):
        row = [int(i in tags) for i in range(50)]
        (folder / f"{part}_gt_mtt.tsv").write_text(f"{name}\t{row}\n")
    write_audio(folder / "0" / "slow.wav")  # resampled beside where the .mp3 was
    write_audio(folder / "f" / "loud.mp3")
    return folder


def won(folder: Path, tags: tuple[str, ...] | None = None) -> Path:
    folder.mkdir(parents=True)
    for part, items in {
        "train": ["1\t0/slow.mp3"],
        "valid": ["0\tc/none.mp3"],
        "test": ["2\tf/loud.mp3", f"1\t{DROPPED}.mp3"],
    }.items():
        np.save(folder / f"{part}.npy", np.array(items))
    np.save(folder / "binary.npy", np.eye(3, 50, dtype=np.int64))
    if tags:
        np.save(folder / "tags.npy", np.array(tags))
    write_audio(folder / "AUDIO" / "f" / "loud.mp3")
    return folder


def jukemir(folder: Path) -> Path:
    def entry(split: str | None, y: list[str] | None, y_all: list[str] | None) -> dict[str, Any]:
        extra = {"artist": "A", "album": "B", "title": "C", "url": "http://a", "track_number": "01"}
        clip = {"clip_idx": 1, "clip_offset": 59.0}
        return {"split": split, "y": y, "y_all": y_all, "clip": clip, "extra": {**extra, "segmentStart": "59"}}

    entries = {
        "00006": entry("train", ["guitar"], ["guitar", "twangy"]),
        "00012": entry("test", [], ["twangy"]),
        "00013": entry(None, None, None),
    }
    write_json(folder / "meta.json", entries)
    write_audio(folder / "wav" / "00006.wav")
    return folder


def told(tracks: list[Track]) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {track.track_id: (track.split, track.tags) for track in tracks}


def test_published_tables_give_the_split_by_folders(tmp_path: Path) -> None:
    folder = tree(tmp_path / "mtt")
    assert known_as(folder) == "magnatagatune"
    everything = {
        "00006": ("train", ("guitar", "slow")),
        "00002": ("train", ("slow",)),
        "00030": ("train", ()),
        "00010": ("validation", ("choral",)),
        "00011": ("test", ("loud",)),
        "00012": ("test", ()),
    }
    assert told(list(MTT.read(folder, "jukemir"))) == everything
    tagged = {name: said for name, said in everything.items() if said[1]}
    assert told(list(MTT.read(folder))) == tagged
    found = {t.track_id: t for t in MTT.read(folder, "jukemir")}
    assert Path(found["00006"].path).is_file()
    assert not Path(found["00002"].path).exists()
    assert [found[name].annotations["clip_idx"] for name in ("00002", "00006", "00030", "00010")] == [0, 1, 2, 0]
    assert found["00006"].annotations == {
        "artist": "Artist", "album": "Album", "title": "Title", "recording": "http://a#01",
        "clip_idx": 1, "clip_offset": 59.0, "y_all": "twangy;guitar;slow",
    }  # fmt: skip


@pytest.mark.parametrize(
    "table, before, after, message",
    [
        ("annotations_final.csv", '\n"6"\t', '\n"7"\t', r"annotations_final\.csv, clip 7: not in clip_info"),
        ("annotations_final.csv", '"1"', '"2"', r"annotations_final\.csv, clip 6: twangy is '2', not 0 or 1"),
        ("annotations_final.csv", '"guitar"', '"guitarr"', r"annotations_final\.csv: no column guitar"),
        ("annotations_final.csv", '"6"\t', "", r"annotations_final\.csv, line 2: not as many values as columns"),
        ("clip_info_final.csv", '"59"\t"88"', '"x"\t"88"', r"clip_info_final\.csv, clip 6: .*whole numbers"),
        ("clip_info_final.csv", '"2"\t', '"6"\t', r"clip_info_final\.csv, line 3: 6 is named a second time"),
        ("clip_info_final.csv", "clip_id", "clip", r"clip_info_final\.csv: no column clip_id"),
    ],
)
def test_damaged_published_tables_are_told(tmp_path: Path, table: str, before: str, after: str, message: str) -> None:
    folder = tree(tmp_path / "mtt")
    text = (folder / table).read_text()
    assert before in text
    (folder / table).write_text(text.replace(before, after, 1))
    with pytest.raises(DataError, match=message):
        MTT.read(folder)


def test_rows_of_pons_tables_are_the_published_tags(tmp_path: Path) -> None:
    slow, none, loud = manifest_of(pons(tmp_path / "mtt"))
    assert [t.track_id for t in (slow, none, loud)] == ["00006", "00010", "00002"]
    assert (slow.tags, none.tags, loud.tags) == (("guitar", "slow"), ("choral",), ("loud",))
    assert Path(slow.path).suffix == ".wav"
    assert Path(loud.path).suffix == ".mp3"
    assert not Path(none.path).exists()
    table = tmp_path / "mtt" / "test_gt_mtt.tsv"
    for text, message in (
        ("2\t[1, 0]\n", r"test_gt_mtt\.tsv, row 1: not a list of 50 zeros and ones"),
        ("2\t__import__('os').abort()\n", "not a list of 50"),
        ("7\t[]\n", "clip 7 is not in index_mtt"),
        ("2\n", "1 values separated by tabs, not 2"),
        (f"2\t{[0] * 50}\n6\t{[0] * 50}\n", r"test_gt_mtt\.tsv, row 2: clip 6 stands in the tables a second time"),
    ):
        table.write_text(text)
        with pytest.raises(DataError, match=message):
            manifest_of(tmp_path / "mtt")


@pytest.mark.parametrize("tags", [None, TAGS[::-1]])
def test_arrays_of_won_and_the_file_that_muscall_drops(tmp_path: Path, tags: tuple[str, ...] | None) -> None:
    folder = won(tmp_path / "mtt", tags)
    assert known_as(folder) == "magnatagatune"
    names = tags or TAGS
    expected = {
        "0/slow": ("train", (names[1],)),
        "c/none": ("validation", (names[0],)),
        "f/loud": ("test", (names[2],)),
    }
    assert told(list(MTT.read(folder, "muscall"))) == expected
    assert told(list(MTT.read(folder, "minz"))) == {**expected, DROPPED: ("test", (names[1],))}
    assert [Path(t.path).is_file() for t in MTT.read(folder, "muscall")] == [False, False, True]


@pytest.mark.parametrize(
    "file, content, message",
    [
        ("test", np.array(["3\tf/x.mp3"]), r"test\.npy, item 1: '3\\tf/x\.mp3' is no row of binary"),
        ("test", np.array(["f/x.mp3"]), r"test\.npy, item 1: .*is no row of binary"),
        ("test", np.array(["0\t0/slow.mp3"]), r"test\.npy, item 1: 0/slow\.mp3 is named a second time"),
        ("test", np.array([{"a": 1}], dtype=object), r"test\.npy: not a readable array"),
        ("binary", np.zeros(3), r"binary\.npy: not an array of 2 dimensions"),
        ("binary", np.zeros((3, 4)), r"binary\.npy: 4 columns for 50 tags"),
        ("tags", np.array(["rock"]), r"tags\.npy: not the 50 published tags"),
        ("valid", None, r"valid\.npy: missing"),
    ],
)
def test_damaged_arrays_are_told(tmp_path: Path, file: str, content: np.ndarray | None, message: str) -> None:
    folder = won(tmp_path / "mtt")
    (folder / f"{file}.npy").unlink(missing_ok=True)
    if content is not None:
        np.save(folder / f"{file}.npy", content)
    layout = next(layout for layout in MTT.layouts if "binary.npy" in layout.marks)
    with pytest.raises(DataError, match=message):
        layout.read(folder, "minz")


def test_jukemirs_metadata_keeps_clips_without_tags(tmp_path: Path) -> None:
    folder = jukemir(tmp_path / "mtt")
    assert known_as(folder) == "magnatagatune"
    found = list(MTT.read(folder, "jukemir"))
    assert told(found) == {"00006": ("train", ("guitar",)), "00012": ("test", ())}
    assert told(list(MTT.read(folder, "pons"))) == {"00006": ("train", ("guitar",))}
    assert found[0].annotations["y_all"] == "guitar;twangy"
    assert (found[0].annotations["clip_idx"], found[0].annotations["clip_offset"]) == (1, 59.0)
    assert [Path(t.path).is_file() for t in found] == [True, False]
    for y in (None, "rock", ["twangy"]):
        write_json(folder / "meta.json", {"00006": {"split": "train", "y": y}})
        with pytest.raises(DataError, match=r"meta\.json, entry '00006': 'y' is not a list of the 50"):
            MTT.read(folder)


@pytest.mark.parametrize("split, golden", [("codified", "mtat_50"), ("minz", "mtat_minz_50")])
def test_ttmrs_splits_with_the_tags_in_its_order(tmp_path: Path, split: str, golden: str) -> None:
    labels = golden_labels(golden)
    assert list(MTT.variant(split).labels) == labels  # type: ignore[arg-type]
    tracks = {
        "2": {"tag": ["rock", "fast"], "path": "f/x.mp3", "track_id": "2"},
        "6": {"tag": [], "path": "0/y.mp3"},
        "7": {"tag": ["opera"], "path": "c/z.mp3"},
    }
    names = (f"{split}_track_split.json", f"{split}_annotation.json", f"{split}_mtat_tags.json")
    folder = write_ttmr(tmp_path / "mtat", "mtat", labels, tracks, *names)
    assert known_as(folder) == "magnatagatune"
    found = list(MTT.read(folder, split))
    assert told(found) == {"2": ("train", ("rock", "fast")), "6": ("validation", ()), "7": ("test", ("opera",))}
    assert found[0].path == str(folder / "npy" / "f" / "x.npy")
    write_json(folder / names[2], [*labels[1:], "twangy"])
    with pytest.raises(DataError, match=rf"{names[2]}: '.*' (is missing from|does not belong to) the 50 published"):
        MTT.read(folder, split)


def test_both_orders_are_of_the_same_tags() -> None:
    assert sorted(CODIFIED) == sorted(TAGS)
    assert len(set(TAGS)) == 50


# The real annotations ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """jukemir's metadata of all 31,382 clips, and the published tables written out of it."""
    file = annotations_at_hand("jukemir_magnatagatune.json.gz")
    with gzip.open(file) as stream:
        meta: dict[str, Any] = json.load(stream)
    folder = tmp_path_factory.mktemp("published")
    columns = sorted({tag for entry in meta.values() for tag in entry["y_all"] or ()})
    info, annotations = [quoted(INFO)], [quoted(["clip_id", *columns, "mp3_path"])]
    for entry in meta.values():
        extra = entry["extra"]
        info.append(quoted([extra[name].replace('"', '""') for name in INFO]))
        if entry["y_all"] is not None:
            row = [str(int(tag in entry["y_all"])) for tag in columns]
            annotations.append(quoted([extra["clip_id"], *row, extra["mp3_path"]]))
    (folder / "clip_info_final.csv").write_text("".join(info), encoding="utf-8")
    (folder / "annotations_final.csv").write_text("".join(annotations), encoding="utf-8")
    (folder / "jukemir").mkdir()
    shutil.copy(file, folder / "jukemir" / "meta.json.gz")
    return folder, meta


@pytest.mark.slow
def test_the_published_metadata_comes_out_exactly(published: tuple[Path, dict[str, Any]]) -> None:
    folder, meta = published
    splits = {"train": "train", "valid": "validation", "test": "test"}
    expected = {
        uid: (
            splits[entry["split"]], set(entry["y"]), set(entry["y_all"]),
            entry["clip"]["clip_idx"], entry["clip"]["clip_offset"],
        )
        for uid, entry in meta.items()
        if entry["split"]
    }  # fmt: skip
    for place in (folder, folder / "jukemir"):
        for variant in ("jukemir", "pons"):
            found = {
                t.track_id: (
                    t.split, set(t.tags), set(filter(None, t.annotations["y_all"].split(";"))),
                    t.annotations["clip_idx"], t.annotations["clip_offset"],
                )
                for t in MTT.read(place, variant)
            }  # fmt: skip
            assert found == {uid: said for uid, said in expected.items() if variant == "jukemir" or said[1]}
            assert Counter(split for split, *_ in found.values()) == MTT.variant(variant).counts
    counts = Counter(tag for entry in meta.values() for tag in entry["y_all"] or ())
    assert [counts[tag] for tag in TAGS] == sorted(counts.values(), reverse=True)[:50]
