"""Tagging: a model's own tags against those of the recordings; nothing is trained, no text is read.

Models that tell tags: those with a head for them (`models.headed`), taggers (TTMR's classifier), and what was trained
on labels (`ohrwurm train` of tags, TTMR's fine-tuning), whose labels stand on the card. Their probabilities are
averaged over a recording's windows. A label of the recordings is compared with the model's tag of exactly that name.

With ``--protocol marble`` a recording is cut into clips of 30 s, which a model with heads hears each alone, the mean of
their probabilities being the recording's; what is left at the end counts where it is all there is. A clip of
MagnaTagATune (29.1 s) is one, a track of MTG-Jamendo several.

Sources: Law et al. 2009, Bogdanov et al. 2019 (the sets); Yuan et al., "MARBLE", 2023.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ohrwurm.checksums import sha256
from ohrwurm.data.tracks import Track
from ohrwurm.embedding.workers import default_workers
from ohrwurm.errors import AudioError, DataError, ModelError, OhrwurmError
from ohrwurm.evaluation.hearings import Hearings, Pieces
from ohrwurm.evaluation.metrics import curves, tagging
from ohrwurm.evaluation.protocols import events, labels
from ohrwurm.evaluation.protocols.words import Tagger
from ohrwurm.evaluation.protocols.zero_shot import label_names, truth
from ohrwurm.evaluation.report import Figure, Outcome
from ohrwurm.evaluation.task import Job, Recordings, Task, measured, option, uncut
from ohrwurm.models.base import AudioEncoder
from ohrwurm.models.headed import HeadedEncoder
from ohrwurm.models.heads import read_head

CLIP = 30.0  # seconds, with MARBLE's protocol
MICRO = ("ROC-AUC (micro)", "PR-AUC (micro)")
SAMPLES = 200  # of the bootstrap of the micro averages, which is slow
NAMED = 5  # tags in a sentence


@dataclass(frozen=True)
class Options:
    """Of the task."""

    most: int = option(0, "Of one's own tags so many, the most frequent; 0: all.", min=0)
    head_weights: Path | None = option(
        None, "A head on the model's vectors (head.safetensors of a run), whose labels stand on the model's card."
    )


def tags_of(model: AudioEncoder) -> tuple[str, ...]:
    """The tags that a model tells, in its order.

    Raises:
        ModelError: it tells none.
    """
    if isinstance(model, HeadedEncoder):
        if "tags" not in model.specs:
            raise ModelError(f"{model.card.name} has no head for tags, but for {', '.join(model.specs)}")
        return model.specs["tags"].classes
    if isinstance(model, Tagger):
        return tuple(model.tags)
    if not (told := model.card.features.get("labels")):
        raise ModelError(
            f"{model.card.name} tells no tags of its own. Take a model with a head for tags; or train one on its "
            "vectors in the same run (ohrwurm evaluate linear), or ask it by text (ohrwurm evaluate zero-shot)"
        )
    return tuple(told)


def run(job: Job[Options]) -> Outcome:
    """The task."""
    clips = job.protocol == "marble"
    if clips and not isinstance(job.model, HeadedEncoder):
        raise ModelError(f"{job.model.card.name} has windows of its own; --protocol marble is for models with heads")
    known, tracks = tags_of(job.model), job.test()
    names = label_names(job.recordings, job.options.most)
    common = [name for name in names if name in known]
    missing = [name for name in names if name not in known]
    if missing:
        job.warn(
            f"{job.model.card.name} does not know {len(missing)} of {len(names)} labels, which are in no figure: "
            f"{', '.join(missing[:NAMED])}{', ...' * (len(missing) > NAMED)}"
        )
    kept, scores = _scores(job, tracks)
    scores = scores[:, [known.index(name) for name in common]]
    has = truth(kept, common)
    made = labels.tags(scores, has, common, form="clmr", seed=job.seed)
    micro = tagging.evaluate(has, scores)
    chance = tagging.chance(has)
    intervals = _micro_intervals(has, scores, job.seed)
    figures = made.figures | {name: Figure(micro[name], *intervals[name], chance[name]) for name in MICRO}
    return dataclasses.replace(
        made,
        protocol="the model's probabilities of its own tags, mean over "
        + (f"clips of {CLIP:g} s heard alone" if clips else "the windows of a recording")
        + f"; {made.protocol}; micro: over all cells",
        interval=f"{made.interval}; micro: over tracks, {SAMPLES} samples",
        figures=figures,
        counts={**made.counts, "labels not known to the model": len(missing)},
        details={
            **made.details,
            "labels not known to the model": missing,
            "tags that are no label": [tag for tag in known if tag not in names],
        },
        published={},
        published_as="",
    )


def _scores(job: Job[Options], tracks: Sequence[Track]) -> tuple[list[Track], NDArray[np.float64]]:
    """Those tracks that could be used, and their probabilities `(tracks, tags)`."""
    model = job.model
    if isinstance(model, HeadedEncoder):
        return _heard(job, model, tracks)
    windows = job.windows(tracks)
    place = next((t.device for t in (*model.parameters(), *model.buffers())), torch.device("cpu"))
    with torch.inference_mode():
        found = [_told(job, torch.from_numpy(rows).to(place)).mean(0).cpu().numpy() for rows in windows.values]
    return [tracks[row] for row in windows.rows], np.stack(found).astype(np.float64)


def _told(job: Job[Options], vectors: Tensor) -> Tensor:
    """Vectors of windows `(n, dim)` → probabilities `(n, tags)`."""
    model = job.model
    if job.options.head_weights is not None:
        return torch.sigmoid(read_head(job.options.head_weights).to(vectors.device)(vectors))
    logits = model.tag_logits if isinstance(model, Tagger) else getattr(model, "logits", None)
    if logits is None:
        raise ModelError(
            f"{model.card.name}: its head is no part of it; give --head-weights (head.safetensors in the run's folder)"
        )
    return torch.sigmoid(logits(vectors))


def _heard(job: Job[Options], model: HeadedEncoder, tracks: Sequence[Track]) -> tuple[list[Track], NDArray[np.float64]]:
    uncut(tracks)
    hearings = Hearings(model, events.hearing_folder(job), CLIP if job.protocol == "marble" else 0.0)
    job.asked |= {track.track_id for track in tracks}
    kept, rows = [], []
    for number, (track, made) in enumerate(
        zip(tracks, hearings.all(tracks, job.workers or default_workers()), strict=True), 1
    ):
        if job.progress is not None:
            job.progress(number, len(tracks))
        if isinstance(made, OhrwurmError):
            if not isinstance(made, AudioError):
                raise made
            job.failures[track.path] = made.reason + (f" ({made.detail})" if made.detail else "")
            continue
        job.contents[track.track_id] = sha256(track.path)
        kept.append(track)
        rows.append(_mean(made))
    if not kept:
        reason = next(iter(job.failures.values()), "")
        raise DataError(f"{job.recordings.name}: none of {len(tracks)} recordings can be used ({reason})")
    return kept, np.stack(rows)


def _mean(pieces: Pieces) -> NDArray[np.float64]:
    whole = [piece for piece in pieces if piece.heard.duration > 0.99 * CLIP] or list(pieces[:1])
    return np.mean([piece.heard.probabilities["tags"]["tags"] for piece in whole], axis=0, dtype=np.float64)


def _micro_intervals(has: NDArray[np.bool_], scores: NDArray[np.float64], seed: int) -> dict[str, tuple[float, float]]:
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {name: [] for name in MICRO}
    for _ in range(SAMPLES):
        rows = rng.integers(len(has), size=len(has))
        cells = curves.sweep(has[rows].reshape(-1, 1), scores[rows].reshape(-1, 1))
        for name, value in zip(MICRO, (cells.roc_auc(), cells.average_precision()), strict=True):
            drawn[name].append(float(value[0]))
    ends = {name: np.nanquantile(values, [0.025, 0.975]) for name, values in drawn.items()}
    return {name: (float(low), float(high)) for name, (low, high) in ends.items()}


def check(model: AudioEncoder, recordings: Recordings, options: Options) -> None:
    """Refuse recordings without tags, and a model that tells none of them."""
    if not any(track.tags for track in measured(recordings)):
        raise DataError("no recording of the test set has a tag; fill the column tags")
    known, names = tags_of(model), label_names(recordings, options.most)
    if not set(known) & set(names):
        raise ModelError(
            f"{model.card.name} tells none of the {len(names)} labels of {recordings.name}: it knows "
            f"{', '.join(known[:NAMED])}, and they are {', '.join(names[:NAMED])}"
        )


TASK = Task(
    name="tagging",
    about="Are the tags right that a model tells?",
    needs="tags, any number a recording; splits, if only some recordings are for testing.",
    example="ohrwurm evaluate tagging --model runs/my-tagger --benchmark magnatagatune --data ~/data",
    model="ttmr-classification",
    run=run,
    check=check,
    options=Options,
    protocols=("corrected", "marble"),
    truth=("tagging",),
    details="ROC-AUC and PR-AUC (average precision, mAP) of each tag, their means, and over all cells (micro). Tags of "
    "the recordings that the model does not know, and tags that no recording has, are in no figure and are named. With "
    "--protocol marble models with heads hear clips of 30 s.",
)
