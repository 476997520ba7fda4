"""GTZAN-Rhythm: beats and downbeats of the 1,000 excerpts of GTZAN; always a test set.

    beats/gtzan_blues_00000.beats                      time and place in the bar (gtzan_tempo_beat), or
    jams/blues.00000.wav.jams                          JAMS, as first published
    genres/blues/blues.00000.wav                       the audio, as for the benchmark gtzan

Source: Marchand, Peeters, "Swing ratio estimation", DAFx 2015; Marchand, Fresnel, Peeters, "GTZAN-Rhythm: extending the
GTZAN test-set with beat, downbeat and swing annotations", ISMIR 2015 (late breaking).
"""

from __future__ import annotations

import re
from pathlib import Path

from ohrwurm.data.benchmarks.base import Benchmark, Layout, Remote, Variant, first_there
from ohrwurm.data.benchmarks.forms.annotated import ENDINGS, beat_this, files_of
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError

NAME = re.compile(r"(?:gtzan_)?([a-z]+)[._](\d{5})")


def read(folder: Path, variant: str) -> Manifest:
    """All excerpts that are annotated, to be tested on. Annotations: `beats` (a file), genre.

    Raises:
        DataError: there are no annotations, or one is not called as an excerpt.
    """
    base = next((p for p in (folder, *sorted(folder.glob("gtzan_tempo_beat*"))) if (p / "beats").is_dir()), None)
    files = files_of(base / "beats", "*.beats") if base else files_of(folder / "jams", "*.jams")
    return Manifest(_track(folder, file) for file in files)


def _track(folder: Path, file: Path) -> Track:
    match = NAME.match(file.name)
    if match is None:
        raise DataError(f"{file}: not called as an excerpt of GTZAN, e.g. gtzan_blues_00000.beats")
    genre, number = match.groups()
    said = {"beats": str(file), "genre": genre}
    return Track(f"{genre}.{number}", str(_audio(folder, f"{genre}.{number}")), "test", annotations=said)


def _audio(folder: Path, name: str) -> Path:
    match = NAME.match(name)
    genre, number = match.groups() if match else ("", name)
    bases = [folder / "genres", folder / "genres_original", folder, folder.parent / "gtzan" / "genres"]
    return first_there(base / genre / f"{genre}.{number}{ending}" for base in bases for ending in ENDINGS)


BENCHMARK = Benchmark(
    name="gtzan_rhythm",
    title="GTZAN-Rhythm: beats and downbeats of the excerpts of GTZAN.",
    citation="Marchand, Fresnel, Peeters: GTZAN-Rhythm: extending the GTZAN test-set, ISMIR 2015 (late breaking)",
    licence="annotations: for research; the audio's is not stated",
    layouts=(
        Layout("gtzan_tempo_beat", ("beats/gtzan_*.beats",), read),
        Layout("gtzan_tempo_beat as unpacked", ("gtzan_tempo_beat*/beats/gtzan_*.beats",), read),
        Layout("JAMS, as first published", ("jams/blues.*.jams",), read),
        beat_this("gtzan_*.beats", ("all",), _audio, "test"),
    ),
    variants={"all": Variant("All annotated excerpts, to be tested on.", ("beats",), {})},
    remotes=(
        Remote(
            "https://github.com/TempoBeatDownbeat/gtzan_tempo_beat/archive/refs/heads/main.zip",
            "gtzan_tempo_beat.zip",
            md5="4baa58112697a8087de04558d6e97442",
            unpack=True,
            about="the annotations",
        ),
    ),
    advice="Put the audio of GTZAN into genres/ here, or have it as data set gtzan beside this folder.",
    caveats="By custom never trained on; excerpts of 30 s, of which mir_eval leaves the first 5 s out.",
)
