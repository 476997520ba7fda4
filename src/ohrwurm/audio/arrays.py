"""Audio that published data sets keep as NumPy arrays: `.npy` files of samples, which do not say their rate.

An array is `(samples,)` or `(channels, samples)`, of floats in [-1, 1] or of integers of the full range of their type.
It is mapped, not loaded: what is read is what is asked for. Never unpickled.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ohrwurm.audio.decoders import AudioInfo
from ohrwurm.errors import AudioError

SUFFIX = ".npy"


class ArrayReader:
    """An array as an opened file, like those of `ohrwurm.audio.decoders`.

    >>> import tempfile
    >>> file = tempfile.mkdtemp() + "/half.npy"
    >>> np.save(file, np.full((2, 6), 16384, np.int16))
    >>> reader = ArrayReader(file, 16000)
    >>> reader.info.samples, [piece.shape for piece in reader.blocks(4, 0, None)], reader.segment(5, 9).tolist()
    (6, [(2, 4), (2, 2)], [[0.5], [0.5]])

    Args:
        sample_rate: of the array, in Hz.

    Raises:
        AudioError: ``missing``, or ``unreadable``: no array of audio, or without a rate.
    """

    def __init__(self, path: str | Path, sample_rate: int | None) -> None:
        self.flags: set[str] = set()
        if not sample_rate:
            raise AudioError(path, "unreadable", "a .npy file needs its rate in the manifest's sample_rate")
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError as error:
            raise AudioError(path, "missing", "no such file") from error
        except (ValueError, OSError, EOFError) as error:
            raise AudioError(path, "unreadable", str(error)) from error
        kind = np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.signedinteger)
        if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[0] > array.shape[1]) or not kind:
            shape = "(samples,) or (channels, samples) of floats or signed integers"
            what = f"an array {array.shape} of {array.dtype}, which should be {shape}"
            raise AudioError(path, "unreadable", what)
        self._array = array if array.ndim == 2 else array[None]
        self._full = float(np.iinfo(array.dtype).max) + 1 if np.issubdtype(array.dtype, np.integer) else 1.0
        channels, samples = self._array.shape
        self.info = AudioInfo(
            path=str(path),
            sample_rate=int(sample_rate),
            channels=channels,
            samples=samples,
            duration=samples / int(sample_rate),
            format="NPY",
            codec=str(array.dtype),
            decoder="numpy",
            exact=True,
        )

    def segment(self, begin: int, end: int) -> np.ndarray:
        """Float32 `(channels, n)`, samples `begin` to `end`; shorter where the array ends."""
        return self._array[:, begin:end].astype(np.float32) / np.float32(self._full)

    def blocks(self, block: int, start: int, stop: int | None) -> Iterator[np.ndarray]:
        """Float32 `(channels, n)` pieces of samples `start` to `stop`."""
        last = self._array.shape[1] if stop is None else min(stop, self._array.shape[1])
        for begin in range(start, last, block):
            yield self.segment(begin, min(begin + block, last))
