"""Ballroom: beats and downbeats of 698 excerpts of 30 s in eight or more dances.

    BallroomAnnotations/Media-100601.beats             time and place in the bar (as first published: bar.place)
    BallroomData/ChaChaCha/Media-100601.wav            the audio, a folder a dance

Sources: Gouyon et al., "An experimental comparison of audio tempo induction algorithms", 2006; Krebs, Böck, Widmer,
"Rhythmic pattern modeling for beat and downbeat tracking in musical audio", ISMIR 2013.
"""

from __future__ import annotations

from pathlib import Path

from ohrwurm.data.benchmarks.base import Benchmark, Layout, Remote, Variant
from ohrwurm.data.benchmarks.forms.annotated import audio_beside, beat_this, files_of
from ohrwurm.data.tracks import Manifest, Track

PREFIX = "ballroom_"


def read(folder: Path, variant: str) -> Manifest:
    """All excerpts. Annotations: `beats` (a file), and dance, where the audio is there.

    Raises:
        DataError: there are no annotations.
    """
    base = next((p for p in sorted(folder.glob("BallroomAnnotations*")) if p.is_dir()), folder)
    audio = _audio(folder)
    tracks = []
    for file in files_of(base, "*.beats"):
        there = audio.get(file.stem)
        said = {"beats": str(file)} | ({"dance": there.parent.name} if there else {})
        tracks.append(Track(file.stem, str(there or audio_beside(folder, file.stem)), annotations=said))
    return Manifest(tracks)


def _audio(folder: Path) -> dict[str, Path]:
    return {file.stem: file for file in sorted((folder / "BallroomData").glob("*/*.wav"))}


def _beat_this_audio(folder: Path, name: str) -> Path:
    stem = name.removeprefix(PREFIX)
    return next(iter(sorted((folder / "BallroomData").glob(f"*/{stem}.wav"))), audio_beside(folder, stem))


BENCHMARK = Benchmark(
    name="ballroom",
    title="Ballroom: beats and downbeats of 698 excerpts of dance music, 30 s each.",
    citation="Krebs, Böck, Widmer: Rhythmic pattern modeling for beat and downbeat tracking, ISMIR 2013",
    licence="annotations: CC-BY-NC-SA 4.0; the audio belongs to its labels",
    layouts=(
        Layout("annotations and audio side by side", ("BallroomAnnotations*/*.beats",), read, ("all",)),
        Layout("the repository of annotations", ("Media-*.beats",), read, ("all",)),
        beat_this(f"{PREFIX}*.beats", ("without-copies",), _beat_this_audio),
    ),
    variants={
        "all": Variant("All excerpts, 13 of which are copies of others.", ("beats",), {"": 698}),
        "without-copies": Variant('Without the 13 copies, as "Beat This!" has them.', ("beats",), {"": 685}),
    },
    remotes=(
        Remote(
            "https://mtg.upf.edu/ismir2004/contest/tempoContest/data1.tar.gz",
            "data1.tar.gz",
            md5="2872a3e52070bc342a4510a95e2fa0b8",
            unpack=True,
            about="the audio, 1.5 GB",
        ),
        Remote(
            "https://github.com/CPJKU/BallroomAnnotations/archive/master.zip",
            "BallroomAnnotations.zip",
            unpack=True,
            about="the annotations",
        ),
    ),
    caveats="13 excerpts are copies (MIREX leaves them out); tempo follows the dance, so that its class is a hint.",
    evaluation_only=False,
)
