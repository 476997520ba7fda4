"""Recordings sorted into folders: their class, work and split, and what is not guessed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ohrwurm.data.class_folders import is_divided, read
from ohrwurm.data.sources import manifest_of
from ohrwurm.data.tracks import Manifest
from ohrwurm.errors import DataError


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def test_a_folder_is_a_tag_or_a_work(tmp_path: Path) -> None:
    folder = fill(tmp_path, "jazz/b.mp3", "jazz/live/1/a.flac", "drum and bass/c.wav", "jazz/cover.txt")
    assert [(t.track_id, t.tags, t.work_id, t.split) for t in read(folder)] == [
        ("drum and bass/c.wav", ("drum and bass",), "", ""),
        ("jazz/b.mp3", ("jazz",), "", ""),
        ("jazz/live/1/a.flac", ("jazz",), "", ""),
    ]
    assert {name: len(group) for name, group in read(folder, "works").works().items()} == {
        "drum and bass": 1,
        "jazz": 2,
    }


def test_splits_stand_above_under_any_usual_name(tmp_path: Path) -> None:
    folder = fill(tmp_path, "Training/rock/a.mp3", "val/rock/b.mp3", "test/jazz/c.mp3")
    assert [(t.split, t.tags) for t in read(folder)] == [
        ("train", ("rock",)),
        ("test", ("jazz",)),
        ("validation", ("rock",)),
    ]


def test_a_work_in_two_splits_is_refused_but_a_tag_is_not(tmp_path: Path) -> None:
    folder = fill(tmp_path, "train/yesterday/a.mp3", "test/yesterday/b.mp3")
    assert len(read(folder, "tags")) == 2
    with pytest.raises(DataError, match="the work 'yesterday' is in test and in train"):
        read(folder, "works")


def test_a_recording_without_a_class_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"b\.mp3: lies in no folder of a class"):
        read(fill(tmp_path / "one", "jazz/a.mp3", "b.mp3"))
    with pytest.raises(DataError, match=r"a\.mp3: lies in no folder of a class.*train, validation and test hold"):
        read(fill(tmp_path / "two", "train/a.mp3", "test/rock/b.mp3"))
    with pytest.raises(DataError, match="no recordings here"):
        read(fill(tmp_path / "three", "jazz/notes.txt"))
    with pytest.raises(DataError, match="no such folder"):
        read(tmp_path / "four")


def test_only_divided_folders_are_read_unasked(tmp_path: Path) -> None:
    """An artist's folder is not a class: without splits above, folders mean nothing until somebody says what."""
    artists = fill(tmp_path / "artists", "Bach/a.mp3", "Cage/b.mp3")
    assert not is_divided(artists)
    assert {t.tags for t in manifest_of(artists)} == {()}
    assert not is_divided(fill(tmp_path / "flat", "train/a.mp3", "test/b.mp3"))
    assert len(manifest_of(tmp_path / "artists" / ".." / "artists")) == 2
    divided = fill(tmp_path / "divided", "train/Bach/a.mp3", "test/Bach/b.mp3")
    assert [(t.split, t.tags) for t in manifest_of(divided)] == [("test", ("Bach",)), ("train", ("Bach",))]


def test_the_command_writes_a_manifest_that_everything_reads(tmp_path: Path) -> None:
    from ohrwurm.cli import app

    folder = fill(tmp_path / "covers", "yesterday/a.mp3", "yesterday/b.mp3", "help/c.mp3")
    told = CliRunner().invoke(app, ["data", "folders", str(folder), "--as", "works", "--json"])
    assert json.loads(told.output) == {
        "manifest": str(folder / "manifest.csv"),
        "tracks": 3,
        "works": {"help": 1, "yesterday": 2},
        "splits": {"none": 3},
    }
    assert [t.work_id for t in manifest_of(folder)] == ["help", "yesterday", "yesterday"]
    elsewhere = tmp_path / "tags.jsonl"
    assert (
        CliRunner().invoke(app, ["data", "folders", str(folder), "--as", "tags", "--out", str(elsewhere)]).exit_code
        == 0
    )
    assert [t.tags for t in Manifest.read(elsewhere)] == [("help",), ("yesterday",), ("yesterday",)]
    assert CliRunner().invoke(app, ["data", "folders", str(folder), "--as", "songs"]).exit_code == 2
