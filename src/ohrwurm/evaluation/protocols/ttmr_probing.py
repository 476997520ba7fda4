"""TTMR's probing: a linear layer or a small MLP on one stored vector a track.

Source: Doh et al., "Toward universal text-to-music retrieval", ICASSP 2023, and its code.

    recording ─8 windows─▶ frozen encoder ─mean─▶ vector ─(LayerNorm), dropout, Linear or MLP (512)─▶ labels

A head is trained by Adam, its rate falls over 200 epochs along half a cosine to 1e-9, and the weights with the lowest
validation loss are kept; 20 epochs (in all, not in a row) with a loss above the best one end it. A grid of batch sizes,
rates, dropout and LayerNorm is trained, as its scripts have it.

As published, and put right
---------------------------
* The published test **skips the LayerNorm** that a head was trained with. Its shipped numbers on FMA and KVT are such.
  Here the head is tested as it was trained; what the published test gives stands beside it for every probe.
* The published grid has no selection: its shipped settings can only have been chosen by their **test** results. Here
  the probe with the best validation score (of equals the one with the lower validation loss) is the one measured; the
  published numbers are those of the best on test.
* Published thresholds of F1 are the best ones on the test tracks; here on the validation tracks (`labels`).
* The validation loss is the mean over tracks (published: over batches).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ohrwurm.errors import DataError, ModelError
from ohrwurm.evaluation.metrics import classification, tagging
from ohrwurm.evaluation.protocols import labels
from ohrwurm.evaluation.protocols.head_training import Course, Examples, logits, train_head, validation_loss
from ohrwurm.evaluation.protocols.targets import Asked, planned
from ohrwurm.evaluation.report import Outcome
from ohrwurm.evaluation.task import Job, Progress, Recordings, Task, option
from ohrwurm.models.base import AudioEncoder
from ohrwurm.models.heads import ProbeHead, read_head, save_head

HIDDEN = 512
CHUNKS = {"place": "even", "count": 8, "pooling": "mean"}
PUBLISHED_AS = (
    "TTMR's probing: of its grid the probe that is best on the test tracks; a LayerNorm left out at the test although "
    "the probe was trained with it; thresholds of macro_fl that are best on the test tracks"
)


@dataclass(frozen=True)
class Setting:
    """One probe of the grid.

    >>> Setting(5e-4, 512, 0.0, False).name
    '0.0005_512_0_0'
    """

    lr: float
    batch_size: int
    dropout: float
    norm: bool

    @property
    def name(self) -> str:
        """As the published results' folders are called."""
        return f"{self.lr:g}_{self.batch_size}_{self.dropout:g}_{int(self.norm)}"


def grid(head: Literal["linear", "mlp"], every_norm: bool = False) -> list[Setting]:
    """The probes that the published scripts train.

    Args:
        every_norm: also the MLPs with a LayerNorm, which are commented out there, but which two published results have.

    >>> len(grid("mlp")), len(grid("mlp", every_norm=True)), len(grid("linear"))
    (12, 24, 16)
    """
    if head == "linear":
        axes: tuple[Sequence[Any], ...] = ((1e-3, 1e-2), (64, 512), (0.0, 0.25), (False, True))
    else:
        axes = ((1e-3, 5e-4), (16, 64, 512), (0.0, 0.25), (False, True) if every_norm else (False,))
    return [Setting(*values) for values in itertools.product(*axes)]


@dataclass(frozen=True)
class Options(Asked):
    """Of the task."""

    head: Literal["linear", "mlp"] = option("mlp", "One layer, or one with 512 hidden units before it.")
    every_norm: bool = option(False, "Also train MLPs with a LayerNorm, which the published scripts comment out.")
    head_weights: Path | None = option(None, "Test this head (a published best.pth) instead of training the grid.")
    save_head: Path | None = option(None, "Write the selected head here (.safetensors, under its published names).")


@dataclass(frozen=True)
class Probed:
    """One probe, trained.

    Attributes:
        setting: of the grid; None for a head that was given.
        head: with the weights of the lowest validation loss.
        score, loss: on the validation tracks: accuracy, or macro ROC-AUC over the labels that have a curve; and loss.
    """

    setting: Setting | None
    head: ProbeHead
    score: float
    loss: float


