"""Version identification: every recording asks for the other recordings of its work, among all recordings.

Source: the MIREX cover song task and Da-TACOS (Yesiler et al. 2019). Recordings without a version (distractors) are
searched through but ask nothing. Queries of one work are not independent, so intervals are drawn over works.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ohrwurm.errors import DataError
from ohrwurm.evaluation.confidence import bootstrap
from ohrwurm.evaluation.metrics import versions as metrics
from ohrwurm.evaluation.report import Figure, Items, Outcome
from ohrwurm.evaluation.task import Job, NoOptions, Recordings, Task, measured
from ohrwurm.models.base import AudioEncoder


def similarities(model: AudioEncoder, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Similarity `(n, n)` of all pairs of track vectors `(n, dim)` by the model's own comparison."""
    candidates = torch.from_numpy(vectors)
    with torch.inference_mode():
        return torch.stack([model.similarity(query, candidates) for query in candidates]).numpy()


def evaluate(
    similarity: NDArray[np.floating], works: Sequence[str], *, tracks: Sequence[str] = (), seed: int = 0
) -> Outcome:
    """Metrics of similarities `(n, n)`, rows asking, between recordings whose works are known.

    Args:
        works: of the recordings.
        tracks: their ids, under which reports keep what each query got; without them their numbers.

    Raises:
        DataError: no work has two recordings, or the similarities are not finite.

    >>> near = np.array([[1.0, 0.9, 0.2], [0.9, 1.0, 0.3], [0.2, 0.3, 1.0]])
    >>> evaluate(near, ["anthem", "anthem", "other"]).figures["MAP"].value
    1.0
    """
    names = np.asarray(works)
    _, inverse, counts = np.unique(names, return_inverse=True, return_counts=True)
    if not (counts > 1).any():
        raise DataError(f"none of {len(names)} recordings has another of its work; give work_id to at least two")
    values, chance = metrics.per_query(similarity, names), metrics.chance(names)
    return Outcome(
        protocol="every recording with a version asks among all other recordings; the others only stand in the way",
        interval="95 % bootstrap over works, 2000 samples",
        figures={
            name: Figure(float(np.nanmean(v)), *bootstrap(v, groups=names, seed=seed), chance[name])
            for name, v in values.items()
        },
        counts={
            "recordings": len(names),
            "queries": int((counts[inverse] > 1).sum()),
            "works with versions": int((counts > 1).sum()),
        },
        seed=seed,
        items=(_items(values, names, np.asarray(tracks if len(tracks) else range(len(names))), counts[inverse] > 1),),
    )


def _items(
    values: dict[str, NDArray[np.floating]], works: NDArray[np.str_], tracks: NDArray[Any], asks: NDArray[np.bool_]
) -> Items:
    """What each query got, the recordings without a version left out."""
    return Items.of("queries", tracks[asks], {name: v[asks] for name, v in values.items()}, groups=works[asks])


def run(job: Job[NoOptions]) -> Outcome:
    """The task: each recording's vector against all others, by the model's own comparison."""
    tracks = job.test()
    vectors = job.vectors(tracks)
    kept = [tracks[row] for row in vectors.rows]
    similarity = similarities(job.model, vectors.values)
    works, ids = [t.work_id or t.track_id for t in kept], [t.track_id for t in kept]
    return evaluate(similarity, works, tracks=ids, seed=job.seed)


def check(model: AudioEncoder, recordings: Recordings, options: NoOptions) -> None:
    """Refuse recordings without works."""
    if not any(t.work_id for t in measured(recordings)):
        raise DataError("no recording names its work; fill the column work_id, the same for versions of one work")


TASK = Task(
    name="versions",
    about="Does a recording find the other recordings of its work?",
    needs="work_id, the same for versions of one work; recordings without one only stand in the way.",
    example="ohrwurm evaluate versions --model chroma-cross-correlation --benchmark anthems --data ~/data",
    model="ohrwurm-versions",
    run=run,
    check=check,
    protocols=("corrected", "published"),
    details="Version (cover) identification as in MIREX and Da-TACOS: MAP, MR1, MRR, Top-1, Top-10, P@10.",
)
