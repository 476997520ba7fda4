"""Chords: which share of a track's time is labelled with the right chord, at several levels of detail?

The comparisons of Pauwels and Peeters, "Evaluating automatically estimated chord sequences" (2013), as mir_eval
computes them (Raffel et al. 2014).

Conventions
-----------
Intervals `(n, 2)` in seconds and labels in Harte's syntax (`C:maj`, `A:min7/b3`, `N`). The estimate is cut, or filled
with `N`, to the time that the reference covers; gaps are `N`. Time in which a level does not know the reference's chord
(`sus4` for ``majmin``) does not count. The corpus figure is the mean over tracks weighted by duration (`corpus`).

Metrics
-------
* ``majmin``: the headline: major, minor, no chord. ``root``, ``thirds``, ``triads``, ``sevenths``, ``tetrads``: coarser
  and finer. ``mirex``: at least three pitches in common. ``_inv``: the bass must be right too.
* ``overseg``, ``underseg``, ``seg``: 1 less the directional Hamming distance of the boundaries, and the lower of them.

NaN where nothing is to be measured: no reference, or none of its chords known at that level.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ohrwurm.errors import DataError
from ohrwurm.evaluation.metrics.sections import Sections, cropped, mir_eval, sections, together

LEVELS = (
    "majmin", "majmin_inv", "root", "thirds", "thirds_inv", "triads", "triads_inv",
    "sevenths", "sevenths_inv", "tetrads", "tetrads_inv", "mirex",
)  # fmt: skip
NO_CHORD = "N"


def validate(intervals: ArrayLike, labels: Sequence[str], what: str) -> Sections:
    """One annotation, checked.

    Raises:
        DataError: intervals that overlap or do not last, or a label that is not a chord.
    """
    chord = mir_eval("chord")
    for label in labels:
        try:
            chord.validate_chord_label(label)
        except chord.InvalidChordException as error:
            raise DataError(f"{what}: {label!r} is not a chord in Harte's syntax, e.g. 'A:min7' or 'N'") from error
    return sections(intervals, labels, what=what, gap=NO_CHORD)


def evaluate(
    reference: ArrayLike, reference_labels: Sequence[str], estimate: ArrayLike, estimate_labels: Sequence[str]
) -> dict[str, float]:
    """All metrics of one track.

    >>> found = evaluate([[0, 3], [3, 4]], ["C:maj", "A:min7"], [[0, 2], [2, 4]], ["C:maj", "A:min"])
    >>> found["majmin"], found["sevenths"]
    (0.75, 0.5)
    """
    r = validate(reference, reference_labels, "reference")
    e = validate(estimate, estimate_labels, "estimate")
    if not len(r):
        return dict.fromkeys((*LEVELS, "overseg", "underseg", "seg"), float("nan"))
    e = cropped(e, r.edges[0], r.edges[-1], before=NO_CHORD, after=NO_CHORD)
    chord = mir_eval("chord")
    durations, true, found = together(r, e)
    scores = {}
    for level in LEVELS:
        right = np.asarray(getattr(chord, level)(true, found))
        known = right >= 0
        time = durations[known].sum()
        scores[level] = float((right * durations)[known].sum() / time) if time > 0 else float("nan")
    runs = [chord.merge_chord_intervals(x.intervals, list(x.labels)) for x in (r, e)]
    over, under = float(chord.overseg(*runs)), float(chord.underseg(*runs))
    return {**scores, "overseg": over, "underseg": under, "seg": min(over, under)}
