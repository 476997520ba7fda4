"""The scores of jukemir's probes: each data set's as data, and its main one for many probes at once.

A probe looks at the validation split at least 256 times, so the main score decides what a sweep costs. Here it is
computed for all probes and labels together: areas under ROC curves from one sort of whole numbers that hold score and
label at once, key scores from a table, songs by sums over runs of clips. The values are those of `evaluation.metrics`.

Main scores, under their published names
----------------------------------------
* ``accuracy`` (GTZAN): share of items whose highest output is their class.
* ``auc_roc`` (MagnaTagATune): mean over tags of the area under the ROC curve. A tag without positives (or negatives) in
  the split has no curve and is left out of the mean.
* ``r2`` (EmoMusic): mean over targets. The arousal and valence reported are those of the one probe chosen by it.
* ``score`` (GiantSteps): weighted key score of songs, their clips joined by the strategy with the best **validation**
  score (`metrics.ensembles`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ohrwurm.errors import DataError
from ohrwurm.evaluation.metrics import curves, ensembles, key, regression

Kind = Literal["multiclass", "multilabel", "regression"]
Main = Literal["accuracy", "auc_roc", "r2", "score"]
Outputs = NDArray[np.float32]
Scorer = Callable[[Outputs], NDArray[np.float64]]


@dataclass(frozen=True)
class ProbeTask:
    """What is predicted, and which score decides.

    Attributes:
        name: of the data set, as in the published settings.
        kind: of the loss.
        labels: classes, tags or targets, in the order of the outputs.
        main: the score that ends training and selects the probe.
        descending_fifths: whether a key a fifth below earns points too (not as published).
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    main: Main
    descending_fifths: bool = False


@dataclass(frozen=True)
class Part:
    """One split: features `(n, size)` float32, targets `(n,)` int64 or `(n, outputs)` float32, names of rows."""

    x: NDArray[np.float32]
    y: NDArray[np.generic]
    ids: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.x)

    @property
    def songs(self) -> list[str]:
        """The song of each clip, where clips are named ``song-clip``.

        >>> Part(np.zeros((1, 2), np.float32), np.zeros(1, int), ("0012-3",)).songs
        ['0012']
        """
        return [name.rsplit("-", 1)[0] for name in self.ids]


def loss(kind: Kind, outputs: Tensor, y: Tensor) -> Tensor:
    """Mean loss of `outputs (n, labels)`: over items, and over labels or targets where an item has several."""
    if kind == "multiclass":
        return F.cross_entropy(outputs, y)
    return F.binary_cross_entropy_with_logits(outputs, y) if kind == "multilabel" else F.mse_loss(outputs, y)


def scorer(task: ProbeTask, part: Part) -> Scorer:
    """The main score of `outputs (probes, n, labels)` on one split, `(probes,)`.

    Raises:
        DataError: no label of the split can be measured, or the clips of a song have different labels.
    """
    if task.main == "accuracy":
        return lambda x: (x.argmax(-1) == part.y).mean(-1)
    if task.main == "auc_roc":
        return _areas(part.y.astype(bool))
    if task.main == "r2":
        y = part.y.astype(np.float64)
        total = ((y - y.mean(0)) ** 2).sum(0)
        if not (y != y[:1]).any(0).all():
            raise DataError("a target is the same for all tracks of the split: it has no R2")
        return lambda x: (1 - ((y - x) ** 2).sum(1) / total).mean(-1)
    return _songs(task, part)


def measure(task: ProbeTask, valid: Part, test: Part, valid_outputs: Outputs, outputs: Outputs) -> dict[str, float]:
    """All published metrics of the outputs `(n, labels)` for `test`; ``primary`` repeats the main score.

    Args:
        valid, valid_outputs: the validation split, by which the strategy for songs is chosen. To measure the validation
            split, give it twice.
    """
    found = {"loss": float(loss(task.kind, torch.from_numpy(outputs), torch.from_numpy(test.y)))}
    if task.main == "score":
        found |= _measure_songs(task, valid, test, valid_outputs, outputs)
    elif task.main == "auc_roc":
        probability, truth = torch.from_numpy(outputs).sigmoid().numpy(), test.y.astype(bool)
        found["auc_roc"] = float(np.nanmean(curves.roc_auc(truth, probability)))
        found["ap"] = float(np.nanmean(curves.average_precision(truth, probability)))
    elif task.main == "r2":
        each = regression.r2(test.y, outputs)
        found["r2"] = float(each.mean())
        found |= {f"{name}_r2": float(value) for name, value in zip(task.labels, each, strict=True)}
    else:
        found["accuracy"] = float((outputs.argmax(1) == test.y).mean())
    return found | {"primary": found[task.main]}


