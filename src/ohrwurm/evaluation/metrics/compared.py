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
        slack: by how much `value` may be off.
        dim: number of coordinates that the products are made of.
    """

    def __init__(self, vectors: NDArray[np.floating], comparison: Comparison) -> None:
        self.vectors, self.comparison = vectors, comparison
        n, self.dim = vectors.shape
        self._mean = np.zeros(self.dim)
        if comparison == "euclidean" and n:
            mean = sum((x.sum(0) for _, x in self._blocks()), np.zeros(self.dim)) / n
            self._mean = mean.astype(np.float32).astype(np.float64)  # any mean will do; this one float32 has too
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
        self._length = np.sqrt(squared)
        self._left = self._right = None
        if self._kept is not None:
            self._left = self._factor(np.arange(n), self._kept, first=True)
            self._right = self._left if comparison != "euclidean" else self._factor(np.arange(n), self._kept)

    @property
    def kept(self) -> bool:
        """Whether `left` and `right` are at hand, and not made from the vectors each time."""
        return self._left is not None

    def left(self, rows: Indices) -> NDArray[np.float32]:
        """Of vectors by number; `left(i) @ right(j).T` are their similarities, off by `error` at most."""
        return self._left[rows] if self._left is not None else self._factor(rows, self.vectors[rows], first=True)

    def right(self, rows: Indices) -> NDArray[np.float32]:
        """The other factor; see `left`."""
        return self._right[rows] if self._right is not None else self._factor(rows, self.vectors[rows])

    def error(self, rows: Indices, similarity: Doubles) -> Doubles:
        """By how much products may be off that should come out as `similarity`, with vectors `rows`.

        Rounding adds up along a sum of d products like sqrt(d) steps of the size of the sums on the way. Those of two
        vectors grow to their product x·y, around which they wander by |x| |y| / sqrt(d); the bound is several times
        that. (A bound that no order of the terms could break would be d / 2 steps of the size of |x| |y|, and say
        nothing.) `streaming` finds it kept by all pairs of versions, of which it knows the exact similarities.
        """
        lengths = self._length[rows]
        if self.comparison != "euclidean":
            product, scale = np.abs(similarity), np.ones(len(rows))
        else:
            longest = self._length.max()
            nearest, farthest = (similarity + (lengths**2 + other**2) / 2 for other in (longest, 0.0))
            product = np.minimum(np.maximum(np.abs(nearest), np.abs(farthest)), lengths * longest)
            scale = (lengths + longest) ** 2 / 2
        return 2 * ROUNDING32 * (np.sqrt(self.dim) * product + 8 * scale) + self.slack

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

    def _factor(self, rows: Indices, x: NDArray[np.floating], first: bool = False) -> NDArray[np.float32]:
        """Of vectors as they are, or of their coordinates, which are centred already."""
        length, kept = self._length[rows, None], self._kept is not None
        if self.comparison == "euclidean":
            made = np.empty((len(x), x.shape[1] + 2), np.float32)
            if kept:
                made[:, :-2] = x
            else:
                np.subtract(x, self._mean.astype(np.float32), out=made[:, :-2], dtype=np.float32)
            half, one = (-2, -1) if first else (-1, -2)
            made[:, half], made[:, one] = np.square(length[:, 0]) / -2, 1.0
            return made
        if self.comparison == "pearson" and not kept:
            x = x - x.mean(1, keepdims=True, dtype=np.float64)
        return (x / np.where(length > 0, length, 1.0).astype(x.dtype)).astype(np.float32, copy=False)

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
