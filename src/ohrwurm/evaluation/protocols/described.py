"""Text-to-music retrieval with descriptions: where does the described recording come among all recordings?

With a handful of descriptions the rank of each says more than any average, so the ranks are part of the outcome.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ohrwurm.errors import DataError
from ohrwurm.evaluation.confidence import bootstrap
from ohrwurm.evaluation.metrics import retrieval as metrics
from ohrwurm.evaluation.protocols.words import similarities
from ohrwurm.evaluation.report import Figure, Items, Outcome
from ohrwurm.evaluation.task import Job, NoOptions, Recordings, Task, knows_words, measured
from ohrwurm.models.base import AudioEncoder, JointModel


def evaluate(
    similarity: NDArray[np.floating], tracks: Sequence[str], descriptions: Mapping[str, str], *, seed: int = 0
) -> Outcome:
    """Metrics of similarities `(descriptions, tracks)`.

    Args:
        descriptions: track → its text, in the order of the rows. Every track has one id of its own.

    Raises:
        DataError: no descriptions, or a described track that is not among `tracks`.

    >>> found = evaluate(np.array([[0.2, 0.7, 0.9]]), ["a", "b", "c"], {"b": "slow waltz"})
    >>> found.details["ranks"], round(found.figures["MedR"].chance, 1)
    ({'b': {'description': 'slow waltz', 'rank': 2.0}}, 2.0)
    """
    position = {track: i for i, track in enumerate(tracks)}
    unknown = [track for track in descriptions if track not in position]
    if not descriptions or unknown:
        what = f"described track {unknown[0]!r} is not among the recordings" if unknown else "no recording is described"
        raise DataError(f"{what}; the manifest needs a caption for at least one recording")
    relevant = np.zeros((len(descriptions), len(tracks)), bool)
    relevant[np.arange(len(descriptions)), [position[track] for track in descriptions]] = True
    values, chance = metrics.per_query(similarity, relevant), metrics.chance(relevant)
    values.pop("MedR (0-based)")  # TTMR's print-out; here it would only repeat MedR
    figures = {}
    for name, v in values.items():
        statistic: Literal["mean", "median"] = "median" if name == "MedR" else "mean"
        value = float(np.median(v) if statistic == "median" else np.mean(v))
        interval = bootstrap(v, groups=list(descriptions), statistic=statistic, seed=seed)
        figures[name] = Figure(value, *interval, chance[name])
    ranks = {
        track: {"description": text, "rank": round(float(rank), 1)}
        for (track, text), rank in zip(descriptions.items(), values["MedR"], strict=True)
    }
    return Outcome(
        protocol="each description asks for its recording among all recordings",
        interval="95 % bootstrap over descriptions, 2000 samples",
        figures=figures,
        counts={"recordings": len(tracks), "queries": len(descriptions)},
        details={"ranks": ranks},
        seed=seed,
        items=(Items.of("queries", descriptions, values),),
    )


def run(job: Job[NoOptions]) -> Outcome:
    """The task: descriptions of recordings that could not be used ask nothing."""
    assert isinstance(job.model, JointModel)
    tracks = job.test()
    vectors = job.vectors(tracks)
    kept = [tracks[row] for row in vectors.rows]
    descriptions = {t.track_id: t.caption for t in kept if t.caption}
    similarity = similarities(job.model, vectors.values, list(descriptions.values()))
    return evaluate(similarity, [t.track_id for t in kept], descriptions, seed=job.seed)


def check(model: AudioEncoder, recordings: Recordings, options: NoOptions) -> None:
    """Refuse a model without words, and recordings without descriptions."""
    knows_words(model)
    if not any(t.caption for t in measured(recordings)):
        raise DataError("no recording is described; fill the column caption for at least one")


TASK = Task(
    name="described",
    about="Do descriptions find their recordings among all others?",
    needs="captions, for some recordings at least.",
    example="ohrwurm evaluate described --model ohrwurm-text --benchmark recordings --data ~/data",
    model="ohrwurm-text",
    run=run,
    check=check,
    protocols=("corrected", "published"),
    details="Text-to-music retrieval with few descriptions; the rank of each is printed.",
)