def _measure_songs(
    task: ProbeTask, valid: Part, test: Part, valid_outputs: Outputs, outputs: Outputs
) -> dict[str, float]:
    def score(truth: NDArray[np.int64], answers: NDArray[np.int64]) -> float:
        return float(key.weighted_scores(truth, answers, descending_fifths=task.descending_fifths).mean())

    clips = outputs.argmax(1)
    found = {"clip_accuracy": float((clips == test.y).mean()), "clip_score": score(test.y.astype(np.int64), clips)}
    truth = ensembles.song_truth(test.y, test.songs)
    for strategy in ensembles.STRATEGIES:
        answers = ensembles.answers(outputs, test.songs, strategy)
        found[f"ensemble_{strategy}_accuracy"] = float((answers == truth).mean())
        found[f"ensemble_{strategy}_score"] = score(truth, answers)
    chosen = ensembles.choose(valid_outputs, valid.songs, valid.y, score)
    return found | {name: found[f"ensemble_{chosen}_{name}"] for name in ("accuracy", "score")}


def _songs(task: ProbeTask, part: Part) -> Scorer:
    """Key score of songs by the best strategy; the split itself chooses it, as it does for the validation split."""
    names = np.asarray(part.songs)
    truth = ensembles.song_truth(part.y, names)
    order = np.argsort(names, kind="stable")
    starts = np.flatnonzero(np.append(True, names[order][1:] != names[order][:-1]))
    keys = np.arange(24)
    points = key.weighted_scores(np.repeat(keys, 24), np.tile(keys, 24), descending_fifths=task.descending_fifths)
    points = points.reshape(24, 24)[truth]  # (songs, answer)

    def score(x: Outputs) -> NDArray[np.float64]:
        x = x[:, order]
        e = np.exp(x - x.max(-1, keepdims=True))
        votes = (keys == x.argmax(-1)[..., None]).astype(np.int64)
        joined = (
            np.add.reduceat(votes, starts, 1),
            np.maximum.reduceat(x, starts, 1),
            np.add.reduceat(x, starts, 1),
            np.add.reduceat(e / e.sum(-1, keepdims=True), starts, 1),
        )
        found = [points[np.arange(len(truth)), song.argmax(-1)].mean(-1) for song in joined]
        return np.where(np.isfinite(x).all((1, 2)), np.max(found, axis=0), np.nan)

    return score


def _areas(truth: NDArray[np.bool_]) -> Scorer:
    told = truth.any(0) & ~truth.all(0)
    if not told.any():
        raise DataError("no label has positive and negative tracks in the split: there is no ROC curve")
    t = np.ascontiguousarray(truth[:, told].T).astype(np.int32)  # (labels, n)
    positives = t.sum(1).astype(np.float64)
    pairs = positives * (t.shape[1] - positives)
    place = np.arange(t.shape[1], dtype=np.float64)

    def won(probability: NDArray[np.int32], last: int) -> NDArray[np.float64]:
        """Negatives ranked below each positive, summed; positives rank above (`last` 1) or below (0) their equals."""
        ranked = np.sort(probability | (t if last else 1 - t), axis=-1)
        return ((ranked & 1) == last) @ place - positives * (positives - 1) / 2

    def score(x: Outputs) -> NDArray[np.float64]:
        # Probabilities in float32 are whole numbers below 2^30 of the same order; their lowest bit takes the label.
        p = torch.from_numpy(x).sigmoid().numpy()[..., told].swapaxes(-1, -2)
        shifted = np.ascontiguousarray(p).view(np.int32) << 1
        area = ((won(shifted, 1) + won(shifted, 0)) / (2 * pairs)).mean(-1)
        return np.where(np.isfinite(x).all((1, 2)), area, np.nan)

    return score
