from __future__ import annotations

import os
from pathlib import Path

import pytest

from ohrwurm.checksums import content_hash
from ohrwurm.collection.scan import identify, scan


def test_unchanged_files_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "x.wav"
    file.write_bytes(b"sound")
    first = identify(str(file), {})
    known = {str(file): (first.size, first.mtime_ns, first.content)}
    monkeypatch.setattr("ohrwurm.collection.scan.content_hash", lambda path: pytest.fail("read again"))
    assert identify(str(file), known) == first


def test_same_size_but_new_time_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "x.wav"
    file.write_bytes(b"sound")
    first = identify(str(file), {})
    file.write_bytes(b"SOUND")
    os.utime(file, ns=(0, first.mtime_ns + 1))
    assert identify(str(file), {str(file): (first.size, first.mtime_ns, first.content)}).content != first.content


def test_hash_is_of_the_content_alone(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    (tmp_path / "b").write_bytes(b"x" * 3_000_000)
    (tmp_path / "c").write_bytes(b"x" * 2_999_999 + b"y")
    a, b, c = (content_hash(tmp_path / n) for n in "abc")
    assert a == b != c
    assert len(a) == 32


def test_what_cannot_be_read_has_a_reason(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe.wav")
    assert identify(str(tmp_path / "empty.wav"), {}).reason == "empty"
    assert identify(str(tmp_path / "gone.wav"), {}).reason == "missing"
    assert identify(str(tmp_path / "pipe.wav"), {}).reason == "unreadable"


def test_a_name_that_is_not_unicode_is_listed_not_fatal(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9.wav"
    with open(raw, "wb") as stream:
        stream.write(b"x")
    files, _ = scan([tmp_path], {})
    assert [(f.reason, f.path.endswith("caf\\xe9.wav")) for f in files] == [("name", True)]


def test_a_closed_folder_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "closed").mkdir()
    (tmp_path / "x.wav").write_bytes(b"x")
    real = os.scandir

    def scandir(path: str) -> object:  # file modes do not stop root, who may run the tests
        if path.endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr("ohrwurm.audio.folder.os.scandir", scandir)
    files, unlisted = scan([tmp_path], {})
    assert unlisted == [str(tmp_path / "closed")]
    assert [(f.reason, f.error) for f in files] == [("unreadable", "Permission denied"), ("", "")]
