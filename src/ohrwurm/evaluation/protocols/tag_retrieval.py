"""Tag retrieval: each tag, alone, asks for the tracks that carry it. TTMR's "single query" retrieval on ECALS.

The scores and metrics are those of `zero_shot` where several labels may hold; here the tags are those that the model
was trained on (50 or all 1,054 of ECALS), a tagger answers with its own layer, and the paper takes three windows a
track.

Source: Doh et al., "Toward universal text-to-music retrieval", ICASSP 2023, tables 1 and 2.
"""

from __future__ import annotations

from dataclasses import dataclass

from ohrwurm.evaluation.protocols import zero_shot
from ohrwurm.evaluation.report import Outcome
from ohrwurm.evaluation.task import Job, Recordings, Task, option
from ohrwurm.models.base import AudioEncoder


@dataclass(frozen=True)
class Options:
    """Which tags ask."""

    most: int = option(0, "Of one's own tags so many, the most frequent; 0: all.", min=0)


def _as_zero_shot(options: Options) -> zero_shot.Options:
    return zero_shot.Options(target="tags", most=options.most, f1=False, form="ttmr")


def run(job: Job[Options]) -> Outcome:
    """The task: each tag against all test tracks."""
    return zero_shot.run(job.asking(_as_zero_shot(job.options)))


def check(model: AudioEncoder, recordings: Recordings, options: Options) -> None:
    """Refuse recordings without tags, and a model without words or these tags."""
    zero_shot.check(model, recordings, _as_zero_shot(options))


TASK = Task(
    name="tag-retrieval",
    about="Does each tag find the tracks that carry it?",
    needs="tags, any number a recording; splits, if only some recordings are for testing.",
    example="ohrwurm evaluate tag-retrieval --model ohrwurm-text --manifest mine.csv",
    model="ohrwurm-text",
    run=run,
    check=check,
    options=Options,
    protocols=("corrected", "published"),
    truth=("retrieval", "tagging"),
    details="ROC-AUC and PR-AUC, mean over tags, as in TTMR; for its classifier the scores are its own.",
)
