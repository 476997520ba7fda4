"""Files → waveforms: probe, decode, read a segment, resample. The only loader of the package.

WAV, FLAC, AIFF, MP3, OGG Vorbis and Opus are read by soundfile; M4A (AAC, ALAC), WMA and the audio of MP4 and WebM by
PyAV, which also tries what soundfile refuses. The content decides, not the extension. Samples come out as float32 in
[-1, 1]: NaN and infinities of a float file become 0, and what lies beyond full scale is clipped, as a converter does.

Untrusted files belong to `ohrwurm.audio.isolation`, which runs this module in a child process under limits.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soxr

from ohrwurm.audio.decoders import AudioInfo, Reader, open_reader
from ohrwurm.errors import AudioError

__all__ = ["AudioInfo", "StreamResampler", "load", "open_reader", "probe", "resample", "sanitized", "stream"]

QUALITY = "HQ"
BLOCK = 65536


def probe(path: str | Path) -> AudioInfo:
    """What a file says of itself, without decoding it.

    Raises:
        AudioError: ``missing``, ``unreadable``, ``empty`` or ``no-audio``.

    >>> import soundfile, tempfile
    >>> file = tempfile.mkdtemp() + "/tone.wav"
    >>> soundfile.write(file, np.zeros(8000), 16000)
    >>> info = probe(file)
    >>> info.duration, info.codec, info.decoder
    (0.5, 'PCM_16', 'soundfile')
    """
    return open_reader(path).info


def load(
    path: str | Path,
    *,
    sample_rate: int | None = None,
    mono: bool = True,
    start: float = 0.0,
    duration: float | None = None,
) -> tuple[np.ndarray, int]:
    """Decode a file, or a segment of it, to float32.

    A segment is cut at `round(start * native rate)` and is exactly that slice of the full decode; its cost does not
    grow with the length of the file (raw AAC, Vorbis in WebM and a few rare containers excepted: those are decoded up
    to the end of the segment). It is shorter than asked where the file ends, and empty beyond it.

    Args:
        path: the file.
        sample_rate: Hz to resample to; None keeps the file's own.
        mono: mean of the channels, `(samples,)`; otherwise `(channels, samples)`.
        start, duration: of the segment, in seconds; None reads to the end.

    Returns:
        The waveform and its rate.

    Raises:
        AudioError: the file cannot be used; `reason` says why.
        ValueError: a negative `start` or `duration`.

    >>> import soundfile, tempfile
    >>> file = tempfile.mkdtemp() + "/tone.flac"
    >>> soundfile.write(file, np.zeros((44100, 2)), 44100)
    >>> waveform, rate = load(file, sample_rate=16000, start=0.5)
    >>> waveform.shape, rate
    ((8000,), 16000)
    """
    if start < 0 or (duration is not None and duration < 0):
        raise ValueError(f"start and duration are seconds from 0 on, not {start} and {duration}")
    reader = open_reader(path)
    native = reader.info.sample_rate
    first = round(start * native)
    last = None if duration is None else first + round(duration * native)
    pieces = [piece.mean(0) if mono else piece for piece in _read(reader, BLOCK, first, last)]
    if not pieces and first == 0 and last != 0:
        raise AudioError(path, "no-audio", "a header without samples")
    channels = reader.info.channels
    empty = np.zeros(0 if mono else (channels, 0), np.float32)
    waveform = np.concatenate(pieces, axis=-1) if pieces else empty
    if sample_rate is not None and sample_rate != native:
        return resample(waveform, native, sample_rate), sample_rate
    return waveform, native


def stream(
    path: str | Path, *, block: int = BLOCK, start_sample: int = 0, stop_sample: int | None = None
) -> Iterator[np.ndarray]:
    """Decode a file piece by piece in constant memory.

    Yields:
        Float32 `(channels, n)` at the native rate, 0 < n <= `block`.

    Raises:
        AudioError: the file cannot be used.
    """
    yield from _read(open_reader(path), block, start_sample, stop_sample)


def _read(reader: Reader, block: int, start: int, stop: int | None) -> Iterator[np.ndarray]:
    for piece in reader.blocks(block, start, stop):
        yield sanitized(piece)


def sanitized(x: np.ndarray) -> np.ndarray:
    """`x` with NaN and infinities as 0 and the rest clipped to [-1, 1]; `x` itself where nothing is to be done.

    >>> sanitized(np.array([0.5, 2.0, np.nan, -np.inf], np.float32))
    array([0.5, 1. , 0. , 0. ], dtype=float32)
    """
    if x.size == 0 or (x.max() <= 1 and x.min() >= -1):  # false for NaN as well
        return x
    return np.clip(np.where(np.isfinite(x), x, np.float32(0)), -1, 1)


def resample(x: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Resample `(samples,)` or `(channels, samples)` with soxr HQ; the length becomes `n * to_rate / from_rate`.

    >>> resample(np.zeros(44100, np.float32), 44100, 22050).shape
    (22050,)
    """
    if from_rate == to_rate or x.shape[-1] == 0:
        return x
    return np.ascontiguousarray(soxr.resample(x.T, from_rate, to_rate, quality=QUALITY).T)


class StreamResampler:
    """Resamples a mono waveform that arrives in pieces; the sum of its output does not depend on how it was cut.

    >>> pieces = StreamResampler(44100, 16000)
    >>> sum(len(pieces.feed(np.zeros(441, np.float32))) for _ in range(100)) + len(pieces.finish())
    16000
    """

    def __init__(self, from_rate: int, to_rate: int) -> None:
        self._soxr = None
        if from_rate != to_rate:
            self._soxr = soxr.ResampleStream(from_rate, to_rate, 1, dtype="float32", quality=QUALITY)

    def feed(self, x: np.ndarray) -> np.ndarray:
        """The part of the output `(m,)` that is known after the next piece `(n,)` of the input."""
        return x if self._soxr is None else self._soxr.resample_chunk(np.ascontiguousarray(x))

    def finish(self) -> np.ndarray:
        """The rest of the output; nothing may be fed afterwards."""
        if self._soxr is None:
            return np.zeros(0, np.float32)
        return self._soxr.resample_chunk(np.zeros(0, np.float32), last=True)
