"""Chords, sections and keys in every published text form, and what is wrong in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ohrwurm.data import annotations
from ohrwurm.data.annotations import Kind, billboard, keys
from ohrwurm.data.annotations.chords import normalised
from ohrwurm.data.annotations.spans import write_lab
from ohrwurm.errors import DataError
from ohrwurm.evaluation.metrics import key as key_metric
from ohrwurm.events import KEYS, Key, Spans


def read(folder: Path, text: str, kind: Kind, name: str = "a.lab") -> annotations.Reading[Spans]:
    (folder / name).write_text(text, encoding="utf-8")
    return annotations.read(folder / name, kind)


# Chords ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["0.0\t1.5\tN\n1.5\t3.0\tEb:min7/b3\n", "0.0 1.5 NC\n1.5 3.0 Eb:min7/b3\n"])
def test_chords(tmp_path: Path, text: str) -> None:
    found = read(tmp_path, text, "chords")
    assert found.value.labels == ("N", "Eb:min7/b3")
    assert found.value.intervals.tolist() == [[0, 1.5], [1.5, 3.0]]
    assert found.remarks == ()


def test_unknown_chords_are_told_and_do_not_count(tmp_path: Path) -> None:
    found = read(tmp_path, "0 1 C:maj\n1 2 H7\n2 3 H7\n3 4 X\n", "chords")
    assert found.value.labels == ("C:maj", "X", "X", "X")
    assert found.remarks == ("2 chord labels are not known: H7 (2); their time does not count",)


def test_chord_sheets_are_understood() -> None:
    sheet = {"Am7": "A:min7", "Cmaj7": "C:maj7", "G7": "G:7", "Bbm": "Bb:min", "D/F#": "D:maj/3", "Am/G": "A:min/b7"}
    assert {label: normalised(label) for label in sheet} == sheet
    assert [normalised(label) for label in ("C", "A:min7", "Bb:maj(*3)")] == ["C", "A:min7", "Bb:maj(*3)"]


BILLBOARD = """# title: I Do
# artist: Nobody
# metre: 4/4
# tonic: C

