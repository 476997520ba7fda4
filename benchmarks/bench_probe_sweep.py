"""CPU time of jukemir's sweep of 216 probes, all together, against the published loop probe by probe.

The plain side is `OriginalProbe` below: the loop as its authors run it, standardising each batch and each look by
scikit-learn, with torch's modules, dropout and Adam, and all metrics of a split at every look. `exact` is ours, step by
step, with features standardised once. `fast` trains each stack together, in float32 and with bfloat16 products.

A whole sweep takes the plain loop hours. So each stack of the grid (hidden layer × batch size) runs for a fixed number
of steps from the start, with no probe leaving; for the plain and the exact side a few of its probes (`--probes`) stand
for all 54, since the cost of a step does not depend on rate, share or decay. CPU milliseconds a probe and step are then
summed over the grid with the same number of steps for every probe. All sides run in turns in this process, one thread.

`--full` runs whole sweeps over a part of the grid, early stopping included, and compares what they select.
"""

from __future__ import annotations

import argparse
import copy
import random
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from torch import nn

from ohrwurm.evaluation.protocols import jukemir
from ohrwurm.evaluation.protocols.probe_grid import ProbeConfig, grid
from ohrwurm.evaluation.protocols.probe_scores import Part, ProbeTask, measure
from ohrwurm.evaluation.protocols.probe_stack import stacks, train_stack
from ohrwurm.evaluation.protocols.probe_training import train_probe
from ohrwurm.models.precision import has_bf16


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


def seconds(function: Callable[[], object]) -> float:
    began = time.process_time()
    function()
    return time.process_time() - began


def per_step(task: ProbeTask, train: Part, valid: Part, looks: int, probes: int) -> None:
    # A limit of looks, not of boredom: a probe that has been bored for as many looks as there are leaves.
    steps = looks * 8
    print(f"{task.name}: {len(train)} × {train.x.shape[1]}, {len(valid)} validation; CPU ms a probe and step")
    print(
        f"{'hidden':>8}{'batch':>7}{'plain':>9}{'exact':>9}{'fast':>9}{'bf16':>9}{'plain/fast':>12}{'plain/bf16':>12}"
    )
    sums = np.zeros(4)
    for stack in stacks(grid(task.name, "benchmark", early_stopping_boredom=looks)):
        short = [replace(c, learning_rate=c.learning_rate * 1e-20) for c in stack]  # nothing improves: all run `looks`
        some = short[:: max(1, len(short) // probes)][:probes]
        list(train_stack(task, train, valid, [replace(c, early_stopping_boredom=1) for c in short]))  # warm up
        times = np.full((4, 3), np.inf)
        for turn in range(3):
            times[0, turn] = sum(seconds(lambda c=c: OriginalProbe(task, train, valid, c).run(looks + 1)) for c in some)
            times[1, turn] = sum(seconds(lambda c=c: train_probe(task, train, valid, c)) for c in some)
            times[2, turn] = seconds(lambda short=short: list(train_stack(task, train, valid, short)))
            if stack[0].hidden_layer_sizes:
                times[3, turn] = seconds(
                    lambda short=short: list(train_stack(task, train, valid, short, precision="bf16"))
                )
            else:
                times[3, turn] = times[2, turn]
        counts = np.array([len(some), len(some), len(short), len(short)]) * (steps + 8)
        ms = np.median(times, axis=1) / counts * 1e3
        sums += ms
        hidden, batch = stack[0].hidden_layer_sizes, stack[0].batch_size
        print(
            f"{hidden!s:>8}{batch:7}" + "".join(f"{v:9.3f}" for v in ms) + f"{ms[0] / ms[2]:12.1f}{ms[0] / ms[3]:12.1f}"
        )
    plain, exact, fast, low = sums
    print(f"216 probes, equal steps each: plain/fast {plain / fast:.1f}, plain/bf16 {plain / low:.1f}, "
          f"exact/fast {exact / fast:.1f}, exact/bf16 {exact / low:.1f}")  # fmt: skip


def full(task: ProbeTask, parts: tuple[Part, Part, Part], every: int, boredom: int) -> None:
    x = np.concatenate([p.x for p in parts])
    y = np.concatenate([p.y for p in parts])
    splits = np.repeat(jukemir.SPLITS, [len(p) for p in parts])
    configs = grid(task.name, "benchmark", early_stopping_boredom=boredom)[::every]
    found, times = {}, {}
    for name, mode, precision in (("exact", "exact", None), ("fast", "fast", "fp32"), ("bf16", "fast", "bf16")):
        began = time.process_time()
        found[name] = jukemir.sweep(x, y, splits, task, configs=configs, mode=mode, precision=precision)
        times[name] = time.process_time() - began
    print(f"{task.name}: sweep of {len(configs)} probes, boredom {boredom}")
    for name, result in found.items():
        c = result.selected.config
        apart = np.abs(result.scores - found["exact"].scores).max()
        print(
            f"{name:>6}: {times[name]:7.1f} CPU s ({times['exact'] / times[name]:.1f} times less), selects {c.uid[:8]} "
            f"at {result.selected.score:.4f}, test {result.test['primary']:.4f}; scores within {apart:.4f} of exact"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="gtzan_ff", choices=["gtzan_ff", "magnatagatune"])
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--items", type=int, nargs=3, default=(1000, 300, 300), metavar=("TRAIN", "VALID", "TEST"))
    parser.add_argument("--looks", type=int, default=6, help="looks at validation, eight steps apart, that are timed")
    parser.add_argument("--probes", type=int, default=3, help="probes that stand for a stack on the plain sides")
    parser.add_argument(
        "--full", type=int, metavar="EVERY", help="also sweep every EVERYth probe of the grid to its end"
    )
    parser.add_argument("--boredom", type=int, default=256, help="of that sweep")
    args = parser.parse_args()
    torch.set_num_threads(1)
    task = jukemir.TASKS[args.task]
    parts = material(task, tuple(args.items), args.dim)
    print(f"torch {torch.__version__}, one thread, bfloat16 in hardware: {has_bf16(torch.device('cpu'))}")
    per_step(task, *parts[:2], args.looks, args.probes)
    if args.full:
        full(task, parts, args.full, args.boredom)


if __name__ == "__main__":
    main()
