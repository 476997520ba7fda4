"""FMA: tables with three rows of headers, four sizes, and TTMR's folder."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from trees import known_as, write_array, write_audio, write_ttmr

from ohrwurm.data.benchmarks import find
from ohrwurm.data.benchmarks.fma import MEDIUM, SMALL
from ohrwurm.errors import DataError

FMA = find("fma")
# id, split, subset, root genre, all genres; the last has no sound.
TRACKS = (
    ("2", "training", "small", "Hip-Hop", "[21]"),
    ("5", "validation", "small", "Rock", "[12, 25]"),
    ("140", "test", "small", "Folk", "[]"),
    ("666", "test", "medium", "Old-Time / Historic", "[8]"),
    ("7000", "training", "large", "", "[12, 21]"),
    ("99134", "training", "small", "Hip-Hop", "[21]"),
)


def table(tracks: tuple[tuple[str, ...], ...] = TRACKS) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    groups = ["", "album", "artist", "artist", "set", "set", "track", "track", "track", "track"]
    names = ["", "title", "bio", "name", "split", "subset", "genre_top", "genres", "genres_all", "title"]
    writer.writerows([groups, names, ["track_id", *[""] * 9]])
    for name, split, subset, top, genres in tracks:
        life = "born,\nlived\nand played " + "on " * 50000
        writer.writerow([name, "Album", life, "Artist", split, subset, top, genres, genres, f"Title {name}"])
    return text.getvalue()


def tree(folder: Path, base: str = "fma_metadata") -> Path:
    (folder / base).mkdir(parents=True)
    (folder / base / "tracks.csv").write_text(table(), encoding="utf-8", newline="")
    (folder / base / "genres.csv").write_text(
        "genre_id,#tracks,parent,title,top_level\n8,868,0,Old-Time / Historic,8\n12,32923,0,Rock,12\n"
        "21,8389,0,Hip-Hop,21\n25,9261,12,Punk,12\n175,0,86,Bollywood,2\n"
    )
    write_audio(folder / "fma_small" / "000" / "000002.mp3")
    write_audio(folder / "fma_large" / "000" / "000666.mp3")
    return folder


@pytest.mark.parametrize("base", ["fma_metadata", ""])
def test_small_is_eight_genres_without_the_empty_clips(tmp_path: Path, base: str) -> None:
    folder = tree(tmp_path / "fma", base)
    assert known_as(folder) == "fma"
    found = list(FMA.read(folder))
    assert [(t.track_id, t.split, t.tags) for t in found] == [
        ("2", "train", ("Hip-Hop",)),
        ("5", "validation", ("Rock",)),
        ("140", "test", ("Folk",)),
    ]
    assert found[0].path == str(folder / "fma_small" / "000" / "000002.mp3")
    assert found[0].annotations == {"artist": "Artist", "album": "Album", "title": "Title 2", "genre": "Hip-Hop"}
    assert FMA.labels(folder) == list(SMALL)


def test_larger_sizes_contain_the_smaller(tmp_path: Path) -> None:
    folder = tree(tmp_path / "fma")
    medium = list(FMA.read(folder, "medium"))
    assert [t.track_id for t in medium] == ["2", "5", "140", "666", "99134"]
    assert medium[3].tags == ("Old-Time / Historic",)
    assert Path(medium[3].path).is_file()  # the clips of large are the same
    assert set(SMALL) < set(MEDIUM)
    assert len(MEDIUM) == 16
    for variant in ("large", "full"):
        found = {t.track_id: t.tags for t in FMA.read(folder, variant)}
        assert found == {
            "2": ("Hip-Hop",), "5": ("Rock", "Punk"), "140": (), "666": ("Old-Time / Historic",),
            "7000": ("Rock", "Hip-Hop"), "99134": ("Hip-Hop",),
        }  # fmt: skip
        assert FMA.labels(folder, variant) == ["Old-Time / Historic", "Rock", "Hip-Hop", "Punk"]
    assert not Path(FMA.read(folder, "full")[0].path).is_file()  # a clip is no whole track


@pytest.mark.parametrize(
    "row, message",
    [
        (("2", "training", "small", "Rock", "[12]"), "'2' is no number of a track, or stands in the table already"),
        (("x", "training", "small", "Rock", "[12]"), "'x' is no number"),
        (("3", "train", "small", "Rock", "[12]"), "split 'train' of subset 'small' is none"),
        (("3", "training", "tiny", "Rock", "[12]"), "split 'training' of subset 'tiny'"),
        (("3", "training", "small", "Blues", "[12]"), "genre 'Blues' is none of the 8 of this size"),
    ],
)
def test_damaged_rows_are_told_with_their_line(tmp_path: Path, row: tuple[str, ...], message: str) -> None:
    folder = tree(tmp_path / "fma")
    (folder / "fma_metadata" / "tracks.csv").write_text(table((TRACKS[0], row)), newline="")
    with pytest.raises(DataError, match=rf"tracks\.csv, line 9: {message}"):
        FMA.read(folder)


@pytest.mark.parametrize("cell, message", [("[99]", "genre '99' is none of the 5"), ("12", "is no list of genres")])
def test_damaged_genres_are_told(tmp_path: Path, cell: str, message: str) -> None:
    folder = tree(tmp_path / "fma")
    text = table((("3", "training", "large", "", cell),))
    (folder / "fma_metadata" / "tracks.csv").write_text(text, newline="")
    with pytest.raises(DataError, match=message):
        FMA.read(folder, "large")


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "no column set/split"),
        (table().replace("track_id", "id", 1), "no third row that begins with track_id"),
        (table()[: -len("[21],[21],Title 99134\r\n")], "8 cells, where the header has 10"),
        (table().replace("subset", "part", 1), "no column set/subset"),
    ],
)
def test_damaged_tables_are_told(tmp_path: Path, text: str, message: str) -> None:
    folder = tree(tmp_path / "fma")
    (folder / "fma_metadata" / "tracks.csv").write_text(text, newline="")
    with pytest.raises(DataError, match=rf"tracks\.csv.*: {message}"):
        FMA.read(folder)


def test_ttmrs_folder_pads_the_ids_and_leaves_out_the_empty_clips(tmp_path: Path) -> None:
    tracks = {name: {"tag": [genre]} for name, genre in (("2", "Rock"), ("99134", "Pop"), ("133298", "Folk"))}
    folder = write_ttmr(tmp_path, "fma", SMALL[::-1], tracks)
    write_array(folder / "npy" / "000" / "000002.npy")
    assert known_as(folder) == "fma"
    found = list(FMA.read(folder))
    assert [(t.track_id, t.split, t.tags) for t in found] == [("2", "train", ("Rock",)), ("133298", "test", ("Folk",))]
    assert [Path(t.path).is_file() for t in found] == [True, False]
    assert found[1].path == str(folder / "npy" / "133" / "133298.npy")
    assert FMA.labels(folder) == list(SMALL[::-1])
