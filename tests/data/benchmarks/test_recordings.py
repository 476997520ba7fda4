"""Free recordings, a few of them described."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from trees import write_table

from ohrwurm.data.benchmarks import find

TABLE = """file,collection,title,artist,licence,description,clip_start_s,full_length_s
tuxemon__town.opus,tuxemon,Town,Eric Skiff,CC-BY-SA 4.0,,28.05,114.2
librosa__dance.opus,librosa_examples,Dance,,CC0,"lively dance, classical",5.28,45.8
"""


def tree(folder: Path, table: str = TABLE) -> Path:
    return write_table(folder, table)


def test_only_described_recordings_have_captions(tmp_path: Path) -> None:
    town, dance = find("recordings").read(tree(tmp_path))
    assert (town.caption, dance.caption) == ("", "lively dance, classical")
    assert dance.annotations["licence"] == "CC0"


@pytest.mark.skipif(not os.environ.get("OHRWURM_DATA"), reason="set OHRWURM_DATA to the folder of the data sets")
def test_the_published_set() -> None:
    tracks = list(find("recordings").read())
    assert (len(tracks), sum(bool(t.caption) for t in tracks)) == (232, 9)
    assert [t.path for t in tracks if not Path(t.path).is_file()] == []
