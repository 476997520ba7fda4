"""Version identification: every recording asks for the other recordings of its work, among all recordings.

Source: the MIREX cover song task, Da-TACOS (Yesiler et al. 2019), and the evaluation of MOVE and Re-MOVE. Recordings
without a version (distractors) are searched through but ask nothing. Queries of one work are not independent, so
intervals are drawn over works.

Recordings are audio, or songs given as pitch-class profiles (Da-TACOS, the files of Re-MOVE), which are embedded whole.
No size needs a matrix of similarities (`metrics.streaming`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ohrwurm.data.tracks import Track
from ohrwurm.data.version_features import are_profiles, profiles_of
from ohrwurm.errors import DataError
from ohrwurm.evaluation.confidence import bootstrap
from ohrwurm.evaluation.metrics import versions as metrics
from ohrwurm.evaluation.metrics.compared import Comparison
from ohrwurm.evaluation.metrics.streaming import own_of
from ohrwurm.evaluation.metrics.versions import ByRow, Compared
from ohrwurm.evaluation.profiles import profile_vectors, takes_profiles
from ohrwurm.evaluation.report import Figure, Items, Outcome
from ohrwurm.evaluation.task import Job, Recordings, Task, measured, option
from ohrwurm.models.base import AudioEncoder
from ohrwurm.models.version_encoder import VersionEncoder

PUBLISHED_AS = (
    "MOVE and Re-MOVE: a query without versions counts as rank 1 in MR1 and MRR, Top-1 is a number of queries, Top-10 "
    "the number of versions among the first ten of all queries"
)
COMPARISONS: tuple[Comparison, ...] = ("cosine", "euclidean", "pearson")


@dataclass(frozen=True)
class Options:
    """Which recordings ask and which are searched, as on YouTubeCovers."""

    queries: Path | None = option(
        None, "CSV with the places (from 1) of the test recordings that ask; by default all do.", metavar="FILE"
    )
    references: Path | None = option(
        None, "CSV with the places (from 1) of those that are searched; goes with --queries.", metavar="FILE"
    )


def similarities(model: AudioEncoder, vectors: NDArray[np.float32]) -> Compared | ByRow:
    """How the model compares track vectors `(n, dim)`, for `evaluate`: all pairs, and no matrix of them.

    Those that compare by cosine, distance or correlation are known to; others are asked row by row.
    """
    own = type(model).similarity
    if own is AudioEncoder.similarity:
        return Compared(vectors)
    if own is VersionEncoder.similarity:
        named: Comparison = next((c for c in COMPARISONS if c == model.card.comparison), "cosine")
        return Compared(vectors, named)
    candidates = torch.from_numpy(vectors)

    def row(i: int) -> NDArray[np.floating]:
        with torch.inference_mode():
            return model.similarity(candidates[i], candidates).numpy()

    return ByRow(row, len(vectors))


def evaluate(
    similarity: ArrayLike | Compared | ByRow,
    works: Sequence[str],
    *,
    references: Sequence[str] | None = None,
    tracks: Sequence[str] = (),
    seed: int = 0,
) -> Outcome:
    """Metrics of similarities `(n, n)`, rows asking, between recordings whose works are known.

    Args:
        similarity: a matrix, or what `similarities` gives.
        works: of the recordings that ask.
        references: works of those that are searched, if not the same.
        tracks: ids of those that ask, under which reports keep what each query got; without them their numbers.

    Raises:
        DataError: no work has two recordings, or the similarities are not finite.

    >>> near = np.array([[1.0, 0.9, 0.2], [0.9, 1.0, 0.3], [0.2, 0.3, 1.0]])
    >>> evaluate(near, ["anthem", "anthem", "other"]).figures["MAP"].value
    1.0
    """
    names = np.asarray(works)
    found = metrics.standing_of(similarity, names, references)
    asks = found.relevant > 0
    if not asks.any():
        raise DataError(f"none of {len(names)} recordings has another of its work; give work_id to at least two")
    own = own_of(similarity) >= 0 if references is not None and isinstance(similarity, Compared | ByRow) else None
    values, chance = metrics.figures(found), metrics.chance(names, references, own=own)
    searched = {} if references is None else {"recordings searched": len(references)}
    return Outcome(
        protocol="every recording with a version asks among all other recordings; the others only stand in the way"
        if references is None
        else "each of some recordings asks among others, itself left out",
        interval="95 % bootstrap over works, 2000 samples",
        figures={
            name: Figure(float(np.nanmean(v)), *bootstrap(v, groups=names, seed=seed), chance[name])
            for name, v in values.items()
        },
        counts={
            "recordings": len(names),
            **searched,
            "queries": int(asks.sum()),
            "works with versions": len(np.unique(names[asks])),
        },
        seed=seed,
        published=metrics.as_published(found),
        published_as=PUBLISHED_AS,
        items=(_items(values, names, np.asarray(tracks if len(tracks) else range(len(names))), asks),),
    )


def _items(
    values: dict[str, NDArray[np.floating]], works: NDArray[np.str_], tracks: NDArray[Any], asks: NDArray[np.bool_]
) -> Items:
    """What each query got, the recordings without a version left out."""
    return Items.of("queries", tracks[asks], {name: v[asks] for name, v in values.items()}, groups=works[asks])


def run(job: Job[Options]) -> Outcome:
    """The task: each recording's vector against all others, by the model's own comparison."""
    tracks = job.test()
    asking, searched = (_places(file, len(tracks)) for file in (job.options.queries, job.options.references))
    rows, values = _of_profiles(job, tracks) if are_profiles(tracks) else _of_audio(job, tracks)
    similarity = similarities(job.model, values)
    works, ids = [t.work_id or t.track_id for t in tracks], [t.track_id for t in tracks]
    if asking is None or searched is None:
        return evaluate(similarity, [works[r] for r in rows], tracks=[ids[r] for r in rows], seed=job.seed)
    at = {row: i for i, row in enumerate(rows)}
    asking, searched = ([place for place in places if place in at] for places in (asking, searched))
    return evaluate(
        similarity.between([at[p] for p in asking], [at[p] for p in searched]),
        [works[p] for p in asking],
        references=[works[p] for p in searched],
        tracks=[ids[p] for p in asking],
        seed=job.seed,
    )


def _of_audio(job: Job[Options], tracks: Sequence[Track]) -> tuple[Sequence[int], NDArray[np.float32]]:
    found = job.vectors(tracks)
    return found.rows, found.values


def _of_profiles(job: Job[Options], tracks: Sequence[Track]) -> tuple[Sequence[int], NDArray[np.float32]]:
    """Whole songs; as published, those too short for the network are left out and not filled up."""
    model, made_by = takes_profiles(job.model), profiles_of(tracks).extractor
    pitch = model.extractor
    if made_by and pitch != "none" and not made_by.startswith(pitch):
        job.warn(f"the profiles are of {made_by}, and {model.card.name} was made for those of {pitch}")
    kept = job.cache or job.work
    assert kept is not None
    published = job.protocol == "published"
    found = profile_vectors(model, tracks, kept / "songs", refuse_short=published, progress=job.progress)
    files = Counter(t.path for t in tracks)
    for track in tracks:
        if (reason := found.failures.get(track.track_id)) is not None:
            job.failures[track.path if files[track.path] == 1 else track.track_id] = reason
    if found.short:
        job.warn(f"{found.short} songs are shorter than the network sees at once; they were filled up")
    return found.rows, found.values


def _places(file: Path | None, count: int) -> list[int] | None:
    """Places counted from 0, of a file that counts from 1."""
    if file is None:
        return None
    try:
        numbers = [float(word) for word in re.split(r"[\s,;]+", file.read_text(encoding="utf-8-sig")) if word]
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: not a table of places, whole numbers from 1 on ({error})") from error
    wrong = next((p for p in numbers if not (p.is_integer() and 1 <= p <= count)), None)
    if not numbers or wrong is not None:
        raise DataError(
            f"{file}: " + ("names no place" if wrong is None else f"{wrong:g} is no place from 1 to {count}")
        )
    places = [int(p) for p in numbers]
    place, times = Counter(places).most_common(1)[0]
    if times > 1:
        raise DataError(f"{file}: place {place} stands twice")
    return [p - 1 for p in places]


def check(model: AudioEncoder, recordings: Recordings, options: Options) -> None:
    """Refuse recordings without works, profiles for a model of waveforms, and half a choice of recordings."""
    tracks = measured(recordings)
    if not any(t.work_id for t in tracks):
        raise DataError("no recording names its work; fill the column work_id, the same for versions of one work")
    if (options.queries is None) != (options.references is None):
        raise DataError("--queries and --references go together: who asks, and who is searched")
    if are_profiles(tracks):
        takes_profiles(model)


TASK = Task(
    name="versions",
    about="Does a recording find the other recordings of its work?",
    needs="work_id, the same for versions of one work; recordings without one only stand in the way. Files of "
    "pitch-class profiles (.h5, .npz, .pt) may stand for audio.",
    example="ohrwurm evaluate versions --model chroma-cross-correlation --benchmark anthems --data ~/data",
    model="ohrwurm-alignment",
    run=run,
    check=check,
    options=Options,
    protocols=("corrected", "published"),
    details="Version (cover) identification as in MIREX and Da-TACOS: MAP, MR1, MRR, Top-1, Top-10, P@10. "
    "--benchmark da_tacos and Re-MOVE's files (--manifest FOLDER) give profiles to a version encoder.",
)
