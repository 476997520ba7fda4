"""CPU time of jukemir's sweep of 216 probes against the published loop probe by probe.

The plain side is `OriginalProbe` below: the loop as its authors run it, standardising each batch and each look by
scikit-learn, with torch's modules, dropout and Adam, and all metrics of a split at every look. It would take hours, so
its time is what it takes **a step** times the **steps** that each probe takes until it is bored:

1. Per step: each stack of the grid (hidden layer × batch size) runs for a fixed number of steps from the start, no
   probe leaving, all sides in turns in this process on one thread. On the plain side a few (`--probes`) stand for all
   54 of a stack, since the cost of a step does not depend on rate, share or decay.
2. Steps: our sweeps run to their end. `fast` trains every probe and counts its steps, those of the plain loop up to
   rounding; `race` trains what may win, in float32 and, where the machine has it, with hidden layers in bfloat16 and
   those near the best again in float32. All times are measured, and the selection.

By default the second part is the linear half of the grid (108 probes: minutes). `--full` takes all 216: an hour.
"""

from __future__ import annotations

import argparse
import copy
import random
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from safetensors import safe_open
from sklearn.preprocessing import StandardScaler
from timing import interleaved
from torch import nn

from ohrwurm.evaluation.protocols import jukemir
from ohrwurm.evaluation.protocols.probe_grid import ProbeConfig, grid
from ohrwurm.evaluation.protocols.probe_scores import Part, ProbeTask, measure
from ohrwurm.evaluation.protocols.probe_stack import Precision, stacks, train_stack
from ohrwurm.models.precision import has_bf16

Shape = tuple[tuple[int, ...], int]  # hidden layers, batch size


def material(task: ProbeTask, sizes: tuple[int, int, int], dim: int) -> tuple[Part, Part, Part]:
    """Features that hold the label faintly, so that early stopping has something to wait for."""
    draw = np.random.default_rng(0)
    centres = 0.12 * draw.normal(size=(len(task.labels), dim))

    def part(count: int) -> Part:
        if task.kind == "multilabel":
            y = draw.random((count, len(task.labels))) < 0.06
            x = y @ (3 * centres) + draw.normal(size=(count, dim))
            return Part(x.astype(np.float32), y.astype(np.float32))
        classes = draw.integers(0, len(task.labels), count)
        return Part((centres[classes] + draw.normal(size=(count, dim))).astype(np.float32), classes)

    train, valid, test = (part(n) for n in sizes)
    return train, valid, test


class OriginalProbe:
    """The published loop, plainly; stops after `limit` looks."""

    def __init__(self, task: ProbeTask, train: Part, valid: Part, config: ProbeConfig) -> None:
        self.task, self.train, self.valid, self.config = task, train, valid, config

    def run(self, limit: int) -> int:
        config, outputs = self.config, len(self.task.labels)
        random.seed(config.seed)
        torch.manual_seed(config.seed)
        layers: list[nn.Module] = [nn.Dropout(config.dropout_p)]
        size = self.train.x.shape[1]
        for hidden in config.hidden_layer_sizes:
            layers += [nn.Linear(size, hidden), nn.ReLU(), nn.Dropout(config.dropout_p)]
            size = hidden
        probe = nn.Sequential(*layers, nn.Linear(size, outputs))
        adam = torch.optim.Adam(probe.parameters(), config.learning_rate, weight_decay=config.l2_weight_decay or 0)
        losses = {"multiclass": nn.CrossEntropyLoss(), "multilabel": nn.BCEWithLogitsLoss(), "regression": nn.MSELoss()}
        loss = losses[self.task.kind]
        scaler = StandardScaler().fit(self.train.x) if config.data_standardization else None
        best, state, step = -np.inf, None, 0
        while True:
            if step % config.early_stopping_eval_frequency == 0:
                if step == limit * config.early_stopping_eval_frequency:
                    probe.load_state_dict(state)
                    return step
                probe.eval()
                made = []
                with torch.no_grad():
                    for start in range(0, len(self.valid), config.batch_size):
                        x = self.valid.x[start : start + config.batch_size]
                        made.append(probe(torch.tensor(scaler.transform(x) if scaler else x)).numpy())
                logits = np.concatenate(made)
                found = measure(self.task, self.valid, self.valid, logits, logits)["primary"]
                if found > best:
                    best, state = found, copy.deepcopy(probe.state_dict())
                probe.train()
            rows = random.sample(range(len(self.train)), min(config.batch_size, len(self.train)))
            x = self.train.x[rows]
            adam.zero_grad()
            loss(probe(torch.tensor(scaler.transform(x) if scaler else x)), torch.tensor(self.train.y[rows])).backward()
            adam.step()
            step += 1


