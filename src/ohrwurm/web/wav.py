"""A WAV file that is never written: its size is known, any range of its bytes is made from the samples behind them."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

HEADER = 44  # bytes
BYTES = 2  # of a sample: 16-bit PCM
LARGEST = (1 << 32) - 1  # RIFF states sizes in 32 bits


@dataclass(frozen=True)
class VirtualWAV:
    """`frames` sample frames of `channels` at `rate` Hz as a 16-bit WAV.

    Attributes:
        read: `read(first, stop)` yields float blocks `(channels, n)` in [-1, 1] of the frames `[first, stop)`. Where it
            ends early, silence follows, so that the size holds.

    >>> wav = VirtualWAV(3, 1, 8000, lambda first, stop: iter([np.full((1, stop - first), 0.5)]))
    >>> whole = b"".join(wav.content(0, wav.size))
    >>> len(whole) == wav.size == 50, b"".join(wav.content(45, 47)) == whole[45:47]
    (True, True)
    """

    frames: int
    channels: int
    rate: int
    read: Callable[[int, int], Iterator[np.ndarray]]

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return HEADER + self.frames * self.channels * BYTES

    def header(self) -> bytes:
        """RIFF, format and data chunk headers."""
        width = self.channels * BYTES
        layout = struct.pack("<HHIIHH", 1, self.channels, self.rate, self.rate * width, width, 8 * BYTES)
        riff = b"RIFF" + struct.pack("<I", self.size - 8) + b"WAVE"
        return (
            riff + b"fmt " + struct.pack("<I", len(layout)) + layout + b"data" + struct.pack("<I", self.size - HEADER)
        )

    def content(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes `[start, stop)`, piece by piece; only the samples behind them are read."""
        if start < HEADER:
            yield self.header()[start:stop]
        left = stop - max(start, HEADER)
        if left <= 0:
            return
        width = self.channels * BYTES
        first, skip = divmod(max(start, HEADER) - HEADER, width)
        for block in self.read(first, -(-(stop - HEADER) // width)):
            piece = np.rint(block.T * 32767.0).astype("<i2").tobytes()[skip : skip + left]
            left, skip = left - len(piece), 0
            yield piece
        while left > 0:
            piece = bytes(min(left, 1 << 16))
            left -= len(piece)
            yield piece


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """`(start, stop)` that a Range header asks of `size` bytes; None where the whole is to be sent.

    Several ranges, and what is not understood, may be ignored (RFC 9110, section 14.2).

    Raises:
        ValueError: the range lies outside (status 416).

    >>> byte_range("bytes=10-19", 100), byte_range("bytes=90-", 100), byte_range("bytes=-10", 100)
    ((10, 20), (90, 100), (90, 100))
    >>> byte_range("", 100), byte_range("bytes=0-1,5-6", 100)
    (None, None)
    """
    match = re.fullmatch(r"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", header)
    if match is None or not any(match.groups()):
        return None
    first, last = match.groups()
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < int(first):
            return None
    if start >= stop:
        raise ValueError(f"the range lies outside the {size} bytes")
    return start, stop
