"""SALAMI: functions and letters, of the first annotator or the second."""

from __future__ import annotations

from pathlib import Path

import pytest
from trees import sets_at_hand, write_lines

from ohrwurm.data import annotations
from ohrwurm.data.benchmarks import find
from ohrwurm.errors import DataError

HEAD = "SONG_ID,SOURCE,ANNOTATOR1,ANNOTATOR2,SONG_DURATION,SONG_TITLE,ARTIST,CLASS"


def tree(folder: Path) -> Path:
    rows = ("2,Codaich,5,8,264,For_God,The_Pumpkins,popular", "3,IA,3,,,Live,Band,live", "4,RWC,1,2,10,X,Y,jazz")
    write_lines(folder / "metadata" / "metadata.csv", HEAD, *rows)
    for song, number in (("2", 1), ("2", 2), ("3", 2)):  # of song 4 nobody has one
        for level, labels in (("functions", ("Intro", "Verse")), ("uppercase", ("A", "B"))):
            rows = (f"0.0\t{labels[0]}", f"9.5\t{labels[1]}{number}", "20.0\tEnd", "20.0\tSilence")
            write_lines(folder / "annotations" / song / "parsed" / f"textfile{number}_{level}.txt", *rows)
    return folder


@pytest.mark.parametrize(
    "variant, songs, last",
    [
        ("functions", ["2", "3"], "Verse1"),
        ("functions-2", ["2"], "Verse2"),
        ("uppercase", ["2", "3"], "B1"),
        ("uppercase-2", ["2"], "B2"),
    ],
)
def test_annotators_and_levels(tmp_path: Path, variant: str, songs: list[str], last: str) -> None:
    found = find(f"salami/{variant}").read(tree(tmp_path))
    assert [t.track_id for t in found] == songs
    assert annotations.read(found[0].annotations["sections"], "sections").value.labels[-1] == last
    assert found[0].annotations["artist"] == "The Pumpkins"
    assert found[0].annotations["seconds"] == 264.0
    assert all("seconds" not in t.annotations for t in found if t.track_id == "3")


def test_as_published() -> None:
    root = sets_at_hand()
    try:
        found = find("salami").read(root)
    except DataError:
        pytest.skip("OHRWURM_DATA holds no salami")
    assert len(found) == find("salami").variant().counts[""]
    assert len(find("salami/functions-2").read(root)) == find("salami/functions-2").variant().counts[""]
