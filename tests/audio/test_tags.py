from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from ohrwurm.audio.tags import Tags, read_tags

TAGS = {
    "title": "Maple Leaf Rag", "artist": "Scott Joplin", "album": "Rags", "genre": "Ragtime", "date": "1899-09-18",
    "tracknumber": "3/12",
}  # fmt: skip


@pytest.mark.parametrize("suffix", ["mp3", "flac", "ogg"])
def test_tags_are_read(tmp_path: Path, suffix: str) -> None:
    import mutagen

    path = tmp_path / f"file.{suffix}"
    soundfile.write(path, np.zeros(16000), 16000)
    file = mutagen.File(path, easy=True)
    if file.tags is None:
        file.add_tags()
    for name, value in TAGS.items():
        file[name] = value
    file.save()
    assert read_tags(path) == Tags("Maple Leaf Rag", "Scott Joplin", "Rags", "Ragtime", 1899, 3)


def test_damaged_and_foreign_files_give_their_name(tmp_path: Path) -> None:
    for name, content in {
        "Broken.mp3": b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + b"TIT2" * 50,
        "Words.flac": b"fLaC" + b"\xff" * 60,
        "Text.ogg": b"no sound",
        "Empty.m4a": b"",
    }.items():
        (tmp_path / name).write_bytes(content)
        assert read_tags(tmp_path / name) == Tags(title=name.split(".")[0])


def test_control_characters_do_not_reach_the_terminal(tmp_path: Path) -> None:
    import mutagen

    path = tmp_path / "x.flac"
    soundfile.write(path, np.zeros(1600), 16000)
    file = mutagen.File(path, easy=True)
    file["title"] = "red\x1b[31m\nline"
    file.save()
    assert read_tags(path).title == "red [31m line"
