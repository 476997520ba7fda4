"""Embeddings of many files in one output file: what it holds, and how it is read and written.

`EmbeddingTable` is what every format holds; `ohrwurm.embedding.formats` says how each of them lays it out. All are
plain files of public formats, made without pickle: NumPy's .npz, Parquet and safetensors.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np

from ohrwurm.atomic import replacing
from ohrwurm.errors import DataError
from ohrwurm.models.base import ModelCard

SUFFIXES = (".npz", ".parquet", ".safetensors")
_VERSION = 1


@dataclass(frozen=True)
class Unusable:
    """A file without a vector, and why; `reason` is one of the short words of `ohrwurm.errors.AudioError`."""

    track_id: str
    path: str
    reason: str
    detail: str = ""


class Lazy(Sequence[np.ndarray]):
    """One array a track, read when it is asked for."""

    def __init__(self, count: int, get: Callable[[int], np.ndarray]) -> None:
        self._count = count
        self._get = get

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, index: slice) -> list[np.ndarray]: ...
    def __getitem__(self, index: int | slice) -> np.ndarray | list[np.ndarray]:
        if isinstance(index, slice):
            return [self._get(i) for i in range(*index.indices(self._count))]
        if not -self._count <= index < self._count:
            raise IndexError(index)
        return self._get(index % self._count)


@dataclass(frozen=True)
class EmbeddingTable:
    """Vectors of many tracks of one model. Row i is one track; rows are in the order in which files were named.

    Attributes:
        card: of the model; its `provenance` says what these vectors may be compared with.
        track_ids, paths: of each row; paths are absolute.
        sizes, modified: bytes and time (nanoseconds since 1970) of each file when it was embedded, `(n,)` int64.
        durations: seconds of audio, `(n,)`.
        flags: of each row, as `FileEmbedding.flags`.
        vectors: float32 `(n, dim)`.
        errors: the files that could not be used.
        frames, frame_times: where frames were asked for: float32 `(T, size)` and seconds `(T,)` of each row, read when
            asked for; as `FileEmbedding.frames` and `frame_times`.
        frame_rate: frames a second, where known.
    """

    card: ModelCard
    track_ids: tuple[str, ...]
    paths: tuple[str, ...]
    sizes: np.ndarray
    modified: np.ndarray
    durations: np.ndarray
    flags: tuple[tuple[str, ...], ...]
    vectors: np.ndarray
    errors: tuple[Unusable, ...] = ()
    frames: Sequence[np.ndarray] | None = None
    frame_times: Sequence[np.ndarray] | None = None
    frame_rate: float | None = None

    def __len__(self) -> int:
        return len(self.track_ids)

    def meta(self) -> str:
        """Everything but the rows, as JSON."""
        return json.dumps(
            {
                "ohrwurm": "embeddings",
                "version": _VERSION,
                "provenance": self.card.provenance,
                "card": json.loads(self.card.to_json()),
                "frames": self.frames is not None,
                "frame_rate": self.frame_rate,
                "errors": [dataclasses.asdict(error) for error in self.errors],
            },
            ensure_ascii=False,
        )


def read_embeddings(file: str | Path) -> EmbeddingTable:
    """Read what `ohrwurm embed` wrote.

    Raises:
        DataError: no such file, or not one of ours; or of a later version.

    >>> import tempfile
    >>> card = ModelCard("m", "a", 10, 2.0, 1.0, 3, (), "")
    >>> one = np.array([1])
    >>> table = EmbeddingTable(card, ("a",), ("/a.wav",), one, one, one * 2.0, ((),), np.ones((1, 3), np.float32))
    >>> file = Path(tempfile.mkdtemp()) / "vectors.npz"
    >>> write_embeddings(file, table)
    >>> read_embeddings(file).vectors.tolist()
    [[1.0, 1.0, 1.0]]
    """
    from ohrwurm.embedding import formats

    file = Path(file)
    checked_suffix(file)
    if not file.is_file():
        raise DataError(f"{file}: no such file. `ohrwurm embed` makes one.")
    return formats.READERS[file.suffix](file)


def write_embeddings(file: str | Path, table: EmbeddingTable) -> None:
    """Write a table atomically, in the format of the file's ending; frames are written track by track.

    Raises:
        DataError: an unknown ending.
    """
    from ohrwurm.embedding import formats

    file = Path(file)
    checked_suffix(file)
    with replacing(file) as temporary:
        formats.WRITERS[file.suffix](temporary, table)


def checked_suffix(file: Path) -> None:
    """Refuse a file whose ending names no format."""
    if file.suffix not in SUFFIXES:
        raise DataError(f"{file}: embeddings are kept in {', '.join(SUFFIXES)} files")


def parsed(meta: str, file: Path) -> tuple[dict[str, Any], bool]:
    """`EmbeddingTable.meta` as keyword arguments of `EmbeddingTable`; and whether there are frames."""
    try:
        values = json.loads(meta)
        if values["ohrwurm"] != "embeddings":
            raise KeyError("ohrwurm")
    except (ValueError, KeyError, TypeError) as error:
        raise not_ours(file, error) from error
    if values["version"] > _VERSION:
        raise DataError(f"{file}: written by a later version of Ohrwurm; this one reads version {_VERSION}")
    common = {
        "card": ModelCard.from_json(json.dumps(values["card"])),
        "errors": tuple(Unusable(**error) for error in values["errors"]),
        "frame_rate": values["frame_rate"],
    }
    return common, bool(values["frames"])


def not_ours(file: Path, error: object) -> DataError:
    """The error for a file that `ohrwurm embed` did not write."""
    return DataError(f"{file}: not a file of embeddings that ohrwurm embed wrote ({error})")
