"""Beats and downbeats: are the times at which a listener taps found?

The metrics of Davies, Degara, Plumbley, "Evaluation methods for musical audio beat tracking algorithms" (2009), as
mir_eval computes them (Raffel et al. 2014). Downbeats are measured the same way, alone.

Conventions
-----------
Times in seconds, increasing. By default what comes before 5 s is left out of both, since annotators take a while to
find the beat (mir_eval's `trim_beats`). Per-track figures; their plain mean is the corpus figure (`corpus`).

Metrics
-------
* ``F-measure``: at 70 ms. ``Cemgil``: accuracy with a Gaussian of 40 ms. ``Goto``: 1 or 0. ``P-score``.
* ``CMLc``, ``CMLt``, ``AMLc``, ``AMLt``: continuity at the correct, or any allowed, metrical level: the longest correct
  run (c) or all of them (t).
* ``Information gain``: of the beat errors' histogram over a uniform one.

Without a reference beat nothing is to be measured: NaN; with one only, whatever needs an interval is NaN. Without an
estimated beat (with one, where an interval is needed) the metrics are 0.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohrwurm.errors import DataError
from ohrwurm.evaluation.metrics.sections import mir_eval

NAMES = ("F-measure", "Cemgil", "Goto", "P-score", "CMLc", "CMLt", "AMLc", "AMLt", "Information gain")
PLAIN = ("F-measure", "Cemgil")  # defined for a single beat


def validate(reference: ArrayLike, estimate: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The arguments as arrays of times `(beats,)`.

    Raises:
        DataError: not one-dimensional, not finite, before 0 s, after 30,000 s (they may be frames or milliseconds),
            or not increasing.
    """
    return _times(reference, "reference"), _times(estimate, "estimate")


def evaluate(
    reference: ArrayLike, estimate: ArrayLike, *, skip: float = 5.0, tolerance: float = 0.07
) -> dict[str, float]:
    """All metrics of one track.

    Args:
        skip: seconds at the start that do not count; 0 for excerpts.
        tolerance: of the F-measure, in seconds.

    >>> found = evaluate(np.arange(0, 30, 0.5), np.arange(0, 30, 0.25))
    >>> round(found["F-measure"], 2), found["CMLt"], round(found["AMLt"], 2)
    (0.67, 0.0, 0.99)
    """
    r, e = validate(reference, estimate)
    r, e = r[r >= skip], e[e >= skip]
    if not len(r):
        return dict.fromkeys(NAMES, float("nan"))
    beat = mir_eval("beat")
    plain = {"F-measure": 0.0, "Cemgil": 0.0}
    if len(e):
        plain = {
            "F-measure": float(beat.f_measure(r, e, f_measure_threshold=tolerance)),
            "Cemgil": float(beat.cemgil(r, e)[0]),
        }
    if len(r) < 2 or len(e) < 2:
        return {**plain, **dict.fromkeys(NAMES[len(PLAIN) :], float("nan") if len(r) < 2 else 0.0)}
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", RuntimeWarning
        )  # numpy's, where mir_eval takes the spread of no errors (then 0)
        goto = float(beat.goto(r, e))
    return {
        **plain,
        "Goto": goto,
        "P-score": float(beat.p_score(r, e)),
        **{name: float(v) for name, v in zip(("CMLc", "CMLt", "AMLc", "AMLt"), beat.continuity(r, e), strict=True)},
        "Information gain": float(beat.information_gain(r, e)),
    }


def _times(values: ArrayLike, what: str) -> NDArray[np.float64]:
    x = np.asarray(values, np.float64)
    if x.ndim != 1:
        raise DataError(f"{what}: beat times must be (beats,), not {x.shape}")
    if not np.isfinite(x).all() or (x < 0).any() or (x > 30_000).any():
        raise DataError(f"{what}: beat times must be finite seconds between 0 and 30,000")
    if (np.diff(x) <= 0).any():
        row = int(np.argmax(np.diff(x) <= 0)) + 1
        raise DataError(f"{what}: beat {row} ({x[row]:g} s) does not come after the one before ({x[row - 1]:g} s)")
    return x
