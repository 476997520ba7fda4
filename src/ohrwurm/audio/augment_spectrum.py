"""Spectrograms in decibels: kept in 8 bits, and disturbed by level, equalisation, noise floor, masks, transposition.

The disturbances cost next to nothing, so that training need not decode audio again to hear it recorded otherwise.
"""

from __future__ import annotations

import numpy as np

LOUDEST, STEP = 60.0, 0.625  # decibels of code 255, and of one code: 8 bits span [-99, 60] dB


def encode_decibels(decibels: np.ndarray) -> np.ndarray:
    """Decibels → 8 bits; the error is at most 0.31 dB within [-99, 60] dB.

    >>> encode_decibels(np.array([-200.0, 0.0, 60.0])).tolist()
    [0, 159, 255]
    """
    return np.clip(np.round((decibels - LOUDEST) / STEP) + 255, 0, 255).astype(np.uint8)


def decode_decibels(codes: np.ndarray) -> np.ndarray:
    """8 bits → decibels, float32."""
    return (codes.astype(np.float32) - 255) * np.float32(STEP) + np.float32(LOUDEST)


def disturbed(
    decibels: np.ndarray,
    draw: np.random.Generator,
    *,
    level: float = 6.0,
    curve: float = 4.0,
    noise_floor: float = 0.5,
    mask: float = 0.5,
) -> np.ndarray:
    """A spectrogram `(bands, T)` as another recording of the same might have it.

    Args:
        decibels: is not changed.
        level: deviation of the overall level, in dB.
        curve: deviation of each of six points of an equalisation curve over the bands, in dB.
        noise_floor: probability of a floor 45 to 90 dB below the loudest.
        mask: probability with which up to an eighth of the bands, and of the frames, is the mean.

    >>> x = np.linspace(-80, 0, 200).reshape(10, 20).astype(np.float32)
    >>> y = disturbed(x, np.random.default_rng(0), level=3, curve=0, noise_floor=0, mask=0)
    >>> y.shape, float(np.ptp(y - x)) < 1e-4
    ((10, 20), True)
    """
    bands, frames = decibels.shape
    gain = np.interp(np.arange(bands), np.linspace(0, bands, 6), draw.normal(0, curve, 6)) + draw.normal(0, level)
    x = decibels + gain[:, None].astype(np.float32)
    if draw.random() < noise_floor:
        x = np.maximum(x, x.max() - float(draw.uniform(45, 90)))
    for axis, longest in ((0, bands // 8), (1, frames // 8)):
        if draw.random() < mask:
            width = int(draw.integers(1, longest + 1))
            start = int(draw.integers(x.shape[axis] - width))
            masked = [slice(None), slice(None)]
            masked[axis] = slice(start, start + width)
            x[tuple(masked)] = x.mean()
    return x.astype(np.float32)


def transposed(decibels: np.ndarray, bands: int) -> np.ndarray:
    """A spectrogram on a logarithmic axis `(bands, T)`, shifted up by so many bands (down where negative).

    What comes in at the end is as quiet as the quietest of the bands there, frame by frame: no tone is made up.

    >>> x = np.arange(8.0).reshape(4, 2)
    >>> transposed(x, 1).tolist(), transposed(x, -2)[0].tolist()
    ([[0.0, 1.0], [0.0, 1.0], [2.0, 3.0], [4.0, 5.0]], [4.0, 5.0])
    """
    if bands == 0:
        return decibels
    shifted = np.roll(decibels, bands, axis=0)
    if bands > 0:
        shifted[:bands] = decibels[:bands].min(0)
    else:
        shifted[bands:] = decibels[bands:].min(0)
    return shifted