def new_head(dim: int, labels: int, setting: Setting, hidden: int | None, seed: int) -> ProbeHead:
    """A probe with seeded first weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ProbeHead(dim, labels, hidden, setting.norm, setting.dropout)


def probe(
    train: Examples,
    valid: Examples,
    labels: int,
    settings: Sequence[Setting],
    *,
    hidden: int | None = HIDDEN,
    seed: int = 0,
    device: str = "cpu",
    folder: Path | None = None,
    progress: Progress | None = None,
) -> list[Probed]:
    """Train every probe of a grid.

    Args:
        labels: how many.
        folder: keeps each probe as soon as it is done; the same call goes on from there.
        progress: called with the number of probes done and their total.
    """
    found = []
    for done, setting in enumerate(settings):
        if progress is not None:
            progress(done, len(settings))
        head = new_head(train.x.shape[1], labels, setting, hidden, seed)
        file = None if folder is None else folder / setting.name / "best.safetensors"
        if file is not None and file.is_file():
            read = read_head(file)
            assert isinstance(read, ProbeHead)
            head.load_state_dict(read.state_dict())
        else:
            course = Course(setting.lr, 0.0, setting.batch_size, 200, "cosine", 1e-9, patience=20, in_a_row=False)
            head.load_state_dict(train_head(head, train, valid, course, seed=seed, device=device).best)
            if file is not None:
                file.parent.mkdir(parents=True, exist_ok=True)
                save_head(head, file)
        found.append(_probed(setting, head, valid, device))
    if progress is not None:
        progress(len(settings), len(settings))
    return found


def _probed(setting: Setting | None, head: ProbeHead, valid: Examples, device: str) -> Probed:
    return Probed(setting, head, _score(_outputs(head, valid, device), valid), validation_loss(head, valid, device))


def select(found: Sequence[Probed]) -> Probed:
    """The probe with the best validation score, of equals the one with the lowest loss, then the first of the grid.

    Raises:
        DataError: no label can be measured on the validation tracks.
    """
    if np.isnan([p.score for p in found]).all():
        raise DataError("no label is held by some but not all validation tracks: no probe can be selected")
    return max(found, key=lambda p: (p.score, -p.loss))


def _outputs(head: ProbeHead, part: Examples, device: str, *, published: bool = False) -> NDArray[np.float64]:
    """Scores `(tracks, labels)`: probabilities of labels, logits of classes; `published`: without the LayerNorm."""
    if published:
        head.eval().to(device)
        with torch.inference_mode():
            found = head.published_evaluation(torch.from_numpy(part.x).to(device)).float().cpu().numpy()
    else:
        found = logits(head, part.x, device)
    if part.kind == "multilabel":
        found = torch.from_numpy(found).sigmoid().numpy()
    return found.astype(np.float64)


def _score(scores: NDArray[np.float64], part: Examples) -> float:
    if part.kind == "multiclass":
        return float(classification.per_track(part.y, scores).mean())
    each = tagging.per_label(part.y, scores)["ROC-AUC"]
    return float(np.nanmean(each)) if np.isfinite(each).any() else float("nan")


def published_numbers(
    found: Sequence[Probed], test: Examples, names: Sequence[str], device: str = "cpu"
) -> tuple[str, dict[str, float], dict[str, float]]:
    """The published numbers: those of the probe that is best on test; its name, and the main number of each."""
    each = {}
    for p in found:
        outcome = _measure(_outputs(p.head, test, device, published=True), test, names, ())
        each["given" if p.setting is None else p.setting.name] = outcome.published
    main = {name: next(iter(numbers.values())) for name, numbers in each.items()}  # accuracy, or macro ROC-AUC
    best = max(main, key=lambda name: -np.inf if np.isnan(main[name]) else main[name])
    return best, each[best], main


def _measure(
    scores: NDArray[np.float64],
    part: Examples,
    names: Sequence[str],
    ids: Sequence[str],
    validation: tuple[NDArray[np.float64], NDArray[np.generic]] | None = None,
    seed: int = 0,
) -> Outcome:
    if part.kind == "multiclass":
        return labels.classes(scores, part.y, names, tracks=ids, seed=seed)
    return labels.tags(scores, part.y, names, form="ttmr", validation=validation, seed=seed)


def check(model: AudioEncoder, recordings: Recordings, options: Options) -> None:
    """Refuse recordings without classes or tags, or that cannot be split, and a head that does not fit."""
    targets = planned(recordings, options, numbers=False)[0]
    if options.head_weights is not None:
        _given(options.head_weights, model.card.dim, targets.names)


def run(job: Job[Options]) -> Outcome:
    """Embed, train the grid (or read a head), measure the selected probe."""
    options = job.options
    targets, folds, said = planned(job.recordings, options, job.seed, numbers=False)
    for message in said:
        job.warn(message)
    found = job.vectors(targets.tracks, CHUNKS)
    row = {number: i for i, number in enumerate(found.rows)}
    given = None if options.head_weights is None else _given(options.head_weights, found.values.shape[1], targets.names)
    hidden = HIDDEN if options.head == "mlp" else None
    told, seen, selected = [], [], []
    for number, fold in enumerate(folds):
        kept = [[int(i) for i in part if int(i) in row] for part in (fold.train, fold.validation, fold.test)]
        if not all(kept):
            raise DataError("no recording of a split could be used; see the failures")
        train, valid, test = (Examples.of([found.values[row[i]] for i in part], targets.y[part]) for part in kept)
        if given is None:
            probed = probe(
                train, valid, len(targets.names), grid(options.head, options.every_norm), hidden=hidden,
                seed=job.seed, device=job.device, folder=job.folder(number), progress=job.progress,
            )  # fmt: skip
        else:
            probed = [_probed(None, given, valid, job.device)]
        best = select(probed)
        selected.append(best)
        told.append((_outputs(best.head, test, job.device), test.y, [targets.tracks[i].track_id for i in kept[2]]))
        seen.append((_outputs(best.head, valid, job.device), valid.y))
    scores, y = (np.concatenate([t[i] for t in told]) for i in (0, 1))
    pooled = Examples.of(list(scores.astype(np.float32)), y)
    ids = [i for t in told for i in t[2]]
    validation = np.concatenate([s[0] for s in seen]), np.concatenate([s[1] for s in seen])
    outcome = _measure(scores, pooled, targets.names, ids, validation, job.seed)
    if options.save_head is not None and len(folds) == 1:
        save_head(selected[0].head, options.save_head)
    names = [p.setting.name if p.setting else str(options.head_weights) for p in selected]
    outcome = replace(
        outcome,
        protocol=_sentence(options, len(folds), given is not None),
        counts={**outcome.counts, "probes": len(probed) * len(folds)},
        details={**outcome.details, "selected (rate_batch_dropout_norm)": names},
        published={},
        published_as="",
    )
    if len(folds) > 1:
        return outcome
    best_on_test, numbers, each = published_numbers(probed, test, targets.names, job.device)
    table = {
        ("given" if p.setting is None else p.setting.name): {
            "validation": p.score,
            "validation loss": p.loss,
            "test as published": each["given" if p.setting is None else p.setting.name],
        }
        for p in probed
    }
    details = {**outcome.details, "probes": table, "best on test, as published": best_on_test}
    return replace(outcome, details=details, published=numbers, published_as=PUBLISHED_AS)


def _sentence(options: Options, folds: int, given: bool) -> str:
    head = "linear" if options.head == "linear" else f"MLP ({HIDDEN})"
    probes = "a given head" if given else f"a {head} probe selected on validation from a grid"
    return (
        f"TTMR's probing: {probes}, on the mean of 8 windows a track of a frozen encoder, tested as it was trained"
        + (f"; {folds} folds, the predictions of all pooled" if folds > 1 else "")
    )


def _given(file: Path, dim: int, names: Sequence[str]) -> ProbeHead:
    head = read_head(file)
    if not isinstance(head, ProbeHead):
        raise ModelError(f"{file}: a head that reads single windows (CLMR's, or a fine-tuned one); linear tests it")
    with torch.inference_mode():
        try:
            count = head(torch.zeros(1, dim)).shape[1]
        except RuntimeError as error:
            raise ModelError(f"{file}: a head for vectors of another size than {dim}") from error
    if count != len(names):
        raise ModelError(f"{file}: a head for {count} labels, and there are {len(names)}")
    return head


TASK = Task(
    name="ttmr-probe",
    about="What does a small head read from one frozen vector a track? TTMR's linear and MLP probing.",
    needs="A manifest needs tags: one a recording (classes) or several; splits, or --folds.",
    example="ohrwurm evaluate ttmr-probe --benchmark emotify --folds 5",
    model="ohrwurm-text",
    run=run,
    check=check,
    options=Options,
    truth=("probing", "linear", "probe"),
    details="Doh et al. 2023. The probe is selected on validation and tested with its LayerNorm; the published numbers "
    "(best on test, LayerNorm skipped) stand beside it. There is no --protocol: windows are TTMR's eight.",
)
