"""Emotify: half of it as a table, all of it with every listener's answers, and TTMR's folder.

Its table stands for all tables that name one file a row.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from trees import known_as, write_audio, write_json, write_table, write_ttmr

from ohrwurm.data.benchmarks import find
from ohrwurm.data.benchmarks.emotify import COLUMNS, EMOTIONS, GENRES
from ohrwurm.errors import DataError

EMOTIFY = find("emotify")
HEAD = f"file,genre,track_id,n_raters,{','.join(COLUMNS)},clip_start_s\n"
TABLE = HEAD + (
    "001.opus,classical,1,48,0.146,0.333,0.208,0.292,0.625,0.021,0.083,0.062,0.312,10.06\n"
    "101.opus,rock,101,46,0.1,0.0,0.0,0.0,0.0,0.2,0.5,0.5,0.0,10.06\n"
    "301.opus,pop,301,12,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0,10.06\n"
    "201.opus,electronic,201,46,0.174,0.0,0.0,0.0,0.0,0.0,0.0,0.1,0.0,10.06\n"
)
# Blanks after the commas, as published; two listeners of 1, one of 2, 150 and 399 each.
ANSWERS = f"track id,genre, {', '.join(COLUMNS)}, mood, liked\n" + "".join(
    f"{number},{genre},{','.join(str(int(i in felt)) for i in range(9))},3,1\n"
    for number, genre, felt in (
        (399, "pop", (8,)), (1, "classical", (1, 4)), (2, "classical", (0,)), (1, "classical", (4,)),
        (150, "rock", (5,)),
    )
)  # fmt: skip


def tree(folder: Path, table: str = TABLE) -> Path:
    return write_table(folder, table)


def published(folder: Path, answers: str = ANSWERS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data.csv").write_text(answers)
    write_audio(folder / "classical" / "1.mp3")
    write_audio(folder / "rock" / "50.mp3")  # the 150th of all
    write_audio(folder / "pop" / "399.mp3")
    return folder


def test_genres_or_the_emotion_of_most_listeners_are_tags(tmp_path: Path) -> None:
    folder = tree(tmp_path)
    assert known_as(folder) == "emotify"
    for variant in ("genre", "half-genre"):
        found = list(EMOTIFY.read(folder, variant))
        assert [t.tags for t in found] == [("classical",), ("rock",), ("pop",), ("electronic",)]
    for variant in ("emotion", "half-emotion"):
        found = list(EMOTIFY.read(folder, variant))
        assert [t.tags for t in found] == [("calmness",), ("joyful activation",), ("sadness",), ("amazement",)]
    assert found[0].track_id == "emotify/001"
    assert found[0].annotations["genre"] == "classical"
    assert found[0].annotations["listeners"] == 48
    assert found[0].annotations["calmness"] == 0.625
    assert set(COLUMNS) < set(found[0].annotations)


def test_a_table_without_emotions_has_genres(tmp_path: Path) -> None:
    folder = tree(tmp_path, "file,genre,track_id\n001.opus,rock,1\n")
    assert [t.tags for t in EMOTIFY.read(folder)] == [("rock",)]
    with pytest.raises(DataError, match="no column amazement, solemnity"):
        EMOTIFY.read(folder, "emotion")


def test_answers_of_all_listeners_are_averaged(tmp_path: Path) -> None:
    folder = published(tmp_path)
    assert known_as(folder) == "emotify"
    found = {t.track_id: t for t in EMOTIFY.read(folder, "emotion")}
    assert {name: t.tags for name, t in found.items()} == {
        "emotify/001": ("calmness",),
        "emotify/002": ("amazement",),
        "emotify/150": ("power",),
        "emotify/399": ("sadness",),
    }
    first = found["emotify/001"].annotations
    assert (first["solemnity"], first["calmness"], first["listeners"], first["genre"]) == (0.5, 1.0, 2, "classical")
    assert [Path(t.path).is_file() for t in found.values()] == [True, False, True, True]
    assert Path(found["emotify/150"].path) == folder / "rock" / "50.mp3"
    assert [t.track_id for t in EMOTIFY.read(folder, "half-genre")] == ["emotify/001", "emotify/399"]
    assert {t.split for t in found.values()} == {"test"}


@pytest.mark.parametrize(
    "row, message",
    [
        ("x,pop,0,0,0,0,0,0,0,0,0,3,1", "track x: no number of an excerpt"),
        ("1,pop,0,0,0,0,0,0,0,0,0,3,1", "track 1: is pop here and classical above"),
        ("3,polka,0,0,0,0,0,0,0,0,0,3,1", "3 has genre 'polka', not one of"),
        ("3,pop,0,0,0,0,0,0,0,0,7,3,1", "track 3: '7' is no number from 0 to 1"),
        ("3,pop,0,0,0,0,0,0,0,0,,3,1", "track 3: '' is no number"),
        ("3,pop,0", "line 7: not as many values as columns"),
    ],
)
def test_damaged_answers_are_told(tmp_path: Path, row: str, message: str) -> None:
    folder = published(tmp_path, ANSWERS + row + "\n")
    with pytest.raises(DataError, match=rf"data\.csv.*{message}"):
        EMOTIFY.read(folder)


@pytest.mark.parametrize(
    "table, message",
    [
        ("file,genre\n1.opus,polka\n", "1.opus has genre 'polka'"),
        ("file,track_id\n1.opus,1\n", "no column genre"),
        ("file,genre\n1.opus\n", "line 2: not as many values"),
        ("file,genre\n1.opus,rock,pop\n", "line 2: not as many values"),
        ("file,genre\n1.opus,rock\n1.opus,pop\n", "line 3: 1.opus is named a second time"),
        ("", "no column file, genre"),
        (TABLE.replace("0.625", "many"), r"manifest\.csv: 001\.opus: 'many' is no number from 0 to 1"),
    ],
)
def test_a_damaged_table_is_told_with_its_place(tmp_path: Path, table: str, message: str) -> None:
    tree(tmp_path / "emotify_half", table)
    with pytest.raises(DataError, match=message):
        EMOTIFY.read(tmp_path)


def test_ttmrs_folder(tmp_path: Path) -> None:
    labels = [emotion.replace(" ", "_") for emotion in EMOTIONS][::-1]
    tracks = {str(n): {"tag": label, "path": f"pop/{n}.mp3"} for n, label in enumerate(labels[:3])}
    folder = write_ttmr(tmp_path, "emotify", labels, tracks)
    assert known_as(folder) == "emotify"
    assert [(t.track_id, t.split, t.tags) for t in EMOTIFY.read(folder, "ttmr")] == [
        ("0", "train", ("sadness",)),
        ("1", "validation", ("tension",)),
        ("2", "test", ("joyful_activation",)),
    ]
    assert EMOTIFY.labels(folder, "ttmr") == labels
    write_json(folder / "annotation.json", {"0": {"tag": []}})
    with pytest.raises(DataError, match=r"annotation\.json, entry '0': 0 labels, where every track has one"):
        EMOTIFY.read(folder, "ttmr")


@pytest.mark.skipif(not os.environ.get("OHRWURM_DATA"), reason="set OHRWURM_DATA to the folder of the data sets")
def test_the_published_set() -> None:
    tracks = list(EMOTIFY.read())
    assert Counter(t.tags for t in tracks) == {(g,): 50 for g in GENRES}
    assert [t.path for t in tracks if not Path(t.path).is_file()] == []
    felt = Counter(t.tags[0] for t in EMOTIFY.read(variant="half-emotion"))
    assert sum(felt.values()) == 200
    assert felt.most_common(2) == [("calmness", 52), ("joyful activation", 42)]
