"""Whatever holds recordings, as a manifest: a manifest file, a folder with one, a published layout, or plain audio."""

from __future__ import annotations

import os
from pathlib import Path

from ohrwurm.audio.folder import walk
from ohrwurm.data import benchmarks, class_folders
from ohrwurm.data.benchmarks.base import LABELS, MANIFEST, PREPARED, read_json, read_prepared
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError

PACK = "pack.json"  # what `ohrwurm.data.packs` notes, the benchmark among it
WITHIN = ("manifest.csv", "manifest.jsonl", "manifest.parquet")


def manifest_of(path: str | Path, split: str | None = None) -> Manifest:
    """The recordings of a source, of one split or all.

    Args:
        path: a manifest file; or a folder, which is the first of these that it can be: a folder with a `manifest.csv`
            (`.jsonl`, `.parquet`), as `ohrwurm data render`, `pack` and `prepare` make it; a data set as published
            (`ohrwurm.data.benchmarks`), of which the default variant is read; folders of classes within train,
            validation and test (`ohrwurm.data.class_folders`); a folder of audio files, which have no labels.
        split: the tracks of this split alone.

    Raises:
        DataError: no such place, nothing of these in it, or a damaged table.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / "live").mkdir()
    >>> _ = (folder / "live" / "song.mp3").write_bytes(b"")
    >>> [track.track_id for track in manifest_of(folder)]
    ['live/song.mp3']
    """
    path = Path(path)
    found = _in_folder(path) if path.is_dir() else Manifest.read(path)
    return found if split is None else found.split(split)


def labels_of(path: str | Path) -> list[str] | None:
    """The source's own list of labels in its order, as published classifiers have their classes; None without one."""
    folder = Path(path)
    if (folder / LABELS).is_file():
        return [str(label) for label in read_json(folder / LABELS, list)]
    found = benchmarks.recognise(folder)
    if found is None:
        return None
    benchmark, layout = found
    return benchmark.labels(folder, _variant(benchmark, layout)) or None


def benchmark_of(path: str | Path) -> benchmarks.Benchmark | None:
    """The benchmark that a source holds: a folder as published, prepared or packed, or the table of one; else None."""
    folder = Path(path)
    if not folder.is_dir():
        inside = benchmark_of(folder.parent) if folder.is_file() else None
        tables = set() if inside is None else {MANIFEST}.union(*map(_names, inside.layouts))
        return inside if folder.name in tables else None
    for note in (PREPARED, PACK):
        if (folder / note).is_file():
            name = read_json(folder / note, dict).get("benchmark", "")
            return benchmarks.find(name) if name in benchmarks.NAMES else None
    found = benchmarks.recognise(folder)
    return found[0] if found else None


def refuse_training(path: str | Path) -> None:
    """Stop where a source is a benchmark on which no weights are ever trained; see `benchmark_of`.

    Raises:
        DataError: it is.
    """
    benchmark = benchmark_of(path)
    if benchmark is not None and benchmark.evaluation_only:
        raise DataError(f"{path}: holds {benchmark.name}, which is for measuring only; train on something else")


def _in_folder(folder: Path) -> Manifest:
    if (folder / PREPARED).is_file():
        return read_prepared(folder)
    found = benchmarks.recognise(folder)
    for name in WITHIN:
        if (folder / name).is_file() and not (found and name in _names(found[1])):
            return Manifest.read(folder / name)
    if found is not None:
        return found[1].read(folder, _variant(*found))
    if class_folders.is_divided(folder):
        return class_folders.read(folder)
    files = [Path(file) for file, error in walk([folder]) if not error]
    if files:
        base = Path(os.path.abspath(folder))  # as `walk` does it: without ".."
        return Manifest(Track(file.relative_to(base).as_posix(), str(file)) for file in files)
    raise DataError(
        f"{folder}: no recordings here: no {WITHIN[0]}, no audio files, none of the {len(benchmarks.NAMES)} known "
        "sets (`ohrwurm data list` names them, docs/benchmarks.md says what lies in each)"
    )


def _variant(benchmark: benchmarks.Benchmark, layout: benchmarks.Layout) -> str:
    """The default one of those that the files hold."""
    return next(name for name in benchmark.variants if layout.gives(name))


def _names(layout: benchmarks.Layout) -> set[str]:
    return {mark.partition(":")[0] for mark in layout.marks}
