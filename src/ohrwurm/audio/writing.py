"""Waveforms → files, block by block."""

from __future__ import annotations

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
    import soundfile

    channels = 1 if audio.ndim == 1 else audio.shape[1]
    level = {} if compression_level is None else {"compression_level": compression_level}
    with soundfile.SoundFile(file, "w", sample_rate, channels, subtype, format=container, **level) as out:
        for start in range(0, len(audio), BLOCK):
            out.write(audio[start : start + BLOCK])
