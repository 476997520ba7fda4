"""A written file is complete or absent, leaves nothing behind, and is as readable as any other."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ohrwurm.atomic import replacing, write_bytes, write_text


def test_an_error_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    write_text(target, "old")

    def stopped_half_way() -> None:
        with replacing(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        stopped_half_way()
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["result.json"]


def test_folders_are_made_and_content_is_exact(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a" / "b" / "c.bin", b"\x00\xff")
    assert (tmp_path / "a" / "b" / "c.bin").read_bytes() == b"\x00\xff"
    assert os.listdir(tmp_path / "a" / "b") == ["c.bin"]


def test_the_umask_decides_who_may_read(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "x", "")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640
