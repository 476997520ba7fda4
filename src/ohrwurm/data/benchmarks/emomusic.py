"""EmoMusic, also called 1000 Songs: clips of 45 s, rated by listeners for arousal and valence. MediaEval 2013.

    annotations/songs_info.csv             song_id, Artist, Song title, Genre, Mediaeval 2013 set ...
    annotations/static_annotations.csv     song_id, mean_arousal, std_arousal, mean_valence, std_valence
    clips_45sec/2.mp3 ...                  named by song_id

jukemir takes MediaEval's evaluation set as the test split, divides the development set by artist into training and
validation, and normalises the ratings by mean and deviation of the whole development set.

Sources: Soleymani, Caro, Schmidt, Sha, Yang, "1000 songs for emotional analysis of music", CrowdMM 2013; Castellon,
Donahue, Liang, "Codified audio language modeling learns useful representations for music information retrieval",
ISMIR 2021.
"""

from __future__ import annotations

import hashlib
import math
import statistics
import string
from collections.abc import Mapping
from pathlib import Path

from ohrwurm.data.benchmarks.base import Benchmark, Layout, Variant, first_there, one_of, rows
from ohrwurm.data.benchmarks.forms import jukemir
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError

TARGETS = ("arousal", "valence")
INFO = "annotations/songs_info.csv"
RATINGS = "annotations/static_annotations.csv"
SET = "Mediaeval 2013 set"
SETS = ("development", "evaluation")
CLIPS = ("clips_45sec", "clips_45seconds")
KEPT = frozenset(string.ascii_lowercase + " ")


def read(folder: Path, variant: str) -> Manifest:
    """The rated clips, by number. Annotations: arousal, valence, artist, title, genre, and `uid`, jukemir's name.

    Variant ``jukemir`` has normalised ratings, ``raw`` the mean ratings from 1 to 9. The splits are jukemir's.

    Raises:
        DataError: a table is missing or damaged, or a song stands in one of them only.
    """
    info = {row["song_id"].strip(): row for row in rows(folder, ("song_id", "Artist", SET), INFO, "song_id")}
    columns = ("song_id", *(f"mean_{target}" for target in TARGETS))
    rated: dict[str, tuple[float, ...]] = {}
    for row in rows(folder, columns, RATINGS, "song_id"):
        name = row["song_id"].strip()
        where = f"{folder / RATINGS}, song {name}"
        if name not in info or not name.isdecimal():
            raise DataError(f"{where}: not in songs_info.csv")
        rated[name] = tuple(_number(row[column], f"{where}: {column}") for column in columns[1:])
    if lacking := next((name for name in info if name not in rated), None):
        raise DataError(f"{folder / INFO}, song {lacking}: not in static_annotations.csv")
    stripped = {name: {column: value.strip() for column, value in row.items()} for name, row in info.items()}
    sets = {name: one_of(row, SET, SETS, folder, INFO) for name, row in stripped.items()}
    values = _normalised(rated, sets) if variant == "jukemir" else rated
    tracks = []
    for name in sorted(rated, key=int):
        row = stripped[name]
        split = "test" if sets[name] == "evaluation" else split_of(row["Artist"])
        path = first_there(folder / place / f"{name}{ending}" for place in CLIPS for ending in (".mp3", ".wav"))
        tracks.append(_track(f"{int(name):04d}", path, split, values[name], row))
    return Manifest(tracks)


def read_jukemir(folder: Path, variant: str) -> Manifest:
    """jukemir's `meta.json`, whose ratings are normalised already.

    Raises:
        DataError: an entry without two ratings.
    """
    tracks = []
    for item in jukemir.items(folder):
        if not isinstance(item.y, list) or len(item.y) != len(TARGETS):
            raise DataError(f"{item.where}: y is not arousal and valence")
        values = tuple(_number(value, f"{item.where}: {what}") for what, value in zip(TARGETS, item.y, strict=True))
        info = item.extra.get("songs_info")
        tracks.append(_track(item.uid, item.path, item.split, values, info if isinstance(info, dict) else {}))
    return Manifest(tracks)


def split_of(artist: str) -> str:
    """The split of a song of the development set: eight tenths of the artists train, by a hash of their names.

    Of the name only letters without accents count, so that spellings do not matter.

    >>> split_of("Kevin MacLeod"), split_of("kevin  macleod!"), split_of("My Bubba & Mi")
    ('validation', 'validation', 'train')
    """
    letters = "".join(letter for letter in artist.lower() if letter in KEPT)
    number = int(hashlib.sha1(" ".join(letters.split()).encode()).hexdigest(), 16) % 10
    return "train" if number < 8 else "validation"


def _normalised(rated: Mapping[str, tuple[float, ...]], sets: Mapping[str, str]) -> dict[str, tuple[float, ...]]:
    """Ratings with mean 0 and deviation 1 over the development set, test songs by the same numbers."""
    columns = list(zip(*(rated[name] for name in rated if sets[name] == "development"), strict=True))
    scales = [(statistics.fmean(column), statistics.pstdev(column)) for column in columns]
    if not scales or any(deviation == 0 for _, deviation in scales):
        raise DataError(f"{RATINGS}: the development set has no ratings that differ, by which to normalise")
    return {
        name: tuple((value - mean) / deviation for value, (mean, deviation) in zip(values, scales, strict=True))
        for name, values in rated.items()
    }


def _track(uid: str, path: Path, split: str, values: tuple[float, ...], info: Mapping[str, str]) -> Track:
    said = {name: info.get(column, "") for name, column in (("artist", "Artist"), ("title", "Song title"))}
    annotations = {**dict(zip(TARGETS, values, strict=True)), **said, "genre": info.get("Genre", ""), "uid": uid}
    return Track(uid, str(path), split, annotations=annotations)


def _number(value: object, where: str) -> float:
    try:
        found = float(str(value))
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise DataError(f"{where} is {value!r}, not a number")
    return found


BENCHMARK = Benchmark(
    name="emomusic",
    title="EmoMusic: 744 clips of 45 s with mean ratings of arousal and valence.",
    citation="Soleymani, Caro, Schmidt, Sha, Yang: 1000 songs for emotional analysis of music, CrowdMM 2013",
    licence="annotations for research alone; songs of the Free Music Archive under Creative Commons",
    layouts=(
        *(Layout("MediaEval's annotations/ and clips", (INFO, RATINGS, place), read) for place in CLIPS),
        Layout("MediaEval's annotations/ without the clips", (INFO, RATINGS), read),
        *jukemir.layouts("[0-9]" * 4, read_jukemir, ("jukemir",)),
    ),
    variants={
        "jukemir": Variant(
            "jukemir's splits by artist, ratings normalised over the development set.",
            ("jukemir",),
            {"train": 504, "validation": 115, "test": 125},
            caveats="The validation split is part of what the ratings were normalised by, as published.",
        ),
        "raw": Variant(
            "The same splits, mean ratings from 1 to 9 as published.",
            ("jukemir",),
            {"train": 504, "validation": 115, "test": 125},
        ),
    },
    advice=(
        "Ask for it at http://cvml.unige.ch/databases/emoMusic/ (its certificate has expired), and unpack the "
        "annotations as annotations/ and the 45 s clips as clips_45sec/."
    ),
    audio=(jukemir.AUDIO,),
    caveats="125 test clips: R2 moves by several points with the clips that are drawn.",
    evaluation_only=False,
)
