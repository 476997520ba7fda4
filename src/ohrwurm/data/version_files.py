"""Profiles of works and their versions into the files that MOVE's and Re-MOVE's code reads; see `benchmarks.re_move`.

Songs of the training split go into chunks, whole works in each; those for validation and for testing into one file,
with a matrix that says who is a version of whom. Nothing is in memory twice, and little once: songs and matrices are
written to a scratch file beside the target, which `torch.save` then reads as it writes. Killed, the same call goes on:
finished files stay, and of centroids the finished works.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import torch

from ohrwurm.atomic import replacing, write_text
from ohrwurm.data.version_features import IDENTITY, ProfileSet
from ohrwurm.errors import DataError, ModelError
from ohrwurm.unpickle import read_pickle

Code = Literal["re-move", "move"]
Teacher = Callable[[np.ndarray], np.ndarray]
NUMBERS, CENTROIDS = "red_label_idx.pt", "centroids.pt"
PLAN = "version-files.json"
ROWS = 256  # of a matrix at a time


@dataclass(frozen=True)
class Names:
    """What a code calls its files."""

    chunks: int
    songs: dict[str, str]
    matrices: dict[str, str]


NAMES: dict[Code, Names] = {
    "re-move": Names(
        17,
        {"validation": "val_chunk.pt", "test": "benchmark_crema.pt"},
        {"validation": "ytrue_val.pt", "test": "ytrue_benchmark.pt"},
    ),
    "move": Names(
        6,
        {"validation": "val_subset_crema.pt", "test": "benchmark_crema.pt"},
        {"validation": "ytrue_validation.pt", "test": "ytrue_benchmark.pt"},
    ),
}


@dataclass
class Written:
    """What became of a set of profiles.

    Attributes:
        songs: file → number of songs in it.
        others: the files that follow from those.
        failures: track id → why it is in none.
    """

    songs: dict[str, int] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)


def tiled(profile: np.ndarray) -> np.ndarray:
    """A profile `(12, T)` as the files keep it: `(1, 23, T)` float32, of which every 12 rows are the song in a key.

    >>> tiled(np.arange(12.0)[:, None])[0, 10:14, 0].tolist()
    [10.0, 11.0, 0.0, 1.0]
    """
    return np.concatenate([profile, profile[:11]])[None].astype(np.float32)


def write_version_files(
    profiles: ProfileSet,
    folder: Path,
    *,
    code: Code = "re-move",
    chunks: int | None = None,
    teacher: Teacher | None = None,
    leave_out: Iterable[int] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Written:
    """Write all files that the splits of the profiles call for.

    Args:
        code: whose names the files get.
        chunks: number of training files; by default as many as the code has.
        teacher: makes a vector `(dim,)` of a profile; with it, `centroids.pt` is written.
        leave_out: numbers of songs that cannot be used.
        progress: called with the number of songs done and their total.

    Raises:
        DataError: a song without work or split, or files of other songs are in the folder.
    """
    rows = [i for i in range(len(profiles.tracks)) if i not in set(leave_out)]
    parts = _parts(profiles, rows, NAMES[code], chunks or NAMES[code].chunks)
    digests = {name: _digest(profiles, members) for name, members in parts.items()}
    _check_plan(folder, digests)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / PLAN, json.dumps(digests, indent=2) + "\n")
    if profiles.extractor:
        write_text(folder / IDENTITY, json.dumps({"identity": profiles.extractor}) + "\n")
    found, done = Written(), 0
    for name, members in parts.items():
        if not (folder / name).is_file():
            write_songs(folder / name, _read(profiles, members, found.failures))
        found.songs[name] = len(labels_in(folder / name))
        done += len(members)
        if progress is not None:
            progress(done, len(rows))
    for split, name in NAMES[code].matrices.items():
        songs = folder / NAMES[code].songs[split]
        if songs.name in parts:
            if not (folder / name).is_file():
                write_matrix(folder / name, labels_in(songs))
            found.others.append(name)
    train = [name for name in parts if name.startswith("train_chunk_")]
    if train:
        numbers = {work: n for n, work in enumerate(dict.fromkeys(w for c in train for w in labels_in(folder / c)))}
        with replacing(folder / NUMBERS) as temporary:
            torch.save(numbers, temporary)
        found.others.append(NUMBERS)
        if teacher is not None:
            if not (folder / CENTROIDS).is_file():
                write_centroids(folder / CENTROIDS, [folder / c for c in train], numbers, teacher)
            found.others.append(CENTROIDS)
    return found


def write_songs(file: Path, songs: Iterable[tuple[np.ndarray, str]]) -> None:
    """Profiles `(12, T)` and their works as ``{"data": [(1, 23, T), ...], "labels": [work, ...]}``."""
    shapes, labels = [], []
    with _scratch(file) as scratch:
        with open(scratch, "wb") as stream:
            for profile, work in songs:
                made = tiled(profile)
                stream.write(made.tobytes())
                shapes.append(made.shape)
                labels.append(work)
        with replacing(file) as temporary:
            torch.save({"data": _tensors(scratch, shapes), "labels": labels}, temporary)


def write_matrix(file: Path, labels: Sequence[str]) -> None:
    """Float32 `(N, N)`, 1 where two songs have one label, 0 on the diagonal."""
    works = np.unique(np.asarray(labels), return_inverse=True)[1].reshape(-1)
    with _scratch(file) as scratch:
        with open(scratch, "wb") as stream:
            for start in range(0, len(works), ROWS):
                stream.write(_same(works, start).tobytes())
        with replacing(file) as temporary:
            torch.save(_tensors(scratch, [(len(works), len(works))])[0], temporary)


def write_centroids(file: Path, chunks: Sequence[Path], numbers: dict[str, int], teacher: Teacher) -> None:
    """{number: `(1, dim)`}, the mean of the teacher's vectors of each work; works stand in their chunks' order.

    What is done lies in a scratch file beside `file` until all is, so that a killed run goes on.
    """
    scratch = file.with_name(f".{file.name}.partial")
    with open(scratch, "ab") as stream:
        dim = 0
        for place, (work, songs) in enumerate(_works(chunks)):
            if numbers[work] != place:
                raise DataError(f"{chunks[0].parent / NUMBERS}: {work} is number {numbers[work]}, not {place}")
            if dim and (place + 1) * dim * 4 <= stream.tell():
                continue  # done before the kill
            mean = np.mean([teacher(song) for song in songs], axis=0).astype(np.float32)
            if not dim:
                dim = mean.size
                _whole_rows(stream, dim)
            if (place + 1) * dim * 4 > stream.tell():
                stream.write(mean.tobytes())
                stream.flush()
    means = _tensors(scratch, [(1, dim)] * len(numbers))
    with replacing(file) as temporary:
        torch.save(dict(enumerate(means)), temporary)
    scratch.unlink()


def labels_in(file: Path) -> list[str]:
    """The works of the songs in a file of songs.

    Raises:
        DataError: it is damaged, or another file.
    """
    content = _content(file)
    if not isinstance(content, dict) or not {"data", "labels"} <= content.keys():
        raise DataError(f"{file}: no file of songs with 'data' and 'labels'")
    if len(content["data"]) != len(content["labels"]):
        raise DataError(f"{file}: {len(content['data'])} songs but {len(content['labels'])} labels")
    return [str(label) for label in content["labels"]]


def check_version_files(folder: Path) -> list[str]:
    """What does not fit together in a folder of such files, in sentences; nothing if all does.

    Raises:
        DataError: a file is damaged, or there are no such files.
    """
    found, seen = [], 0
    for names in NAMES.values():
        for split, matrix in names.matrices.items():
            songs = folder / names.songs[split]
            if songs.is_file() and (folder / matrix).is_file():
                seen += 1
                if not _fits(folder / matrix, labels_in(songs)):
                    found.append(f"{matrix} says otherwise than the labels in {songs.name} who is a version of whom")
    chunks = sorted(folder.glob("train_chunk_*.pt"))
    works = {work for chunk in chunks for work in labels_in(chunk)}
    numbers = _content(folder / NUMBERS) if (folder / NUMBERS).is_file() else {}
    if not isinstance(numbers, dict) or sorted(numbers.values()) != list(range(len(numbers))):
        found.append(f"{NUMBERS} does not number works from 0 on")
    elif numbers and chunks and works - {str(name) for name in numbers}:
        found.append(f"{NUMBERS} has no number for {len(works - set(map(str, numbers)))} works of the chunks")
    if (folder / CENTROIDS).is_file():
        seen += 1
        centroids = _content(folder / CENTROIDS)
        sizes = {tuple(value.shape) for value in centroids.values()}
        if isinstance(numbers, dict) and set(centroids) != set(numbers.values()):
            found.append(f"{CENTROIDS} is for other works than {NUMBERS}")
        if len(sizes) != 1 or any(len(size) != 2 or size[0] != 1 for size in sizes):
            found.append(f"{CENTROIDS} holds {sorted(sizes)}, not vectors (1, dim) of one size")
    if not (seen or chunks or numbers):
        raise DataError(f"{folder}: no files of MOVE or Re-MOVE here, such as benchmark_crema.pt or train_chunk_1.pt")
    return list(dict.fromkeys(found))


# Plan -----------------------------------------------------------------------------------------------------------------


def _parts(profiles: ProfileSet, rows: Sequence[int], names: Names, chunks: int) -> dict[str, list[int]]:
    """File → the songs in it. Works are dealt whole to the chunk that has fewest songs."""
    works: dict[str, list[int]] = {}
    parts: dict[str, list[int]] = {}
    for row in rows:
        track = profiles.tracks[row]
        if not track.work_id:
            raise DataError(f"{track.track_id}: names no work; fill the column work_id")
        if track.split == "train":
            works.setdefault(track.work_id, []).append(row)
        elif track.split in names.songs:
            parts.setdefault(names.songs[track.split], []).append(row)
        else:
            raise DataError(f"{track.track_id}: in no split; mark songs with train, validation or test")
    dealt: list[list[int]] = [[] for _ in range(min(chunks, len(works)))]
    for members in works.values():
        min(dealt, key=len).extend(members)
    return {f"train_chunk_{n}.pt": members for n, members in enumerate(dealt, 1)} | parts


def _digest(profiles: ProfileSet, rows: Iterable[int]) -> str:
    tracks = [(profiles.tracks[row].track_id, profiles.tracks[row].work_id) for row in rows]
    return hashlib.sha256(json.dumps([profiles.extractor, tracks]).encode()).hexdigest()[:16]


def _check_plan(folder: Path, digests: dict[str, str]) -> None:
    """That what lies in the folder was made from these songs.

    Raises:
        DataError: it was made from others.
    """
    noted: dict[str, str] = {}
    if (folder / PLAN).is_file():
        noted = json.loads((folder / PLAN).read_text(encoding="utf-8"))
    strange = [name for name, digest in digests.items() if (folder / name).is_file() and noted.get(name) != digest]
    if strange:
        raise DataError(f"{folder / strange[0]}: is there, and of other songs. Choose another folder, or remove it.")


# Contents -------------------------------------------------------------------------------------------------------------


def _read(profiles: ProfileSet, rows: Iterable[int], failures: dict[str, str]) -> Iterator[tuple[np.ndarray, str]]:
    for row in rows:
        track = profiles.tracks[row]
        try:
            yield profiles.read(row), track.work_id
        except DataError as error:
            failures[track.track_id] = str(error)


def _works(chunks: Sequence[Path]) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Works, in order, with their profiles; a work lies whole in a chunk."""
    for chunk in chunks:
        songs: dict[str, list[Any]] = {}
        for song, label in zip(_content(chunk)["data"], labels_in(chunk), strict=True):
            songs.setdefault(label, []).append(song)
        for work, found in songs.items():
            yield work, [np.asarray(song)[0, :12] for song in found]


