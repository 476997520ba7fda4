"""SHS100K: three lists of versions, facts and videos from one, recordings under any of the usual names."""

from __future__ import annotations

from pathlib import Path

import pytest
from trees import write_audio

from ohrwurm.data.benchmarks import find
from ohrwurm.errors import DataError

VIDEO = "http://www.youtube.com/watch?v=abc-EF_{:04d}"
LISTS = {"TRAIN": [(0, 0), (0, 1)], "VAL": [(3, 0), (3, 2)], "TEST": [(5, 0), (5, 1), (6, 0), (7, 0)]}


def tree(folder: Path, below: str = "", status: bool = True) -> Path:
    (folder / below).mkdir(parents=True, exist_ok=True)
    rows = []
    for name, versions in LISTS.items():
        lines = [f"{work}\t{version}" for work, version in versions]
        (folder / below / f"SHS100K-{name}").write_text("\n".join(lines) + "\n")
        for line, (work, version) in zip(lines, versions, strict=True):
            rows.append(f'{line}\tSong "{work}"\tBand\t{VIDEO.format(10 * work + version)}' + "\t1" * status)
    (folder / below / "list").write_text("\n".join(rows[:-1]) + "\n")  # the last one has no row
    return folder


@pytest.mark.parametrize(("below", "status"), [("", True), ("meta", False)])
def test_versions_with_splits_works_and_videos(tmp_path: Path, below: str, status: bool) -> None:
    found = find("shs100k").read(tree(tmp_path, below, status))
    assert [t.track_id for t in found] == ["0-0", "0-1", "3-0", "3-2", "5-0", "5-1", "6-0", "7-0"]
    assert [t.split for t in found] == ["train"] * 2 + ["validation"] * 2 + ["test"] * 4
    assert found.works()["5"] == [found[4], found[5]]
    facts = {"title": 'Song "3"', "performer": "Band", "youtube": "abc-EF_0032"}
    assert found[3].annotations == facts | ({"status": "1"} if status else {})
    assert found[7].annotations == {}


def test_recordings_are_found_under_any_usual_name(tmp_path: Path) -> None:
    names = ("0_0.mp3", "0-1.m4a", "3/0.flac", "abc-EF_0032.opus")
    for name in names:
        write_audio(tree(tmp_path) / "audio" / name)
    found = find("shs100k").read(tmp_path)
    assert [Path(t.path).relative_to(tmp_path / "audio").as_posix() for t in found.tracks[:4]] == list(names)
    assert found[4].path == str(tmp_path / "audio" / "5-0.mp3")


def test_faults_are_named(tmp_path: Path) -> None:
    (tree(tmp_path) / "SHS100K-VAL").write_text("3\t0\n5\t1\n")
    with pytest.raises(DataError, match=r"SHS100K-TEST, row 2: version 5-1 stands in .*SHS100K-VAL, row 2 already"):
        find("shs100k").read(tmp_path)
    (tmp_path / "SHS100K-VAL").write_text("3\tx\n")
    with pytest.raises(DataError, match=r"SHS100K-VAL, row 1: '3' and 'x' are no numbers"):
        find("shs100k").read(tmp_path)
    (tmp_path / "list").write_text("3,0,title\n")
    with pytest.raises(DataError, match="1 values separated by tabs in its first row, not 5 or 6"):
        find("shs100k").read(tmp_path)
