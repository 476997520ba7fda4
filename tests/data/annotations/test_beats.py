"""Beats in every published text form, and what is wrong in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ohrwurm.data import annotations
from ohrwurm.data.annotations import asap
from ohrwurm.data.annotations.beats import write_beats
from ohrwurm.errors import DataError
from ohrwurm.events import Beats


def read(folder: Path, text: str, name: str = "a.beats") -> annotations.Reading[Beats]:
    (folder / name).write_text(text, encoding="utf-8")
    return annotations.read_beats(folder / name)


FORMS = {
    "tab": "0.5\t3\n1.0\t1\n1.5\t2\n",
    "blanks": "0.5 3\n1.0 1\n1.5 2\n",
    "commas": "0.5,3\n1.0,1\n1.5,2\n",
    "header": "time,position\n0.5,3\n1.0,1\n1.5,2\n",
    "bar.place": "0.5\t0.3\n1.0\t1.1\n1.5\t1.2\n",
    "POP909's audio": "0.5\t3.0\n1.0\t1.0\n1.5\t2.0\n",
    "Harmonix": "0.5\t3\t1\n1.0\t1\t2\n1.5\t2\t2\n",
    "out of order": "1.0\t1\n0.5\t3\n1.5\t2\n",
    "comments": "# made by hand\n0.5 3\n\n1.0 1\n1.5 2\n",
    "windows": "\ufeff0.5\t3\r\n1.0\t1\r\n1.5\t2\r\n",
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS.keys())
def test_every_form_gives_the_same_beats(tmp_path: Path, text: str) -> None:
    found = read(tmp_path, text)
    assert found.value.times.tolist() == [0.5, 1.0, 1.5]
    assert found.value.positions.tolist() == [3, 1, 2]
    assert found.value.downbeats.tolist() == [1.0]
    assert found.remarks == (("beats out of order were sorted",) if text == FORMS["out of order"] else ())


def test_times_alone_have_no_places(tmp_path: Path) -> None:
    assert read(tmp_path, "0.8081\n2.204\n").value.positions.tolist() == [0, 0]


def test_pop909_marks_bars_in_two_columns(tmp_path: Path) -> None:
    four = "".join(f"{i}.0 {float(i % 2 == 0)} {float(i % 4 == 0)}\n" for i in range(9))
    assert read(tmp_path, four).value.positions.tolist() == [1, 2, 3, 4, 1, 2, 3, 4, 1]
    six = "".join(f"{i}.0 {float(i % 3 == 0)} {float(i % 6 == 0)}\n" for i in range(13))
    assert read(tmp_path, six).value.positions.tolist() == [1, 2, 3] * 4 + [1]


def test_rwc_counts_ticks_and_hundredths(tmp_path: Path) -> None:
    found = read(tmp_path, "4\t49\t384\n49\t93\t48\n93\t137\t96\n137\t150\t-1\n150\t200\t384\n", "RM-P001.BEAT.TXT")
    assert found.value.times.tolist() == [0.04, 0.49, 0.93, 1.5]
    assert found.value.positions.tolist() == [1, 2, 3, 1]
    assert found.remarks == ("1 rows without a beat left out",)


def test_new_point_of_isophonics_follows_from_its_neighbours(tmp_path: Path) -> None:
    found = read(tmp_path, "1.0\tNew Point\n1.5\t4\n2.0\tNew Point\n2.5\t2\n3.0\tNew Point\n")
    assert found.value.positions.tolist() == [3, 4, 1, 2, 3]
    assert found.remarks == ("3 places in the bar follow from their neighbours (New Point, New Point, New Point)",)


def test_asap_keeps_what_is_unsure_without_a_place(tmp_path: Path) -> None:
    text = "0.5\t0.5\tb,,0\n1.0\t1.0\tdb,2/4,-3\n1.5\t1.5\tbR\n2.0\t2.0\tdb,3/4\n2.5\t2.5\tb,,4\n"
    found = read(tmp_path, text, "P01_annotations.txt")
    assert found.value.positions.tolist() == [0, 1, 0, 1, 2]
    assert found.remarks == ("1 beats of bars that do not add up (bR) of unknown place in the bar",)
    file = tmp_path / "P01_annotations.txt"
    assert len(asap.read_beats(file, strict=True).value) == 4
    signatures = asap.read_signatures(file).value
    assert signatures.labels == ("0", "-3")  # the last change is at the last beat and does not last
    assert asap.read_metres(file).value.labels == ("2/4", "3/4")
    file.write_text("0.5\t0.5\tb\n1.0\t1.0\tx\n")
    with pytest.raises(DataError, match=r"row 2: not a beat of ASAP"):
        asap.read_beats(file)


def test_asap_table_holds_every_performance(tmp_path: Path) -> None:
    file = tmp_path / asap.TABLE
    file.write_text(
        '{"Bach/x/P01.mid": {"performance_beats": [0.5, 1.0, 2.0], "performance_downbeats": [1.0],'
        ' "performance_beats_type": {"0.5": "b", "1.0": "db", "2.0": "b"}, "perf_key_signatures": {"0.5": [10, -2]}}}'
    )
    found = annotations.read_beats(f"{file}#Bach/x/P01.mid")
    assert found.value.positions.tolist() == [0, 1, 2]
    assert annotations.read_signatures(f"{file}#Bach/x/P01.mid").value.labels == ("-2",)
    with pytest.raises(DataError, match=r"no performance .Bach/x/P02\.mid"):
        annotations.read_beats(f"{file}#Bach/x/P02.mid")


def test_what_is_wrong_is_put_right_and_told(tmp_path: Path) -> None:
    found = read(tmp_path, "-0.5 1\n1.0 2\n1.0 3\nnan 1\n0.5 1\n")
    assert found.value.times.tolist() == [0.5, 1.0]
    assert found.value.positions.tolist() == [1, 2]
    assert found.remarks == (
        "2 beats without a time from 0 s on left out",
        "beats out of order were sorted",
        "1 of several beats at one time left out (1 s)",
    )
    with pytest.raises(DataError, match=r"a\.beats, row 2: 'soon' is no time"):
        read(tmp_path, "0.5 1\nsoon 2\n")
    with pytest.raises(DataError, match="missing; get the annotations again"):
        annotations.read_beats(tmp_path / "none.beats")
    assert len(read(tmp_path, "").value) == 0


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    beats = Beats(np.array([0.5, 1.25, 2.0]), np.array([0, 1, 2]))
    write_beats(tmp_path / "b.beats", beats)
    again = annotations.read_beats(tmp_path / "b.beats").value
    assert again.times.tolist() == beats.times.tolist()
    assert again.positions.tolist() == [0, 1, 2]
