"""Da-TACOS: features of 15,000 songs to find versions among, and of 5,000 pairs to study them. No audio is published.

    da-tacos_metadata/da-tacos_benchmark_subset_metadata.json       {"W_1": {"P_7": {"perf_title": ..., ...}, ...}, ...}
    da-tacos_benchmark_subset_crema/W_1_crema/P_7_crema.h5          cremaPCP alone, as `crema` (n, 12)
    da-tacos_benchmark_subset_single_files/W_1/P_7.h5               all features of a song, `crema` among them

The same with `coveranalysis` for `benchmark`. A song stands for its file of features: `ohrwurm evaluate versions` gives
them to version encoders (`data.version_features` reads every eighth row, which are the frames).

Source: Yesiler et al., "Da-TACOS: a dataset for cover song identification and understanding", ISMIR 2019.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ohrwurm.data.benchmarks.base import Benchmark, Layout, Variant, first_there, read_json
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.data.version_features import open_profiles
from ohrwurm.errors import DataError

SUBSETS = {"benchmark": "benchmark", "pairs": "coveranalysis"}  # variant → as the files call it
METADATA = "da-tacos_{}_subset_metadata.json"
FACTS = ("perf_title", "perf_artist", "work_title", "work_artist", "release_year", "instrumental", "perf_artist_mbid")


def read(folder: Path, variant: str) -> Manifest:
    """The songs of a subset in the order of its metadata, all to be tested on.

    Annotations: what the metadata say of a song, and `mb_performances`, its recordings in MusicBrainz, where known.

    Raises:
        DataError: the metadata are missing or damaged, or a song names another work than the one it stands under.
    """
    subset = SUBSETS[variant]
    name = METADATA.format(subset)
    file = first_there([folder / "da-tacos_metadata" / name, folder / "metadata" / name, folder / name])
    return Manifest(
        Track(song, str(_features(folder, subset, work, song)), "test", work_id=work, annotations=facts)
        for work, song, facts in _songs(file)
    )


def read_features(folder: Path, variant: str) -> Manifest:
    """The same from the files of features alone, sorted by work and song."""
    found = open_profiles(folder / f"da-tacos_{SUBSETS[variant]}_subset_crema").tracks
    return Manifest(Track(t.track_id, t.path, "test", work_id=t.work_id) for t in found)


def _songs(file: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for work, songs in read_json(file, dict).items():
        if not isinstance(songs, dict) or not songs:
            raise DataError(f"{file}: {work} holds no songs")
        for song, facts in songs.items():
            if not isinstance(facts, dict):
                raise DataError(f"{file}: {song} of {work} is no table of facts")
            for key, named in (("work_id", work), ("perf_id", song)):
                if facts.get(key, named) != named:
                    raise DataError(f"{file}: {song} of {work} has {key} {facts[key]!r}")
            known = {key: facts[key] for key in FACTS if key in facts}
            if facts.get("mb_performances"):
                known["mb_performances"] = " ".join(facts["mb_performances"])
            yield work, song, known


def _features(folder: Path, subset: str, work: str, song: str) -> Path:
    base = folder / f"da-tacos_{subset}_subset_crema"
    whole = folder / f"da-tacos_{subset}_subset_single_files"
    return first_there([base / f"{work}_crema" / f"{song}_crema.h5", whole / work / f"{song}.h5"])


BENCHMARK = Benchmark(
    name="da_tacos",
    folder="da-tacos",
    title="Features of songs and their versions, chosen from SecondHandSongs; no audio.",
    citation='Yesiler et al., "Da-TACOS: a dataset for cover song identification and understanding", ISMIR 2019',
    licence="metadata and features CC BY-NC-SA 4.0",
    caveats="Without audio, only systems on its features can be compared; others measured on audio they found "
    "themselves, each on other files. Its cremaPCP was very likely made with crema 0.1.0.",
    layouts=(
        Layout("metadata and features as released", ("da-tacos_metadata/*_subset_metadata.json",), read),
        Layout("metadata and features as in the repository", ("metadata/da-tacos_*_subset_metadata.json",), read),
        Layout("metadata beside the features", ("da-tacos_*_subset_metadata.json",), read),
        Layout("features alone", ("da-tacos_benchmark_subset_crema",), read_features, ("benchmark",)),
        Layout("features of the pairs alone", ("da-tacos_coveranalysis_subset_crema",), read_features, ("pairs",)),
    ),
    variants={
        "benchmark": Variant(
            "1,000 works with 13 songs each among 2,000 songs that stand alone.", ("versions",), {"test": 15_000}
        ),
        "pairs": Variant("5,000 works with two songs each, for analyses.", ("versions",), {"test": 10_000}),
    },
    advice="Get da-tacos_metadata.zip and da-tacos_benchmark_subset_crema.zip (or _single_files.zip) from "
    "https://github.com/MTG/da-tacos, which links to them, and unpack both into one folder da-tacos.",
)
