"""McGill Billboard: chords and sections of 890 slots of the American charts 1958 to 1991, 740 songs. No audio.

    McGill-Billboard/0003/salami_chords.txt            sections and chords, bar by bar
    McGill-Billboard/0003/full.lab                     optional: the chords with a time each
    billboard-2.0-index.csv                            optional: id, chart_date, ..., title, artist, ...
    jams/billboard_3.jams                              or JAMS, as others have made them

Some songs stand in several slots: they are one work.

Source: Burgoyne, Wild, Fujinaga, "An expert ground truth set for audio chord recognition and music analysis", 2011.
"""

from __future__ import annotations

import re
from pathlib import Path

from ohrwurm.data.benchmarks.base import Benchmark, Layout, Remote, Variant, rows
from ohrwurm.data.benchmarks.forms.annotated import audio_beside, files_of
from ohrwurm.data.tracks import Manifest, Track

INDEX = "billboard-2.0-index.csv"
FOLDERS = "McGill-Billboard/[0-9][0-9][0-9][0-9]"


def read(folder: Path, variant: str) -> Manifest:
    """All slots. Annotations: `chords` and `sections` (files), title and artist where the index is there.

    Variant ``lab`` takes the chords from `full.lab`, with a time each; slots without it are left out.

    Raises:
        DataError: there are no annotations, or the index is damaged.
    """
    index = {}
    if (folder / INDEX).is_file():
        index = {row["id"].zfill(4): row for row in rows(folder, ("id", "title", "artist"), INDEX, key="id")}
    tracks = []
    for file in files_of(folder, f"{FOLDERS}/salami_chords.txt"):
        name = file.parent.name
        chords = file.with_name("full.lab") if variant == "lab" else file
        if chords.is_file():
            known = index.get(name, {})
            tracks.append(_track(folder, name, chords, file, known.get("title", ""), known.get("artist", "")))
    return Manifest(tracks)


def read_jams(folder: Path, variant: str) -> Manifest:
    """All files of `jams/`, by the number in their names.

    Raises:
        DataError: there are none.
    """
    files = files_of(folder / "jams", "billboard_*.jams")
    return Manifest(_track(folder, re.sub(r"\D", "", file.stem).zfill(4), file, file, "", "") for file in files)


def _track(folder: Path, name: str, chords: Path, sections: Path, title: str, artist: str) -> Track:
    said = {"chords": str(chords), "sections": str(sections), "title": title, "artist": artist}
    work = f"{artist}/{title}" if title else ""
    return Track(name, str(audio_beside(folder, name)), work_id=work, annotations=said)


BENCHMARK = Benchmark(
    name="billboard",
    title="McGill Billboard: chords and sections of 890 slots of the American charts; no audio.",
    citation="Burgoyne, Wild, Fujinaga: An expert ground truth set for audio chord recognition, ISMIR 2011",
    licence="annotations: CC0; the songs belong to their labels",
    layouts=(
        Layout("as published", ("McGill-Billboard/*/salami_chords.txt",), read),
        Layout("JAMS, a file a slot", ("jams/billboard_*.jams",), read_jams, ("all",)),
    ),
    variants={
        "all": Variant(
            "All slots; times of chords within a phrase are calculated.", ("chords", "structure"), {"": 890}
        ),
        "lab": Variant("Chords with a time each (full.lab).", ("chords", "structure"), {"": 890}),
    },
    remotes=(
        Remote(
            "https://www.dropbox.com/s/2lvny9ves8kns4o/billboard-2.0-salami_chords.tar.gz?dl=1",
            "billboard-2.0-salami_chords.tar.gz",
            md5="6954a6fad962a111e69c9c80cb87d3a5",
            unpack=True,
            about="sections and chords",
        ),
        Remote(
            "https://www.dropbox.com/s/t390alzrkx0c9yt/billboard-2.0.1-lab.tar.gz?dl=1",
            "billboard-2.0.1-lab.tar.gz",
            md5="a7b1fa6a7e454bf73ced7c29207aa597",
            unpack=True,
            about="chords with a time each",
        ),
        Remote(
            "https://www.dropbox.com/s/o0olz0uwl9z9stb/billboard-2.0-index.csv?dl=1",
            INDEX,
            md5="c47d304c212725998839cf9bb1a417aa",
            about="titles and artists",
        ),
    ),
    advice="The songs are not free; put yours into audio/, called by their numbers (0003.mp3).",
    caveats="890 slots are 740 songs: split by work. Keys are not annotated, only tonics.",
    evaluation_only=False,
)
