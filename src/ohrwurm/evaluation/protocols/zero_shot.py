"""Zero-shot transfer: labels that a model was never trained on, told by their names as text.

    recording ─▶ track vector ─┐
                               cosine ─▶ score of the label
    label's name ─▶ text vector┘

Where every track has one label, the highest score is the answer (accuracy); where several may hold, each label ranks
the tracks (ROC-AUC, PR-AUC), and F1 takes thresholds from the validation tracks.

Sources: TTMR (Doh et al. 2023, section 4), with the mean of eight windows a track; MusCALL (Manco et al. 2022), with
the 20 s in the middle. Both take the label's name as it is. What their metrics do otherwise: `labels`.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ohrwurm.data.tracks import Track
from ohrwurm.errors import DataError
from ohrwurm.evaluation.protocols import labels, words
from ohrwurm.evaluation.report import Outcome
from ohrwurm.evaluation.task import Job, Recordings, Task, measured, option
from ohrwurm.models.base import AudioEncoder

Form = Literal["auto", "ttmr", "muscall"]
NAMED = 5  # tags in a sentence


@dataclass(frozen=True)
class Options:
    """What is said to the model, and what is asked of it."""

    prompt: str = option(
        "", 'A sentence around each label, e.g. "A {label} track"; by default the name alone.', metavar="TEXT"
    )
    target: Literal["auto", "class", "tags"] = option(
        "auto", "Whether one label holds for a track or several may; by default as the recordings have it."
    )
    most: int = option(0, "Of one's own tags so many, the most frequent; 0: all.", min=0)
    f1: bool = option(True, "F1, whose thresholds are chosen on the validation tracks (which are embedded too).")
    form: Form = option("auto", "Whose published numbers stand beside; by default those of the model's paper.")


def paper(model: AudioEncoder, form: Form) -> Literal["ttmr", "muscall"]:
    """Whose published numbers stand beside the figures."""
    if form != "auto":
        return form
    return "muscall" if model.card.architecture == "muscall" else "ttmr"


def label_names(recordings: Recordings, most: int = 0) -> tuple[str, ...]:
    """The labels in their published order; of one's own tags by frequency (with `most`), else by name.

    >>> from ohrwurm.data.tracks import Manifest
    >>> mine = Manifest([Track("a", "a.wav", tags=("rock", "live")), Track("b", "b.wav", tags=("rock",))])
    >>> label_names(Recordings(mine, "mine")), label_names(Recordings(mine, "mine"), most=1)
    (('live', 'rock'), ('rock',))
    """
    if recordings.labels:
        return recordings.labels
    counts = recordings.manifest.tag_counts()
    if most:
        return tuple(tag for tag, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:most])
    return tuple(sorted(counts))


def is_single(recordings: Recordings, target: str = "auto") -> bool:
    """Whether one label holds for each track."""
    return target == "class" or (target == "auto" and all(len(t.tags) == 1 for t in recordings.manifest))


def truth(tracks: Sequence[Track], names: Sequence[str]) -> NDArray[np.bool_]:
    """Which labels each track has, `(tracks, labels)`.

    >>> truth([Track("a", "a.wav", tags=("rock", "live"))], ["jazz", "rock"])
    array([[False,  True]])
    """
    return np.array([[name in held for name in names] for held in (set(t.tags) for t in tracks)], bool).reshape(
        len(tracks), len(names)
    )


def run(job: Job[Options]) -> Outcome:
    """The task: scores of the test tracks by the labels' names, one label a track or several."""
    options, tracks = job.options, job.test()
    names, form = label_names(job.recordings, options.most), paper(job.model, options.form)
    single = is_single(job.recordings, options.target)
    _said(job, tracks, names)
    kept, scores = words.label_scores(job, tracks, names, options.prompt)
    if single:
        column = {name: i for i, name in enumerate(names)}
        numbers = [column[t.tags[0]] for t in kept]
        outcome = labels.classes(scores, numbers, names, tracks=[t.track_id for t in kept], seed=job.seed)
    else:
        seen = _validation(job, names) if options.f1 else None
        outcome = labels.tags(scores, truth(kept, names), names, form=form, validation=seen, seed=job.seed)
    said = f"the text {options.prompt!r} of each label" if options.prompt else "the name of each label"
    return dataclasses.replace(outcome, protocol=f"cosine of {said} to the track; {outcome.protocol}")


def _validation(job: Job[Options], names: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.bool_]] | None:
    tracks = job.split("validation")
    if not tracks:
        job.warn("no recording is marked for validation, so there is no F1: its thresholds would come from the test")
        return None
    kept, scores = words.label_scores(job, tracks, names, job.options.prompt)
    return scores, truth(kept, names)


def _said(job: Job[Options], tracks: Sequence[Track], names: Sequence[str]) -> None:
    """Tell of tags that are no label."""
    others = Counter(tag for t in tracks for tag in set(t.tags) - set(names))
    if others and not job.options.most:
        named = ", ".join(f"{tag} ({n})" for tag, n in others.most_common(NAMED))
        job.warn(f"{len(others)} tags of the recordings are no label of {job.recordings.name}, and not asked: {named}")


def check(model: AudioEncoder, recordings: Recordings, options: Options) -> None:
    """Refuse recordings without labels, and a model that cannot score them."""
    tracks = measured(recordings)
    if not any(t.tags for t in tracks):
        raise DataError("no recording of the test set has a tag; fill the column tags")
    names = label_names(recordings, options.most)
    words.knows(model, names, options.prompt)
    if is_single(recordings, options.target):
        wrong = next((t for t in tracks if len(t.tags) != 1 or t.tags[0] not in names), None)
        if wrong is not None:
            raise DataError(
                f"{wrong.track_id}: its tags ({', '.join(wrong.tags) or 'none'}) are not one of the {len(names)} "
                "classes; or take --target tags"
            )


TASK = Task(
    name="zero-shot",
    about="Do the names of labels, as text, find the tracks that carry them?",
    needs="tags: one a recording (classes) or several; splits, if only some recordings are for testing.",
    example="ohrwurm evaluate zero-shot --model ohrwurm-text --benchmark emotify --data ~/data",
    model="ohrwurm-text",
    run=run,
    check=check,
    options=Options,
    protocols=("corrected", "published"),
    truth=("zero-shot", "tagging"),
    details="Accuracy where a track has one label; else ROC-AUC, PR-AUC and F1, mean over labels. With --protocol "
    "published tracks are cut as TTMR (eight windows) or MusCALL (20 s in the middle) cut them.",
)
