"""Emotify: excerpts in four genres, with the emotions that listeners felt.

As published, 400 excerpts of a minute, and beside them one row for each listener of each:

    data.csv                                        track id, genre, nine emotions as 0 or 1, mood, liked ...
    classical/1.mp3 ... rock/ electronic/ pop/      100 each, numbered from 1 (or as `track id` over all of the set)

Half of it, 30 s each, as a table with the means over the listeners:

    manifest.csv                                    file, genre, track_id, n_raters, amazement, solemnity ...
    001.opus ...

And as TTMR keeps it (`ohrwurm.data.benchmarks.forms.ttmr`).

Source: Aljanaki, Wiering, Veltkamp, "Studying emotion induced by music through a crowdsourcing game", Information
Processing & Management, 2016.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ohrwurm.data.benchmarks.base import Benchmark, Layout, Task, Variant, first_there, one_of, rows, share
from ohrwurm.data.benchmarks.forms import ttmr
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError

GENRES = ("classical", "electronic", "pop", "rock")
EMOTIONS = (
    "amazement", "solemnity", "tenderness", "nostalgia", "calmness", "power", "joyful activation", "tension", "sadness"
)  # fmt: skip
COLUMNS = tuple(emotion.replace(" ", "_") for emotion in EMOTIONS)
FOLDERS = ("classical", "rock", "electronic", "pop")  # in the order of the numbers
EACH = 100


def read_half(folder: Path, variant: str) -> Manifest:
    """`manifest.csv`: half of the excerpts, whatever the variant. The emotions may be missing if genres are asked for.

    Raises:
        DataError: the table is damaged.
    """
    emotions = _of_emotions(variant)
    tracks = []
    for row in rows(folder, ("file", "genre", *(COLUMNS if emotions else ()))):
        genre = one_of(row, "genre", GENRES, folder)
        where = f"{folder / 'manifest.csv'}: {row['file']}"
        felt = {name: share(row[name], where) for name in COLUMNS if name in row}
        listeners = int(row["n_raters"]) if row.get("n_raters", "").isdecimal() else None
        name = row["file"].rpartition(".")[0]
        tracks.append(_track(name, folder / row["file"], genre, felt, listeners, emotions))
    return Manifest(tracks)


def read(folder: Path, variant: str) -> Manifest:
    """`data.csv` as published: the mean over all listeners of an excerpt.

    Raises:
        DataError: the table is damaged, or an excerpt has two genres.
    """
    table = "data.csv"
    genres: dict[int, str] = {}
    answers: dict[int, list[tuple[float, ...]]] = {}
    for row in rows(folder, ("track id", "genre", *COLUMNS), table, key=""):
        where = f"{folder / table}: track {row['track id']}"
        if not row["track id"].strip().isdecimal():
            raise DataError(f"{where}: no number of an excerpt")
        number = int(row["track id"])
        genre = one_of({**row, "genre": row["genre"].strip()}, "genre", GENRES, folder, table)
        if genres.setdefault(number, genre) != genre:
            raise DataError(f"{where}: is {genre} here and {genres[number]} above")
        answers.setdefault(number, []).append(tuple(share(row[name], where) for name in COLUMNS))
    tracks = []
    for number in sorted(answers):
        if variant.startswith("half") and number % 2 == 0:
            continue
        felt = [sum(column) / len(column) for column in zip(*answers[number], strict=True)]
        path, listeners = _audio(folder, genres[number], number), len(answers[number])
        means = dict(zip(COLUMNS, felt, strict=True))
        tracks.append(_track(f"{number:03d}", path, genres[number], means, listeners, _of_emotions(variant)))
    return Manifest(tracks)


def _of_emotions(variant: str) -> bool:
    return variant.endswith("emotion")


def _track(
    name: str, path: Path, genre: str, felt: Mapping[str, float], listeners: int | None, emotions: bool
) -> Track:
    """The tag is the genre, or the emotion that most listeners felt (of equals the first); the shares of listeners who
    felt each emotion are annotations. All are in the test part: nothing is published that parts them."""
    tag = EMOTIONS[max(range(len(COLUMNS)), key=lambda i: felt[COLUMNS[i]])] if emotions else genre
    said = {"genre": genre, **felt} | ({} if listeners is None else {"listeners": listeners})
    return Track(f"emotify/{name}", str(path), "test", (tag,), annotations=said)


def _audio(folder: Path, genre: str, number: int) -> Path:
    """The excerpts of each genre are numbered by themselves; some copies number all 400."""
    within = (number - 1) % EACH + 1
    return first_there(folder / genre / f"{n}.{kind}" for n in (number, within) for kind in ("mp3", "wav"))


TASKS: tuple[Task, ...] = ("probe", "zero-shot", "probing", "jukemir")
READ = ("genre", "emotion", "half-genre", "half-emotion")
TOP = "The emotion, of nine, that most listeners felt"
BENCHMARK = Benchmark(
    name="emotify",
    folder="emotify_half",
    title="400 excerpts, 100 each of classical, electronic, pop and rock, with nine emotions that listeners felt.",
    citation="Aljanaki, Wiering, Veltkamp: Studying emotion induced by music through a crowdsourcing game, 2016",
    licence="CC-BY-NC-SA; evaluation only",
    layouts=(
        Layout("a table with means, and excerpts of 30 s", ("manifest.csv:file,genre,track_id",), read_half, READ),
        Layout("every listener's answers, and a folder a genre, as published", ("data.csv:track id",), read, READ),
        ttmr.layout("emotify", variants=("ttmr",), single=True),
    ),
    variants={
        "genre": Variant("The genre of all 400 excerpts.", TASKS, {"test": 400}, labels=GENRES),
        "emotion": Variant(f"{TOP}; all 400 excerpts.", TASKS, {"test": 400}, labels=EMOTIONS),
        "half-genre": Variant("The genre, on the 200 excerpts with odd numbers.", TASKS, {"test": 200}, labels=GENRES),
        "half-emotion": Variant(f"{TOP}; the 200 excerpts with odd numbers.", TASKS, {"test": 200}, labels=EMOTIONS),
        "ttmr": Variant(
            f"{TOP}, with TTMR's split.",
            TASKS,
            {},
            labels=ttmr.labels_in("emotify_tags.json", EMOTIONS),
            caveats="80 excerpts are in the test part: one is 1.25 points of accuracy.",
        ),
    },
    advice=(
        "Excerpts and answers are at www2.projects.science.uu.nl/memotion/emotifydata; put data.csv beside the folders "
        "classical, rock, electronic and pop."
    ),
    audio=(ttmr.AUDIO,),
    caveats=(
        "No split is published. Artists are not stated, so one may be on both sides of a split. Half of the excerpts "
        "were heard by about 48 listeners, the others by 16: often two emotions are nearly as frequent."
    ),
)
