"""GTZAN: the fault-filtered split, with and without its lists; plain; as jukemir and TTMR keep it."""

from __future__ import annotations

import gzip
import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from trees import annotations_at_hand, known_as, write_audio, write_json, write_ttmr

from ohrwurm.data.benchmarks import find
from ohrwurm.data.benchmarks.gtzan import GENRES, filtered, uid_of
from ohrwurm.data.sources import manifest_of
from ohrwurm.errors import DataError

GTZAN = find("gtzan")


def tree(folder: Path, lists: bool = True, base: str = "genres", suffix: str = ".wav") -> Path:
    for genre in GENRES:
        for number in range(3):
            write_audio(folder / base / genre / f"{genre}.{number:05d}{suffix}")
    if lists:
        for number, part in enumerate(("train", "valid", "test")):
            (folder / f"{part}_filtered.txt").write_text(f"blues/blues.{number:05d}.wav\nrock/rock.{number:05d}.au\n")
    return folder


def test_lists_beside_the_audio_are_followed(tmp_path: Path) -> None:
    tracks = list(manifest_of(tree(tmp_path)))
    assert [t.track_id for t in tracks] == [f"{g}.0000{n}" for n in range(3) for g in ("blues", "rock")]
    assert [t.split for t in tracks] == ["train"] * 2 + ["validation"] * 2 + ["test"] * 2
    assert tracks[1].tags == ("rock",)
    assert tracks[1].annotations == {"genre": "rock", "uid": uid_of("rock.00000")}
    assert Path(tracks[1].path).is_file()


