"""Track vectors of a model for a list of recordings, kept on disk: a second evaluation computes nothing again.

A vector is kept under the provenance of the model and the hash of the file's content, so that neither another version
of the model nor a file changed in place is ever answered from the cache.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohrwurm.atomic import replacing
from ohrwurm.checksums import content_hash
from ohrwurm.embedding import FileEmbedding, embed
from ohrwurm.embedding.workers import default_workers
from ohrwurm.errors import AudioError, DataError
from ohrwurm.evaluation.vector_store import close_ranks, scratch
from ohrwurm.models.base import AudioEncoder

FILES_A_ROUND = 16  # for each worker; a killed run loses at most one round


@dataclass(frozen=True)
class Vectors:
    """Vectors of those recordings that could be used.

    Attributes:
        rows: indices into the list of paths, ascending; `values[i]` belongs to `paths[rows[i]]`.
        values: float32 `(len(rows), dim)`.
        contents: hash of each row's file.
        failures: the recordings that could not be used.
    """

    rows: tuple[int, ...]
    values: NDArray[np.float32]
    contents: tuple[str, ...]
    failures: tuple[AudioError, ...]


@dataclass(frozen=True)
class Rows:
    """Arrays of those recordings that could be used; all else as in `Vectors`.

    Attributes:
        values: one float32 array a recording, e.g. `(windows, dim)`.
    """

    rows: tuple[int, ...]
    values: tuple[NDArray[np.float32], ...]
    contents: tuple[str, ...]
    failures: tuple[AudioError, ...]


def track_vectors(
    paths: Sequence[str | Path],
    model: AudioEncoder,
    *,
    cache: Path | None = None,
    workers: int | None = None,
    sample_rates: Mapping[str, int] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Vectors:
    """Embed recordings, or read their vectors from the cache.

    Args:
        paths: audio files; one that cannot be used is listed in `failures` and costs nothing else.
        cache: folder to keep vectors in; None keeps nothing.
        workers: files at a time; by default one a core.
        sample_rates: path → Hz of `.npy` files, which do not say theirs.
        progress: called with the number of files done and their total.

    Raises:
        DataError: not one of the recordings could be used.
        ModelError: the model is broken.
    """
    kept = None if cache is None else folder_of(cache, "vectors", model)
    matrix = scratch(len(paths), model.card.dim, kept)
    found = _embedded(
        paths, model, lambda made: made.vector, (model.card.dim,),
        folder=kept, into=matrix, workers=workers, sample_rates=sample_rates, progress=progress,
    )  # fmt: skip
    return Vectors(found.rows, close_ranks(matrix, found.rows), found.contents, found.failures)


def window_vectors(
    paths: Sequence[str | Path],
    model: AudioEncoder,
    *,
    cache: Path | None = None,
    workers: int | None = None,
    sample_rates: Mapping[str, int] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Rows:
    """The vectors of every window of recordings, as the model returns them; otherwise as `track_vectors`.

    Returns:
        One array `(windows, dim)` a recording.
    """
    return _embedded(
        paths, model, lambda made: made.windows, (None, model.card.dim),
        folder=None if cache is None else folder_of(cache, "windows", model),
        workers=workers, sample_rates=sample_rates, progress=progress,
    )  # fmt: skip


def _embedded(
    paths: Sequence[str | Path],
    model: AudioEncoder,
    part: Callable[[FileEmbedding], NDArray[np.float32]],
    shape: tuple[int | None, ...],
    *,
    workers: int | None,
    sample_rates: Mapping[str, int] | None,
    **how: Any,
) -> Rows:
    """What `part` takes of each recording's embedding, by `collect`."""

    def make(files: list[Path], _: list[str]) -> list[NDArray[np.float32] | AudioError]:
        made = embed(files, model, workers=workers, sample_rates=sample_rates)
        return [m if isinstance(m, AudioError) else part(m) for m in made]

    size = FILES_A_ROUND * (workers or default_workers())
    return collect(paths, make, shape, size=size, sample_rates=sample_rates, **how)


def folder_of(cache: Path, kind: str, model: AudioEncoder) -> Path:
    """Where arrays of a kind are kept that this very model made."""
    return cache / kind / re.sub(r"[^\w.-]+", "-", model.card.provenance)


def collect(
    paths: Sequence[str | Path],
    make: Callable[[list[Path], list[str]], Sequence[NDArray[np.float32] | AudioError]],
    shape: tuple[int | None, ...],
    *,
    folder: Path | None,
    size: int,
    name: str = "",
    into: NDArray[np.float32] | None = None,
    sample_rates: Mapping[str, int] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Rows:
    """One array a recording, made or read from `folder`; a killed run loses at most `size` of them.

    Args:
        make: files and the hashes of their content → an array each, or why there is none.
        shape: of an array; None where it may have any length.
        name: what else the arrays depend on, beside the content of the file.
        into: `(len(paths), ...)`, where arrays of one shape are put; what is returned are its rows.
        sample_rates: path → Hz of files that do not say theirs; what is kept depends on them too.
        progress: called with the number of files done and their total.

    Raises:
        DataError: not one of the recordings could be used.
    """
    files = [Path(p) for p in paths]
    found: dict[int, NDArray[np.float32]] = {}
    failures: dict[int, AudioError] = {}
    contents: dict[int, str] = {}
    named: dict[int, str] = {}
    rates = sample_rates or {}
    waiting = []
    for i, file in enumerate(files):
        try:
            contents[i] = content_hash(file)
            named[i] = contents[i] + name + (f"@{rates[str(file)]}" if str(file) in rates else "")
        except OSError as error:
            reason = "missing" if isinstance(error, FileNotFoundError) else "unreadable"
            failures[i] = AudioError(file, reason, error.strerror or "")
            continue
        kept = None if folder is None else _read(_place(folder, named[i]), shape)
        if kept is None:
            waiting.append(i)
        else:
            found[i] = _put(into, i, kept)
    tell = progress or (lambda done, total: None)
    tell(len(files) - len(waiting), len(files))
    for start in range(0, len(waiting), size):
        some = waiting[start : start + size]
        for i, made in zip(some, make([files[i] for i in some], [contents[i] for i in some]), strict=True):
            if isinstance(made, AudioError):
                failures[i] = made
                continue
            found[i] = _put(into, i, made)
            if folder is not None:
                with replacing(_place(folder, named[i])) as temporary:
                    np.save(temporary, made, allow_pickle=False)
        tell(len(files) - len(waiting) + start + len(some), len(files))
    if not found:
        first = f"; the first: {failures[min(failures)]}" if failures else ""
        raise DataError(f"none of {len(files)} recordings could be used{first}. Check the paths in the manifest.")
    rows = tuple(sorted(found))
    return Rows(
        rows=rows,
        values=tuple(found[i] for i in rows),
        contents=tuple(contents[i] for i in rows),
        failures=tuple(failures[i] for i in sorted(failures)),
    )


def _put(into: NDArray[np.float32] | None, row: int, made: NDArray[np.float32]) -> NDArray[np.float32]:
    if into is None:
        return made
    into[row] = made
    return into[row]


def _place(folder: Path, content: str) -> Path:
    return folder / content[:2] / f"{content}.npy"


def _read(file: Path, shape: tuple[int | None, ...]) -> NDArray[np.float32] | None:
    """The array kept in `file`; None where there is none or it cannot be one of this model."""
    try:
        kept = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    fits = kept.ndim == len(shape) and all(n in (None, m) for n, m in zip(shape, kept.shape, strict=True))
    return kept if fits and kept.dtype == np.float32 else None
