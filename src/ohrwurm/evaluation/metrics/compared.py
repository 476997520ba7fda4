"""Vectors and how two of them are compared, in place of the matrix of their similarities: what `streaming` counts in.

The similarities that encoders use are products: the cosine, the correlation (a cosine of vectors less their means) and
the squared distance, `-|x - y|² / 2 = x·y - |x|² / 2 - |y|² / 2`, a product of vectors two dimensions longer. Products
of blocks are fast but rounded, and how they are rounded depends on the block. So a `Factors` gives each similarity at
three prices: `left @ right` in float32 within `error`, `value` in float64 within `slack`, and `exact`, which depends on
nothing but the two vectors.

Large embeddings often have few degrees of freedom: the 16,000 dimensions of MOVE are a linear map of 256, so their
similarities are those of 257 coordinates. That is found out from the vectors and holds for each of them up to `slack`
(what is left of a vector beside the coordinates), or is not used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ohrwurm.errors import DataError

Comparison = Literal["cosine", "euclidean", "pearson"]
Doubles = NDArray[np.float64]
Indices = NDArray[np.int64]

CELLS = 4_000_000  # float64 numbers of a block of vectors
CACHED = 1 << 17  # float64 numbers of a block of pairs
KEPT = 16_000_000  # most numbers of which a float64 copy is kept
LARGE = 1024  # dimensions from which on fewer are looked for
SAMPLE = 512  # vectors that coordinates are made from
FEWER = 384  # most coordinates that are worth it
LEFT_OVER = 1e-10  # most of a vector's squared length that may lie beside the coordinates
NOISE = 1e-13  # of the largest eigenvalue: below it lies the rounding of float32
ROUNDING32, ROUNDING64 = 2.0**-24, 2.0**-53


class Compared:
    """Vectors `(n, dim)` that are compared by `comparison`, as `versions` takes them in place of similarities.

    Args:
        vectors: an array or a memory map; rows are read block by block.
        comparison: ``cosine``, ``euclidean`` (squared distance, negated) or ``pearson``. A vector without a direction
            (all zeros; for pearson, all equal) has similarity 0 to every other.
        asking, searched: which vectors ask, and which are searched; by default all. Give both or none.

    Raises:
        DataError: no matrix, or a vector that is not finite.

    >>> near = Compared(np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]], np.float32))
    >>> near.shape
    (3, 3)
    >>> near.between([0], [1, 2]).shape
    (1, 2)
    """

    def __init__(
        self,
        vectors: NDArray[np.floating],
        comparison: Comparison = "cosine",
        asking: Indices | None = None,
        searched: Indices | None = None,
    ) -> None:
        if vectors.ndim != 2 or vectors.shape[1] == 0:
            raise DataError(f"vectors (n, dim) are needed, not {vectors.shape}")
        self.vectors, self.comparison = vectors, comparison
        self.asking, self.searched = asking, searched

    @property
    def shape(self) -> tuple[int, int]:
        """(asking, searched)."""
        n = len(self.vectors)
        return n if self.asking is None else len(self.asking), n if self.searched is None else len(self.searched)

    def between(self, asking: Indices | list[int], searched: Indices | list[int]) -> Compared:
        """The same vectors, of which only some ask and only some are searched."""
        return Compared(self.vectors, self.comparison, np.asarray(asking, np.int64), np.asarray(searched, np.int64))

    def factors(self) -> Factors:
        """The vectors made ready for products; reads all of them."""
        return Factors(self.vectors, self.comparison)


class Factors:
    """Similarities of vectors `(n, dim)` at three prices; see the module.

    Attributes:
        error: `(n,)`, by how much a product of float32 with this vector may be off.
        slack: by how much `value` may be off.
        dim: number of coordinates that the products are made of.
    """

    def __init__(self, vectors: NDArray[np.floating], comparison: Comparison) -> None:
        self.vectors, self.comparison = vectors, comparison
        n, self.dim = vectors.shape
        self._mean = np.zeros(self.dim)
        if comparison == "euclidean" and n:
            self._mean = sum((x.sum(0) for _, x in self._blocks()), np.zeros(self.dim)) / n
        self._kept: Doubles | None = None
        self.slack = 0.0
        squared = np.empty(n)
        for rows, x in self._blocks():
            squared[rows] = np.square(x).sum(1)
            if not np.isfinite(squared[rows]).all():
                first = rows.start + int(np.flatnonzero(~np.isfinite(squared[rows]))[0])
                raise DataError(f"vector {first} holds NaN or infinite values; check for silent or damaged recordings")
        self._squared = squared
        self._reduced = self._reduce(squared)
        if self._kept is None and vectors.size <= KEPT:
            self._kept = np.concatenate([x for _, x in self._blocks()]) if n else np.zeros((0, self.dim))
        length = np.sqrt(squared)
        self._length = length
        scale = np.ones(n) if comparison != "euclidean" else (length + length.max(initial=0.0)) ** 2 / 2
        self.error = 2 * ROUNDING32 * np.sqrt(self.dim) * scale + self.slack
        self._left, self._right = None, None
        if self._kept is not None:
            self._left, self._right = self._factors(np.arange(n), self._kept)

    def left(self, rows: Indices) -> NDArray[np.float32]:
        """Of vectors by number; `left(i) @ right(j).T` are their similarities within `error[i]`."""
        return self._left[rows] if self._left is not None else self._factors(rows, self._centred(rows))[0]

    def right(self, rows: Indices) -> NDArray[np.float32]:
        """The other factor; see `left`."""
        return self._right[rows] if self._right is not None else self._factors(rows, self._centred(rows))[1]

    def value(self, i: Indices, j: Indices) -> Doubles:
        """Similarities of pairs within `slack`, in float64."""
        if not self._reduced:
            return self.exact(i, j)
        kept = self._kept
        assert kept is not None
        found = np.empty(len(i))
        for some in _slices(len(i), CACHED // self.dim):
            x, y = kept[i[some]], kept[j[some]]
            if self.comparison == "euclidean":
                found[some] = np.square(x - y).sum(1) / -2
            else:
                found[some] = (x * y).sum(1) / np.maximum(self._length[i[some]] * self._length[j[some]], 1e-300)
        return found

    def exact(self, i: Indices, j: Indices) -> Doubles:
        """Similarities of pairs in float64 from the vectors alone: equal vectors give equal numbers, in any order."""
        found = np.empty(len(i))
        for some in _slices(len(i), CACHED // self.vectors.shape[1]):
            x, y = (np.asarray(self.vectors[one[some]], np.float64) for one in (i, j))
            if self.comparison == "euclidean":
                found[some] = np.square(x - y).sum(1) / -2
                continue
            if self.comparison == "pearson":
                x, y = x - x.mean(1, keepdims=True), y - y.mean(1, keepdims=True)
            squared = self._squared[i[some]] * self._squared[j[some]]
            found[some] = (x * y).sum(1) / np.sqrt(np.where(squared > 0, squared, 1.0))
        return found

    def _blocks(self) -> Iterator[tuple[slice, Doubles]]:
        for rows in _slices(len(self.vectors), CELLS // self.vectors.shape[1]):
            yield rows, self._centred(rows)

    def _centred(self, rows: slice | Indices) -> Doubles:
        """Vectors whose products or distances the comparison is of."""
        x = np.asarray(self.vectors[rows], np.float64)
        if self.comparison == "pearson":
            return x - x.mean(1, keepdims=True)
        return x - self._mean if self.comparison == "euclidean" else x

    def _factors(self, rows: Indices, x: Doubles) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        if self.comparison != "euclidean":
            length = self._length[rows, None]
            both = (x / np.where(length > 0, length, 1.0)).astype(np.float32)
            return both, both
        half, one = np.square(self._length[rows, None]) / -2, np.ones((len(x), 1))
        return np.hstack([x, half, one]).astype(np.float32), np.hstack([x, one, half]).astype(np.float32)

    def _reduce(self, squared: Doubles) -> bool:
        """Keep a few coordinates of each vector in place of all, if they say as much."""
        n, dim = self.vectors.shape
        if dim < LARGE or n <= SAMPLE:
            return False
        sample = self._centred(np.linspace(0, n - 1, SAMPLE).astype(np.int64))
        power, turned = np.linalg.eigh(sample @ sample.T)
        telling = power > NOISE * power[-1]
        if power[-1] <= 0 or telling.sum() > FEWER:
            return False
        basis = np.linalg.qr(sample.T @ (turned[:, telling] / np.sqrt(power[telling])))[0]  # (dim, coordinates)
        kept = np.concatenate([x @ basis for _, x in self._blocks()])
        rounding = ROUNDING64 * dim
        left = np.maximum(squared - np.square(kept).sum(1), 0.0) + rounding * squared
        share = (left / np.where(squared > 0, squared, 1.0)).max()
        if share > LEFT_OVER:
            return False
        self.slack = float(share if self.comparison != "euclidean" else 2 * left.max()) + rounding * (
            1.0 if self.comparison != "euclidean" else float(squared.max())
        )
        self._kept, self.dim = kept, kept.shape[1]
        return True


def _slices(total: int, size: int) -> Iterator[slice]:
    size = max(1, size)
    for start in range(0, total, size):
        yield slice(start, min(start + size, total))
