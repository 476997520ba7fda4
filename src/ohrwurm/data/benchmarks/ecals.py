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

from ohrwurm.data.benchmarks.base import Benchmark, Layout, Variant, audio_track, read_json
from ohrwurm.data.benchmarks.forms import ttmr
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError
from ohrwurm.unpickle import read_plain_pickle

ANNOTATION = "ecals_annotation"
TAGS = "ecals_tags.json"
LISTS = {"train_track": "train", "extra_track": "train", "valid_track": "validation", "test_track": "test"}
# The most frequent tags, for which TTMR states figures of their own, in its order.
TOP50 = (
    "rock", "pop", "indie", "alternative", "electronic", "hip hop", "metal", "jazz", "punk", "folk",
    "alternative rock", "indie rock", "dance", "hard rock", "00s", "soul", "hardcore", "80s", "country",
    "classic rock", "punk rock", "blues", "chillout", "experimental", "heavy metal", "death metal", "90s", "reggae",
    "progressive rock", "ambient", "acoustic", "beautiful", "british", "rnb", "funk", "metalcore", "mellow", "world",
    "guitar", "trance", "indie pop", "christian", "house", "spanish", "latin", "psychedelic", "electro", "piano",
    "70s", "progressive metal",
)  # fmt: skip


def read(folder: Path, variant: str) -> Manifest:
    """All tracks of the split file, in its order. The caption that asks for a test track, where there is one, is its
    annotation ``multi_query``.

    Raises:
        DataError: a table is missing or damaged, or lacks tracks of the split.
    """
    listed = ttmr.read_split(folder / ANNOTATION / "ecals_track_split.json", LISTS)
    known = set(labels(folder))
    chosen = known & set(TOP50) if variant == "ttmr-50" else known
    annotation_file = folder / ANNOTATION / "annotation.json"
    annotation = read_json(annotation_file, dict)
    paths = _paths(folder)
    queries_file = folder / ANNOTATION / "multiquery_samples.json"
    queries = read_json(queries_file, dict) if queries_file.is_file() else {}
    for what, table in (("annotation.json", annotation), ("lastfm_annotation", paths)):
        lacking = [name for name, _ in listed if name not in table]
        if lacking:
            raise DataError(f"{folder}: {what} lacks {len(lacking)} of {len(listed)} tracks of the split: {lacking[0]}")

    def track(name: str, part: str) -> Track:
        entry = ttmr.entry_of(annotation, name, annotation_file)
        tags = ttmr.tags_of(entry, known, f"{annotation_file}, entry {name!r}", TAGS)
        extra = ttmr.rest_of(entry)
        if name in queries:
            extra["multi_query"] = str(queries[name])
        path = folder / "npy" / Path(paths[name]).with_suffix(".npy")
        return audio_track(
            name, path, ttmr.SAMPLE_RATE, extra, split=part, tags=tuple(tag for tag in tags if tag in chosen)
        )

    return Manifest(track(name, part) for name, part in listed)


def labels(folder: Path) -> list[str]:
    """The tags in the order of TTMR's classes."""
    return list(ttmr.read_labels(folder / ANNOTATION / TAGS))


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
        "ttmr": Variant(
            "TTMR's split and its 1054 tags; captions ask for 1,000 of the test tracks.",
            ("retrieval", "tagging", "zero-shot"),
            {},
            labels=labels,
        ),
        "ttmr-50": Variant(
            "The same tracks with the 50 most frequent of the tags.", ("tagging", "zero-shot"), {}, labels=TOP50
        ),
    },
    advice=(
        "Split, tags and tables of paths are part of TTMR's release (github.com/seungheondoh/"
        "music-text-representation names the place); the 7digital previews are not to be had any more, so that the "
        "audio comes from those who have it: npy/, by the paths of 7D_id_to_path.pkl."
    ),
    audio=(ttmr.AUDIO,),
    caveats="Tags of a track are those that people wrote, not all that hold.",
    evaluation_only=False,
)
