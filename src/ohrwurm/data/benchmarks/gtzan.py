"""GTZAN: 1,000 excerpts of 30 s in ten genres, in one folder a genre.

    genres/blues/blues.00000.wav ...                                        or .au, as first published
    train_filtered.txt, valid_filtered.txt, test_filtered.txt               optional: genre/genre.00000.wav a line

The lists are those of Kereliuk, Sturm, Larsen, "Deep learning and music adversaries", 2015, which leave out what is
faulty or doubled and keep artists apart; without them no split is set.

Source: Tzanetakis, Cook, "Musical genre classification of audio signals", 2002.
"""

from __future__ import annotations

from pathlib import Path

from ohrwurm.data.benchmarks.base import Benchmark, Layout, Variant
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
LISTS = {"train": "train", "valid": "validation", "test": "test"}


def read(folder: Path, variant: str) -> Manifest:
    """All excerpts, or with the lists those that are in them; the genre is the track's tag.

    Raises:
        DataError: only some of the lists are there, or one names a file that is not.
    """
    files = {
        path.stem: path
        for genre in GENRES
        for path in sorted((folder / "genres" / genre).glob(f"{genre}.*"))
        if path.suffix in (".wav", ".au", ".flac", ".mp3")
    }
    lists = {part: folder / f"{part}_filtered.txt" for part in LISTS}
    missing = [file.name for file in lists.values() if not file.is_file()]
    if 0 < len(missing) < len(lists):
        raise DataError(f"{folder}: {missing[0]} is missing beside the other lists of the split")
    if missing:
        return Manifest(_track(name, path, "") for name, path in files.items())
    tracks = []
    for part, file in lists.items():
        for line in filter(None, map(str.strip, file.read_text(encoding="utf-8").splitlines())):
            name = Path(line).stem
            if name not in files:
                raise DataError(f"{file}: {line} is not in {folder / 'genres'}")
            tracks.append(_track(name, files[name], LISTS[part]))
    return Manifest(tracks)


def _track(name: str, path: Path, split: str) -> Track:
    return Track(name, str(path), split, (path.parent.name,), annotations={"genre": path.parent.name})


BENCHMARK = Benchmark(
    name="gtzan",
    title="GTZAN: 1,000 excerpts of 30 s, 100 in each of ten genres.",
    citation="Tzanetakis, Cook: Musical genre classification of audio signals, 2002",
    licence="not stated; collected from broadcasts and records",
    layouts=(Layout("a folder a genre", tuple(f"genres/{genre}" for genre in GENRES), read),),
    variants={
        "filtered": Variant(
            "The fault-filtered, artist-separated split of Kereliuk, Sturm, Larsen 2015.",
            ("probe", "tagging", "linear", "zero-shot"),
            {"train": 443, "validation": 197, "test": 290},
            labels=GENRES,
        ),
    },
    caveats="Some excerpts are mislabelled or distorted; one of 290 test excerpts is 0.34 points of accuracy.",
    evaluation_only=False,
)
