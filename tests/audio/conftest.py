"""Audio files of every format, made on the spot from one deterministic signal."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}


def notes(seconds: float, rate: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    """Decaying tones and a little noise, different on every channel: float32 `(channels, samples)`, peak below 0.7."""
    rng = np.random.default_rng(seed)
    samples = round(seconds * rate)
    signal = 0.01 * rng.standard_normal((channels, samples))
    for channel in signal:
        position = 0
        while position < samples:
            length = min(int(rate * rng.uniform(0.1, 0.4)), samples - position)
            t = np.arange(length) / rate
            tone = np.sin(2 * np.pi * rng.uniform(80, 1500) * t)
            channel[position : position + length] += 0.5 * np.exp(-6 * t) * tone
            position += length
    return signal.astype(np.float32)


def encode_with_av(
    path: Path,
    signal: np.ndarray,
    rate: int,
    codec: str,
    *,
    container: str | None = None,
    video: bool = False,
    bit_rate: int | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Encode `(channels, samples)` with FFmpeg; `video` puts a picture stream first."""
    with av.open(str(path), "w", format=container, options=container_options or {}) as output:
        pictures = output.add_stream("mpeg4", rate=25) if video else None
        if pictures is not None:
            pictures.width, pictures.height, pictures.pix_fmt = 32, 32, "yuv420p"
        stream = output.add_stream(codec, rate=rate, options=options or {})
        stream.layout = LAYOUTS[len(signal)]
        if bit_rate:
            stream.bit_rate = bit_rate
        if pictures is not None:
            for index in range(int(signal.shape[1] / rate * 25)):
                picture = av.VideoFrame(32, 32, "yuv420p")
                for plane in picture.planes:
                    plane.update(bytes([index % 256]) * plane.buffer_size)
                picture.pts, picture.time_base = index, Fraction(1, 25)
                output.mux(pictures.encode(picture))
            output.mux(pictures.encode(None))
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(signal), format="fltp", layout=LAYOUTS[len(signal)])
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        size = stream.codec_context.frame_size or 4096
        shaper = av.AudioResampler(stream.format.name, LAYOUTS[len(signal)], rate, frame_size=size)
        for piece in [*shaper.resample(frame), *shaper.resample(None)]:
            output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def make_notes() -> Callable[..., np.ndarray]:
    return notes


@pytest.fixture(scope="session")
def encode() -> Callable[..., Path]:
    return encode_with_av
