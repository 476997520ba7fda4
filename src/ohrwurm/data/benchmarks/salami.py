"""SALAMI: sections of 1,359 recordings of all kinds of music by one annotator or two. No audio.

    metadata/metadata.csv                                       SONG_ID, SOURCE, ..., SONG_DURATION, SONG_TITLE, ...
    annotations/3/parsed/textfile1_functions.txt                time and function of where each section begins
    annotations/3/parsed/textfile2_uppercase.txt                the second annotator; large scale in letters
    audio/3.mp3                                                 yours, if you have it

Source: Smith, Burgoyne, Fujinaga, De Roure, Downie, "Design and creation of a large-scale database of structural
annotations", ISMIR 2011.
"""

from __future__ import annotations

from pathlib import Path

from ohrwurm.data.benchmarks.base import Benchmark, Layout, Remote, Variant, rows
from ohrwurm.data.benchmarks.forms.annotated import audio_beside
from ohrwurm.data.tracks import Manifest, Track


def read(folder: Path, variant: str) -> Manifest:
    """Recordings with an annotation of the variant: of functions or letters, by the first annotator there is or, for
    the variants that end in 2, by the second of two.

    Annotations: `sections` (a file), class, source, title, artist, and seconds where they are known.

    Raises:
        DataError: the table is missing or damaged.
    """
    level, _, which = variant.partition("-")
    tracks = []
    for row in rows(
        folder / "metadata", ("SONG_ID", "SOURCE", "CLASS", "SONG_DURATION"), "metadata.csv", key="SONG_ID"
    ):
        name = row["SONG_ID"]
        parsed = folder / "annotations" / name / "parsed"
        files = [file for number in (1, 2) if (file := parsed / f"textfile{number}_{level}.txt").is_file()]
        if len(files) < (2 if which else 1):
            continue
        said: dict[str, object] = {
            "sections": str(files[1 if which else 0]),
            "class": row["CLASS"],
            "source": row["SOURCE"],
            "title": row.get("SONG_TITLE", "").replace("_", " "),
            "artist": row.get("ARTIST", "").replace("_", " "),
        }
        if row["SONG_DURATION"].strip().isdecimal():
            said["seconds"] = float(row["SONG_DURATION"])
        tracks.append(Track(name, str(audio_beside(folder, name)), annotations=said))
    return Manifest(tracks)


BENCHMARK = Benchmark(
    name="salami",
    title="SALAMI: sections of 1,359 recordings, popular, jazz, classical, world and live; no audio.",
    citation="Smith et al.: Design and creation of a large-scale database of structural annotations, ISMIR 2011",
    licence="annotations: CC0; the recordings belong to their owners",
    layouts=(Layout("the repository", ("metadata/metadata.csv:SONG_ID,SONG_DURATION", "annotations/*/parsed"), read),),
    variants={
        "functions": Variant("Functions (verse, chorus ...), by the first annotator.", ("structure",), {"": 1359}),
        "functions-2": Variant("Functions by the second of two annotators.", ("structure",), {"": 884}),
        "uppercase": Variant("Large scale in letters, by the first annotator.", ("structure",), {"": 1359}),
        "uppercase-2": Variant("Large scale in letters, by the second of two annotators.", ("structure",), {"": 884}),
    },
    remotes=(
        Remote(
            "https://github.com/DDMAL/salami-data-public/archive/refs/heads/master.zip",
            "salami-data-public.zip",
            unpack=True,
            about="the annotations; move the content of salami-data-public-master one folder up",
        ),
    ),
    advice="Those of source IA are at the Internet Archive; put what you have into audio/, called by SONG_ID (3.mp3).",
    caveats="Two annotators of one recording differ: measure one by the other before you read a figure.",
    evaluation_only=False,
)
