"""SMC_MIREX: the corrected annotations before the first ones, and "Beat This!"."""

from __future__ import annotations

from pathlib import Path

import pytest
from trees import known_as, write_audio, write_beat_this, write_lines

from ohrwurm.data import annotations
from ohrwurm.data.benchmarks import find


def tree(folder: Path, base: str = ".") -> Path:
    for year, last in (("_05_08_2014", "2.2"), ("", "99.0")):
        write_lines(folder / base / f"SMC_MIREX_Annotations{year}" / "SMC_001_2_1_1_a.txt", "0.8081", last)
    write_lines(folder / base / "SMC_MIREX_Annotations_05_08_2014" / "SMC_271_1_2_1_j.txt", "0.5")
    write_audio(folder / base / "SMC_MIREX_Audio" / "SMC_001.wav")
    return folder


@pytest.mark.parametrize("base", [".", "SMC_MIREX"])
def test_excerpts(tmp_path: Path, base: str) -> None:
    assert known_as(tree(tmp_path, base)) == "smc"
    hard, easy = find("smc").read(tmp_path)
    assert (hard.track_id, easy.track_id) == ("SMC_001", "SMC_271")
    assert Path(hard.path).is_file()
    assert annotations.read_beats(hard.annotations["beats"]).value.times.tolist() == [0.8081, 2.2]
    assert (hard.annotations["difficulty"], easy.annotations["difficulty"]) == ("hard", "easy")


def test_beat_this(tmp_path: Path) -> None:
    write_audio(tmp_path / "SMC_MIREX_Audio" / "SMC_001.wav")
    (track,) = find("smc").read(write_beat_this(tmp_path, "smc_001"))
    assert Path(track.path).is_file()
