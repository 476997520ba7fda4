"""covers80: two lists line by line, or all that the folders hold."""

from __future__ import annotations

from pathlib import Path

import pytest
from trees import write_audio

from ohrwurm.data.benchmarks import find
from ohrwurm.errors import DataError

FIRST = ("A_Whiter_Shade_Of_Pale/annie_lennox+Medusa+03-A_Whiter_Shade_Of_Pale", "Abracadabra/steve_miller+Live+07-A")
SECOND = ("A_Whiter_Shade_Of_Pale/procol_harum+Best+01-A_Whiter_Shade_Of_Pale", "Abracadabra/sugar_ray+14-59+06-A")


def tree(folder: Path, ending: str = ".list") -> Path:
    for number, entries in ((1, FIRST), (2, SECOND)):
        for entry in entries:
            write_audio(folder / "covers32k" / f"{entry}.mp3")
        (folder / f"list{number}{ending}").write_text("\n".join(entries) + "\n")
    write_audio(folder / "covers32k" / "Abracadabra" / "third_one+X+01-A.mp3")
    return folder


@pytest.mark.parametrize("ending", [".list", ".txt"])
def test_lists_pair_line_by_line(tmp_path: Path, ending: str) -> None:
    found = find("covers80").read(tree(tmp_path, ending))
    assert [t.track_id for t in found] == [*FIRST, *SECOND]
    assert [t.annotations["list"] for t in found] == [1, 1, 2, 2]
    assert found.works().keys() == {"A_Whiter_Shade_Of_Pale", "Abracadabra"}
    assert found[0].annotations["artist"] == "annie lennox"
    assert found[3].annotations["album"] == "14-59"
    assert not found.missing_files()


def test_folders_hold_more(tmp_path: Path) -> None:
    assert len(find("covers80/folders").read(tree(tmp_path))) == 5
    for number in (1, 2):
        (tmp_path / f"list{number}.list").unlink()
    with pytest.raises(DataError, match="do not hold the variant 'lists'"):
        find("covers80").read(tmp_path)


def test_faults_are_named(tmp_path: Path) -> None:
    file = tree(tmp_path) / "list2.list"
    file.write_text(f"{SECOND[1]}\n{SECOND[0]}\n")
    with pytest.raises(DataError, match="line 1 of the lists names two songs"):
        find("covers80").read(tmp_path)
    file.write_text(SECOND[0])
    with pytest.raises(DataError, match="list1 has 2 songs, list2 1"):
        find("covers80").read(tmp_path)
    file.write_text("no folder")
    with pytest.raises(DataError, match="'no folder' is no folder and name"):
        find("covers80").read(tmp_path)


def test_missing_recordings_do_not_stop_the_reading(tmp_path: Path) -> None:
    (tree(tmp_path) / "covers32k" / f"{FIRST[0]}.mp3").unlink()
    found = find("covers80").read(tmp_path)
    assert found.missing_files() == [str(tmp_path / "covers32k" / f"{FIRST[0]}.mp3")]
