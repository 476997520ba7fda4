"""Many probes of jukemir trained at once: the results of `probe_training` up to rounding, for a fraction of its cost.

Probes of one shape and batch size share the batches and, because the published seeding starts every one of them from
the same generator, the first weights and the dropout: a unit that a probe with share 0.75 keeps is also kept with 0.5.
So one draw of uniform numbers serves the whole stack, and each probe still gets the very masks it would have alone.

* Probes with one share and one kind of features read one masked batch. They form a `_Stream`; their first layers are
  one matrix product.
* Gradients are written out, for there is nothing to differentiate but two layers; Adam runs with the learning rates
  and decays of its probes as vectors, in one pass over the weights (`probe_passes`).
* Linear probes of a stream go together. On a CPU hidden probes go one after the other, so that weights, gradients and
  moments (4 MB) stay in the cache between product and update; on a GPU they go together too.
* A look at the validation split scores all probes at once, and those that are done leave the stack.

With `precision="bf16"` the products of the hidden layer run on bfloat16 copies, with weights, sums, updates and the
looks in float32. Probes then differ from the published ones as much as from another seed's dropout, no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ohrwurm.errors import DataError
from ohrwurm.evaluation.protocols.probe_grid import ProbeConfig
from ohrwurm.evaluation.protocols.probe_passes import Adam, activate, pass_back
from ohrwurm.evaluation.protocols.probe_scores import Part, ProbeTask, scorer
from ohrwurm.evaluation.protocols.probe_training import ProbeRun, Scaler, batches, check, first_weights

Precision = Literal["fp32", "bf16"]


def stacks(configs: Sequence[ProbeConfig]) -> list[list[ProbeConfig]]:
    """Probes that can be trained together: of one shape, batch size, seed and rhythm.

    >>> from ohrwurm.evaluation.protocols.probe_grid import grid
    >>> [len(stack) for stack in stacks(grid("gtzan_ff", "clmr"))]
    [54, 54, 54, 54]
    """
    found: dict[tuple[object, ...], list[ProbeConfig]] = {}
    for c in configs:
        rhythm = c.early_stopping_eval_frequency, c.early_stopping_boredom
        found.setdefault((c.hidden_layer_sizes, c.batch_size, c.seed, *rhythm), []).append(c)
    return list(found.values())


def train_stack(
    task: ProbeTask,
    train: Part,
    valid: Part,
    configs: Sequence[ProbeConfig],
    *,
    device: str | torch.device = "cpu",
    precision: Precision = "fp32",
    initial: dict[str, Tensor] | None = None,
) -> Iterator[ProbeRun]:
    """Train the probes of one stack; each is yielded as soon as it is done.

    On a GPU the dropout is drawn there, from the same seed but not the same numbers.

    Args:
        task, train, valid: what to predict, from the training split, with a look at the validation split.
        configs: of one of `stacks`.
        initial: weights to start from instead of the seeded ones.

    Raises:
        DataError: the probes do not form one stack.
        TrainingError: a validation score is not a number.
    """
    if len(stacks(configs)) != 1:
        raise DataError("these probes differ in shape, batch size, seed or rhythm; `stacks` tells which fit together")
    device, first = torch.device(device), configs[0]
    start, draw = first_weights(train.x.shape[1], len(task.labels), first)
    start = start if initial is None else initial
    if device.type != "cpu":
        draw = torch.Generator(device).manual_seed(first.seed)
    scaler = Scaler.fit(train.x) if any(c.data_standardization for c in configs) else None
    inputs = {}
    for standardised in {c.data_standardization for c in configs}:
        used = scaler if standardised else None
        pair = [torch.from_numpy(used(part.x) if used else part.x).to(device) for part in (train, valid)]
        inputs[standardised] = _Inputs(pair[0], pair[1], used)
    shares = sorted({(c.data_standardization, c.dropout_p) for c in configs})
    streams = [
        _Stream(
            [c for c in configs if (c.data_standardization, c.dropout_p) == s],
            inputs[s[0]],
            start,
            task.kind,
            precision,
        )
        for s in shares
    ]
    y = _targets(task, train).to(device)
    score, drawn = scorer(task, valid), batches(len(train), first)
    step, sizes = 0, [train.x.shape[1], *first.hidden_layer_sizes]
    while True:
        for stream in streams:
            yield from stream.leave(step)
        streams = [stream for stream in streams if stream.configs]
        if not streams:
            return
        found = score(np.concatenate([stream.outputs() for stream in streams]))
        places = np.cumsum([len(stream.configs) for stream in streams])[:-1]
        for stream, own in zip(streams, np.split(found, places), strict=True):
            stream.look(own, step)
        # All steps up to the next look at once, so that each stream takes them one probe after the other.
        planned = []
        for _ in range(first.early_stopping_eval_frequency):
            rows = torch.tensor(next(drawn), device=device)
            planned.append(_Step(rows, _Masks(draw, len(rows), sizes, {s.dropout for s in streams}), y[rows]))
        for stream in streams:
            stream.steps(planned, step)
        step += len(planned)


@dataclass(frozen=True)
class _Inputs:
    train: Tensor
    valid: Tensor
    scaler: Scaler | None


def _targets(task: ProbeTask, part: Part) -> Tensor:
    """Targets as a matrix `(n, labels)`; classes become ones and zeros."""
    if task.kind == "multiclass":
        return torch.nn.functional.one_hot(torch.from_numpy(part.y), len(task.labels)).float()
    return torch.from_numpy(part.y)


def _gradient(kind: str, outputs: Tensor, targets: Tensor) -> Tensor:
    """Of each probe's mean loss, by its outputs `(B, probes, labels)`, which may be overwritten."""
    y = targets[:, None]
    if kind == "multiclass":
        return torch.softmax(outputs, -1).sub_(y).div_(len(y))
    if kind == "multilabel":
        return outputs.sigmoid_().sub_(y).div_(y.numel())
    return outputs.sub_(y).mul_(2 / y.numel())


