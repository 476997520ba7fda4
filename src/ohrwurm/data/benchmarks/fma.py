"""FMA: tracks of the Free Music Archive with genres, in four sizes.

As published:

    fma_metadata/tracks.csv              three rows of headers: group, name, and `track_id`; one row a track
    fma_metadata/genres.csv              genre_id, #tracks, parent, title, top_level
    fma_small/000/000002.mp3 ...         likewise fma_medium, fma_large (30 s each) and fma_full (whole tracks)

`fma_metadata` may be left out where the tables lie beside the audio. And as TTMR keeps it, with `npy/000/000002.npy`
(`ohrwurm.data.benchmarks.forms.ttmr`).

Source: Defferrard, Benzi, Vandergheynst, Bresson, "FMA: a dataset for music analysis", ISMIR 2017.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from ohrwurm.data.benchmarks.base import Benchmark, Layout, Remote, Variant, first_there, rows
from ohrwurm.data.benchmarks.forms import CLMR_AUDIO, LABELLED, ttmr
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError

SMALL = ("Electronic", "Experimental", "Folk", "Hip-Hop", "Instrumental", "International", "Pop", "Rock")
MEDIUM = (
    "Blues", "Classical", "Country", "Easy Listening", "Electronic", "Experimental", "Folk", "Hip-Hop", "Instrumental",
    "International", "Jazz", "Old-Time / Historic", "Pop", "Rock", "Soul-RnB", "Spoken",
)  # fmt: skip
EMPTY = ("99134", "108925", "133297")  # their clips have no sound in them
SPLITS = {"training": "train", "validation": "validation", "test": "test"}
SUBSETS = {"small": ("small",), "medium": ("small", "medium"), "large": ("small", "medium", "large")}
# Clips are the same in all sizes, whole tracks are not.
AUDIO = {"small": ("small", "medium", "large"), "medium": ("medium", "large"), "large": ("large",), "full": ("full",)}
COLUMNS = {
    "split": ("set", "split"), "subset": ("set", "subset"), "genre": ("track", "genre_top"),
    "genres": ("track", "genres_all"), "artist": ("artist", "name"), "album": ("album", "title"),
    "title": ("track", "title"),
}  # fmt: skip
LONGEST = 1 << 24  # characters of a cell: some artists tell their whole life


def read(folder: Path, variant: str) -> Manifest:
    """The tracks of a size with the official split. The tag of ``small`` and ``medium`` is the root genre, those of
    ``large`` and ``full`` are all genres of a track, by their titles.

    Raises:
        DataError: a table is missing or damaged, or names an unknown genre, split or size.
    """
    tables = _tables(folder)
    file = tables / "tracks.csv"
    single = variant in ("small", "medium")
    titles = {} if single else {row["genre_id"]: row["title"] for row in _genres(tables)}
    places = [base for size in AUDIO[variant] if (base := folder / f"fma_{size}").is_dir()] or [folder]
    tracks = []
    for where, name, row in _rows(file):
        if row["split"] not in SPLITS or row["subset"] not in SUBSETS:
            raise DataError(f"{where}: split {row['split']!r} of subset {row['subset']!r} is none of the set's")
        if row["subset"] not in SUBSETS.get(variant, SUBSETS) or (variant == "small" and name in EMPTY):
            continue
        if single:
            tags: tuple[str, ...] = (_one_of(row["genre"], SMALL if variant == "small" else MEDIUM, where),)
        else:
            tags = tuple(titles[_one_of(number, titles, where)] for number in _numbers(row["genres"], where))
        path = first_there(base / f"{_place(name)}.mp3" for base in places)
        said = {key: row[key] for key in ("artist", "album", "title", "genre")}
        tracks.append(Track(name, str(path), SPLITS[row["split"]], tags, annotations=said))
    return Manifest(tracks)


def genres(folder: Path) -> list[str]:
    """The titles of the genres that any track has, in the order of `genres.csv`."""
    return list(dict.fromkeys(row["title"] for row in _genres(_tables(folder)) if row["#tracks"] != "0"))


def _tables(folder: Path) -> Path:
    return folder / "fma_metadata" if (folder / "fma_metadata").is_dir() else folder


def _genres(tables: Path) -> Iterator[dict[str, str]]:
    return rows(tables, ("genre_id", "#tracks", "title"), "genres.csv", "genre_id")


def _rows(file: Path) -> Iterator[tuple[str, str, dict[str, str]]]:
    """(where, id, the cells of `COLUMNS`) of each row of `tracks.csv`."""
    if not file.is_file():
        raise DataError(f"{file}: missing; it is part of this data set's layout")
    limit = csv.field_size_limit(LONGEST)
    try:
        with open(file, encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream)
            heads = list(zip(next(reader, []), next(reader, []), strict=False))
            lacking = [pair for pair in COLUMNS.values() if pair not in heads]
            if lacking or next(reader, [""])[0] != "track_id":
                what = f"no column {'/'.join(lacking[0])}" if lacking else "no third row that begins with track_id"
                raise DataError(f"{file}: {what}; its first three rows are headers")
            places = {name: heads.index(pair) for name, pair in COLUMNS.items()}
            seen: set[str] = set()
            for cells in reader:
                where = f"{file}, line {reader.line_num}"
                if len(cells) != len(heads):
                    raise DataError(f"{where}: {len(cells)} cells, where the header has {len(heads)}")
                if not cells[0].isdecimal() or cells[0] in seen:
                    raise DataError(f"{where}: {cells[0]!r} is no number of a track, or stands in the table already")
                seen.add(cells[0])
                yield where, cells[0], {name: cells[place] for name, place in places.items()}
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file}: not a table of text ({error}); get it again") from error
    finally:
        csv.field_size_limit(limit)


def _numbers(cell: str, where: str) -> list[str]:
    """The genres of a cell such as ``[21, 10]``."""
    inner = cell.strip()
    numbers = [part.strip() for part in inner[1:-1].split(",") if part.strip()]
    if inner[:1] != "[" or inner[-1:] != "]" or not all(number.isdecimal() for number in numbers):
        raise DataError(f"{where}: {cell[:40]!r} is no list of genres")
    return numbers


def _one_of(value: str, allowed: Sequence[str] | dict[str, str], where: str) -> str:
    if value not in allowed:
        raise DataError(f"{where}: genre {value!r} is none of the {len(allowed)} of this size")
    return value


def _place(name: str) -> str:
    """Folder and name of a track: its number with six digits.

    >>> _place("2"), _place("133297")
    ('000/000002', '133/133297')
    """
    padded = name.zfill(6)
    return f"{padded[:3]}/{padded}"


ADDRESS = "https://os.unil.cloud.switch.ch/fma"
BENCHMARK = Benchmark(
    name="fma",
    title="FMA: 106,574 tracks of the Free Music Archive in 161 genres, and balanced or smaller parts of them.",
    citation="Defferrard, Benzi, Vandergheynst, Bresson: FMA: a dataset for music analysis, ISMIR 2017",
    licence="metadata CC BY 4.0; audio under the licence that each artist chose",
    layouts=(
        Layout("the tables and archives as published", ("fma_metadata/tracks.csv", "fma_metadata/genres.csv"), read),
        Layout("the same, with the tables beside the audio", ("tracks.csv:set,track,artist", "genres.csv"), read),
        ttmr.layout("fma", SMALL, ("small",), place=_place, without=EMPTY, single=True),
    ),
    variants={
        "small": Variant(
            "8 genres, 1,000 clips of 30 s each, without three that have no sound, as TTMR measures.",
            ("probe", *LABELLED),
            {"train": 6397, "validation": 800, "test": 800},
            labels=ttmr.labels_in("fma_tags.json", SMALL),
        ),
        "medium": Variant(
            "16 root genres, 25,000 clips of 30 s, unbalanced.",
            ("probe", *LABELLED),
            {"train": 19922, "validation": 2505, "test": 2573},
            labels=MEDIUM,
            caveats="99134, 108925 and 133297 have no sound in them.",
        ),
        "large": Variant("161 genres, several a track; 106,574 clips of 30 s.", LABELLED, {}, labels=genres),
        "full": Variant("161 genres, several a track; 106,574 whole tracks.", LABELLED, {}, labels=genres),
    },
    remotes=(
        Remote(
            f"{ADDRESS}/fma_metadata.zip",
            "fma_metadata.zip",
            sha1="f0df49ffe5f2a6008d7dc83c6915b31835dfe733",
            unpack=True,
            about="the tables, 342 MiB",
        ),
        Remote(
            f"{ADDRESS}/fma_small.zip",
            "fma_small.zip",
            sha1="ade154f733639d52e35e32f5593efe5be76c6d70",
            unpack=True,
            about="the clips of small, 7.2 GiB",
        ),
    ),
    advice=(
        "fma_medium.zip (22 GiB), fma_large.zip (93 GiB) and fma_full.zip (879 GiB) lie at the same address "
        f"({ADDRESS}); unpack them beside fma_metadata. github.com/mdeff/fma lists their SHA-1 sums."
    ),
    audio=(ttmr.AUDIO, CLMR_AUDIO),
    caveats="98565, 98567 and 98569 are shorter than two seconds. The genre is the artist's own choice.",
    evaluation_only=False,
)
