"""ECALS, the half million tagged excerpts of the Million Song Dataset that TTMR trains on, as its `data_dir`.

    ecals_annotation/ecals_track_split.json     train_track, extra_track, valid_track, test_track: MSD ids
    ecals_annotation/annotation.json            MSD id → tag (a list), ...
    ecals_annotation/ecals_tags.json            the tags in the order of the classes
    ecals_annotation/multiquery_samples.json    MSD id → caption, of the test tracks that captions ask for
    lastfm_annotation/MSD_id_to_7D_id.pkl       MSD id → 7digital id
    lastfm_annotation/7D_id_to_path.pkl         7digital id → path of the .mp3 file
    npy/                                        the same paths with .npy: mono at 16 kHz

Source: Doh, Won, Choi, Nam, "Toward universal text-to-music retrieval", ICASSP 2023.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ohrwurm.data.benchmarks.base import Benchmark, Layout, Variant, audio_track, read_json
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError
from ohrwurm.unpickle import read_plain_pickle

SAMPLE_RATE = 16000
ANNOTATION = "ecals_annotation"
LISTS = {"train_track": "train", "extra_track": "train", "valid_track": "validation", "test_track": "test"}


def read(folder: Path, variant: str) -> Manifest:
    """All tracks of the split file, in its order. The caption that asks for a test track, where there is one, is its
    annotation ``multi_query``.

    Raises:
        DataError: a table is missing or damaged, or lacks tracks of the split.
    """
    split_file = folder / ANNOTATION / "ecals_track_split.json"
    split = read_json(split_file, dict)
    unknown = [name for name in LISTS if not isinstance(split.get(name), list)]
    if unknown:
        raise DataError(f"{split_file}: no list {unknown[0]!r}; it has {', '.join(split)}")
    annotation = read_json(folder / ANNOTATION / "annotation.json", dict)
    paths = _paths(folder)
    queries_file = folder / ANNOTATION / "multiquery_samples.json"
    queries = read_json(queries_file, dict) if queries_file.is_file() else {}
    listed = [(str(name), part) for list_name, part in LISTS.items() for name in split[list_name]]
    for what, table in (("annotation.json", annotation), ("lastfm_annotation", paths)):
        lacking = [name for name, _ in listed if name not in table]
        if lacking:
            raise DataError(f"{folder}: {what} lacks {len(lacking)} of {len(listed)} tracks of the split: {lacking[0]}")

    def track(name: str, part: str) -> Track:
        entry = dict(annotation[name])
        entry.pop("track_id", None)
        tags = entry.pop("tag", [])
        extra: dict[str, Any] = {key: value for key, value in entry.items() if isinstance(value, str | int | float)}
        if name in queries:
            extra["multi_query"] = str(queries[name])
        path = folder / "npy" / Path(paths[name]).with_suffix(".npy")
        return audio_track(name, path, SAMPLE_RATE, extra, split=part, tags=tuple(str(tag) for tag in tags))

    return Manifest(track(name, part) for name, part in listed)


def labels(folder: Path) -> list[str]:
    """The tags in the order of TTMR's classes."""
    return [str(tag) for tag in read_json(folder / ANNOTATION / "ecals_tags.json", list)]


def _paths(folder: Path) -> dict[str, str]:
    """MSD id → path of the .mp3 file."""
    tables = []
    for name in ("MSD_id_to_7D_id.pkl", "7D_id_to_path.pkl"):
        file = folder / "lastfm_annotation" / name
        table = read_plain_pickle(file)
        if not isinstance(table, dict):
            raise DataError(f"{file}: not a table of ids")
        tables.append({str(key): str(value) for key, value in table.items()})
    to_seven, to_path = tables
    return {name: to_path[seven] for name, seven in to_seven.items() if seven in to_path}


BENCHMARK = Benchmark(
    name="ecals",
    title="ECALS: half a million excerpts of 30 s of the Million Song Dataset with cleaned tags.",
    citation="Doh, Won, Choi, Nam: Toward universal text-to-music retrieval, ICASSP 2023",
    licence="annotations of the Million Song Dataset: research; audio: 7digital previews, not redistributed",
    layouts=(Layout("TTMR's data_dir", (f"{ANNOTATION}/ecals_track_split.json",), read),),
    variants={
        "ttmr": Variant("TTMR's split and its 1054 tags.", ("retrieval", "tagging", "zero-shot"), {}, labels=labels),
    },
    caveats="Tags of a track are those that people wrote, not all that hold.",
    evaluation_only=False,
)
