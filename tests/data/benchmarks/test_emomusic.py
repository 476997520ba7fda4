"""EmoMusic: MediaEval's tables, jukemir's splits and normalised ratings, and its metadata to the last digit."""

from __future__ import annotations

import csv
import gzip
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from trees import write_audio, write_json

from ohrwurm.data.benchmarks import find, recognise
from ohrwurm.data.benchmarks.emomusic import INFO, RATINGS, split_of
from ohrwurm.errors import DataError
from ohrwurm.evaluation.protocols.targets import targets_of

DATA = os.environ.get("OHRWURM_DATA")
COLUMNS = (
    "song_id", "file_name", "Artist", "Song title", "start of the segment (min.sec)", "end of the segment (min.sec)",
    "Genre", "Mediaeval 2013 set",
)  # fmt: skip
SONGS = [
    ("2", "2.mp3", "The New Mystikal Troubadours", "Tonight  A Lonely Century", "0.48", "1.33", "Blues", "development"),
    ("3", "3.mp3", "Kevin MacLeod", "DD Groove", "0.36", "1.21", "Blues", "evaluation"),
    ("7", "7.mp3", "Kevin MacLeod", "Hustle", "0.2", "1.05", "Blues", "development"),
    ("1000", "1000.mp3", "Stevie's Amp, Shack\t", "Blues Shuffle in A\t", "4.1", "4.55", "Rock", "development"),
]
VALUES = [("2", 3.0, 0.9, 2.0, 0.6), ("3", 8.0, 1.8, 3.0, 1.7), ("7", 5.0, 1, 6.0, 1), ("1000", 4.0, 1, 7.0, 1)]


def write_csv(file: Path, columns: tuple[str, ...], table: list[Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([columns, *table])


def tree(folder: Path) -> Path:
    write_csv(folder / INFO, COLUMNS, SONGS)
    columns = ("song_id", "mean_arousal", "std_arousal", "mean_valence", "std_valence")
    write_csv(folder / RATINGS, columns, VALUES)
    write_audio(folder / "clips_45sec" / "2.mp3")
    return folder


def test_ratings_are_normalised_by_the_development_set(tmp_path: Path) -> None:
    first, test, third, last = find("emomusic").read(tree(tmp_path))
    assert [t.track_id for t in (first, test, third, last)] == ["0002", "0003", "0007", "1000"]
    deviation = (2 / 3) ** 0.5  # of 3, 5, 4
    assert first.annotations["arousal"] == pytest.approx(-1 / deviation)
    assert test.annotations["arousal"] == pytest.approx(4 / deviation)
    assert last.annotations["arousal"] == 0
    assert (test.split, last.annotations["artist"]) == ("test", "Stevie's Amp, Shack")
    assert third.split == split_of("kevin macleod")
    targets = targets_of([first, test])
    assert (targets.kind, targets.names) == ("regression", ("arousal", "valence"))
    assert Path(first.path).is_file()
    assert not Path(last.path).exists()


def test_raw_ratings_keep_their_scale(tmp_path: Path) -> None:
    folder = tree(tmp_path)
    tracks = list(find("emomusic/raw").read(folder))
    assert [t.annotations["valence"] for t in tracks] == [2, 3, 6, 7]
    assert [t.split for t in tracks] == [t.split for t in find("emomusic").read(folder)]


def test_damaged_tables_are_told_with_song_and_file(tmp_path: Path) -> None:
    folder = tree(tmp_path)
    cases = [
        (RATINGS, "2,3.0,", "2,high,", "song 2: mean_arousal is 'high'"),
        (RATINGS, "7,5.0", "8,5.0", "static_annotations.csv, song 8: not in songs_info.csv"),
        (INFO, "7,7.mp3", "9,7.mp3", "song 7: not in songs_info.csv"),
        (INFO, "Blues,evaluation", "Blues,other", "other"),
    ]
    for name, old, new, message in cases:
        whole = (folder / name).read_text(encoding="utf-8")
        assert old in whole
        (folder / name).write_text(whole.replace(old, new), encoding="utf-8")
        with pytest.raises(DataError, match=message):
            find("emomusic").read(folder)
        (folder / name).write_text(whole, encoding="utf-8")
    whole = (folder / RATINGS).read_text(encoding="utf-8").splitlines()
    (folder / RATINGS).write_text("\n".join(whole[:-1]), encoding="utf-8")
    with pytest.raises(DataError, match=r"songs_info\.csv, song 1000: not in static_annotations"):
        find("emomusic").read(folder)


def test_jukemirs_metadata_is_read_as_it_is(tmp_path: Path) -> None:
    entry = {"split": "valid", "y": [0.5, -1.5], "extra": {"songs_info": {"Artist": "A", "Song title": "T"}}}
    write_json(tmp_path / "meta.json", {"0004": entry})
    write_audio(tmp_path / "wav" / "0004.wav")
    recognised = recognise(tmp_path)
    assert recognised is not None
    assert recognised[0].name == "emomusic"
    (track,) = find("emomusic").read(tmp_path)
    assert (track.split, track.annotations["valence"], track.annotations["artist"]) == ("validation", -1.5, "A")
    write_json(tmp_path / "meta.json", {"0004": entry | {"y": ["jazz"]}})
    with pytest.raises(DataError, match=r"meta\.json, entry '0004': y is not arousal and valence"):
        find("emomusic").read(tmp_path)


@pytest.mark.skipif(not DATA, reason="set OHRWURM_DATA to the folder of the data sets")
def test_published_metadata_comes_out_of_mediaevals_tables(tmp_path: Path) -> None:
    """Written back as the tables that they came from, the 744 songs get the published ids, splits and targets."""
    source = Path(str(DATA)) / "annotations" / "jukemir_emomusic.json.gz"
    if not source.is_file():
        pytest.skip(f"{source} is not there")
    published = json.loads(gzip.decompress(source.read_bytes()))
    said = [entry["extra"] for entry in published.values()]
    for name, part in ((INFO, "songs_info"), (RATINGS, "static_annotations")):
        columns = tuple(said[0][part])
        write_csv(tmp_path / name, columns, [[entry[part][column] for column in columns] for entry in said])
    tracks = list(find("emomusic").read(tmp_path))
    assert Counter(t.split for t in tracks) == find("emomusic").variant().counts
    assert [t.track_id for t in tracks] == sorted(published)
    splits = {"train": "train", "validation": "valid", "test": "test"}
    for track in tracks:
        entry = published[track.track_id]
        assert [track.annotations["arousal"], track.annotations["valence"]] == entry["y"]
        assert splits[track.split] == entry["split"]
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "meta.json.gz").write_bytes(source.read_bytes())
    assert [t.annotations for t in find("emomusic").read(tmp_path / "meta")] == [t.annotations for t in tracks]