class _Masks:
    """Dropout of one step by its share: one mask `(B, size)` a layer, holding 0 or 1 / (1 - share)."""

    def __init__(self, draw: torch.Generator, batch: int, sizes: Sequence[int], shares: set[float]) -> None:
        self._masks: dict[float, list[Tensor]] = {share: [] for share in shares}
        if shares == {0.0}:
            return  # without dropout torch draws nothing
        # torch's own dropout compares uniform numbers in float64, one an element, with the share it keeps.
        kind = torch.float64 if draw.device.type == "cpu" else torch.float32
        for size in sizes:
            u = torch.empty(batch, size, dtype=kind, device=draw.device).uniform_(generator=draw)
            for share in shares - {0.0}:
                self._masks[share].append((u < 1 - share).float().div_(1 - share))

    def __getitem__(self, share: float) -> list[Tensor]:
        return self._masks[share]


@dataclass(frozen=True)
class _Step:
    """What all probes share in one step: the rows of the batch, dropout, and targets `(B, labels)`."""

    rows: Tensor
    masks: _Masks
    y: Tensor


@dataclass(frozen=True)
class _Batch:
    """What the probes of a stream share in one step.

    Attributes:
        x: masked features `(B, features)`; `low` the same in bfloat16, where products run in it.
        mask: of the hidden layer `(B, hidden)`; None without one.
        scale: of the mask's ones.
        kind: of the loss.
        y: targets `(B, labels)`.
    """

    x: Tensor
    low: Tensor | None
    mask: Tensor | None
    scale: float
    kind: str
    y: Tensor


