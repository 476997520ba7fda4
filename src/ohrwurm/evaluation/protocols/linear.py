"""CLMR's linear evaluation: what one linear layer (or a small MLP) reads from single windows of a frozen encoder.

Source: Spijkervet and Burgoyne, "Contrastive learning of musical representations", ISMIR 2021; TUNe's rows of its
tables come from the same protocol.

    recording ─windows─▶ frozen encoder ─vectors─▶ head ─sigmoid or softmax─▶ mean over windows ─▶ labels

As published, and put right
---------------------------
The head is trained by Adam (rate 1e-3, decay 1e-6, batches of 48) on the loss of the validation tracks: a tenth of the
rate after 5 epochs without a lower one, the end after 10, at most 200. Around this the published protocol

* encodes **one random crop** of each training and validation track, once. Here an epoch takes each track with another
  of its windows, and all windows of the validation tracks count. (Not the mean of a track's windows: the head is asked
  about single ones. Not all of them in every epoch: long tracks would weigh more.)
* takes the **last** head. Here the one with the lowest validation loss.
* leaves out the **last chunk** of a test track, complete or not, and fails on a track with one. Here the last window is
  aligned to the end of the track, and a track that is shorter than a window is measured, too.

Both numbers come from one run and stand in one report. The rest is in `labels`: tags that no test track has, ties,
and thresholds of F1 from the validation tracks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ohrwurm.errors import DataError, ModelError
from ohrwurm.evaluation.protocols import labels
from ohrwurm.evaluation.protocols.head_training import Course, Examples, logits, probabilities, train_head
from ohrwurm.evaluation.protocols.targets import Asked, Fold, Targets, planned
from ohrwurm.evaluation.report import Outcome
from ohrwurm.evaluation.task import Job, Recordings, Task, option
from ohrwurm.models.base import AudioEncoder, ModelCard
from ohrwurm.models.heads import EvaluationHead, FineTuneHead, ProbeHead, read_head, save_head

COURSE = Course(lr=1e-3, weight_decay=1e-6, batch_size=48, epochs=200, schedule="plateau", patience=10)
PUBLISHED_AS = (
    "CLMR's linear evaluation: one random crop a training and validation track, encoded once; the last head, not the "
    "best; the last chunk of every test track left out, and with it tracks of one chunk; undefined where a label has "
    "no positives"
)

Vectors = Mapping[int, NDArray[np.float32]]  # number of a track → its windows `(windows, dim)`


@dataclass(frozen=True)
class Options(Asked):
    """Of the task."""

    head: Literal["linear", "mlp"] = option("linear", "One layer, or a hidden one as wide as the vectors.")
    head_weights: Path | None = option(
        None,
        "Test this head (a published fine-tuner's .ckpt, one saved here, a fine-tuned TTMR's) instead of training one.",
    )
    save_head: Path | None = option(None, "Write the trained head here (.safetensors, under its published names).")


@dataclass(frozen=True)
class Told:
    """Mean probabilities of test tracks `(tracks, labels)`, their truth and ids."""

    scores: NDArray[np.float64]
    y: NDArray[np.generic]
    ids: tuple[str, ...]


def check(model: AudioEncoder, recordings: Recordings, options: Options) -> None:
    """Refuse recordings without classes or tags, or that cannot be split, and a head that does not fit."""
    targets = planned(recordings, options, numbers=False)[0]
    if options.head_weights is not None:
        _given(options.head_weights, model.card, targets)


def run(job: Job[Options]) -> Outcome:
    """Embed, train the head (or read one), measure it."""
    options, card = job.options, job.model.card
    targets, folds, said = planned(job.recordings, options, job.seed, numbers=False)
    for message in said:
        job.warn(message)
    windows = dict(_numbered(job, targets, {"hop": card.window}))
    head = None if options.head_weights is None else _given(options.head_weights, card, targets)
    crops: Vectors | None = None if options.folds else {}
    if head is None and crops is not None:
        learned = np.concatenate([folds[0].train, folds[0].validation])
        crops = {i: crop for i, crop in _crops(job, targets, learned) if i in windows}
    hidden = card.dim if options.head == "mlp" else None
    found = evaluate(targets, folds, windows, crops, hidden=hidden, head=head, seed=job.seed, device=job.device)
    for message in found.warnings:
        job.warn(message)
    if options.save_head is not None and found.head is not None:
        save_head(found.head, options.save_head)
    return found.outcome


@dataclass(frozen=True)
class Evaluated:
    """The outcome, and the head of the only fold."""

    outcome: Outcome
    head: EvaluationHead | None
    warnings: tuple[str, ...]


def evaluate(
    targets: Targets,
    folds: Sequence[Fold],
    windows: Vectors,
    crops: Vectors | None,
    *,
    hidden: int | None = None,
    head: nn.Module | None = None,
    course: Course = COURSE,
    seed: int = 0,
    device: str = "cpu",
) -> Evaluated:
    """Train and measure heads on vectors.

    Args:
        targets, folds: what is told of whom.
        windows: vectors of consecutive windows of the tracks, the last one aligned to the end.
        crops: of training and validation tracks, the vector of one random window each; None: no published numbers.
        hidden: width of the hidden layer; None for a linear head.
        head: a trained head to measure; none is trained then.
        course: of the training.

    Raises:
        DataError: a split has no track left.
    """
    told: list[Told] = []
    seen: list[Told] = []
    last = None
    for fold in folds:
        parts = {name: _examples(getattr(fold, name), windows, targets.y) for name in ("train", "validation", "test")}
        if head is None:
            last = _new(parts["train"], targets, hidden, seed)
            trained = train_head(last, parts["train"], parts["validation"], course, seed=seed, device=device)
            last.load_state_dict(trained.best)
        used = head if head is not None else last
        assert used is not None
        for rows, out in ((fold.test, told), (fold.validation, seen)):
            out.append(_tell(used, _examples(rows, windows, targets.y), _ids(rows, windows, targets), device))
    test, validation = _joined(told), _joined(seen)
    outcome = _measure(test, targets, seed, validation)
    trained_by = "a given head" if head is not None else f"a {'linear' if hidden is None else 'hidden-layer'} head"
    outcome = replace(
        outcome,
        protocol=f"linear evaluation: {trained_by} on single windows of a frozen encoder, each epoch another window of "
        "a track, the head with the lowest validation loss; mean probability over all windows of a test track"
        + (f"; {len(folds)} folds, the predictions of all pooled" if len(folds) > 1 else ""),
        counts={**outcome.counts, "training tracks": sum(int(i in windows) for i in folds[0].train)},
        published={},
        published_as="",
    )
    warnings: tuple[str, ...] = ()
    if len(folds) == 1 and crops is not None:
        published = _published(targets, folds[0], windows, crops, hidden, head, course, seed, device)
        if isinstance(published, str):
            warnings = (published,)
        else:
            outcome = replace(outcome, published=published, published_as=PUBLISHED_AS)
    return Evaluated(outcome, last if len(folds) == 1 else None, warnings)


def _published(
    targets: Targets,
    fold: Fold,
    windows: Vectors,
    crops: Vectors,
    hidden: int | None,
    head: nn.Module | None,
    course: Course,
    seed: int,
    device: str,
) -> dict[str, float] | str:
    """The published numbers, or why there are none."""
    # Windows follow each other, and the last is aligned to the end: without it the chunks remain that are published.
    chunks = {i: windows[i][:-1] for i in fold.test.tolist() if i in windows and len(windows[i]) > 1}
    parts = {"train": fold.train, "validation": fold.validation}
    if not chunks or (head is None and not all(any(i in crops for i in rows) for rows in parts.values())):
        return "no published numbers: no recording of a split is longer than one window"
    if head is None:
        train, validation = (_examples(rows, crops, targets.y) for rows in parts.values())
        head = _new(train, targets, hidden, seed)
        head.load_state_dict(train_head(head, train, validation, course, seed=seed, device=device).last)
    test = _examples(fold.test, chunks, targets.y)
    return _measure(_tell(head, test, _ids(fold.test, chunks, targets), device), targets, seed).published


def _new(train: Examples, targets: Targets, hidden: int | None, seed: int) -> EvaluationHead:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return EvaluationHead(train.x.shape[1], len(targets.names), hidden)


def _examples(rows: NDArray[np.int64], vectors: Vectors, y: NDArray[np.generic]) -> Examples:
    known = [int(i) for i in rows if int(i) in vectors]
    if not known:
        raise DataError("no recording of a split could be used; see the failures")
    return Examples.of([vectors[i] for i in known], y[known])


def _ids(rows: NDArray[np.int64], vectors: Vectors, targets: Targets) -> tuple[str, ...]:
    return tuple(targets.tracks[int(i)].track_id for i in rows if int(i) in vectors)


def _tell(head: nn.Module, part: Examples, ids: tuple[str, ...], device: str) -> Told:
    return Told(probabilities(logits(head, part.x, device), part), part.y, ids)


def _joined(told: Sequence[Told]) -> Told:
    ids = tuple(i for t in told for i in t.ids)
    return Told(np.concatenate([t.scores for t in told]), np.concatenate([t.y for t in told]), ids)


def _measure(test: Told, targets: Targets, seed: int, validation: Told | None = None) -> Outcome:
    if test.y.ndim == 1:
        return labels.classes(test.scores, test.y, targets.names, tracks=test.ids, seed=seed)
    seen = None if validation is None else (validation.scores, validation.y)
    return labels.tags(test.scores, test.y, targets.names, form="clmr", validation=seen, seed=seed)


def _given(file: Path, card: ModelCard, targets: Targets) -> EvaluationHead | FineTuneHead:
    head = read_head(file)
    if isinstance(head, ProbeHead):
        raise ModelError(f"{file}: a head of TTMR's probing, which reads track vectors; ttmr-probe tests it")
    layers = [m for m in head.modules() if isinstance(m, nn.Linear)]
    if (layers[0].in_features, layers[-1].out_features) != (card.dim, len(targets.names)):
        raise ModelError(
            f"{file}: a head from {layers[0].in_features} numbers to {layers[-1].out_features} labels; {card.name} "
            f"gives {card.dim}, and there are {len(targets.names)} labels"
        )
    return head


def _numbered(
    job: Job[Options], targets: Targets, windowing: Mapping[str, float]
) -> list[tuple[int, NDArray[np.float32]]]:
    found = job.windows(targets.tracks, windowing)
    return list(zip(found.rows, found.values, strict=True))


def _crops(job: Job[Options], targets: Targets, rows: NDArray[np.int64]) -> list[tuple[int, NDArray[np.float32]]]:
    try:
        found = job.crops([targets.tracks[int(i)] for i in rows])
    except DataError:  # all are shorter than a window: nothing that was published
        return []
    return [(int(rows[row]), crop) for row, crop in zip(found.rows, found.values, strict=True)]


TASK = Task(
    name="linear",
    about="What does a linear layer read from single windows of the frozen model? CLMR's linear evaluation.",
    needs="A manifest needs tags: one a recording (classes) or several; splits, or --folds.",
    example="ohrwurm evaluate linear --model samplecnn --weights clmr.ckpt --benchmark magnatagatune/pons",
    model="ohrwurm-text",
    run=run,
    check=check,
    options=Options,
    truth=("linear", "probing", "probe"),
    details="Spijkervet and Burgoyne 2021. The published numbers (one crop a track, last head, last chunk left out) "
    "stand beside those of all windows and the best head. There is no --protocol: windows follow each other.",
)
