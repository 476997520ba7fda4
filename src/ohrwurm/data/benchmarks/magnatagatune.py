"""MagnaTagATune: 29 s clips of songs, tagged by the players of a game.

As published, both tables with tabs:

    annotations_final.csv        clip_id, 188 tags as 0 or 1, mp3_path
    clip_info_final.csv          clip_id, track_number, title, artist, album, url, segmentStart, mp3_path ...
    0/ ... f/                    the .mp3 files

As the tables of Pons et al. 2017, which CLMR and TUNe read:

    index_mtt.tsv                                          clip id, path of the .mp3
    train_gt_mtt.tsv, val_gt_mtt.tsv, test_gt_mtt.tsv      clip id, list of 50 zeros and ones

As the arrays of Won et al. 2020, which MusCALL and CLMR's other split read:

    train.npy, valid.npy, test.npy        texts: row of `binary`, tab, path of the .mp3
    binary.npy, tags.npy                  zeros and ones, a column for each tag; the tags (optional)

And as jukemir and TTMR keep it (`ohrwurm.data.benchmarks.forms`).

Sources: Law, West, Mandel, Bay, Downie, "Evaluation of algorithms using games: the case of music tagging", ISMIR 2009;
Pons et al., "End-to-end learning for music audio tagging at scale", ISMIR 2018; Won et al., "Evaluation of CNN-based
automatic music tagging models", SMC 2020.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ohrwurm.data.benchmarks.base import Benchmark, Layout, Remote, Variant, first_there, read_tsv, rows
from ohrwurm.data.benchmarks.forms import CLMR_AUDIO, LABELLED, jukemir, ttmr
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError

TAGS = (
    "guitar", "classical", "slow", "techno", "strings", "drums", "electronic", "rock", "fast", "piano", "ambient",
    "beat", "violin", "vocal", "synth", "female", "indian", "opera", "male", "singing", "vocals", "no vocals",
    "harpsichord", "loud", "quiet", "flute", "woman", "male vocal", "no vocal", "pop", "soft", "sitar", "solo", "man",
    "classic", "choir", "voice", "new age", "dance", "male voice", "female vocal", "beats", "harp", "cello",
    "no voice", "weird", "country", "metal", "female voice", "choral",
)  # fmt: skip
CODIFIED = (  # the same tags in TTMR's order
    "choir", "male", "electronic", "vocal", "soft", "metal", "vocals", "strings", "solo", "harpsichord", "beats",
    "harp", "piano", "sitar", "synth", "violin", "rock", "female", "male voice", "indian", "choral", "male vocal",
    "slow", "cello", "flute", "female voice", "new age", "ambient", "classic", "fast", "loud", "man", "singing",
    "beat", "dance", "opera", "no voice", "guitar", "classical", "voice", "drums", "weird", "no vocals",
    "female vocal", "techno", "country", "no vocal", "pop", "quiet", "woman",
)  # fmt: skip
FOLDERS = {"train": "0123456789ab", "validation": "c", "test": "def"}
BROKEN = (35644, 55753, 57881)  # clips whose files are empty
DROPPED = "f/tilopa-turkishauch-05-schlicht_1-88-117"  # MusCALL's test set goes without it
INFO = ("clip_id", "track_number", "title", "artist", "album", "url", "segmentStart", "mp3_path")
PLACES = ("", "mp3", "AUDIO")


def read(folder: Path, variant: str) -> Manifest:
    """The published tables. A clip is in the split of the first letter of its path; those without a path, without
    annotations or with a broken file are in none. Variant ``pons`` leaves out the clips with none of the 50 tags.

    Annotations: artist, album, title; `recording`, the song that a clip is of; `clip_idx`, its place among the clips
    of that song; `clip_offset` in seconds; `y_all`, all of its tags with ``;`` between.

    Raises:
        DataError: a table is missing or damaged, or an annotated clip is unknown.
    """
    info = {row["clip_id"]: row for row in rows(folder, INFO, "clip_info_final.csv", "clip_id", "\t")}
    places = _places(info, folder / "clip_info_final.csv")
    table, audio = "annotations_final.csv", _Audio(folder)
    tracks = []
    for row in rows(folder, ("clip_id", *TAGS), table, "clip_id", "\t"):
        name = row.pop("clip_id")
        where = f"{folder / table}, clip {name}"
        if name not in info:
            raise DataError(f"{where}: not in clip_info_final.csv")
        row.pop("mp3_path", None)
        wrong = next((tag for tag, value in row.items() if value not in ("0", "1")), None)
        if wrong is not None:
            raise DataError(f"{where}: {wrong} is {row[wrong]!r}, not 0 or 1")
        found = [tag for tag, value in row.items() if value == "1"]
        path = info[name]["mp3_path"]
        split = next((split for split, letters in FOLDERS.items() if path[:1] and path[0] in letters), "")
        if split and int(name) not in BROKEN and (variant == "jukemir" or not set(TAGS).isdisjoint(found)):
            tracks.append(_clip(name, audio.of(path, name), split, found, info[name], places[name]))
    return Manifest(tracks)


def read_tables(folder: Path, variant: str) -> Manifest:
    """The tables of Pons et al.: the clips of the three splits; those without any of the tags are in none."""
    index = {name: path for _, (name, path) in read_tsv(folder / "index_mtt.tsv", 2)}
    seen: set[str] = set()
    audio = _Audio(folder)
    tracks = []
    for part, split in (("train", "train"), ("val", "validation"), ("test", "test")):
        for where, (name, row) in read_tsv(folder / f"{part}_gt_mtt.tsv", 2):
            if name not in index:
                raise DataError(f"{where}: clip {name} is not in index_mtt.tsv")
            if name in seen:
                raise DataError(f"{where}: clip {name} stands in the tables a second time")
            seen.add(name)
            path = audio.of(index[name], name)
            tracks.append(Track(_uid(name, where), str(path), split, chosen(TAGS, row, where)))
    return Manifest(tracks)


def read_arrays(folder: Path, variant: str) -> Manifest:
    """The arrays of Won et al.; variant ``muscall`` drops one file of the test set. Paths are the tracks' ids.

    Raises:
        DataError: an array is missing or damaged, names a row that is not there or a file twice.
    """
    tags_file = folder / "tags.npy"
    tags = tuple(str(tag) for tag in _array(tags_file, 1)) if tags_file.is_file() else TAGS
    if set(tags) != set(TAGS):
        raise DataError(f"{tags_file}: not the 50 published tags")
    binary = _array(folder / "binary.npy", 2)
    if binary.shape[1] != len(tags):
        raise DataError(f"{folder / 'binary.npy'}: {binary.shape[1]} columns for {len(tags)} tags")
    seen: set[str] = set()
    audio = _Audio(folder)
    tracks = []
    for part, split in jukemir.SPLITS.items():
        file = folder / f"{part}.npy"
        for number, text in enumerate(_array(file, 1), 1):
            where = f"{file}, item {number}"
            row, tab, path = str(text).partition("\t")
            if not tab or not row.isdecimal() or int(row) >= len(binary):
                raise DataError(f"{where}: {str(text)[:60]!r} is no row of binary.npy, a tab and a path")
            name = ttmr.bare(path)
            if name in seen:
                raise DataError(f"{where}: {path} is named a second time")
            seen.add(name)
            if variant == "muscall" and part == "test" and name == DROPPED:
                continue
            found = tuple(tag for tag, value in zip(tags, binary[int(row)], strict=True) if value)
            tracks.append(Track(name, str(audio.of(path)), split, found))
    return Manifest(tracks)


def read_jukemir(folder: Path, variant: str) -> Manifest:
    """jukemir's `meta.json`; variant ``pons`` leaves out the clips without tags.

    Raises:
        DataError: an entry is damaged, or has tags that are not among the 50.
    """
    tracks = []
    for item in jukemir.items(folder):
        if not isinstance(item.y, list) or not set(TAGS).issuperset(item.y):
            raise DataError(f"{item.where}: 'y' is not a list of the 50 published tags")
        if variant == "jukemir" or item.y:
            info = {"segmentStart": "0", "url": "", "track_number": "", **item.extra}
            place = int(item.clip.get("clip_idx", 0))
            tracks.append(_clip(item.uid, item.path, item.split, item.y_all or item.y, info, place))
    return Manifest(tracks)


def chosen(names: Sequence[str], row: str, where: str) -> tuple[str, ...]:
    """The names at whose place a list of zeros and ones, as text, has a one.

    Raises:
        DataError: not such a list, or of another length.

    >>> chosen(("jazz", "rock", "slow"), "[1, 0, 1]", "table.tsv, row 1")
    ('jazz', 'slow')
    """
    try:
        values = json.loads(row)
    except ValueError:
        values = None
    if not isinstance(values, list) or len(values) != len(names) or not all(v in (0, 1) for v in values):
        raise DataError(f"{where}: not a list of {len(names)} zeros and ones: {row[:40]!r}")
    return tuple(name for name, value in zip(names, values, strict=True) if value)


def _clip(name: str, path: Path, split: str, found: Sequence[str], info: dict[str, Any], place: int) -> Track:
    return Track(
        _uid(name, name),
        str(path),
        split,
        tuple(tag for tag in found if tag in TAGS),
        annotations={
            **{key: info.get(key, "") for key in ("artist", "album", "title")},
            "recording": f"{info['url']}#{info['track_number']}",
            "clip_idx": place,
            "clip_offset": float(info["segmentStart"]),
            "y_all": ";".join(found),
        },
    )


def _places(info: dict[str, dict[str, str]], file: Path) -> dict[str, int]:
    """Of each clip its place among those of the same song, by where they start."""
    songs = defaultdict(list)
    for name, row in info.items():
        if not (name.isdecimal() and row["segmentStart"].isdecimal()):
            raise DataError(f"{file}, clip {name}: clip_id and segmentStart have to be whole numbers")
        songs[row["url"], row["track_number"]].append((int(row["segmentStart"]), int(name), name))
    return {name: place for clips in songs.values() for place, (_, _, name) in enumerate(sorted(clips))}


def _uid(name: str, where: str) -> str:
    """A clip's number with five digits, as jukemir writes it."""
    if not name.isdecimal():
        raise DataError(f"{where}: {name!r} is no number of a clip")
    return name.zfill(5)