def _whole_rows(stream: BinaryIO, dim: int) -> None:
    """Cut off a row that was half written when the process was killed."""
    stream.truncate(stream.tell() // (4 * dim) * 4 * dim)
    stream.seek(0, 2)


def _same(works: np.ndarray, start: int) -> np.ndarray:
    rows = (works[start : start + ROWS, None] == works[None]).astype(np.float32)
    rows[np.arange(len(rows)), np.arange(start, start + len(rows))] = 0.0
    return rows


def _fits(file: Path, labels: Sequence[str]) -> bool:
    matrix = _content(file)
    works = np.unique(np.asarray(labels), return_inverse=True)[1].reshape(-1)
    if not isinstance(matrix, torch.Tensor) or tuple(matrix.shape) != (len(works), len(works)):
        return False
    starts = range(0, len(works), ROWS)
    return all(np.array_equal(matrix[s : s + ROWS].numpy(), _same(works, s)) for s in starts)


def _content(file: Path) -> Any:
    try:
        return read_pickle(file, mapped=True)
    except ModelError as error:
        raise DataError(str(error)) from error


@contextmanager
def _scratch(file: Path) -> Iterator[Path]:
    scratch = file.with_name(f".{file.name}.partial")
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield scratch
    finally:
        scratch.unlink(missing_ok=True)


def _tensors(scratch: Path, shapes: Sequence[tuple[int, ...]]) -> list[torch.Tensor]:
    """Float32 tensors that lie one after the other in a file, and stay in it."""
    if not shapes or not scratch.stat().st_size:
        return [torch.zeros(shape) for shape in shapes]
    everything = np.memmap(scratch, np.float32, "r+")
    edges = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes)])
    return [
        torch.from_numpy(everything[a:b].reshape(shape))
        for a, b, shape in zip(edges[:-1], edges[1:], shapes, strict=True)
    ]
