"""SHS100K: lists of 100,000 versions of 10,000 songs from SecondHandSongs, as videos. No audio is published.

    list                                 set_id, ver_id, title, performer, url, status, with tabs; also in meta/
    SHS100K-TRAIN, -VAL, -TEST           set_id, ver_id, with tabs
    audio/                               12_3.mp3, 12-3.mp3, 12/3.mp3, or named by the video; any ending

Source: Xu, Chen, Yang, "Key-invariant convolutional neural network toward efficient cover song identification",
ICME 2018.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ohrwurm.data.benchmarks.base import Benchmark, Layout, Remote, Variant, first_there, read_tsv
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError

SPLITS = {"SHS100K-TRAIN": "train", "SHS100K-VAL": "validation", "SHS100K-TEST": "test"}
ENDINGS = {".mp3", ".m4a", ".wav", ".flac", ".ogg", ".opus", ".webm", ".mp4", ".npy", ".npz", ".h5"}
VIDEO = re.compile(r"(?:v=|youtu\.be/|embed/)([\w-]{11})")
Version = tuple[str, str]


def read(folder: Path, variant: str) -> Manifest:
    """The versions of the three lists, in their order; those without a row in `list` have no title.

    Ids are ``set_id-ver_id``, works set_ids. Annotations: title, performer, youtube (the video), status. A version
    whose file is not there is given as ``audio/set_id-ver_id.mp3``.

    Raises:
        DataError: a list is missing or damaged, or a version stands twice.
    """
    facts = dict(_facts(_place(folder, "list")))
    audio = _audio(folder)
    seen: dict[Version, str] = {}
    tracks = []
    for name, split in SPLITS.items():
        for where, version in _versions(_place(folder, name)):
            if version in seen:
                raise DataError(f"{where}: version {'-'.join(version)} stands in {seen[version]} already")
            seen[version] = where
            said = facts.get(version, {})
            names = ("-".join(version), "_".join(version), "/".join(version), said.get("youtube", ""))
            path = next((audio[n] for n in names if n in audio), folder / "audio" / f"{names[0]}.mp3")
            tracks.append(Track(names[0], str(path), split, work_id=version[0], annotations=dict(said)))
    return Manifest(tracks)


def _place(folder: Path, name: str) -> Path:
    return first_there([folder / name, folder / "meta" / name])


def _versions(file: Path) -> Iterator[tuple[str, Version]]:
    for where, (work, version) in read_tsv(file, 2):
        if not (work.isdigit() and version.isdigit()):
            raise DataError(f"{where}: {work!r} and {version!r} are no numbers of a song and a version")
        yield where, (work, version)


def _facts(file: Path) -> Iterator[tuple[Version, dict[str, str]]]:
    if not file.is_file():
        raise DataError(f"{file}: missing; it is part of this data set's layout")
    with open(file, encoding="utf-8") as lines:
        columns = lines.readline().count("\t") + 1
    if columns not in (5, 6):
        raise DataError(f"{file}: {columns} values separated by tabs in its first row, not 5 or 6")
    for _, (work, version, title, performer, url, *status) in read_tsv(file, columns):
        video = VIDEO.search(url)
        said = {"title": title, "performer": performer, "youtube": video[1] if video else url}
        yield (work, version), said | ({"status": status[0]} if status else {})


def _audio(folder: Path) -> dict[str, Path]:
    """Name, with or without its folder → file."""
    found: dict[str, Path] = {}
    for path in sorted((folder / "audio").rglob("*.*")):
        if path.suffix.lower() in ENDINGS:
            found.setdefault(f"{path.parent.name}/{path.stem}", path)
            found.setdefault(path.stem, path)
    return found


BENCHMARK = Benchmark(
    name="shs100k",
    title="Versions of 10,000 songs from SecondHandSongs, as a list of videos; no audio.",
    citation='Xu, Chen, Yang, "Key-invariant convolutional neural network toward efficient cover song identification", '
    "ICME 2018",
    licence="the lists state none; the videos are their makers'",
    caveats="Videos vanish: everybody who measured on it had other parts of it. Say how many versions there were.",
    layouts=(
        Layout("lists", ("list", "SHS100K-TEST"), read),
        Layout("lists in meta/", ("meta/list", "meta/SHS100K-TRAIN"), read),
    ),
    variants={
        "official": Variant("The three lists.", ("versions",), {"train": 84_340, "validation": 10_884, "test": 10_547})
    },
    remotes=tuple(
        Remote(
            f"https://raw.githubusercontent.com/NovaFrost/SHS100K2/master/meta/{name}",
            f"meta/{name}",
            about=f"{name}, a table of numbers and titles of the set's repository",
        )
        for name in ("list", *SPLITS)
    ),
    evaluation_only=False,
    advice="The lists are in https://github.com/NovaFrost/SHS100K2; get the recordings from the videos as you may, and "
    "put them into audio/ as set_id-ver_id.mp3.",
)
