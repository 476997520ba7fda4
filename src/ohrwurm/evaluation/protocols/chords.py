"""Chords: the metrics of `evaluation.metrics.chord` over tracks, weighted by their annotated duration."""

from __future__ import annotations

from ohrwurm.evaluation.metrics import chord
from ohrwurm.evaluation.protocols import events
from ohrwurm.evaluation.report import Outcome
from ohrwurm.evaluation.task import Job, Task
from ohrwurm.events import Spans

SHOWN = ("majmin", "root", "thirds", "triads", "sevenths", "tetrads", "mirex")


def measure(reference: Spans, estimate: Spans) -> events.Scores:
    """Scores of one track: the headline first, then coarse to fine, with the bass, and of the boundaries.

    >>> import numpy as np
    >>> one = Spans(np.array([[0.0, 3.0], [3.0, 4.0]]), ("C:maj", "A:min7"))
    >>> found = measure(one, Spans(np.array([[0.0, 4.0]]), ("C:maj",)))
    >>> found["majmin"], found["root"]
    (0.75, 0.75)
    """
    scores = chord.evaluate(reference.intervals, reference.labels, estimate.intervals, estimate.labels)
    return {name: scores[name] for name in SHOWN} | {n: v for n, v in scores.items() if n not in SHOWN}


def run(job: Job[events.Options]) -> Outcome:
    """The task."""
    found = events.gather(job, "chords")
    seconds = [float(pair.reference.intervals[-1, 1] - pair.reference.intervals[0, 0]) for pair in found.pairs]
    return events.outcome(
        job,
        found,
        measure,
        protocol="share of the annotated time with the right chord; mean over tracks weighted by their duration",
        weights=seconds,
    )


TASK = Task(
    name="chords",
    about="Are the chords right, for how much of the time?",
    needs="a column chords that names annotation files (.lab, .jams, salami_chords.txt).",
    example="ohrwurm evaluate chords --benchmark billboard --estimates my-chords/ --data ~/data",
    model="chroma-chords",
    run=run,
    check=events.check("chords"),
    options=events.Options,
    load=events.loader("chords"),
    details=(
        "mir_eval's comparisons: majmin first, root, thirds, triads, sevenths, tetrads, mirex, with inversions (_inv), "
        "and the segmentation. Labels in Harte's syntax or as on chord sheets. Time with a chord that a comparison "
        "does not know is left out of it. Estimates are files (--estimates), or those of a system that listens "
        "(--model chroma-chords)."
    ),
)