class _Audio:
    """Where the clips lie in a folder: as published, resampled beside it, in jukemir's or in TTMR's folder."""

    def __init__(self, folder: Path) -> None:
        letters = "".join(FOLDERS.values())
        bases = [folder / place for place in PLACES]
        self.published = [base for base in bases if any((base / letter).is_dir() for letter in letters)] or bases[:1]
        self.wav, self.npy = (place if place.is_dir() else None for place in (folder / "wav", folder / "npy"))

    def of(self, path: str, name: str = "") -> Path:
        """The file of a clip that the tables place at `path`; `name` is its number, where it is known."""
        bare = ttmr.bare(path)
        places = [base / f"{bare}{suffix}" for base in self.published for suffix in (".mp3", ".wav")]
        if self.wav and name:
            places.append(self.wav / f"{name.zfill(5)}.wav")
        if self.npy:
            places.append(self.npy / f"{bare}.npy")
        return first_there(places)


def _array(file: Path, dimensions: int) -> Any:
    try:
        found = np.load(file, allow_pickle=False)
    except FileNotFoundError as error:
        raise DataError(f"{file}: missing; it is part of this data set's layout") from error
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{file}: not a readable array ({error})") from error
    if not isinstance(found, np.ndarray) or found.ndim != dimensions:
        raise DataError(f"{file}: not an array of {dimensions} dimensions")
    return found


