"""Activations as a head would give them, made from beats that are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ohrwurm.analysis.targets import event_targets

RATE = 50.0


@dataclass(frozen=True)
class Played:
    """Beats with positions, and what a head says of them at 50 Hz, `(frames, 2)`."""

    times: NDArray[np.float64]
    positions: NDArray[np.int64]
    activations: NDArray[np.float64]

    @property
    def downbeats(self) -> NDArray[np.float64]:
        return self.times[self.positions == 1]


def played(
    tempo: NDArray[np.float64],
    *,
    metre: int = 4,
    pickup: int = 0,
    start: float = 0.3,
    missing: float = 0.0,
    jitter: float = 0.0,
    offbeats: float = 0.0,
    swing: float = 0.5,
    noise: float = 0.0,
    seed: int = 0,
) -> Played:
    """Beats of a tempo curve.

    Args:
        tempo: beats a minute of each beat.
        pickup: beats before the first downbeat.
        missing: share of beats that are not heard.
        jitter: of what is heard, standard deviation in seconds.
        offbeats: activation between two beats, at `swing` of their distance.
        noise: height of what is heard everywhere.
    """
    rng = np.random.default_rng(seed)
    times = start + np.cumsum(60 / tempo) - 60 / tempo[0]
    positions = (np.arange(len(times)) - pickup) % metre + 1
    frames = int((times[-1] + 1) * RATE)
    there = rng.random(len(times)) >= missing
    moved = np.maximum(times + rng.normal(0, jitter, len(times)), 0)
    beat = 0.9 * event_targets(np.sort(moved[there]), frames, RATE)
    down = 0.85 * event_targets(np.sort(moved[there & (positions == 1)]), frames, RATE)
    between = times[:-1] + swing * np.diff(times)
    beat = np.maximum(beat, offbeats * event_targets(between, frames, RATE))
    x = np.stack([np.maximum(beat, down), down], 1).astype(np.float64)
    return Played(times, positions, np.maximum(x, noise * rng.random(x.shape)))