def per_step(task: ProbeTask, train: Part, valid: Part, looks: int, probes: int) -> dict[Shape, float]:
    """Print a table; return CPU seconds a probe and step of the plain loop, by shape and batch size."""
    # A limit of looks, not of boredom: a probe that has been bored for as many looks as there are leaves.
    steps = (looks + 1) * 8
    print(f"{task.name}: {len(train)} × {train.x.shape[1]}, {len(valid)} validation; CPU ms a probe and step")
    print(f"{'hidden':>8}{'batch':>7}{'plain':>9}{'fast':>9}{'bf16':>9}{'plain/fast':>12}{'plain/bf16':>12}")
    plain: dict[Shape, float] = {}
    for stack in stacks(grid(task.name, "benchmark", early_stopping_boredom=looks)):
        short = [replace(c, learning_rate=c.learning_rate * 1e-20) for c in stack]  # nothing improves: all run `looks`
        some = short[:: max(1, len(short) // probes)][:probes]

        def original(some: list[ProbeConfig] = some) -> None:
            for config in some:
                OriginalProbe(task, train, valid, config).run(looks + 1)

        def stacked(precision: Precision, short: list[ProbeConfig] = short) -> None:
            list(train_stack(task, train, valid, short, precision=precision))

        hidden, batch = stack[0].hidden_layer_sizes, stack[0].batch_size
        sides: list[Callable[[], object]] = [original, lambda s=stacked: s("fp32")]
        sides += [lambda s=stacked: s("bf16")] if hidden else []
        seconds = np.array(interleaved(sides, 2)) / (np.array([len(some), *[len(short)] * (len(sides) - 1)]) * steps)
        plain[hidden, batch] = seconds[0]
        print(
            f"{hidden!s:>8}{batch:7}"
            + "".join(f"{v * 1e3:9.3f}" for v in seconds)
            + " " * 9 * (3 - len(sides))
            + "".join(f"{seconds[0] / v:12.1f}" for v in seconds[1:])
        )
    return plain


def sweeps(
    task: ProbeTask, parts: tuple[Part, Part, Part], plain: dict[Shape, float], configs: list[ProbeConfig]
) -> None:
    """Run both sweeps to their end and print what they take and select."""
    x = np.concatenate([p.x for p in parts])
    y = np.concatenate([p.y for p in parts])
    splits = np.repeat(jukemir.SPLITS, [len(p) for p in parts])
    times, found, steps = {}, {}, {}
    sides: dict[str, tuple[jukemir.Mode, Precision]] = {"race": ("race", "fp32"), "fast": ("fast", "fp32")}
    if has_bf16(torch.device("cpu")) and any(c.hidden_layer_sizes for c in configs):
        sides["race bf16"] = "race", "bf16"
    for side, (mode, precision) in sides.items():
        with TemporaryDirectory() as folder:
            began = time.process_time()
            found[side] = jukemir.sweep(
                x, y, splits, task, configs=configs, mode=mode, precision=precision, folder=Path(folder)
            )
            times[side] = time.process_time() - began
            steps[side] = np.array([_steps(Path(folder), c) for c in configs])
    times["plain"] = sum(
        n * plain[c.hidden_layer_sizes, c.batch_size] for n, c in zip(steps["fast"].tolist(), configs, strict=True)
    )
    print(f"{task.name}: sweep of {len(configs)} probes to their end (plain: its time a step, the steps of fast)")
    print(f"{'':>9}{'probes':>8}{'steps':>10}{'CPU s':>9}{'times less':>12}  selected, validation, test")
    print(f"{'plain':>9}{len(configs):8}{steps['fast'].sum():10}{times['plain']:9.0f}{1:12}")
    for side, result in found.items():
        print(
            f"{side:>9}{np.isfinite(result.scores).sum():8}{steps[side].sum():10}{times[side]:9.0f}"
            f"{times['plain'] / times[side]:12.1f}  {result.selected.config.uid[:8]} {result.selected.score:.4f} "
            f"{result.test['primary']:.4f}"
        )
    race, fast = found["race"], found["fast"]
    passed = np.isnan(race.scores)
    over = fast.scores[passed] - race.hopes[passed]
    print(
        f"same probe selected: {race.selected.config == fast.selected.config}; test "
        f"{abs(race.test['primary'] - fast.test['primary']) * 100:.2f} points apart; of {passed.sum()} probes passed "
        f"over {(over > 0).sum()} beat their hope, by {max(over.max(initial=0), 0) * 100:.2f} points at most"
    )


def _steps(folder: Path, config: ProbeConfig) -> int:
    """That a probe took; 0 where it was passed over."""
    file = folder / f"{config.uid}.safetensors"
    if not file.is_file():
        return 0
    with safe_open(file, "pt") as opened:
        return int(opened.metadata()["steps"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="gtzan_ff", choices=["gtzan_ff", "magnatagatune"])
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--items", type=int, nargs=3, default=(1000, 300, 300), metavar=("TRAIN", "VALID", "TEST"))
    parser.add_argument("--looks", type=int, default=2, help="looks at validation, eight steps apart, that are timed")
    parser.add_argument("--probes", type=int, default=2, help="probes that stand for a stack on the plain side")
    parser.add_argument("--full", action="store_true", help="sweep all 216 probes to their end, not the linear half")
    args = parser.parse_args()
    torch.set_num_threads(1)
    task = jukemir.TASKS[args.task]
    parts = material(task, tuple(args.items), args.dim)
    print(f"torch {torch.__version__}, one thread, bfloat16 in hardware: {has_bf16(torch.device('cpu'))}")
    plain = per_step(task, *parts[:2], args.looks, args.probes)
    sweeps(task, parts, plain, [c for c in grid(task.name, "benchmark") if args.full or not c.hidden_layer_sizes])


if __name__ == "__main__":
    main()
