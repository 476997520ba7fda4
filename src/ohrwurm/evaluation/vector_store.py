"""Many vectors in one file, filled row by row: neither twice in memory, nor lost when the process is killed.

`scratch` is for those that are kept elsewhere, one by one, and are only brought together.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohrwurm.atomic import replacing, write_text
from ohrwurm.errors import DataError

MAPPED = 256 << 20  # bytes from which on a matrix lies in a file
VALUES, DONE, ABOUT = "vectors.npy", "done.npy", "about.json"


class VectorStore:
    """Vectors `(n, dim)` of recordings in a folder, as a memory map; `open` it again, and what was saved is there.

    Attributes:
        values: float32 `(n, dim)`; a row that is not done holds zeros.
        done: `(n,)`, which rows were put.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> store = VectorStore.open(folder, "model:1", ["song 1", "song 2"], dim=3)
    >>> store.put(1, [1.0, 2.0, 3.0])
    >>> store.save()
    >>> again = VectorStore.open(folder, "model:1", ["song 1", "song 2"], dim=3)
    >>> again.done.tolist(), again.values[1].tolist()
    ([False, True], [1.0, 2.0, 3.0])
    """

    def __init__(self, folder: Path, values: NDArray[np.float32], done: NDArray[np.bool_]) -> None:
        self.folder, self.values, self.done = folder, values, done

    @classmethod
    def open(cls, base: Path, identity: str, names: Sequence[str], dim: int) -> VectorStore:
        """The store of `names` by what `identity` makes of them; a new one where there is none.

        Args:
            base: of many such stores.
            identity: the provenance of the vectors; vectors of others are never found.
            names: one a row, in order; a name is to change when what it stands for does.

        Raises:
            DataError: there is one, but damaged, or the disk is full.
        """
        digest = hashlib.blake2b(json.dumps([identity, dim, *names]).encode(), digest_size=16).hexdigest()
        folder = base / re.sub(r"[^\w.-]+", "-", identity) / digest
        try:
            if not (folder / ABOUT).is_file():
                folder.mkdir(parents=True, exist_ok=True)
                np.lib.format.open_memmap(folder / VALUES, "w+", np.float32, (len(names), dim))
                with replacing(folder / DONE) as temporary:
                    np.save(temporary, np.zeros(len(names), bool), allow_pickle=False)
                write_text(folder / ABOUT, json.dumps({"identity": identity, "rows": len(names), "dim": dim}))
            values = np.lib.format.open_memmap(folder / VALUES, "r+")
            done = np.load(folder / DONE, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{folder}: these vectors are not readable ({error}). Remove it, and run again.") from error
        if values.shape != (len(names), dim) or values.dtype != np.float32 or done.shape != (len(names),):
            raise DataError(f"{folder}: holds {values.shape}, not {(len(names), dim)}. Remove it, and run again.")
        return cls(folder, values, done)

    def put(self, row: int, vector: ArrayLike) -> None:
        """Set a row; on disk for certain after `save`.

        Raises:
            DataError: the vector is not finite.
        """
        found = np.asarray(vector, np.float32)
        if not np.isfinite(found).all():
            raise DataError(f"vector {row} holds NaN or infinite values; nothing is kept of it")
        self.values[row] = found
        self.done[row] = True

    def save(self) -> None:
        """Put on disk what was set; only then is it noted as done."""
        if isinstance(self.values, np.memmap):
            self.values.flush()
        with replacing(self.folder / DONE) as temporary:
            np.save(temporary, self.done, allow_pickle=False)


def scratch(rows: int, dim: int, folder: Path | None = None) -> NDArray[np.float32]:
    """A matrix of zeros to be filled; a large one is a nameless file, which memory need not hold, gone with the matrix.

    Args:
        folder: where that file lies; by default among the system's temporary files.

    >>> scratch(3, 2).shape
    (3, 2)
    """
    if 4 * rows * dim < MAPPED:
        return np.zeros((rows, dim), np.float32)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        return np.memmap(file, np.float32, "w+", shape=(rows, dim))


def close_ranks(matrix: NDArray[np.float32], rows: Sequence[int]) -> NDArray[np.float32]:
    """Those rows of a matrix alone, moved up in place.

    Args:
        rows: ascending.

    >>> close_ranks(np.arange(6, dtype=np.float32).reshape(3, 2), [0, 2]).tolist()
    [[0.0, 1.0], [4.0, 5.0]]
    """
    for to, row in enumerate(rows):
        if to != row:
            matrix[to] = matrix[row]
    return matrix[: len(rows)]
