"""Audio files of a folder: all of them, each once, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from ohrwurm.audio.folder import is_audio, sniff, walk


def names(root: Path, skip: Sequence[Path] = ()) -> list[str]:
    return [os.path.relpath(path, root) for path, error in walk([root], skip=skip) if not error]


def test_walk_takes_audio_by_suffix_or_content_and_leaves_the_rest(tmp_path: Path) -> None:
    for name, head in {
        "b.mp3": b"anything",
        "a/c.FLAC": b"",
        "no-suffix": b"fLaC" + bytes(20),
        "wrong.txt": b"RIFF\0\0\0\0WAVEfmt ",
        "notes.txt": b"just words, no sound",
        "cover.jpg": b"\xff\xd8\xff\xe0" + bytes(20),
        "utf16.txt": "words".encode("utf-16"),
        ".hidden.mp3": b"x",
        ".trash/d.mp3": b"x",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(head)
    assert names(tmp_path) == ["a/c.FLAC", "b.mp3", "no-suffix", "wrong.txt"]


def test_loops_of_links_end_and_no_file_comes_twice(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.wav").write_bytes(b"x")
    (tmp_path / "a" / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "self.wav").symlink_to(tmp_path / "self.wav")
    (tmp_path / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    assert names(tmp_path) == ["a/x.wav"]
    twice = [path for path, _ in walk([tmp_path, tmp_path / "a", tmp_path / "a" / "x.wav"])]
    assert twice == [str(tmp_path / "a" / "x.wav")]


def test_walk_follows_links_to_elsewhere_and_skips_the_collection(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "x.wav").write_bytes(b"x")
    music = tmp_path / "music"
    (music / "collection").mkdir(parents=True)
    (music / "collection" / "data.wav").write_bytes(b"x")
    (music / "linked").symlink_to(tmp_path / "disk", target_is_directory=True)
    assert names(music, skip=[music / "collection"]) == ["linked/x.wav"]


@pytest.mark.parametrize(
    "head",
    [b"OggS", b"ID3\x04", b"\xff\xfb\x90\x64", b"FORM\0\0\0\0AIFF", b"\0\0\0 ftypM4A ", b"RF64\0\0\0\0WAVE"],
)
def test_sniff_knows_the_common_formats(head: bytes) -> None:
    assert sniff(head.ljust(16, b"\0"))


def test_sniff_of_nothing_is_no_audio(tmp_path: Path) -> None:
    assert not sniff(b"")
    assert not is_audio(str(tmp_path / "not-there"))
