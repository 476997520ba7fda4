"""A small head on frozen vectors, trained by epochs until its validation loss stops falling: CLMR's and TTMR's ways.

A track may have several vectors, one a window. An epoch then takes every track once, with one of its windows drawn
anew; the validation loss is the mean over tracks, of each the mean over its windows. With one vector a track (as both
papers have it) this is the plain loop. jukemir's probes are trained otherwise, by steps: `probe_training`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, ReduceLROnPlateau

from ohrwurm.errors import DataError, TrainingError
from ohrwurm.evaluation.metrics import ensembles

Kind = Literal["multiclass", "multilabel"]
State = dict[str, Tensor]


@dataclass(frozen=True)
class Examples:
    """Vectors of tracks, with what they are to be told.

    Attributes:
        x: float32 `(rows, dim)`, the rows of a track side by side.
        y: class numbers `(tracks,)`, or labels of 0 and 1 `(tracks, labels)`.
        counts: rows of each track, `(tracks,)`.

    Raises:
        DataError: they do not fit together, a track has no row, or a value is not finite.
    """

    x: NDArray[np.float32]
    y: NDArray[np.generic]
    counts: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.x.ndim != 2 or len(self.counts) != len(self.y) or self.counts.sum() != len(self.x):
            raise DataError(
                f"vectors {self.x.shape} of {len(self.counts)} tracks with {len(self.y)} targets do not fit"
            )
        if not len(self.y) or self.counts.min() < 1:
            raise DataError("every track needs a vector, and there must be a track")
        if not np.isfinite(self.x).all():
            raise DataError("a vector holds NaN or infinite values; embed the recordings again")

    @classmethod
    def of(cls, vectors: Sequence[NDArray[np.float32]], y: NDArray[np.generic]) -> Examples:
        """From one array a track, `(dim,)` or `(rows, dim)`.

        >>> Examples.of([np.zeros((3, 2), np.float32), np.zeros(2, np.float32)], np.array([0, 1])).counts.tolist()
        [3, 1]
        """
        rows = [np.atleast_2d(np.asarray(v, np.float32)) for v in vectors]
        counts = np.array([len(r) for r in rows], np.int64)
        return cls(np.concatenate(rows) if rows else np.zeros((0, 0), np.float32), np.asarray(y), counts)

    @property
    def kind(self) -> Kind:
        """Whether one class holds for a track or several labels may."""
        return "multiclass" if self.y.ndim == 1 else "multilabel"

    @property
    def tracks(self) -> NDArray[np.int64]:
        """The track of each row, `(rows,)`."""
        return np.repeat(np.arange(len(self.counts)), self.counts)


@dataclass(frozen=True)
class Course:
    """How a head is trained, by Adam.

    Attributes:
        lr, weight_decay, batch_size: of a step.
        epochs: at most.
        schedule: of the rate. ``plateau``: a tenth of it after more than 5 epochs without a validation loss lower by
            1e-4 of it. ``cosine``: half a cosine over all epochs, step by step, down to `minimum`.
        patience: so many epochs without a lower validation loss end the training.
        in_a_row: whether they have to follow each other; otherwise all are counted that were worse than the best until
            then by more than 1e-9, as TTMR does.
    """

    lr: float = 1e-3
    weight_decay: float = 0.0
    batch_size: int = 64
    epochs: int = 200
    schedule: Literal["plateau", "cosine"] = "plateau"
    minimum: float = 1e-9
    patience: int = 10
    in_a_row: bool = True


@dataclass(frozen=True)
class Trained:
    """What a training left.

    Attributes:
        best, last: weights with the lowest validation loss, and those of the last epoch.
        best_epoch: of `best`, from 1.
        training, validation: loss of each epoch.
    """

    best: State
    last: State
    best_epoch: int
    training: tuple[float, ...]
    validation: tuple[float, ...]


class Patience:
    """Counts epochs that were no better, and says when they are too many.

    >>> patience = Patience(2, in_a_row=False)
    >>> [patience.ends(loss) for loss in (1.0, 2.0, 0.5, 0.6)]
    [False, False, False, True]
    """

    def __init__(self, limit: int, in_a_row: bool) -> None:
        self.limit, self.in_a_row = limit, in_a_row
        self.best = float("inf")
        self.waited = 0

    def ends(self, loss: float) -> bool:
        """Whether this validation loss is the last that is waited for."""
        if loss < self.best:
            self.best = loss
            self.waited = 0 if self.in_a_row else self.waited
        elif self.in_a_row or loss > self.best + 1e-9:
            self.waited += 1
        return self.waited >= self.limit


def train_head(
    head: nn.Module, train: Examples, valid: Examples, course: Course, *, seed: int = 0, device: str = "cpu"
) -> Trained:
    """Train `head` (from the weights it has) on one part, with a look at the other after each epoch.

    Args:
        head: rows `(B, dim)` → logits `(B, labels)`.
        seed: of the order, the windows drawn, and dropout.

    Raises:
        DataError: the parts hold other kinds of targets, or vectors of other sizes.
        TrainingError: a loss is not a number.
    """
    if train.y.shape[1:] != valid.y.shape[1:] or train.x.shape[1] != valid.x.shape[1]:
        raise DataError("training and validation tracks need vectors of one size, and the same labels")
    head.to(device)
    adam = torch.optim.Adam(head.parameters(), lr=course.lr, weight_decay=course.weight_decay)
    steps = -(-len(train.y) // course.batch_size)
    schedule: ReduceLROnPlateau | CosineAnnealingLR
    if course.schedule == "plateau":
        schedule = ReduceLROnPlateau(adam, factor=0.1, patience=5, threshold=1e-4)
    else:
        schedule = CosineAnnealingLR(adam, course.epochs * steps, eta_min=course.minimum)
    x, y = torch.from_numpy(train.x).to(device), _targets(train, device)
    first = np.cumsum(train.counts) - train.counts
    shuffled, drawn = (np.random.default_rng((seed, i)) for i in range(2))
    patience = Patience(course.patience, course.in_a_row)
    best: State = {}
    best_epoch, training, validation = 0, [], []
    with torch.random.fork_rng():  # dropout draws from torch's own generators
        torch.manual_seed(seed)
        for epoch in range(1, course.epochs + 1):
            head.train()
            order = shuffled.permutation(len(train.y))
            rows = (first + drawn.integers(train.counts))[order]
            total = torch.zeros((), device=device)
            for start in range(0, len(order), course.batch_size):
                some = slice(start, start + course.batch_size)
                tracks = torch.from_numpy(order[some]).to(device)
                loss = _losses(head(x[torch.from_numpy(rows[some]).to(device)]), y[tracks]).mean()
                adam.zero_grad()
                loss.backward()
                adam.step()
                total += loss.detach() * len(tracks)
                if isinstance(schedule, CosineAnnealingLR):
                    schedule.step()
            training.append(float(total) / len(order))
            validation.append(validation_loss(head, valid, device))
            if not np.isfinite([training[-1], validation[-1]]).all():
                raise TrainingError(
                    f"the loss of a head is not a number in epoch {epoch}; try a lower rate than {course.lr}"
                )
            if validation[-1] < patience.best:
                best, best_epoch = _copied(head), epoch
            if isinstance(schedule, ReduceLROnPlateau):
                schedule.step(validation[-1])
            if patience.ends(validation[-1]):
                break
    return Trained(best, _copied(head), best_epoch, tuple(training), tuple(validation))


@torch.no_grad()
def validation_loss(head: nn.Module, part: Examples, device: str = "cpu") -> float:
    """Mean over tracks, of each the mean over its rows, in eval mode."""
    head.eval().to(device)
    tracks = torch.from_numpy(part.tracks).to(device)
    each = _losses(head(torch.from_numpy(part.x).to(device)), _targets(part, device)[tracks])
    weight = torch.from_numpy(1 / part.counts[part.tracks]).to(each)
    return float((each * weight).sum() / len(part.y))


@torch.inference_mode()
def logits(head: nn.Module, x: NDArray[np.float32], device: str = "cpu") -> NDArray[np.float32]:
    """Rows `(rows, dim)` → `(rows, labels)`, in eval mode."""
    found: NDArray[np.float32] = head.eval().to(device)(torch.from_numpy(x).to(device)).float().cpu().numpy()
    return found


def probabilities(found: NDArray[np.float32], part: Examples) -> NDArray[np.float64]:
    """Logits `(rows, labels)` → mean probabilities over the rows of each track, `(tracks, labels)`."""
    return ensembles.probabilities(found, part.tracks, several=part.kind == "multilabel")


def _targets(part: Examples, device: str) -> Tensor:
    return torch.from_numpy(part.y.astype(np.int64 if part.kind == "multiclass" else np.float32)).to(device)


def _losses(found: Tensor, y: Tensor) -> Tensor:
    """Loss of each row `(B,)`: cross-entropy, or the mean over labels of the binary one."""
    if y.ndim == 1:
        return F.cross_entropy(found, y, reduction="none")
    return F.binary_cross_entropy_with_logits(found, y, reduction="none").mean(1)


def _copied(head: nn.Module) -> State:
    return {name: weight.detach().cpu().clone() for name, weight in head.state_dict().items()}
