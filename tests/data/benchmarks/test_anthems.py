"""Anthems: which recordings are versions of each other."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from trees import write_table

from ohrwurm.data.benchmarks import find

TABLE = """file,work,recording,status,source,full_length_s
ad_0.opus,ad,ad#0,verified,colorflags,52.0
ad_1.opus,ad,ad#1,verified,damir,157.1
ag_0.opus,ag,ag#0,single,colorflags,61.0
at_4.opus,at,at#4,verified,"navy, band",80.0
at_5.opus,at,at#5,verified,damir,80.5
"""


def tree(folder: Path, table: str = TABLE) -> Path:
    return write_table(folder, table)


def test_single_anthems_are_works_of_their_own(tmp_path: Path) -> None:
    """Also where the country of a single recording has verified ones: nobody checked that it is the same tune."""
    tree(tmp_path, TABLE + "at_9.opus,at,at#9,single,damir,80.5\n")
    works = Counter(t.work_id for t in find("anthems").read(tmp_path))
    assert sorted(works.values()) == [1, 1, 2, 2]
    assert works["anthems/at"] == 2


@pytest.mark.skipif(not os.environ.get("OHRWURM_DATA"), reason="set OHRWURM_DATA to the folder of the data sets")
def test_the_published_set() -> None:
    tracks = list(find("anthems").read())
    works = Counter(t.work_id for t in tracks)
    several = [n for n in works.values() if n > 1]
    assert (sum(several), len(several), len(tracks) - sum(several)) == (87, 29, 86)
    assert [t.path for t in tracks if not Path(t.path).is_file()] == []
