"""GTZAN: a folder a genre, with and without the lists of the fault-filtered split."""

from __future__ import annotations

from pathlib import Path

import pytest
from trees import write_audio

from ohrwurm.data.benchmarks.gtzan import GENRES
from ohrwurm.data.sources import manifest_of
from ohrwurm.errors import DataError


def tree(folder: Path, lists: bool = True) -> Path:
    for genre in GENRES:
        for number in range(3):
            write_audio(folder / "genres" / genre / f"{genre}.{number:05d}.wav")
    if lists:
        for number, part in enumerate(("train", "valid", "test")):
            (folder / f"{part}_filtered.txt").write_text(f"blues/blues.{number:05d}.wav\nrock/rock.{number:05d}.au\n")
    return folder


def test_gtzan_follows_the_filtered_lists_where_they_are(tmp_path: Path) -> None:
    tracks = list(manifest_of(tree(tmp_path / "with")))
    assert [t.track_id for t in tracks] == [f"{g}.0000{n}" for n in range(3) for g in ("blues", "rock")]
    assert tracks[1].tags == ("rock",)
    assert tracks[1].annotations == {"genre": "rock"}
    without = manifest_of(tree(tmp_path / "without", lists=False))
    assert len(without) == 30
    assert {t.split for t in without} == {""}
    (tmp_path / "with" / "test_filtered.txt").write_text("jazz/jazz.00099.wav\n")
    with pytest.raises(DataError, match=r"test_filtered\.txt: jazz/jazz\.00099\.wav is not in"):
        manifest_of(tmp_path / "with")
    (tmp_path / "with" / "test_filtered.txt").unlink()
    with pytest.raises(DataError, match=r"test_filtered\.txt is missing beside"):
        manifest_of(tmp_path / "with")
