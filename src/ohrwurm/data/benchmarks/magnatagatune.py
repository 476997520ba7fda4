"""MagnaTagATune as CLMR and TUNe train on it: the 50 most frequent tags, the split of Pons et al. 2017.

    index_mtt.tsv                                                   clip id, path of the .mp3
    train_gt_mtt.tsv, val_gt_mtt.tsv, test_gt_mtt.tsv               clip id, list of 50 zeros and ones
    0/ ... f/                                                       the audio, or beside it .wav at any rate

Source: Law et al., "Evaluation of algorithms using games: the case of music tagging", ISMIR 2009; tables of Pons et
al., "End-to-end learning for music audio tagging at scale", 2017.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from ohrwurm.data.benchmarks.base import Benchmark, Layout, Variant, first_there, read_tsv
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError

TAGS = (
    "guitar", "classical", "slow", "techno", "strings", "drums", "electronic", "rock", "fast", "piano", "ambient",
    "beat", "violin", "vocal", "synth", "female", "indian", "opera", "male", "singing", "vocals", "no vocals",
    "harpsichord", "loud", "quiet", "flute", "woman", "male vocal", "no vocal", "pop", "soft", "sitar", "solo", "man",
    "classic", "choir", "voice", "new age", "dance", "male voice", "female vocal", "beats", "harp", "cello",
    "no voice", "weird", "country", "metal", "female voice", "choral",
)  # fmt: skip
MARKS = ("index_mtt.tsv", "train_gt_mtt.tsv")
SPLITS = {"train": "train", "val": "validation", "test": "test"}


def read(folder: Path, variant: str) -> Manifest:
    """The clips of the three splits; those without any of the tags are in none."""
    index = {name: path for _, (name, path) in read_tsv(folder / "index_mtt.tsv", 2)}
    tracks = []
    for part, split in SPLITS.items():
        for where, (name, row) in read_tsv(folder / f"{part}_gt_mtt.tsv", 2):
            if name not in index:
                raise DataError(f"{where}: clip {name} is not in index_mtt.tsv")
            path = Path(index[name])
            there = first_there(folder / place for place in (path, path.with_suffix(".wav"), Path("mp3") / path))
            tracks.append(Track(name, str(there), split, chosen(TAGS, row, where)))
    return Manifest(tracks)


def chosen(names: Sequence[str], row: str, where: str) -> tuple[str, ...]:
    """The names at whose place a list of zeros and ones, as text, has a one.

    Raises:
        DataError: not such a list, or of another length.

    >>> chosen(("jazz", "rock", "slow"), "[1, 0, 1]", "table.tsv, row 1")
    ('jazz', 'slow')
    """
    try:
        values = json.loads(row)
    except ValueError:
        values = None
    if not isinstance(values, list) or len(values) != len(names) or not all(v in (0, 1) for v in values):
        raise DataError(f"{where}: not a list of {len(names)} zeros and ones: {row[:40]!r}")
    return tuple(name for name, value in zip(names, values, strict=True) if value)


BENCHMARK = Benchmark(
    name="magnatagatune",
    title="MagnaTagATune: 25,863 clips of 29 s with the tags that players of a game agreed on.",
    citation="Law, West, Mandel, Bay, Downie: Evaluation of algorithms using games, ISMIR 2009",
    licence="CC BY-NC-SA 3.0",
    layouts=(Layout("the tables of Pons et al. 2017, as CLMR, TUNe and MusCALL read them", MARKS, read),),
    variants={
        "pons": Variant(
            "50 tags; the split of Pons et al. 2017, without the clips that have none of the tags.",
            ("tagging", "zero-shot", "linear", "probing"),
            {"train": 15247, "validation": 1529, "test": 4332},
            labels=TAGS,
        ),
    },
    caveats="Players tag what they notice: a tag that is missing is no proof.",
    evaluation_only=False,
)
