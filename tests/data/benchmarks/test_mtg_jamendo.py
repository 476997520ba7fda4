"""MTG-Jamendo: the published tables of split-0 and TTMR's folder; five lists of labels."""

from __future__ import annotations

import tarfile
from collections import Counter
from pathlib import Path

import pytest
from trees import annotations_at_hand, golden_labels, known_as, write_audio, write_json, write_ttmr

from ohrwurm.data.benchmarks import find
from ohrwurm.data.benchmarks.mtg_jamendo import LABELS, PARTS
from ohrwurm.errors import DataError

JAMENDO = find("mtg_jamendo")
HEADER = "TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS\r\n"
GOLDEN = {
    "top50tags": "mtg_top50tags_50",
    "genre": "mtg_genre_87",
    "instrument": "mtg_instrument_40",
    "moodtheme": "mtg_moodtheme_56",
}


def row(number: int, *tags: str) -> str:
    path = f"{number % 100:02d}/{number}.mp3"
    return "\t".join([f"track_{number:07d}", "artist_000020", "album_000046", path, "211.1", *tags]) + "\r\n"


def tree(folder: Path, variants: tuple[str, ...] = ("top50tags",), base: str = "") -> Path:
    """Three tracks, with lines that end as in the published files."""
    tags = {
        "top50tags": ("genre---rock", "instrument---piano", "mood/theme---happy"),
        "genre": ("genre---rock", "genre---idm"),
        "instrument": ("instrument---piano",),
        "moodtheme": ("mood/theme---happy", "mood/theme---trailer"),
        "all": ("genre---idm", "instrument---oboe", "mood/theme---space"),
    }
    splits = folder / base / "splits" / "split-0"
    splits.mkdir(parents=True, exist_ok=True)
    for variant in variants:
        ending = "" if variant == "all" else f"_{variant}"
        for number, part in enumerate(PARTS):
            (splits / f"autotagging{ending}-{part}.tsv").write_text(
                HEADER + row(382 + number, *tags[variant]), newline=""
            )
    write_audio(folder / "audio" / "82" / "382.mp3")
    return folder


@pytest.mark.parametrize("base", ["", "data"])
@pytest.mark.parametrize("variant", list(LABELS))
def test_tables_as_published(tmp_path: Path, variant: str, base: str) -> None:
    folder = tree(tmp_path, (variant,), base)
    assert known_as(folder) == "mtg_jamendo"
    found = list(JAMENDO.read(folder, variant))
    assert [(t.track_id, t.split) for t in found] == [(f"track_00003{82 + i}", part) for i, part in enumerate(PARTS)]
    assert len(found[0].tags) == {"instrument": 1, "genre": 2, "moodtheme": 2}.get(variant, 3)
    assert set(found[0].tags) <= set(JAMENDO.labels(folder, variant))
    assert found[0].annotations == {"artist": "artist_000020", "album": "album_000046", "duration": 211.1}
    assert [Path(t.path).is_file() for t in found] == [True, False, False]
    other = next(name for name in LABELS if name != variant)
    with pytest.raises(DataError, match=f"do not hold the variant '{other}'"):
        JAMENDO.read(folder, other)


def test_audio_is_found_where_the_papers_code_keeps_it(tmp_path: Path) -> None:
    folder = tree(tmp_path)
    (folder / "audio").rename(folder / "audios")
    assert Path(JAMENDO.read(folder)[0].path) == folder / "audios" / "82" / "382.mp3"


def test_audio_of_lower_quality_is_found(tmp_path: Path) -> None:
    folder = tree(tmp_path)
    (folder / "audio" / "82" / "382.mp3").unlink()
    write_audio(folder / "audio-low" / "82" / "382.low.mp3")
    assert Path(JAMENDO.read(folder)[0].path).name == "382.low.mp3"


