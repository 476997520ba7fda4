"""Waveforms → files, block by block."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np

BLOCK = 1 << 20  # samples


def write_audio(
    file: str | Path | BinaryIO,
    audio: np.ndarray,
    sample_rate: int,
    container: str,
    subtype: str,
    compression_level: float | None = None,
) -> None:
    """Encode `audio`, `(samples,)` or `(samples, channels)`, as soundfile's format names say.

    In blocks: libsndfile's Vorbis encoder crashes the process when it is given two million samples at once.

    >>> import io
    >>> stream = io.BytesIO()
    >>> write_audio(stream, np.zeros(1000, np.float32), 16000, "FLAC", "PCM_16")
    >>> stream.getvalue()[:4]
    b'fLaC'
    """
    channels = 1 if audio.ndim == 1 else audio.shape[1]
    blocks = (audio[start : start + BLOCK] for start in range(0, len(audio), BLOCK))
    write_blocks(file, blocks, sample_rate, channels, container, subtype, compression_level)


def write_blocks(
    file: str | Path | BinaryIO,
    blocks: Iterable[np.ndarray],
    sample_rate: int,
    channels: int,
    container: str,
    subtype: str,
    compression_level: float | None = None,
) -> None:
    """Encode audio that comes in blocks, each `(samples,)` or `(samples, channels)`, in constant memory.

    >>> import io
    >>> stream = io.BytesIO()
    >>> write_blocks(stream, (np.zeros((100, 2), np.float32) for _ in range(3)), 16000, 2, "WAV", "PCM_16")
    >>> len(stream.getvalue())
    1244
    """
    import soundfile

    level = {} if compression_level is None else {"compression_level": compression_level}
    with soundfile.SoundFile(file, "w", sample_rate, channels, subtype, format=container, **level) as out:
        for block in blocks:
            out.write(block)
