"""Chords: the metrics of `evaluation.metrics.chord` over tracks, weighted by their annotated duration.

Of a model with heads the report also tells what each smoothing gives, and, where it has a head by parts (root, bass,
pitch classes), what that gives: `details.ways`; the figures are those of `details.smoothing`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ohrwurm.analysis.chords import RAW
from ohrwurm.analysis.decisions import SETTINGS, chords_of
from ohrwurm.analysis.hearing import Heard
from ohrwurm.audio.isolation import decoding
from ohrwurm.errors import OhrwurmError
from ohrwurm.evaluation.hearings import Hearings, Listening, Pieces
from ohrwurm.evaluation.metrics import chord, corpus
from ohrwurm.evaluation.metrics import marble as clips
from ohrwurm.evaluation.protocols import events, marble
from ohrwurm.evaluation.report import Outcome
from ohrwurm.evaluation.task import Job, Task, option
from ohrwurm.events import Spans
from ohrwurm.models.frame_heads import Target
from ohrwurm.models.headed import HeadedEncoder

SHOWN = ("majmin", "root", "thirds", "triads", "sevenths", "tetrads", "mirex")
TOLD = (*SHOWN, "majmin_inv", "sevenths_inv", "seg")  # of each way
MEDIAN = 0.5  # seconds under the median
Smoothing = Literal["auto", "none", "median", "viterbi"]
SMOOTHINGS: tuple[Smoothing, ...] = ("none", "median", "viterbi")
PUBLISHED_AS = (
    "MARBLE's frame accuracy: time without a chord counts as the chord before it, except where a clip begins with it"
)


@dataclass(frozen=True)
class Options(events.Options):
    """How chords of a model with heads are made."""

    smoothing: Smoothing = option(
        "auto",
        "Of what a model's heads say of each frame: not at all, by a median over half a second, or by the likeliest "
        "path; auto: by the path, with --protocol marble not at all.",
    )


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


def decided(heard: Heard, smoothing: Smoothing, head: Target | None = None) -> Spans:
    """Chords of what was heard.

    Args:
        head: which of the model's heads, by default that for triads where there is one.
    """
    if head is not None:
        heard = replace(heard, specs={head: heard.specs[head]})
    if smoothing == "median":
        heard = _calmed(heard)
    return chords_of(heard, SETTINGS if smoothing == "viterbi" else replace(SETTINGS, chords=RAW))


def run(job: Job[Options]) -> Outcome:
    """The task."""
    asked = job.options.smoothing
    if job.protocol == "marble":
        return _marble(job, "none" if asked == "auto" else asked)
    smoothing: Smoothing = "viterbi" if asked == "auto" else asked
    found = events.gather(job, "chords", Listening(lambda pieces: decided(pieces[0].heard, smoothing)))
    seconds = [float(pair.reference.intervals[-1, 1] - pair.reference.intervals[0, 0]) for pair in found.pairs]
    made = events.outcome(
        job,
        found,
        measure,
        protocol="share of the annotated time with the right chord; mean over tracks weighted by their duration",
        weights=seconds,
    )
    if isinstance(job.model, HeadedEncoder):
        made.details.update(smoothing=smoothing, ways=_ways(job, job.model, found, seconds))
    return made


def _marble(job: Job[Options], smoothing: Smoothing) -> Outcome:
    def decide(pieces: Pieces) -> Spans:
        return marble.joined(pieces, lambda part: decided(part[0].heard, smoothing))

    def published(reference: Spans, estimate: Spans) -> clips.Counts:
        return clips.chords(reference, estimate, published=True)

    found = events.gather(job, "chords", Listening(decide, clips.CHORD_CLIP, "marble"))
    made = marble.counted(
        job,
        {"frame accuracy": (found, clips.chords)},
        protocol=f"MARBLE: clips of {clips.CHORD_CLIP:g} s heard alone; share of all frames ({clips.CHORD_RATE:g} a "
        f"second) with the right one of 25 classes, frames with other chords left out",
    )
    told = {"accuracy": marble.share(marble.of_pairs(found, published))}
    if isinstance(job.model, HeadedEncoder):
        made.details["smoothing"] = smoothing
    return replace(made, published=told, published_as=PUBLISHED_AS)


def _ways(
    job: Job[Options], model: HeadedEncoder, found: events.Found, seconds: list[float]
) -> dict[str, dict[str, float]]:
    """Means of each head and smoothing; what was heard is there, and is decoded again."""
    hearings = Hearings(model, events.hearing_folder(job))
    tracks = [pair.track for pair in found.pairs]
    names: dict[Target, str] = {"chords": "triads", "chord-parts": "parts"}
    ways: dict[str, Callable[[Heard], Spans]] = {
        f"{name}, {smoothing}": lambda heard, s=smoothing, h=head: decided(heard, s, h)  # type: ignore[misc]
        for head, name in names.items() if head in model.specs
        for smoothing in SMOOTHINGS
    }  # fmt: skip
    scores: dict[str, list[events.Scores]] = {way: [] for way in ways}

    def each(decoder: object, row: int) -> dict[str, events.Scores]:
        pair = found.pairs[row]
        try:
            heard = hearings.of(tracks[row], decoder)[0].heard  # type: ignore[arg-type]
        except OhrwurmError:  # counted 0 above
            return {way: events.scored(measure, pair.reference, None) for way in ways}
        return {way: events.scored(measure, pair.reference, decide(heard)) for way, decide in ways.items()}

    for one in decoding(range(len(tracks)), each):
        for way, score in one.items():
            scores[way].append({name: score[name] for name in TOLD})
    return {way: corpus.evaluate(of, np.asarray(seconds)) for way, of in scores.items()}


def _calmed(heard: Heard) -> Heard:
    """The same with the running median of each class over `MEDIAN` seconds."""
    from scipy.ndimage import median_filter

    found = dict(heard.probabilities)
    for task in ("chords", "chord-parts"):
        if task in heard.specs:
            size = max(1, round(MEDIAN * (heard.specs[task].frame_rate or 0)) // 2 * 2 + 1)
            found[task] = {n: median_filter(x, (size, 1), mode="nearest") for n, x in found[task].items()}
    return replace(heard, probabilities=found)


TASK = Task(
    name="chords",
    about="Are the chords right, for how much of the time?",
    needs="a column chords that names annotation files (.lab, .jams, salami_chords.txt).",
    example="ohrwurm evaluate chords --benchmark billboard --estimates my-chords/ --data ~/data",
    model="ohrwurm-frames",
    run=run,
    check=events.check("chords"),
    options=Options,
    load=events.loader("chords"),
    protocols=("corrected", "marble"),
    details=(
        "mir_eval's comparisons: majmin first, root, thirds, triads, sevenths, tetrads, mirex, with inversions (_inv), "
        "and the segmentation. Labels in Harte's syntax or as on chord sheets. Time with a chord that a comparison "
        "does not know is left out of it. Estimates are files (--estimates), those of a model with heads, or of "
        "another system that listens (--model chroma-chords). With --protocol marble the share of right frames, in "
        "clips of 15 s, over the whole set."
    ),
)