@pytest.mark.parametrize(
    "text, message",
    [
        (HEADER + row(1, "genre---polka"), "row 2: 'genre---polka' is none of the 50 labels of top50tags"),
        (HEADER + row(1, "rock"), "row 2: 'rock' is none of the 50"),
        (HEADER + row(1, "style---rock"), "row 2: 'style---rock' is none of the 50"),
        (HEADER + row(1, "genre---rock") + row(1, "genre---rock"), "row 3: track_0000001 stands in"),
        (HEADER + row(382, "genre---rock"), r"row 2: track_0000382 stands in autotagging_top50tags-train\.tsv already"),
        (HEADER + row(1, "genre---rock").replace("211.1", "long"), "row 2: the duration 'long' is no number"),
        (HEADER + "track_0000001\r\n", "row 2: 1 values separated by tabs"),
        ("", "its first line does not name TRACK_ID"),
    ],
)
def test_damaged_tables_are_told_with_file_and_row(tmp_path: Path, text: str, message: str) -> None:
    folder = tree(tmp_path)
    (folder / "splits" / "split-0" / "autotagging_top50tags-test.tsv").write_text(text, newline="")
    with pytest.raises(DataError, match=rf"autotagging_top50tags-test\.tsv.*{message}"):
        JAMENDO.read(folder)


def test_text_in_another_coding_is_told(tmp_path: Path) -> None:
    folder = tree(tmp_path)
    (folder / "splits" / "split-0" / "autotagging_top50tags-test.tsv").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="not a table of text"):
        JAMENDO.read(folder)


@pytest.mark.parametrize("variant, golden", GOLDEN.items())
def test_labels_have_ttmrs_order(variant: str, golden: str) -> None:
    assert list(LABELS[variant]) == golden_labels(golden)


def test_ttmrs_folder_holds_the_lists_side_by_side(tmp_path: Path) -> None:
    for variant, labels in LABELS.items():
        if variant != "all":
            names = (f"autotagging_{variant}_{table}.json" for table in ("track_split", "annotation"))
            tracks = {str(n): {"tag": [labels[n]], "path": f"0{n}/{n}.mp3"} for n in range(3)}
            write_ttmr(tmp_path, "mtg", labels, tracks, *names, tags=f"mtg_autotagging_{variant}_tags.json")
    assert known_as(tmp_path) == "mtg_jamendo"
    for variant, labels in LABELS.items():
        if variant != "all":
            found = list(JAMENDO.read(tmp_path, variant))
            assert [(t.track_id, t.split, t.tags) for t in found] == [
                (str(n), part, (labels[n],)) for n, part in enumerate(PARTS)
            ]
            assert found[1].path == str(tmp_path / "npy" / "01" / "1.npy")
    write_json(tmp_path / "annotation.json", {"7": {"tag": ["own"]}})
    write_json(tmp_path / "mtg_tags.json", ["own"])
    assert [(t.track_id, t.split, t.tags) for t in JAMENDO.read(tmp_path, "all")] == [("7", "", ("own",))]
    assert JAMENDO.labels(tmp_path, "all") == ["own"]


@pytest.mark.parametrize("variant", ["instrument", "moodtheme"])
def test_the_published_tables_come_out_exactly(tmp_path: Path, variant: str) -> None:
    with tarfile.open(annotations_at_hand("mtg_jamendo_split0.tar.xz")) as packed:
        packed.extractall(tmp_path, filter="data")
    found = {t.track_id: (t.split, t.tags) for t in JAMENDO.read(tmp_path, variant)}
    expected = {}
    for part in PARTS:
        text = (tmp_path / "splits" / "split-0" / f"autotagging_{variant}-{part}.tsv").read_text()
        for line in text.splitlines()[1:]:
            name, *_, tags = line.split("\t", 5)
            expected[name] = (part, tuple(tag.split("---")[1] for tag in tags.split("\t")))
    assert found == expected
    assert Counter(split for split, _ in found.values()) == JAMENDO.variant(variant).counts
    assert {tag for _, tags in found.values() for tag in tags} == set(LABELS[variant])
    if variant == "moodtheme":
        names = (tmp_path / "tags" / "moodtheme_split.txt").read_text().split()
        assert sorted(name.split("---")[1] for name in names) == sorted(LABELS["moodtheme"])
    else:
        names = (tmp_path / "tags" / "top50.txt").read_text().split()
        assert sorted(name.split("---")[1] for name in names) == sorted(LABELS["top50tags"])
