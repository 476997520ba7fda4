"""Structure: the metrics of `evaluation.metrics.segment` over tracks.

By default sections are compared under seven classes (`analysis.section_classes`). Time whose name has no class counts
for boundaries, and not for ACC. A system that names sections by letters is measured by boundaries and repetition alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from ohrwurm.analysis.decisions import sections_of
from ohrwurm.analysis.section_classes import section_class
from ohrwurm.data.annotations.reading import relabelled
from ohrwurm.data.annotations.spans import unknown_labels
from ohrwurm.evaluation.hearings import Listening
from ohrwurm.evaluation.metrics import segment
from ohrwurm.evaluation.protocols import events
from ohrwurm.evaluation.report import Outcome
from ohrwurm.evaluation.task import Job, Task, option
from ohrwurm.events import Spans
from ohrwurm.models.headed import HeadedEncoder

SHOWN = ("HR.5F", "HR3F", "PWF", "Sf", "ACC")


@dataclass(frozen=True)
class Options(events.Options):
    """How sections are compared."""

    labels: Literal["classes", "given"] = option(
        "classes", "Under seven classes, or under the names that the files give."
    )
    trim: bool = option(False, "Leave the first and the last boundary out.")


def measure(reference: Spans, estimate: Spans, *, trim: bool = False) -> events.Scores:
    """Scores of one track, the usual ones first.

    >>> import numpy as np
    >>> one = Spans(np.array([[0.0, 10.0], [10.0, 20.0]]), ("verse", "chorus"))
    >>> found = measure(one, Spans(np.array([[0.0, 12.0], [12.0, 20.0]]), ("verse", "chorus")))
    >>> round(found["HR.5F"], 3), found["HR3F"], found["ACC"]
    (0.667, 1.0, 0.9)
    """
    both = reference.intervals, reference.labels, estimate.intervals, estimate.labels
    scores = segment.evaluate(*both, trim=trim)
    return {name: scores[name] for name in SHOWN} | {n: v for n, v in scores.items() if n not in SHOWN}


def run(job: Job[Options]) -> Outcome:
    """The task."""
    found = events.gather(job, "sections", Listening(lambda pieces: sections_of(pieces[0].heard)))
    unsupervised = isinstance(job.model, HeadedEncoder) and "sections" not in job.model.specs
    options, remarks = job.options, {name: list(lines) for name, lines in found.remarks.items()}
    said = {label for pair in found.pairs if pair.estimate is not None for label in pair.estimate.labels}
    named = options.labels == "classes" and any(map(section_class, said))
    pairs = []
    for pair in found.pairs:
        reference, estimate = pair.reference, pair.estimate
        if options.labels == "classes":
            unknown = [label for label in reference.labels if section_class(label) is None]
            told = unknown_labels(unknown, "section", "their time has no class")
            if told:
                remarks.setdefault(pair.track.track_id, []).extend(f"reference: {remark}" for remark in told)
            reference = _classed(reference)
        pairs.append(
            replace(pair, reference=reference, estimate=_classed(estimate) if named and estimate else estimate)
        )

    def scored(reference: Spans, estimate: Spans) -> events.Scores:
        scores = measure(reference, estimate, trim=options.trim)
        return scores if named else {name: v for name, v in scores.items() if name != "ACC"}

    if said and not named and options.labels == "classes":
        job.warn("no estimate names a class of sections: ACC is left out, labels are measured by their repetition")
    return events.outcome(
        job,
        events.Found(tuple(pairs), remarks),
        scored,
        protocol=(
            "boundaries within 0.5 s and 3 s, labels "
            + ("under seven classes" if options.labels == "classes" else "as given")
            + (", first and last boundary left out" if options.trim else "")
            + (
                "; the model has no head for sections, whose letters stand for what sounds alike"
                if unsupervised
                else ""
            )
            + "; mean over tracks"
        ),
    )


def _classed(spans: Spans) -> Spans:
    """Under classes; what has none is a gap, which counts for boundaries alone."""
    return relabelled(spans, [section_class(label) or segment.GAP for label in spans.labels])


TASK = Task(
    name="structure",
    about="Are the boundaries of sections found, and do equal sections get equal names?",
    needs="a column sections that names annotation files (.txt, .lab, .jams).",
    example="ohrwurm evaluate structure --benchmark harmonix --estimates my-sections/ --data ~/data",
    model="foote-sections",
    run=run,
    check=events.check("sections"),
    options=Options,
    load=events.loader("sections"),
    details=(
        "Hit rates of boundaries (HR.5F, HR3F), pairwise F-measure (PWF), normalised conditional entropies (Sf) and "
        "the share of the time in the right class (ACC), by mir_eval. Estimates are files (--estimates), those of a "
        "model with heads (without one for sections: letters by what sounds alike), or of another system that listens "
        "(--model foote-sections). There is no --protocol marble: MARBLE names the function of single clips of "
        "HookTheory, and finds no boundaries."
    ),
)
