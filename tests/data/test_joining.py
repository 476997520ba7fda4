"""Manifests joined, and what is left out of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ohrwurm.cli import app
from ohrwurm.data.joining import joined
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    for name, styles in (("one", ("waltz", "metal", "rock")), ("two", ("metal", "waltz"))):
        (tmp_path / name).mkdir()
        tracks = [
            Track(f"t{i}", str(tmp_path / name / f"{i}.wav"), "train", annotations={"style": style})
            for i, style in enumerate(styles)
        ]
        Manifest(tracks).write(tmp_path / name / "manifest.csv")
    return tmp_path / "one", tmp_path / "two"


def test_ids_that_occur_twice_are_named_after_their_folder(two: tuple[Path, Path]) -> None:
    found = joined(two)
    assert [t.track_id for t in found] == ["one/t0", "one/t1", "one/t2", "two/t0", "two/t1"]
    assert found.tracks[3].path.endswith("two/0.wav")


def test_ids_that_do_not_stay(two: tuple[Path, Path]) -> None:
    assert [t.track_id for t in joined(two[:1])] == ["t0", "t1", "t2"]


def test_values_of_a_column_are_left_out(two: tuple[Path, Path]) -> None:
    found = joined(two, {"style": ["metal", "rock"]})
    assert [t.annotations["style"] for t in found] == ["waltz", "waltz"]
    with pytest.raises(DataError, match="column mood"):
        joined(two, {"mood": ["sad"]})
    with pytest.raises(DataError, match="none of 5 tracks"):
        joined(two, {"split": ["train"]})


def test_the_command(two: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "all.csv"
    arguments = ["data", "join", *map(str, two), "--without", "style=metal", "--out", str(out)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert len(Manifest.read(out)) == 3
    wrong = CliRunner().invoke(app, [*arguments[:-4], "--without", "metal", "--out", str(out)])
    assert wrong.exit_code == 2
