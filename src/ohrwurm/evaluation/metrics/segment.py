"""Structure: are the boundaries of a track's sections found, and do equal sections get equal labels?

Boundaries as in Turnbull et al., "A supervised approach for detecting boundaries in music using difference features
and boosting" (2007); labels as in Levy and Sandler, "Structural segmentation of musical audio by constrained
clustering" (2008) and Lukashevich, "Towards quantitative measures of evaluating song segmentation" (2008), as mir_eval
computes them (Raffel et al. 2014).

Conventions
-----------
Intervals `(n, 2)` in seconds and labels. As in mir_eval, both are taken from 0 s to the end of the reference: cut where
longer, filled with labels of their own where shorter; so are gaps. Per-track figures; their plain mean is the corpus
figure (`corpus`).

Metrics
-------
* ``HR.5P``, ``HR.5R``, ``HR.5F``: precision, recall and F-measure of boundaries within 0.5 s; ``HR3P``, ``HR3R``,
  ``HR3F`` within 3 s. The ends of the track count as boundaries unless `trim`.
* ``PWP``, ``PWR``, ``PWF``: of pairs of frames (0.1 s) with equal labels.
* ``So``, ``Su``, ``Sf``: normalised conditional entropies, over- and under-segmentation and their F-measure.
* ``ACC``: share of the annotated time with the reference's own label; of use where both have one vocabulary.

NaN without a reference; with `trim`, boundary metrics are NaN for a reference of one section.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ohrwurm.evaluation.metrics.sections import Sections, cropped, mir_eval, sections, together

HITS = {"HR.5": 0.5, "HR3": 3.0}  # seconds
NAMES = (*(f"{name}{part}" for name in HITS for part in "PRF"), "PWP", "PWR", "PWF", "So", "Su", "Sf", "ACC")
BEFORE, GAP, AFTER = "(before)", "(gap)", "(after)"  # labels of what nobody labelled


def validate(intervals: ArrayLike, labels: Sequence[str], what: str) -> Sections:
    """One annotation, checked.

    Raises:
        DataError: intervals that overlap or do not last, or not a label each.
    """
    return sections(intervals, labels, what=what, gap=GAP)


def evaluate(
    reference: ArrayLike,
    reference_labels: Sequence[str],
    estimate: ArrayLike,
    estimate_labels: Sequence[str],
    *,
    trim: bool = False,
) -> dict[str, float]:
    """All metrics of one track.

    Args:
        trim: leave the first and the last boundary out.

    >>> found = evaluate([[0, 10], [10, 20]], ["verse", "chorus"], [[0, 12], [12, 20]], ["verse", "chorus"])
    >>> round(found["HR.5F"], 3), found["HR3F"], found["ACC"]
    (0.667, 1.0, 0.9)
    """
    r = validate(reference, reference_labels, "reference")
    e = validate(estimate, estimate_labels, "estimate")
    if not len(r):
        return dict.fromkeys(NAMES, float("nan"))
    r = cropped(r, 0.0, r.edges[-1], before=BEFORE, after=AFTER)
    e = cropped(e, 0.0, r.edges[-1], before=BEFORE, after=AFTER)
    segment = mir_eval("segment")
    scores: dict[str, float] = {}
    for name, window in HITS.items():
        if trim and min(len(r), len(e)) < 2:  # no boundary inside: nothing to find, or nothing found
            found = (float("nan"),) * 3 if len(r) < 2 else (0.0,) * 3
        else:
            found = segment.detection(r.intervals, e.intervals, window=window, trim=trim)
        scores |= {f"{name}{part}": float(value) for part, value in zip("PRF", found, strict=True)}
    both = r.intervals, list(r.labels), e.intervals, list(e.labels)
    scores |= {name: float(v) for name, v in zip(("PWP", "PWR", "PWF"), segment.pairwise(*both), strict=True)}
    scores |= {name: float(v) for name, v in zip(("So", "Su", "Sf"), segment.nce(*both), strict=True)}
    durations, true, found_labels = together(r, e)
    told = ~np.isin(true, (BEFORE, GAP, AFTER))
    right = np.array([t == f for t, f in zip(true, found_labels, strict=True)])
    return {**scores, "ACC": float(durations[told & right].sum() / durations[told].sum())}
