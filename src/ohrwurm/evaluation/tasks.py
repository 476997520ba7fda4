"""Model × manifest → report: which protocol a task runs, and what it needs of a manifest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError, ModelError
from ohrwurm.evaluation.protocols import described, probing, versions
from ohrwurm.evaluation.report import Outcome, Report, report
from ohrwurm.evaluation.vectors import Vectors, track_vectors
from ohrwurm.models.base import AudioEncoder, JointModel

Protocol = Callable[[AudioEncoder, Vectors, Sequence[Track], int], Outcome]


@dataclass(frozen=True)
class Recordings:
    """A manifest under the name, citation, licence and caveats that its results are reported with."""

    manifest: Manifest
    name: str
    citation: str = ""
    licence: str = ""
    caveats: str = ""


def run(
    task: str,
    model: AudioEncoder,
    recordings: Recordings,
    *,
    cache: Path | None = None,
    workers: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Embed recordings and measure `model` on them.

    Args:
        task: one of `TASKS`.
        cache: folder in which vectors are kept between evaluations; None keeps nothing.
        workers: files at a time; by default one a core.
        seed: of splits and resampling.
        progress: called with the number of files done and their total.

    Raises:
        DataError: the manifest does not hold what the task needs, or no recording could be used.
        ModelError: the model cannot do the task.
    """
    if task not in TASKS:
        raise DataError(f"no task named {task!r}. Known: {', '.join(TASKS)}.")
    protocol, check = TASKS[task]
    tracks = list(recordings.manifest)
    check(model, tracks)  # before anything is embedded
    vectors = track_vectors([t.path for t in tracks], model, cache=cache, workers=workers, progress=progress)
    outcome = protocol(model, vectors, [tracks[i] for i in vectors.rows], seed)
    counts = {
        **outcome.counts,
        "recordings left out": len(vectors.failures),
        "copies of another recording": len(vectors.contents) - len(set(vectors.contents)),
    }
    return report(
        task,
        model.card,
        replace(outcome, counts=counts),
        data=recordings.name,
        citation=recordings.citation,
        licence=recordings.licence,
        caveats=recordings.caveats,
        failures={f.path: f.reason + (f" ({f.detail})" if f.detail else "") for f in vectors.failures},
    )


def _versions(model: AudioEncoder, vectors: Vectors, tracks: Sequence[Track], seed: int) -> Outcome:
    similarity = versions.similarities(model, vectors.values)
    return versions.evaluate(similarity, [t.work_id or t.track_id for t in tracks], seed=seed)


def _check_versions(model: AudioEncoder, tracks: Sequence[Track]) -> None:
    if not any(t.work_id for t in tracks):
        raise DataError("no recording names its work; fill the column work_id, the same for versions of one work")


def _probe(model: AudioEncoder, vectors: Vectors, tracks: Sequence[Track], seed: int) -> Outcome:
    return probing.evaluate(vectors.values, [t.tags[0] for t in tracks], [t.track_id for t in tracks], seed=seed)


def _check_probe(model: AudioEncoder, tracks: Sequence[Track]) -> None:
    wrong = next((t for t in tracks if len(t.tags) != 1), None)
    if wrong is not None:
        raise DataError(
            f"{wrong.track_id}: a probe needs exactly one tag a recording (its class), not {len(wrong.tags)}"
        )


def _described(model: AudioEncoder, vectors: Vectors, tracks: Sequence[Track], seed: int) -> Outcome:
    assert isinstance(model, JointModel)
    descriptions = {t.track_id: t.caption for t in tracks if t.caption}
    similarity = described.similarities(model, vectors.values, list(descriptions.values()))
    return described.evaluate(similarity, [t.track_id for t in tracks], descriptions, seed=seed)


def _check_described(model: AudioEncoder, tracks: Sequence[Track]) -> None:
    if not isinstance(model, JointModel):
        raise ModelError(f"{model.card.name} does not know words; take a model that is good for words")
    if not any(t.caption for t in tracks):
        raise DataError("no recording is described; fill the column caption for at least one")


TASKS: dict[str, tuple[Protocol, Callable[[AudioEncoder, Sequence[Track]], None]]] = {
    "versions": (_versions, _check_versions),
    "probe": (_probe, _check_probe),
    "described": (_described, _check_described),
}