@pytest.mark.parametrize(
    "text, message",
    [
        ("jazz/jazz.00100.wav\n", r"test_filtered\.txt, row 1: 'jazz\.00100' is no excerpt"),
        ("\npolka/polka.00000.wav\n", r"test_filtered\.txt, row 2: 'polka\.00000' is no excerpt"),
        ("rock/rock.00000.au\n", r"test_filtered\.txt, row 1: rock\.00000 stands in the list of train already"),
    ],
)
def test_damaged_lists_are_told_with_file_and_row(tmp_path: Path, text: str, message: str) -> None:
    folder = tree(tmp_path)
    (folder / "test_filtered.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        GTZAN.read(folder)
    (folder / "test_filtered.txt").unlink()
    with pytest.raises(DataError, match=r"test_filtered\.txt is missing beside"):
        GTZAN.read(folder)


@pytest.mark.parametrize("base, suffix", [("genres", ".au"), ("genres_original", ".wav"), ("", ".wav")])
def test_the_split_is_built_in(tmp_path: Path, base: str, suffix: str) -> None:
    """In any of the places where copies of the set have the folders."""
    folder = tree(tmp_path, lists=False, base=base, suffix=suffix)
    assert known_as(folder) == "gtzan"
    found = GTZAN.read(folder)
    assert Counter(t.split for t in found) == GTZAN.variant("filtered").counts
    assert {Path(t.path).suffix for t in found if t.track_id.endswith(".00000")} == {suffix}
    there = [t for t in found if Path(t.path).is_file()]
    assert {t.track_id[-5:] for t in there} == {"00000", "00001", "00002"}


def test_plain_is_every_excerpt_without_a_split(tmp_path: Path) -> None:
    found = GTZAN.read(tree(tmp_path), "plain")
    assert Counter(t.tags for t in found) == {(genre,): 100 for genre in GENRES}
    assert {t.split for t in found} == {""}


def test_the_first_of_two_formats_is_taken(tmp_path: Path) -> None:
    folder = tree(tmp_path)
    write_audio(folder / "genres" / "blues" / "blues.00000.au")
    (folder / "genres" / "blues" / "blues.00000.txt").write_text("notes")
    assert Path(GTZAN.read(folder)[0].path).name == "blues.00000.wav"


def test_no_excerpt_is_in_two_parts_of_the_built_in_split() -> None:
    names = [name for name, _ in filtered()]
    assert len(set(names)) == len(names) == 930


# As published code keeps it ------------------------------------------------------------------------------------------


def jukemir(folder: Path, packed: bool = False) -> Path:
    entries = {
        uid_of(f"rock.0000{n}"): {"split": split, "y": "rock", "extra": {"id": f"rock.0000{n}"}}
        for n, split in enumerate(("train", "valid", "test", None))
    }
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(entries).encode()
    (folder / ("meta.json.gz" if packed else "meta.json")).write_bytes(gzip.compress(text) if packed else text)
    write_audio(folder / "wav" / f"{uid_of('rock.00000')}.wav")
    return folder


@pytest.mark.parametrize("packed", [False, True])
def test_jukemirs_folder_is_known_by_its_file_names(tmp_path: Path, packed: bool) -> None:
    folder = jukemir(tmp_path, packed)
    assert known_as(folder) == "gtzan"
    found = {t.track_id: t for t in GTZAN.read(folder)}
    splits = {name: track.split for name, track in found.items()}
    assert splits == {"rock.00000": "train", "rock.00001": "validation", "rock.00002": "test"}
    assert Path(found["rock.00000"].path).is_file()
    assert found["rock.00001"].tags == ("rock",)
    with pytest.raises(DataError, match="do not hold the variant 'plain'"):
        GTZAN.read(folder, "plain")


@pytest.mark.parametrize(
    "entry, message",
    [
        ({"split": "train", "y": "jazz", "extra": {"id": "rock.00000"}}, "another genre or uid"),
        ({"split": "train", "y": "rock", "extra": {"id": "rock.00001"}}, "another genre or uid"),
        ({"split": "train", "y": "rock"}, "'' is no excerpt"),
        ({"split": "dev", "y": "rock"}, "split 'dev' is none of train, valid, test"),
        ({"y": "rock"}, "no 'split' and 'y'"),
        ({"split": "test", "y": "rock", "extra": []}, "'' is no excerpt"),
        ({"split": "test", "y": "rock", "extra": ["x"]}, "'extra' is not an object"),
    ],
)
def test_damaged_metadata_of_jukemir_is_told_with_its_entry(
    tmp_path: Path, entry: dict[str, object], message: str
) -> None:
    folder = jukemir(tmp_path)
    write_json(folder / "meta.json", {uid_of("rock.00000"): entry})
    with pytest.raises(DataError, match=rf"meta\.json, entry '{uid_of('rock.00000')}': .*{message}"):
        GTZAN.read(folder)


def test_metadata_that_is_cut_short_is_told(tmp_path: Path) -> None:
    folder = jukemir(tmp_path, packed=True)
    whole = (folder / "meta.json.gz").read_bytes()
    for damaged in (whole[: len(whole) // 2], b"text", gzip.compress(b"{"), gzip.compress(b"[]")):
        (folder / "meta.json.gz").write_bytes(damaged)
        with pytest.raises(DataError, match=r"meta\.json\.gz: (not readable as JSON|not an object)"):
            GTZAN.read(folder)


def test_ttmrs_folder_names_excerpts_with_their_genre(tmp_path: Path) -> None:
    names = ["jazz/jazz.00001.wav", "pop/pop.00002.wav", "metal/metal.00003.wav"]
    folder = write_ttmr(tmp_path, "gtzan", GENRES[::-1], {name: {"tag": [name.split("/")[0]]} for name in names})
    (folder / "npy").mkdir()
    (folder / "npy" / "jazz.00001.npy").write_bytes(b"")
    found = list(GTZAN.read(folder))
    assert [(t.track_id, t.split, t.tags) for t in found] == [
        ("jazz.00001", "train", ("jazz",)),
        ("pop.00002", "validation", ("pop",)),
        ("metal.00003", "test", ("metal",)),
    ]
    assert Path(found[0].path).is_file()
    assert found[0].annotations == {"sample_rate": 16000}
    assert GTZAN.labels(folder) == list(GENRES[::-1])


@pytest.mark.parametrize(
    "file, content, message",
    [
        ("track_split.json", {"train_track": []}, r"track_split\.json: no list 'valid_track'"),
        (
            "track_split.json",
            {"train_track": ["jazz/jazz.00001.wav"], "valid_track": [], "test_track": ["jazz/jazz.00001.wav"]},
            r"'jazz\.00001\.wav' stands in train_track and again in test_track",
        ),
        ("annotation.json", {}, r"annotation\.json: no entry for 'jazz\.00001\.wav'"),
        ("annotation.json", {"jazz.00001.wav": {"tag": ["polka"]}}, "'polka' is not one of the labels of gtzan_tags"),
        ("annotation.json", {"jazz.00001.wav": {"tag": ["jazz", "pop"]}}, "2 labels, where every track has one"),
        ("annotation.json", {"jazz.00001.wav": {"tag": 3}}, "'tag' is neither a word nor a list"),
        ("gtzan_tags.json", ["jazz", "jazz"], r"gtzan_tags\.json: 'jazz' stands in it twice"),
        ("gtzan_tags.json", {}, r"gtzan_tags\.json: not a list"),
    ],
)
def test_damaged_tables_of_ttmr_are_told(tmp_path: Path, file: str, content: object, message: str) -> None:
    folder = write_ttmr(tmp_path, "gtzan", GENRES, {"jazz/jazz.00001.wav": {"tag": "jazz"}})
    assert GTZAN.read(folder)[0].tags == ("jazz",)
    write_json(folder / file, content)
    with pytest.raises(DataError, match=message):
        GTZAN.read(folder)


def test_the_published_metadata_comes_out_exactly(tmp_path: Path) -> None:
    """930 excerpts: names, uids, splits and genres, from the audio alone and from jukemir's file."""
    file = annotations_at_hand("jukemir_gtzan_ff.json.gz")
    with gzip.open(file) as stream:
        published = {
            uid: (entry["extra"]["id"], entry["split"].replace("valid", "validation"), entry["y"])
            for uid, entry in json.load(stream).items()
        }
    shutil.copy(file, tmp_path / "meta.json.gz")
    for folder in (tmp_path, tree(tmp_path / "audio", lists=False)):
        found = {t.annotations["uid"]: (t.track_id, t.split, t.annotations["genre"]) for t in GTZAN.read(folder)}
        assert found == published
