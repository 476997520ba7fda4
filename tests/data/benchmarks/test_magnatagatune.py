"""MagnaTagATune: the published tags and splits."""

from __future__ import annotations

from pathlib import Path

import pytest
from trees import write_audio

from ohrwurm.data.benchmarks.magnatagatune import TAGS
from ohrwurm.data.sources import manifest_of
from ohrwurm.errors import DataError


def tree(folder: Path) -> Path:
    clips = {"2": "f/loud.mp3", "6": "0/slow.mp3", "10": "c/none.mp3"}
    folder.mkdir(parents=True)
    (folder / "index_mtt.tsv").write_text("".join(f"{k}\t{path}\n" for k, path in clips.items()))
    for part, name, tags in (("train", "6", (0, 2)), ("val", "10", (49,)), ("test", "2", (23,))):
        row = [int(i in tags) for i in range(50)]
        (folder / f"{part}_gt_mtt.tsv").write_text(f"{name}\t{row}\n")
    write_audio(folder / "0" / "slow.wav")  # resampled beside where the .mp3 was
    write_audio(folder / "f" / "loud.mp3")
    return folder


def test_magnatagatune_rows_are_the_published_tags(tmp_path: Path) -> None:
    slow, none, loud = manifest_of(tree(tmp_path / "mtt"))
    assert (slow.tags, none.tags, loud.tags) == (("guitar", "slow"), ("choral",), ("loud",))
    assert len(set(TAGS)) == 50
    assert Path(slow.path).suffix == ".wav"
    assert Path(loud.path).suffix == ".mp3"
    assert not Path(none.path).exists()
    table = tmp_path / "mtt" / "test_gt_mtt.tsv"
    for text, message in (
        ("2\t[1, 0]\n", r"test_gt_mtt\.tsv, row 1: not a list of 50 zeros and ones"),
        ("2\t__import__('os').abort()\n", "not a list of 50"),
        ("7\t[]\n", "clip 7 is not in index_mtt"),
        ("2\n", "1 values separated by tabs, not 2"),
    ):
        table.write_text(text)
        with pytest.raises(DataError, match=message):
            manifest_of(tmp_path / "mtt")
