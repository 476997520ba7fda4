"""OpenMIC-2018: 10 s clips with the instruments that can be heard, each judged for some of 20 instruments only.

As published, in a folder `openmic-2018` or what is named instead:

    openmic-2018-aggregated-labels.csv       sample_key, instrument, relevance, num_responses: one row a judgement
    openmic-2018.npz                         the same as Y_true and Y_mask, with sample_key and features X
    class-map.json                           instrument → column
    partitions/split01_train.csv, split01_test.csv        keys
    audio/000/000046_3840.ogg ...

And as TTMR keeps it (`ohrwurm.data.benchmarks.forms.ttmr`).

Source: Humphrey, Durand, McFee, "OpenMIC-2018: an open dataset for multiple instrument recognition", ISMIR 2018.
"""

from __future__ import annotations

import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ohrwurm.data.benchmarks.base import Benchmark, Layout, Remote, Variant, rows, share
from ohrwurm.data.benchmarks.forms import LABELLED, ttmr
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError

INSTRUMENTS = (
    "accordion", "banjo", "bass", "cello", "clarinet", "cymbals", "drums", "flute", "guitar", "mallet_percussion",
    "mandolin", "organ", "piano", "saxophone", "synthesizer", "trombone", "trumpet", "ukulele", "violin", "voice",
)  # fmt: skip
FOLDER = "openmic-2018"
LABELS = "openmic-2018-aggregated-labels.csv"
ARRAYS = "openmic-2018.npz"
SPLIT = "partitions/split01_{}.csv"
HEARD = 0.5  # relevance from which an instrument counts as heard, as in the authors' baseline


def read(folder: Path, variant: str) -> Manifest:
    """The clips of both partitions. The tags are the instruments that were heard (relevance 0.5 or more).

    What was not judged is neither heard nor absent: `judged` names the instruments, with ``;`` between, for which a
    clip counts, and the annotation of an instrument's own name is its relevance from 0 to 1.

    Raises:
        DataError: a table is missing or damaged, or a clip of the partitions has no judgement.
    """
    folder = folder / FOLDER if (folder / FOLDER).is_dir() else folder
    judged = _from_table(folder) if (folder / LABELS).is_file() else _from_arrays(folder / ARRAYS)
    tracks = []
    for where, key, split in _listed(folder):
        if key not in judged:
            raise DataError(f"{where}: {key} has no judgement")
        relevance = {name: judged[key][name] for name in INSTRUMENTS if name in judged[key]}
        tracks.append(
            Track(
                key,
                str(folder / "audio" / key[:3] / f"{key}.ogg"),
                split,
                tuple(name for name, value in relevance.items() if value >= HEARD),
                annotations={"judged": ";".join(relevance), **relevance},
            )
        )
    return Manifest(tracks)


def _listed(folder: Path) -> Iterator[tuple[str, str, str]]:
    """(where, key, split) of both partitions."""
    seen: dict[str, str] = {}
    for split in ("train", "test"):
        file = folder / SPLIT.format(split)
        if not file.is_file():
            raise DataError(f"{file}: missing; it is part of this data set's layout")
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            key, where = line.strip(), f"{file}, row {number}"
            if key in seen:
                raise DataError(f"{where}: {key} stands in the partition {seen[key]} already")
            if key:
                seen[key] = split
                yield where, key, split


def _from_table(folder: Path) -> dict[str, dict[str, float]]:
    """Key → instrument → relevance."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for row in rows(folder, ("sample_key", "instrument", "relevance"), LABELS, key=""):
        key, name = row["sample_key"], row["instrument"]
        where = f"{folder / LABELS}, {key}"
        if name not in INSTRUMENTS or name in found[key]:
            raise DataError(f"{where}: {name!r} is none of the 20 instruments, or judged twice")
        found[key][name] = share(row["relevance"], where)
    return found


def _from_arrays(file: Path) -> dict[str, dict[str, float]]:
    """The same from `Y_true` and `Y_mask`; the features are not loaded."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            keys, truth, mask = (arrays[name] for name in ("sample_key", "Y_true", "Y_mask"))
    except FileNotFoundError as error:
        raise DataError(f"{file}: missing, and so is {LABELS}; one of them holds the labels") from error
    except KeyError as error:
        raise DataError(f"{file}: no array {error}; it has to hold sample_key, Y_true and Y_mask") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{file}: not readable without running code ({error}); {LABELS} holds the same") from error
    if truth.shape != (len(keys), len(INSTRUMENTS)) or mask.shape != truth.shape:
        raise DataError(f"{file}: Y_true and Y_mask do not have a row a key and {len(INSTRUMENTS)} columns")
    return {
        str(key): {
            name: share(value, f"{file}, {key}")
            for name, value, known in zip(INSTRUMENTS, values, judged, strict=True)
            if known
        }
        for key, values, judged in zip(keys, truth, mask.astype(bool), strict=True)
    }


def _layout(base: str, labels: str) -> Layout:
    marks = (f"{base}{labels}", f"{base}{SPLIT.format('train')}")
    return Layout(f"the archive as published, with its labels in {labels}", marks, read, ("split01",))


BENCHMARK = Benchmark(
    name="openmic",
    title="OpenMIC-2018: 20,000 clips of 10 s from the Free Music Archive, judged for 20 instruments.",
    citation="Humphrey, Durand, McFee: OpenMIC-2018: an open dataset for multiple instrument recognition, ISMIR 2018",
    licence="CC BY 4.0; audio under the licence that each artist chose",
    layouts=(
        *(_layout(base, labels) for labels in (LABELS, ARRAYS) for base in ("", f"{FOLDER}/")),
        ttmr.layout("openmic", variants=("ttmr",)),
    ),
    variants={
        "split01": Variant(
            "The published partition, which keeps artists apart.",
            LABELLED,
            {"train": 14915, "test": 5085},
            labels=INSTRUMENTS,
        ),
        "ttmr": Variant(
            "TTMR's split of it.",
            LABELLED,
            {},
            labels=ttmr.labels_in("openmic_tags.json", INSTRUMENTS),
            caveats="Nothing tells which instruments were judged; no figures on it are published.",
        ),
    },
    remotes=(
        Remote(
            "https://zenodo.org/records/1432913/files/openmic-2018-v1.0.0.tgz?download=1",
            "openmic-2018-v1.0.0.tar.gz",
            size=2623376754,
            md5="e4ccf187e2bb5ab2e115416e8aafe7f4",
            unpack=True,
            about="audio, labels and partitions, 2.6 GB",
        ),
    ),
    advice="The archive unpacks into a folder openmic-2018; that folder, or the one around it, is the set's.",
    audio=(ttmr.AUDIO,),
    caveats=(
        "About two instruments a clip were judged: figures over all 20 count what nobody judged as absent, those over "
        "the annotation `judged` do not."
    ),
    evaluation_only=False,
    folder=FOLDER,
)
