"""The files that MOVE's and Re-MOVE's code reads: cremaPCP of songs in a few large files, and what follows from them.

    data/benchmark_crema.pt           Da-TACOS: {"data": [(1, 23, T), ...], "labels": [work, ...]}
    data/ytrue_benchmark.pt           (N, N), 1 where two songs are versions
    data/train_chunk_1.pt ... _17.pt  the training set, as benchmark_crema.pt
    data/val_chunk.pt                 the validation set; MOVE: val_subset_crema.pt
    data/red_label_idx.pt             {work: number} of the training works
    data/centroids.pt                 {number: (1, 16000)}, the mean of the teacher's embeddings of a work

or one file a song, ``train/W_1_crema/P_7_crema.h5`` and ``validation/...``. None of it but the benchmark was ever
published; `ohrwurm data version-files` makes all of it from songs of one's own (and of Da-TACOS in the published order
from the manifest that `ohrwurm data prepare da_tacos` writes). Ids are the file and the place in it.

Source: Yesiler, Serrà, Gómez, "Less is more: faster and better music version identification with embedding
distillation", ISMIR 2020.
"""

from __future__ import annotations

from pathlib import Path

from ohrwurm.data.benchmarks.base import Benchmark, Layout, Variant
from ohrwurm.data.tracks import Manifest
from ohrwurm.data.version_features import open_profiles
from ohrwurm.errors import DataError


def read(folder: Path, variant: str) -> Manifest:
    """The songs of the training files (train and validation), or of the benchmark's (test).

    Raises:
        DataError: a file is damaged, or none is of this variant.
    """
    return _songs(folder, variant)


def read_in_data(folder: Path, variant: str) -> Manifest:
    """The same from the folder `data`, where the published code has them."""
    return _songs(folder / "data", variant)


def _songs(folder: Path, variant: str) -> Manifest:
    wanted = ("test",) if variant == "benchmark" else ("train", "validation")
    found = [track for track in open_profiles(folder).tracks if track.split in wanted]
    if not found:
        raise DataError(f"{folder}: no songs of {' or '.join(wanted)}; the other variant of re_move may be there")
    return Manifest(found)


BENCHMARK = Benchmark(
    name="re_move",
    title="cremaPCP of songs and their versions in the files of MOVE and Re-MOVE.",
    citation='Yesiler, Serrà, Gómez, "Less is more: faster and better music version identification with embedding '
    'distillation", ISMIR 2020',
    licence="features of Da-TACOS CC BY-NC-SA 4.0; the training set was never published",
    caveats="The published training set has 83.9k songs of 14,499 works, and 14.0k of 3,500 for validation; one's own "
    "is another.",
    layouts=(
        Layout("chunks and what belongs to them", ("train_chunk_1.pt",), read),
        Layout("chunks in data/", ("data/train_chunk_1.pt",), read_in_data),
        Layout("the benchmark's file", ("benchmark_crema.pt",), read, ("benchmark",)),
        Layout("the benchmark's file in data/", ("data/benchmark_crema.pt",), read_in_data, ("benchmark",)),
        Layout("a file a song", ("train/W_*_crema",), read, ("training",)),
    ),
    variants={
        "training": Variant("The songs to train on and to validate with.", ("versions",), {}),
        "benchmark": Variant("Da-TACOS as benchmark_crema.pt keeps it.", ("versions",), {"test": 15_000}),
    },
    evaluation_only=False,
    advice="Make them: ohrwurm data version-files SOURCE DIR.",
)