ARRAYS = ("train.npy", "valid.npy", "test.npy", "binary.npy")
ADDRESS = "https://mirg.city.ac.uk/datasets/magnatagatune"
BENCHMARK = Benchmark(
    name="magnatagatune",
    title="MagnaTagATune: 25,863 clips of 29 s with the tags that players of a game agreed on.",
    citation="Law, West, Mandel, Bay, Downie: Evaluation of algorithms using games, ISMIR 2009",
    licence="CC BY-NC-SA 3.0",
    layouts=(
        Layout("the tables as published", ("annotations_final.csv", "clip_info_final.csv"), read, ("pons", "jukemir")),
        Layout(
            "the tables of Pons et al. 2018, as CLMR and TUNe read them",
            ("index_mtt.tsv", "train_gt_mtt.tsv"),
            read_tables,
            ("pons",),
        ),
        Layout("the arrays of Won et al. 2020, as MusCALL reads them", ARRAYS, read_arrays, ("minz", "muscall")),
        *jukemir.layouts("[0-9]" * 5, read_jukemir, ("pons", "jukemir")),
        *(ttmr.layout("mtat", TAGS, (split,), f"{split}_") for split in ("codified", "minz")),
    ),
    variants={
        "pons": Variant(
            "50 tags; the split of Pons et al. 2018, without the clips that have none of the tags.",
            LABELLED,
            {"train": 15247, "validation": 1529, "test": 4332},
            labels=TAGS,
        ),
        "jukemir": Variant(
            "50 tags; the same split with the clips that have none of the tags, as jukemir probes.",
            ("jukemir", *LABELLED),
            {"train": 18706, "validation": 1825, "test": 5329},
            labels=TAGS,
            caveats="4,752 of the clips have none of the tags; what is measured on pons is another number.",
        ),
        "codified": Variant("TTMR's first split, in its order of the tags.", LABELLED, {}, labels=CODIFIED),
        "minz": Variant("The split of Won et al. 2020, which TTMR calls minz.", LABELLED, {}, TAGS),
        "muscall": Variant(
            "MusCALL's zero-shot test: the split of Won et al. 2020 without one file.", ("zero-shot",), {}, TAGS
        ),
    },
    remotes=(
        *(
            Remote(f"{ADDRESS}/mp3.zip.{part}", f"mp3.zip.{part}", unpack=True, about="the clips, in three parts")
            for part in ("001", "002", "003")
        ),
        *(
            Remote(f"{ADDRESS}/{table}", table, about=about)
            for table, about in (
                ("annotations_final.csv", "the tags of the clips"),
                ("clip_info_final.csv", "the songs that the clips are of"),
            )
        ),
    ),
    advice=(
        "The address has been unreachable at times, or with a bad certificate. Pons' tables are in "
        "github.com/jordipons/musicnn-training (data/index/mtt), Won's arrays in "
        "github.com/minzwon/sota-music-tagging-models (split/mtat). The folders 0 ... f lie beside the tables."
    ),
    audio=(jukemir.AUDIO, ttmr.AUDIO, CLMR_AUDIO),
    caveats="Players tag what they notice: a tag that is missing is no proof. Synonyms are labels of their own.",
    evaluation_only=False,
)