0.0\tsilence
1.0\tA, intro, | C:maj . A:min . | (2/4) G:7 |, (guitar)
4.0\t| F:maj | F:maj |
6.0\tB, verse, | C:maj |, x2, (voice
# metre: 3/4
8.0\tC, | N | D:5 |
10.0\tZ, fadeout
11.0\tend
"""


def test_billboard_divides_a_line_among_its_bars(tmp_path: Path) -> None:
    file = tmp_path / billboard.NAME
    file.write_text(BILLBOARD)
    chords = annotations.read(file, "chords").value
    rows = list(zip(chords.intervals.round(3).tolist(), chords.labels, strict=True))
    assert rows == [
        ([0.0, 1.0], "N"),
        ([1.0, 2.0], "C:maj"),
        ([2.0, 3.0], "A:min"),
        ([3.0, 4.0], "G:7"),  # half as long as the bar before it
        ([4.0, 6.0], "F:maj"),
        ([6.0, 8.0], "C:maj"),
        ([8.0, 9.0], "N"),
        ([9.0, 10.0], "D:5"),
        ([10.0, 11.0], "N"),
    ]
    parts = annotations.read(file, "sections").value
    assert parts.labels == ("silence", "intro", "verse", "C", "fadeout")
    assert parts.intervals[:, 0].tolist() == [0, 1, 6, 8, 10]
    file.write_text("0.0\tA, intro, | . |\n1.0\tend\n")
    with pytest.raises(DataError, match="row 1: a dot before there is a chord"):
        annotations.read(file, "chords")


# Sections -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, name",
    [
        ("0.0 intro\n8.5 verse A\n20.0 end\n", "0001_12step.txt"),  # Harmonix
        ("0.0\tintro\n8.5\tverse A\n20.0\tEnd\n", "textfile1_functions.txt"),  # SALAMI
        ("0.0\t8.5\tintro\n8.5\t20.0\tverse A\n", "a.lab"),
        ("0.0\t8.5\t0\tintro\n8.5\t20.0\t1\tverse A\n", "01_-_One.lab"),  # Isophonics
        ('0\t850\t"intro"\n850\t2000\t"verse A"\n', "RM-P001.CHORUS.TXT"),  # RWC
    ],
)
def test_every_form_gives_the_same_sections(tmp_path: Path, text: str, name: str) -> None:
    found = read(tmp_path, text, "sections", name)
    assert found.value.labels == ("intro", "verse A")
    assert found.value.intervals.tolist() == [[0, 8.5], [8.5, 20.0]]
    assert found.remarks == ()


def test_of_several_labels_at_one_time_the_first_counts(tmp_path: Path) -> None:
    text = "0.0\tsilence\n0.0\tZ\n0.0\tSilence\n5.0\tVerse\n5.0\tSolo\n9.0\tSilence\n9.0\tEnd\n"
    found = read(tmp_path, text, "sections", "textfile2_functions.txt")
    assert found.value.labels == ("Z", "Verse")
    assert found.remarks == ("1 times with several labels, of which the first counts (5 s: Verse, Solo)",)


def test_a_last_section_without_an_end(tmp_path: Path) -> None:
    found = read(tmp_path, "0.0 intro\n8.0 outro\n", "sections", "a.txt")
    assert found.value.labels == ("intro",)
    assert found.remarks == ("nothing closes the last of the sections (outro at 8 s); left out",)
    assert annotations.read(tmp_path / "a.txt", "sections", duration=12.0).value.intervals[-1].tolist() == [8, 12]


def test_what_follows_an_end(tmp_path: Path) -> None:
    trailing = read(tmp_path, "0.0 verse\n8.0 end\n9.0 end\n", "sections", "a.txt")
    assert trailing.value.intervals.tolist() == [[0, 8]]
    inside = read(tmp_path, "0.0 verse\n8.0 end\n9.0 outro\n12.0 end\n", "sections", "b.txt")
    assert inside.value.intervals.tolist() == [[0, 8], [9, 12]]
    assert inside.remarks == ("sections go on after an end (8 s); a gap is left",)


# Keys -----------------------------------------------------------------------------------------------------------------


def test_names_are_those_of_the_metric() -> None:
    assert KEYS == key_metric.NAMES
    assert all(key_metric.parse(name) == number for number, name in enumerate(KEYS))


@pytest.mark.parametrize(
    "text, key",
    [
        ("D major\n", Key("D major", 1.0)),
        ("C# min", Key("Db minor", 1.0)),
        ("0.0\t10.0\tB:maj\n", Key("B major", 1.0)),
        ("0.0\t1.0\tSilence\n1.0\t9.0\tKey\tE:mixolydian\n9.0\t11.0\tKey\tA\n", Key("E major", 0.8)),
        ("A minor / C major\n", Key("A minor", 0.5)),
        ("atonal\n", Key("N", 0.0)),
    ],
)
def test_key_of_a_whole_recording(tmp_path: Path, text: str, key: Key) -> None:
    assert read(tmp_path, text, "key", "a.key").value == key


def test_signatures_tell_relative_keys_from_no_other() -> None:
    assert {keys.signature_of(name) for name in KEYS} == set(range(-5, 7))
    for name in KEYS[:12]:
        place = KEYS.index(name)
        assert keys.signature_of(KEYS[12 + (place + 9) % 12]) == keys.signature_of(name)


# Wrong ----------------------------------------------------------------------------------------------------------------


def test_what_is_wrong_is_put_right_and_told(tmp_path: Path) -> None:
    text = "2.0 5.0 C:maj\n0.0 2.0005 N\n4.0 6.0 G:maj\n6.0 6.0 D:maj\n4.5 4.8 A:min\n7.0 8.0\n"
    found = read(tmp_path, text, "chords")
    assert found.value.intervals.tolist() == [[0, 2], [2, 4], [4, 4.5], [4.5, 4.8]]
    assert found.value.labels == ("N", "C:maj", "G:maj", "A:min")
    assert found.remarks == (
        "1 chords without a label left out (7 s)",
        "1 chords that do not last left out (D:maj at 6 s)",
        "chords out of order were sorted",
        "2 overlaps of chords cut where the later begins (C:maj at 4 s, G:maj at 4.5 s)",
    )
    with pytest.raises(DataError, match=r"a\.lab, row 2: 'later' is no time"):
        read(tmp_path, "0 1 C\n1 later C\n", "chords")


def test_old_files_in_latin_1_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.lab").write_bytes("0 1 réfrain\n".encode("latin-1"))
    assert annotations.read(tmp_path / "a.lab", "sections").value.labels == ("réfrain",)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    spans = Spans(np.array([[0.0, 1.5], [1.5, 4.25]]), ("verse A", "C:maj"))
    write_lab(tmp_path / "b.lab", spans)
    again = annotations.read(tmp_path / "b.lab", "sections").value
    assert again.labels == spans.labels
    assert again.intervals.tolist() == spans.intervals.tolist()
    keys.write_key(tmp_path / "b.key", Key("F minor", 0.7))
    assert annotations.read(tmp_path / "b.key", "key").value.label == "F minor"
