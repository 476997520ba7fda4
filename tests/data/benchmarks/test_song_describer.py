"""Song Describer: a track a caption, several of one recording."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from trees import write_audio

from ohrwurm.data.benchmarks import find
from ohrwurm.data.benchmarks.song_describer import TABLE
from ohrwurm.errors import DataError

COLUMNS = (
    "caption_id", "track_id", "caption", "is_valid_subset", "familiarity", "artist_id", "album_id", "path", "duration"
)  # fmt: skip
CAPTIONS = [
    (1, 1004034, 'A "sad" song, with piano ', True, 0, 11, 21, "34/1004034.mp3", 202.5),
    (2, 7, "Fast rock", False, 3, 12, 22, "07/7.mp3", 180),
    (5, 1004034, "Slow piano", True, 5, 11, 21, "34/1004034.mp3", 202.5),
]


def tree(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / TABLE, "w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([COLUMNS, *CAPTIONS])
    write_audio(folder / "audio" / "34" / "1004034.2min.mp3")
    write_audio(folder / "audio" / "07" / "7.mp3")
    return folder


def test_each_caption_is_a_track_and_knows_its_recording(tmp_path: Path) -> None:
    first, second, third = find("song_describer").read(tree(tmp_path))
    assert [t.track_id for t in (first, second, third)] == ["1004034", "7", "1004034/2"]
    assert first.caption == 'A "sad" song, with piano'
    assert first.path == third.path == str(tmp_path / "audio" / "34" / "1004034.2min.mp3")
    assert Path(second.path).name == "7.mp3"
    assert third.annotations == {"song": "1004034", "caption_id": "5", "artist": "11", "album": "21"}


def test_checked_captions_are_a_variant(tmp_path: Path) -> None:
    assert [t.caption for t in find("song_describer/valid").read(tree(tmp_path))] == [
        'A "sad" song, with piano',
        "Slow piano",
    ]


def test_single_captions_stand_for_one_recording_each(tmp_path: Path) -> None:
    assert [t.track_id for t in find("song_describer/single").read(tree(tmp_path))] == ["1004034", "7"]


def test_a_damaged_table_is_told(tmp_path: Path) -> None:
    file = tree(tmp_path) / TABLE
    whole = file.read_text()
    for old, new, message in (
        ("rock,False", "rock,perhaps", r"song_describer\.csv: 2 has is_valid_subset 'perhaps'"),
        ("\n5,", "\n1,", "1 is named a second time"),
        (",180", "", "line 3: not as many values"),
    ):
        assert old in whole
        file.write_text(whole.replace(old, new))
        with pytest.raises(DataError, match=message):
            find("song_describer").read(tmp_path)
