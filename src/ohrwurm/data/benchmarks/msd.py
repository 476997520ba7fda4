"""The Million Song Dataset as CLMR trains on it: the 50 most frequent Last.fm tags.

    processed_annotations/{train,val,test}_gt_msd.tsv       MSD id, list of 50 zeros and ones
    processed_annotations/output_labels_msd.txt             its second line holds the list of tags
    processed_annotations/MSD_id_to_7D_id.pkl               MSD id → 7digital id
    preprocessed/1/2/12345.clip.mp3                         the audio, by the first two digits of the 7digital id

The three tables may lie beside `processed_annotations` as well. Source: as `magnatagatune`.
"""

from __future__ import annotations

import ast
from pathlib import Path

from ohrwurm.data.benchmarks.base import Benchmark, Layout, Variant, first_there, read_tsv
from ohrwurm.data.benchmarks.forms import CLMR_AUDIO, ttmr
from ohrwurm.data.benchmarks.magnatagatune import chosen
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError
from ohrwurm.unpickle import read_plain_pickle

TABLES = "processed_annotations"
SPLITS = {"train": "train", "val": "validation", "test": "test"}


def read(folder: Path, variant: str) -> Manifest:
    """The tracks of the three splits.

    Raises:
        DataError: a table is missing or damaged, or a track has no 7digital id.
    """
    names = labels(folder)
    ids_file = _table(folder, "MSD_id_to_7D_id.pkl")
    ids = read_plain_pickle(ids_file)
    seen: set[str] = set()
    tracks = []
    for part, split in SPLITS.items():
        for where, (name, row) in read_tsv(folder / TABLES / f"{part}_gt_msd.tsv", 2):
            if name in seen:
                raise DataError(f"{where}: {name} stands in the tables a second time")
            seen.add(name)
            number = str(ids.get(name, "")) if isinstance(ids, dict) else ""
            if not number:
                raise DataError(f"{where}: {name} has no 7digital id in {ids_file.name}")
            path = folder / "preprocessed" / number[0] / number[1:2] / f"{number}.clip.mp3"
            there = first_there((path, path.with_suffix(".wav")))
            tracks.append(Track(name, str(there), split, chosen(names, row, where)))
    return Manifest(tracks)


def labels(folder: Path) -> list[str]:
    """The tags in the order of the published columns."""
    file = _table(folder, "output_labels_msd.txt")
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    text = lines[1] if len(lines) > 1 else ""
    try:
        found = ast.literal_eval(text[text.index("[") :])
    except (ValueError, SyntaxError):
        found = None
    if not isinstance(found, list) or len(set(map(str, found))) < len(found):
        raise DataError(f"{file}: its second line holds no list of tags")
    return [str(name) for name in found]


def _table(folder: Path, name: str) -> Path:
    return first_there((folder / TABLES / name, folder / name))


BENCHMARK = Benchmark(
    name="msd",
    title="The Million Song Dataset with its 50 most frequent Last.fm tags.",
    citation="Bertin-Mahieux, Ellis, Whitman, Lamere: The Million Song Dataset, ISMIR 2011",
    licence="annotations: research; audio: 7digital previews, not redistributed",
    layouts=(
        Layout("the tables that CLMR reads", (f"{TABLES}/train_gt_msd.tsv",), read, ("clmr",)),
        ttmr.layout("msd", variants=("ttmr",)),
    ),
    variants={
        "clmr": Variant(
            "50 tags and the split of Pons et al. 2018, as CLMR reads it.",
            ("tagging", "zero-shot", "linear"),
            {"train": 201680, "validation": 11774, "test": 28435},
            labels=labels,
        ),
        "ttmr": Variant(
            "50 tags in TTMR's folder.",
            ("tagging", "zero-shot", "probing"),
            {},
            labels=ttmr.labels_in("msd_tags.json", ()),
            caveats="TTMR has the layout, but no figures on it are published.",
        ),
    },
    advice=(
        "The tables are in github.com/jordipons/musicnn-training (data/index/msd) and among those of the Million Song "
        "Dataset; the 7digital previews are not to be had any more, so that the audio comes from those who have it."
    ),
    audio=(ttmr.AUDIO, CLMR_AUDIO),
    caveats="Tags of a track are those that listeners wrote, not all that hold.",
    evaluation_only=False,
)
