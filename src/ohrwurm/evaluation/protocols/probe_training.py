"""One probe of jukemir, trained as published: the loop step by step, with the same batches, weights and dropout.

The loop counts steps, not epochs. Before every eighth step (and before the first) the probe is scored on the validation
split; 256 scores in a row without a strictly better one end the run, and the weights of the best score are taken.
A batch is drawn from the training split without repetition inside it and independently of the one before.

The published code seeds Python's and torch's generators right before it builds the probe, and nothing else draws from
them. Probes of one batch size therefore see the same batches, probes of one shape start from the same weights, and
probes of one shape and batch size drop the same inputs (as far as their shares overlap). `probe_stack` lives on that.

Kept as published: dropout of the input whatever `dropout_input` says. Put right: features are standardised once and
not at every look (same values), and the best weights stay in memory instead of a file that parallel runs share.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ohrwurm.errors import DataError, TrainingError
from ohrwurm.evaluation.protocols.probe_grid import ProbeConfig
from ohrwurm.evaluation.protocols.probe_scores import Part, ProbeTask, loss, scorer

State = dict[str, Tensor]


class Probe(nn.Module):
    """Dropout, then for a hidden layer linear, ReLU, dropout; then linear. `(B, features)` to `(B, outputs)`.

    >>> list(Probe(4, (8,), 2, 0.5).state_dict())
    ['hidden_0.weight', 'hidden_0.bias', 'output.weight', 'output.bias']
    """

    def __init__(self, features: int, hidden: tuple[int, ...], outputs: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        for i, size in enumerate(hidden):
            self.add_module(f"hidden_{i}", nn.Linear(features, size))
            features = size
        self.hidden = len(hidden)
        self.output = nn.Linear(features, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = F.dropout(x, self.dropout, self.training)
        for i in range(self.hidden):
            x = F.dropout(F.relu(self.get_submodule(f"hidden_{i}")(x)), self.dropout, self.training)
        return self.output(x)


@dataclass(frozen=True)
class Scaler:
    """Mean and deviation of features, as scikit-learn's StandardScaler has them: a deviation of 0 counts as 1."""

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def fit(cls, x: NDArray[np.float32]) -> Scaler:
        """Over the rows of `x (n, features)`."""
        from sklearn.preprocessing import StandardScaler

        fitted = StandardScaler().fit(x)
        return cls(np.asarray(fitted.mean_), np.asarray(fitted.scale_))

    def __call__(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Standardised rows: in the precision of the features, as scikit-learn does it."""
        return np.divide(x - self.mean.astype(np.float32), self.scale.astype(np.float32), dtype=np.float32)


@dataclass(frozen=True)
class ProbeRun:
    """One trained probe.

    Attributes:
        config: its settings.
        state: its best weights, under the published keys.
        scaler: of its features; None without standardisation.
        score: the best validation score.
        best_step, steps: when it was reached, and how many steps the run took.
        scores: of every look at the validation split.
        losses: of every training step; empty where they were not asked for.
    """

    config: ProbeConfig
    state: State
    scaler: Scaler | None
    score: float
    best_step: int
    steps: int
    scores: NDArray[np.float64]
    losses: NDArray[np.float64]


def batches(count: int, config: ProbeConfig) -> Iterator[list[int]]:
    """The rows of one step after the other, without end: those that the published seeding draws.

    >>> next(batches(200, ProbeConfig("d", "r", batch_size=64)))[:4]
    [98, 194, 107, 10]
    """
    draw, size = random.Random(config.seed), min(config.batch_size, count)
    while True:
        yield draw.sample(range(count), size)


def first_weights(features: int, outputs: int, config: ProbeConfig) -> tuple[State, torch.Generator]:
    """The weights a probe starts from, and the generator of its dropout in the state in which they leave it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        probe = Probe(features, config.hidden_layer_sizes, outputs, config.dropout_p)
        left = torch.get_rng_state()
    generator = torch.Generator()
    generator.set_state(left)
    return {name: weight.detach() for name, weight in probe.state_dict().items()}, generator


def train_probe(
    task: ProbeTask,
    train: Part,
    valid: Part,
    config: ProbeConfig,
    *,
    device: str | torch.device = "cpu",
    initial: State | None = None,
    keep_losses: bool = False,
) -> ProbeRun:
    """Train one probe as published.

    Args:
        task, train, valid: what to predict, from the training split, with a look at the validation split.
        initial: weights to start from instead of the seeded ones.

    Raises:
        TrainingError: a validation score is not a number.
    """
    scaler = Scaler.fit(train.x) if config.data_standardization else None
    scaled = scaler or (lambda x: x)
    x, valid_x = (torch.from_numpy(scaled(v)).to(device) for v in (train.x, valid.x))
    y = torch.from_numpy(train.y).to(device)
    start, generator = first_weights(x.shape[1], len(task.labels), config)
    probe = Probe(x.shape[1], config.hidden_layer_sizes, len(task.labels), config.dropout_p)
    probe.load_state_dict(start if initial is None else initial)
    probe.to(device)
    adam = torch.optim.Adam(probe.parameters(), lr=config.learning_rate, weight_decay=config.l2_weight_decay or 0.0)
    drawn, score = batches(len(x), config), scorer(task, valid)

    best, best_step, boredom, step = -np.inf, 0, 0, 0
    state: State = {}
    scores: list[float] = []
    losses: list[float] = []
    with torch.random.fork_rng():  # dropout draws from torch's own generator
        torch.set_rng_state(generator.get_state())
        if torch.device(device).type == "cuda":
            torch.cuda.manual_seed(config.seed)
        while True:
            if step % config.early_stopping_eval_frequency == 0:
                if boredom >= config.early_stopping_boredom:
                    break
                probe.eval()
                with torch.no_grad():
                    found = float(score(probe(valid_x)[None].cpu().numpy())[0])
                probe.train()
                check(found, config, step)
                scores.append(found)
                if found > best:
                    best, best_step, boredom = found, step, 0
                    state = {name: weight.detach().clone() for name, weight in probe.state_dict().items()}
                else:
                    boredom += 1
            rows = torch.tensor(next(drawn), device=device)
            found_loss = loss(task.kind, probe(x[rows]), y[rows])
            adam.zero_grad()
            found_loss.backward()
            adam.step()
            if keep_losses:
                losses.append(found_loss.item())
            step += 1
    cpu = {name: weight.cpu() for name, weight in state.items()}
    return ProbeRun(config, cpu, scaler, best, best_step, step, np.array(scores), np.array(losses))


def check(score: float, config: ProbeConfig, step: int) -> None:
    """Refuse a validation score that is not a number."""
    if np.isnan(score):
        raise TrainingError(
            f"probe {config.uid[:12]}: the validation score is not a number at step {step}; are all features finite, "
            "and has the validation split more than one class?"
        )


def predict(run: ProbeRun, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Outputs `(n, outputs)` of a trained probe for features as they came, `(n, features)`.

    Raises:
        DataError: features of another size.
    """
    outputs = run.state["output.weight"].shape[0]
    expects = run.state["hidden_0.weight" if run.config.hidden_layer_sizes else "output.weight"].shape[1]
    if x.ndim != 2 or x.shape[1] != expects:
        raise DataError(f"the probe reads features (n, {expects}), not {x.shape}")
    probe = Probe(expects, run.config.hidden_layer_sizes, outputs, run.config.dropout_p).eval()
    probe.load_state_dict(run.state)
    with torch.inference_mode():
        return probe(torch.from_numpy(run.scaler(x) if run.scaler else x)).numpy()
