"""Beats and downbeats: the metrics of `evaluation.metrics.beat` over tracks.

What comes before 5 s does not count (mir_eval's default; excerpts that begin with the music take `--skip 0`). Downbeats
are measured as beats are, alone, on tracks whose annotation has them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from ohrwurm.analysis.decisions import BeatDecoding, beats_of
from ohrwurm.evaluation.hearings import Listening
from ohrwurm.evaluation.metrics import beat
from ohrwurm.evaluation.metrics import marble as clips
from ohrwurm.evaluation.protocols import events, marble
from ohrwurm.evaluation.report import Outcome
from ohrwurm.evaluation.task import Job, Task, option
from ohrwurm.events import Beats

SHOWN = ("F-measure", "CMLt", "AMLt", "CMLc", "AMLc", "Cemgil", "P-score", "Goto", "Information gain")
DOWNBEATS = ("F-measure", "CMLt", "AMLt")


@dataclass(frozen=True)
class Options(events.Options):
    """How beats are compared."""

    skip: float = option(5.0, "Seconds at the start that do not count.", min=0.0)
    tolerance: float = option(0.07, "Of the F-measure, in seconds to either side.", min=0.001)
    decoder: BeatDecoding = option(
        "bars", "What makes beats of a model's activations: tempo and bars, or each peak for itself."
    )


def measure(reference: Beats, estimate: Beats, options: Options) -> events.Scores:
    """Scores of one track.

    >>> import numpy as np
    >>> track = Beats(np.arange(0, 20, 0.5), np.arange(40) % 4 + 1)
    >>> found = measure(track, Beats(track.times[::2], np.zeros(20, int)), Options())
    >>> round(found["F-measure"], 3), found["downbeat F-measure"]
    (0.667, 0.0)
    """
    scores = beat.evaluate(reference.times, estimate.times, skip=options.skip, tolerance=options.tolerance)
    down = dict.fromkeys(DOWNBEATS, float("nan"))
    if len(reference.downbeats):
        down = beat.evaluate(reference.downbeats, estimate.downbeats, skip=options.skip, tolerance=options.tolerance)
    ordered = {name: scores[name] for name in SHOWN[:1]} | {f"downbeat {name}": down[name] for name in DOWNBEATS[:1]}
    return ordered | {name: scores[name] for name in SHOWN[1:]} | {f"downbeat {name}": down[name] for name in DOWNBEATS}


def run(job: Job[Options]) -> Outcome:
    """The task."""
    o = job.options
    if job.protocol == "marble":
        return _marble(job)
    found = events.gather(job, "beats", Listening(lambda pieces: beats_of(pieces[0].heard, o.decoder)[0]))
    _told(job, found)
    return events.outcome(
        job,
        found,
        lambda reference, estimate: measure(reference, estimate, o),
        protocol=f"beats within {o.tolerance * 1000:g} ms, the first {o.skip:g} s left out; mean over tracks",
    )


def _marble(job: Job[Options]) -> Outcome:
    """Beats and downbeats, each decoded and counted for itself."""
    found, down = (
        events.gather(
            job, "beats", Listening(partial(marble.decoded, column=column), clips.BEAT_CLIP, f"marble {name}")
        )
        for column, name in enumerate(("beats", "downbeats"))
    )
    _told(job, down)
    return marble.counted(
        job,
        {
            "F-measure": (found, lambda reference, estimate: clips.beats(reference.times, estimate.times)),
            "downbeat F-measure": (down, _downbeats),
        },
        protocol=f"MARBLE: clips of {clips.BEAT_CLIP:g} s heard alone, {clips.BEAT_RATE:g} frames a second, beats and "
        "downbeats decoded apart; F1 of the counts of all recordings",
    )


def _downbeats(reference: Beats, estimate: Beats) -> clips.Counts:
    if not len(reference.downbeats):  # not annotated
        return clips.Counts(0.0, 0.0)
    return clips.beats(reference.downbeats, estimate.downbeats)


def _told(job: Job[Options], found: events.Found) -> None:
    names = [name for pair in found.pairs if pair.estimate is not None for name in pair.estimate.downbeats[:1]]
    if not names and any(len(pair.reference.downbeats) for pair in found.pairs):
        job.warn("no estimate tells downbeats, so that all metrics of downbeats are 0")


TASK = Task(
    name="beats",
    about="Are the beats and downbeats found?",
    needs="a column beats that names annotation files (.beats, .txt, .jams).",
    example="ohrwurm evaluate beats --benchmark harmonix --estimates my-beats/ --data ~/data",
    model="ohrwurm-frames",
    run=run,
    check=events.check("beats"),
    options=Options,
    load=events.loader("beats"),
    protocols=("corrected", "marble"),
    details=(
        "F-measure at 70 ms, continuity (CMLt, AMLt), Cemgil and others by mir_eval, the same of downbeats. Estimates "
        "are files (--estimates), those of a model with heads, or of another system that listens (--model "
        "librosa-beats). With --protocol marble F1 as MARBLE counts it: in clips of 10 s, over the whole set."
    ),
)
