"""From tracks to a set of tracks: means of metrics that are computed a track at a time (beats, chords, segments).

A metric that is undefined for a track (NaN) is left out of its mean; how many tracks each mean rests on is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from ohrwurm.errors import DataError


def validate(results: Sequence[Mapping[str, float]], weights: ArrayLike | None = None) -> None:
    """Check that all tracks have the same metrics, and weights that are finite and not negative.

    Raises:
        DataError: they have not.
    """
    for track, result in enumerate(results):
        if result.keys() != results[0].keys():
            odd = sorted(result.keys() ^ results[0].keys())
            raise DataError(f"track {track} and track 0 were measured differently: {', '.join(odd)}")
    if weights is not None:
        w = np.asarray(weights, np.float64)
        if w.shape != (len(results),) or not np.isfinite(w).all() or (w < 0).any():
            raise DataError(f"{len(results)} weights, finite and not negative, are needed")


def evaluate(results: Sequence[Mapping[str, float]], weights: ArrayLike | None = None) -> dict[str, float]:
    """The mean of each metric over tracks.

    Args:
        results: each track's metrics, as its `evaluate` returns them.
        weights: one a track; chords are weighted by the tracks' duration, the others not.

    >>> evaluate([{"majmin": 1.0}, {"majmin": 0.5}, {"majmin": float("nan")}], weights=[100, 300, 200])
    {'majmin': 0.625}
    """
    validate(results, weights)
    w = np.ones(len(results)) if weights is None else np.asarray(weights, np.float64)
    means = {}
    for name in results[0] if results else ():
        values = np.array([result[name] for result in results])
        known = ~np.isnan(values)
        total = w[known].sum()
        means[name] = float((values[known] * w[known]).sum() / total) if total > 0 else float("nan")
    return means


def measured(results: Sequence[Mapping[str, float]]) -> dict[str, int]:
    """In how many tracks each metric is defined.

    >>> measured([{"majmin": 1.0}, {"majmin": float("nan")}])
    {'majmin': 1}
    """
    validate(results)
    return {name: sum(not np.isnan(r[name]) for r in results) for name in (results[0] if results else ())}