class _Stream:
    """Probes that read the same masked batches. Weights, moments and best weights are stacks `(probes, ...)`."""

    def __init__(
        self, configs: list[ProbeConfig], inputs: _Inputs, start: dict[str, Tensor], kind: str, precision: Precision
    ) -> None:
        self.configs, self.inputs, self.kind, self.precision = configs, inputs, kind, precision
        self.standardised, self.dropout = configs[0].data_standardization, configs[0].dropout_p
        device, count = inputs.train.device, len(configs)
        self.names = list(start)
        self.weights = [w.to(device).expand(count, *w.shape).clone() for w in start.values()]
        self.first_moments, self.second_moments, self.best_weights = (
            [torch.zeros_like(w) for w in self.weights] for _ in range(3)
        )
        self.gradients = [torch.empty_like(w) for w in self.weights]  # written anew in each step
        self.rates = torch.tensor([c.learning_rate for c in configs], device=device)
        self.decays = torch.tensor([c.l2_weight_decay or 0.0 for c in configs], device=device)
        self.best, self.best_step = np.full(count, -np.inf), np.zeros(count, int)
        self.boredom = np.zeros(count, int)
        self.scores: list[list[float]] = [[] for _ in configs]

    def steps(self, planned: Sequence[_Step], done: int) -> None:
        """Take the planned steps after `done` ones: chunk by chunk, whose weights stay in the cache meanwhile."""
        given = [self._batch(step) for step in planned]
        for rows in self._chunks():
            weights, first, second = (
                [w[rows] for w in stacked] for stacked in (self.weights, self.first_moments, self.second_moments)
            )
            gradients = [g[: len(weights[0])] for g in self.gradients]
            adam = Adam(weights, gradients, first, second, self.rates[rows], self.decays[rows])
            for number, batch in enumerate(given, done + 1):
                (_linear_gradients if len(weights) == 2 else _hidden_gradients)(batch, weights, gradients)
                adam.step(number)

    def _batch(self, step: _Step) -> _Batch:
        x, masks = self.inputs.train[step.rows], step.masks[self.dropout]
        if masks:
            x.mul_(masks[0])
        if len(self.weights) == 2:
            return _Batch(x, None, None, 1.0, self.kind, step.y)
        mask = masks[1] if masks else torch.ones_like(self.weights[1][0]).expand(len(x), -1).contiguous()
        low = x.bfloat16() if self.precision == "bf16" else None
        return _Batch(x, low, mask, 1 / (1 - self.dropout), self.kind, step.y)

    def outputs(self) -> NDArray[np.float32]:
        """Outputs `(probes, n, labels)` for the validation split."""
        x = self.inputs.valid
        if len(self.weights) == 2:
            return _linear(x, *self.weights).transpose(0, 1).contiguous().cpu().numpy()
        made = []
        for rows in self._chunks():
            w1, b1, w2, b2 = (w[rows] for w in self.weights)
            hidden = _linear(x, w1, b1).relu_().transpose(0, 1)
            made.append(torch.bmm(hidden, w2.transpose(1, 2)).add_(b2[:, None]))
        return torch.cat(made).cpu().numpy()

    def look(self, scores: NDArray[np.float64], step: int) -> None:
        """Note the validation scores of all probes before step `step` (from 0)."""
        for config, history, found in zip(self.configs, self.scores, scores.tolist(), strict=True):
            check(found, config, step)
            history.append(found)
        better = scores > self.best
        self.best[better], self.best_step[better] = scores[better], step
        self.boredom = np.where(better, 0, self.boredom + 1)
        for row in np.flatnonzero(better).tolist():
            for best, weight in zip(self.best_weights, self.weights, strict=True):
                best[row] = weight[row]

    def leave(self, step: int) -> Iterator[ProbeRun]:
        """The probes that are done, which leave the stack."""
        done = self.boredom >= self.configs[0].early_stopping_boredom
        if not done.any():
            return
        for row in np.flatnonzero(done).tolist():
            state = {name: w[row].cpu().clone() for name, w in zip(self.names, self.best_weights, strict=True)}
            yield ProbeRun(
                self.configs[row],
                state,
                self.inputs.scaler,
                float(self.best[row]),
                int(self.best_step[row]),
                step,
                np.array(self.scores[row]),
                np.zeros(0),
            )
        kept = np.flatnonzero(~done)
        rows = torch.from_numpy(kept).to(self.rates.device)
        for stacked in (self.weights, self.first_moments, self.second_moments, self.best_weights):
            stacked[:] = [w[rows] for w in stacked]
        self.rates, self.decays = self.rates[rows], self.decays[rows]
        self.best, self.best_step, self.boredom = self.best[kept], self.best_step[kept], self.boredom[kept]
        self.configs, self.scores = [self.configs[i] for i in kept], [self.scores[i] for i in kept]

    def _chunks(self) -> list[slice]:
        count = len(self.configs)
        size = 1 if len(self.weights) > 2 and self.rates.device.type == "cpu" else count
        return [slice(i, i + size) for i in range(0, count, size)]


def _linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """`(B, size)` by weights `(probes, outputs, size)` and biases `(probes, outputs)`: `(B, probes, outputs)`."""
    return (x @ weight.flatten(0, 1).T).view(len(x), *bias.shape).add_(bias)  # quicker than addmm on a CPU


def _linear_gradients(batch: _Batch, weights: list[Tensor], made: list[Tensor]) -> None:
    d = _gradient(batch.kind, _linear(batch.x, *weights), batch.y)
    torch.mm(d.flatten(1).T, batch.x, out=made[0].flatten(0, 1))
    torch.sum(d, 0, out=made[1])


def _hidden_gradients(batch: _Batch, weights: list[Tensor], made: list[Tensor]) -> None:
    """Write the gradients of both layers into `made`."""
    x, low, mask = batch.x, batch.low, batch.mask
    w1, b1, w2, b2 = weights
    assert mask is not None
    flat = w1.flatten(0, 1).T
    h = (x @ flat if low is None else (low @ flat.bfloat16()).float()).view(len(x), *b1.shape)  # (B, probes, hidden)
    activate(h, b1, mask)
    by_probe = h.transpose(0, 1)
    outputs = torch.bmm(by_probe, w2.transpose(1, 2)).transpose(0, 1).add_(b2)  # (B, probes, labels)
    d = _gradient(batch.kind, outputs, batch.y)
    torch.bmm(d.permute(1, 2, 0), by_probe, out=made[2])
    torch.sum(d, 0, out=made[3])
    dh = torch.bmm(d.transpose(0, 1), w2)
    pass_back(dh, by_probe, batch.scale, made[1])
    dh = dh.transpose(0, 1).flatten(1)  # (B, probes * hidden)
    if low is None:
        torch.mm(dh.T, x, out=made[0].flatten(0, 1))
    else:
        made[0].copy_((dh.bfloat16().T @ low).view_as(w1))
