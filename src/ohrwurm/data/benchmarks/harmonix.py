"""The Harmonix set: beats, downbeats and sections of 912 western popular songs. No audio.

    dataset/metadata.csv                                  File, Title, Artist, Release, Duration, BPM, ...
    dataset/beats_and_downbeats/0001_12step.txt           time, place in the bar, bar, with tabs
    dataset/segments/0001_12step.txt                      time and name of where each section begins; `end` last
    audio/0001_12step.mp3                                 yours, if you have it
    8-fold.folds                                          optional: the folds of "Beat This!"

Source: Nieto, McCallum, Davies, Robertson, Stark, Egozy, "The Harmonix set: beats, downbeats, and functional segment
annotations of western popular music", ISMIR 2019.
"""

from __future__ import annotations

from pathlib import Path

from ohrwurm.data.benchmarks.base import Benchmark, Layout, Remote, Variant, rows
from ohrwurm.data.benchmarks.forms.annotated import audio_beside, beat_this, folds_in, with_fold
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError


def read(folder: Path, variant: str) -> Manifest:
    """All songs. Annotations: `beats` and `sections` (files), title, artist, genre, seconds, bpm, metre, and `fold`.

    Raises:
        DataError: the table is missing or damaged.
    """
    base, folds, tracks = folder / "dataset", folds_in(folder), []
    for row in rows(base, ("File", "Title", "Artist", "Duration", "BPM"), "metadata.csv", key="File"):
        name = row["File"]
        try:
            seconds, bpm = float(row["Duration"]), float(row["BPM"])
        except ValueError as error:
            raise DataError(f"{base / 'metadata.csv'}: {name}: {error}; get the table again") from error
        said = {
            "beats": str(base / "beats_and_downbeats" / f"{name}.txt"),
            "sections": str(base / "segments" / f"{name}.txt"),
            "title": row["Title"],
            "artist": row["Artist"],
            "genre": row.get("Genre", ""),
            "seconds": seconds,
            "bpm": bpm,
            "metre": row.get("Time Signature", "").replace("|", "/"),
        }
        tracks.append(Track(name, str(audio_beside(folder, name)), annotations=with_fold(said, folds.get(name))))
    return Manifest(tracks)


BENCHMARK = Benchmark(
    name="harmonix",
    title="The Harmonix set: beats, downbeats and sections of 912 popular songs; no audio.",
    citation="Nieto et al.: The Harmonix set: beats, downbeats, and functional segment annotations, ISMIR 2019",
    licence="annotations: MIT; the songs belong to their labels",
    layouts=(
        Layout("the repository", ("dataset/metadata.csv:File,Duration,BPM", "dataset/segments"), read),
        beat_this("[0-9][0-9][0-9][0-9]_*.beats", ("beats",), audio_beside),
    ),
    variants={
        "all": Variant("All songs.", ("beats", "structure"), {"": 912}),
        "beats": Variant('Beats alone, as corrected for "Beat This!".', ("beats",), {}),
    },
    remotes=(
        Remote(
            "https://github.com/urinieto/harmonixset/archive/refs/heads/main.zip",
            "harmonixset.zip",
            unpack=True,
            about="the annotations; move the content of harmonixset-main one folder up",
        ),
    ),
    advice=(
        "The songs are not free; put yours into audio/, called as in metadata.csv. Annotations follow the authors' own "
        "copies: align other releases first."
    ),
    caveats="Western popular music, nearly all in 4/4; two annotations leave the last section open.",
    evaluation_only=False,
)
