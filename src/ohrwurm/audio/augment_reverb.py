"""Reverberation: the Schroeder-Moorer network of Freeverb with the settings of sox's `reverb`, to its numbers.

    x ─┬─▶ 8 combs with damped feedback, side by side ─▶ + ─▶ 4 all-passes, one after the other ─▶ wet, for each ear
       └──────────────────────────────────────────────────────────────────────────────────────▶ dry

The network is linear, but its response is too long (some 400,000 samples at full reverberance) and its settings too
many (a million) for convolution with kept responses to be cheaper than to run it. It runs in blocks as long as a comb's
delay: within one, the feedback is a filter of what is known already, computed on whole vectors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ohrwurm.audio.compiled import compiled

COMBS = (1116, 1188, 1277, 1356, 1422, 1491, 1557, 1617)  # samples at 44,100 Hz
ALL_PASSES = (225, 341, 441, 556)
APART = 12  # by which delays differ between the ears
GAIN = 0.015
HISTORY = 32  # of a damping filter's response, which halves at least every sample: 2e-10 is left


@dataclass(frozen=True)
class Reverb:
    """Reverberance, damping and size of the room each drawn from 0 to 99, whole numbers. The direct sound stays."""

    highest: int = 99

    def __call__(self, x: np.ndarray, sample_rate: int, draw: np.random.Generator) -> np.ndarray:
        reverberance, damping, room = draw.integers(0, self.highest + 1, 3)
        return reverberate(x, sample_rate, float(reverberance), float(damping), float(room))


def reverberate(
    x: np.ndarray, sample_rate: int, reverberance: float = 50.0, damping: float = 50.0, room: float = 50.0
) -> np.ndarray:
    """A room around `x (n,)`: what both ears hear, mixed to mono; as long as `x`.

    Args:
        reverberance: 0 to 100, how long it rings.
        damping: 0 to 100, how much faster high frequencies fade.
        room: 0 to 100, size of the room.

    Source: sox 14.4.2, effect `reverb`; after Jezar at Dreampoint, "Freeverb", 2000.

    >>> x = np.zeros(8000, np.float32)
    >>> x[0] = 1.0
    >>> tail = reverberate(x, 22050, reverberance=80)[1:]
    >>> int(np.flatnonzero(tail)[0]) + 1  # the nearest wall, 14 ms
    307
    """
    x = np.ascontiguousarray(x, np.float32)
    sharpness = -1 / math.log(0.7)
    offset = 100 / (sharpness * math.log(0.02) + 1)
    feedback = 1 - math.exp((reverberance - offset) / (sharpness * offset))
    damped = 0.3 * damping / 100 + 0.2
    combs, all_passes = delays(sample_rate, 0.9 * room / 100 + 0.1)
    return _network(x, combs, all_passes, feedback, damped, 0.5 * GAIN)


def delays(sample_rate: int, size: float) -> tuple[np.ndarray, np.ndarray]:
    """Delays in samples of the combs `(2, 8)`, which grow with the room, and of the all-passes `(2, 4)`, in the order
    in which they are run."""
    rate = sample_rate / 44100
    combs, all_passes = np.zeros((2, len(COMBS)), np.int64), np.zeros((2, len(ALL_PASSES)), np.int64)
    for ear in (0, 1):
        side = ear  # changes from delay to delay; it goes on from the combs into the all-passes
        for i, length in enumerate(COMBS):
            combs[ear, i] = int(size * rate * (length + APART * side) + 0.5)
            side = -side
        for i, length in enumerate(ALL_PASSES):
            all_passes[ear, len(ALL_PASSES) - 1 - i] = int(rate * (length + APART * side) + 0.5)
            side = -side
    return np.maximum(combs, 1), np.maximum(all_passes, 1)


@compiled
def _network(
    x: np.ndarray, combs: np.ndarray, all_passes: np.ndarray, feedback: float, damped: float, gain: float
) -> np.ndarray:
    """A comb with delay L holds u(t) = x(t) + f s(t), s(t) = d s(t - 1) + (1 - d) u(t - L), and gives u(t - L).

    The damping filter 1 / (1 - d z^-1) is run as the product (1 + .. + d^3 z^-3)(1 + .. + d^12 z^-12)(1 + d^16 z^-16),
    the first 32 samples of its response, so that it needs no result of its own. An all-pass with delay M holds
    w(t) = x(t) + w(t - M) / 2 and gives w(t - M) - x(t).
    """
    n = len(x)
    d1, d2, d3 = np.float32(damped), np.float32(damped**2), np.float32(damped**3)
    d4, d8, d12, d16 = np.float32(damped**4), np.float32(damped**8), np.float32(damped**12), np.float32(damped**16)
    fed = np.float32(feedback * (1 - damped))
    half, wet = np.float32(0.5), np.float32(gain)
    longest = combs.max()
    origin = longest + HISTORY  # in `u`, of time 0
    u = np.zeros(n + origin, np.float32)  # what each comb holds; up to time 0 silence
    four = np.empty(longest + 28, np.float32)
    sixteen = np.empty(longest + 16, np.float32)
    ear = np.empty(n, np.float32)
    held = np.empty(all_passes.max(), np.float32)
    y = x.copy()
    for side in range(2):
        ear[:] = 0
        for k in range(combs.shape[1]):
            delay = combs[side, k]
            for start in range(0, n, delay):
                m = min(n - start, delay)
                first = origin + start - delay - HISTORY
                old = u[first : first + HISTORY + m]  # one delay ago; old[i] is of time start - delay + i - 32
                new, own, out = u[origin + start : origin + start + m], x[start : start + m], ear[start : start + m]
                for i in range(m + 28):
                    four[i] = old[i + 4] + d1 * old[i + 3] + d2 * old[i + 2] + d3 * old[i + 1]
                for i in range(m + 16):
                    sixteen[i] = four[i + 12] + d4 * four[i + 8] + d8 * four[i + 4] + d12 * four[i]
                for i in range(m):
                    new[i] = own[i] + fed * (sixteen[i + 16] + d16 * sixteen[i])
                for i in range(m):
                    out[i] += old[i + HISTORY]
        for k in range(all_passes.shape[1]):
            delay = all_passes[side, k]
            ring = held[:delay]
            ring[:] = 0
            for start in range(0, n, delay):
                m = min(n - start, delay)
                out = ear[start : start + m]
                for i in range(m):
                    was = ring[i]
                    ring[i] = out[i] + half * was
                    out[i] = was - out[i]
        for i in range(n):
            y[i] += wet * ear[i]
    return y
