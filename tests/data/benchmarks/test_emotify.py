"""Emotify: excerpts in four genres; its table stands for all tables that name one file a row."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from trees import write_table

from ohrwurm.data.benchmarks import find
from ohrwurm.errors import DataError

TABLE = """file,genre,track_id,n_raters,amazement,clip_start_s
001.opus,classical,1,48,0.146,10.06
101.opus,rock,101,46,0.174,10.06
301.opus,pop,301,46,0.174,10.06
201.opus,electronic,201,46,0.174,10.06
"""


def tree(folder: Path, table: str = TABLE) -> Path:
    return write_table(folder, table)


def test_emotify_genres_are_tags(tmp_path: Path) -> None:
    tracks = find("emotify").read(tree(tmp_path))
    assert [t.tags for t in tracks] == [("classical",), ("rock",), ("pop",), ("electronic",)]


@pytest.mark.parametrize(
    "table, message",
    [
        ("file,genre\n1.opus,polka\n", "1.opus has genre 'polka'"),
        ("file,track_id\n1.opus,1\n", "no column genre"),
        ("file,genre\n1.opus\n", "line 2: not as many values"),
        ("file,genre\n1.opus,rock,pop\n", "line 2: not as many values"),
        ("file,genre\n1.opus,rock\n1.opus,pop\n", "line 3: 1.opus is named a second time"),
        ("", "no column file, genre"),
    ],
)
def test_a_damaged_table_is_told_with_its_place(tmp_path: Path, table: str, message: str) -> None:
    tree(tmp_path / "emotify_half", table)
    with pytest.raises(DataError, match=message):
        find("emotify").read(tmp_path)


@pytest.mark.skipif(not os.environ.get("OHRWURM_DATA"), reason="set OHRWURM_DATA to the folder of the data sets")
def test_the_published_set() -> None:
    tracks = list(find("emotify").read())
    assert Counter(t.tags for t in tracks) == {(g,): 50 for g in ("classical", "electronic", "pop", "rock")}
    assert [t.path for t in tracks if not Path(t.path).is_file()] == []
