"""jukemir's probing: 216 small probes on frozen features, the best on validation tested once.

How much of genre, tags, emotion or key can be read from one vector a clip? Linear and one-layer probes over a grid of
learning rates, dropout, decay, batch size and standardisation (`probe_grid`), each trained to boredom
(`probe_training`). Of all probes the one with the highest validation score is measured on the test split.

Source: Castellon, Donahue and Liang, "Codified audio language modeling learns useful representations for music
information retrieval", 2021; TUNe's and CLMR's rows of its tables come from the same protocol.

Three modes
-----------
* ``exact``: one probe after the other, the published loop step by step.
* ``fast``: all probes of a shape and batch size together (`probe_stack`), with the same batches, first weights and
  dropout, and so with the results of ``exact`` up to rounding.
* ``race`` (the default): as ``fast``, but the grid is trained best first, and probes that cannot be hoped to win are
  passed over (`probe_race`). Those that are trained are trained to the end. It is said how many were passed over, and
  what each might have reached.

With ``precision="bf16"`` the products of hidden layers run in bfloat16, and those probes that come within `MARGIN` of
the best are then trained again in float32, so that the selected one and its numbers are of float32. That saves time in
``fast`` alone: its scores scatter more, so that a race trusts fewer trends and trains more.

As published, and put right
---------------------------
Kept, because the numbers depend on it: the input is always dropped out; clips of MagnaTagATune without any of the 50
tags count (numbers are not comparable to those of CLMR's linear evaluation); a key a fifth below earns nothing; arousal
and valence come from one probe; EmoMusic's targets are normalised by training and validation together (in the data).
Put right: of probes with equal validation scores the first in grid order is selected (published: the first that a walk
through a folder meets); a tag without positives is left out of the mean and named (published: an error).
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ohrwurm.data.benchmarks import gtzan, magnatagatune
from ohrwurm.errors import DataError
from ohrwurm.evaluation.metrics import key, tagging
from ohrwurm.evaluation.protocols.probe_grid import ProbeConfig, grid, published_order
from ohrwurm.evaluation.protocols.probe_race import Race
from ohrwurm.evaluation.protocols.probe_runs import ProbeFolder
from ohrwurm.evaluation.protocols.probe_scores import Part, ProbeTask, measure, scorer
from ohrwurm.evaluation.protocols.probe_stack import Precision, stacks, train_stack
from ohrwurm.evaluation.protocols.probe_training import ProbeRun, predict, train_probe

Mode = Literal["race", "fast", "exact"]
MARGIN = 3  # validation tracks' share of the score, within which bfloat16 is not trusted to tell probes apart
SPLITS = ("train", "validation", "test")

TASKS = {
    task.name: task
    for task in (
        ProbeTask("gtzan_ff", "multiclass", gtzan.GENRES, "accuracy"),
        ProbeTask("magnatagatune", "multilabel", magnatagatune.TAGS, "auc_roc"),
        ProbeTask("emomusic", "regression", ("arousal", "valence"), "r2"),
        ProbeTask("giantsteps_clips", "multiclass", key.NAMES, "score"),
    )
}


@dataclass(frozen=True)
class SweepResult:
    """What a sweep found.

    Attributes:
        task, mode: what was predicted, and how the probes were trained.
        selected: the probe with the highest validation score, the first in grid order of equals.
        validation, test: its metrics on both splits, under their published names.
        scores: best validation score of every probe, in the order of `configs`; NaN for those passed over.
        hopes: what they were thought to reach at most, where `scores` has NaN, and elsewhere the score.
        configs: all probes.
        counts: tracks of each split.
        gaps: tags without a curve in each split, which the means leave out.
    """

    task: str
    mode: Mode
    selected: ProbeRun
    validation: dict[str, float]
    test: dict[str, float]
    scores: NDArray[np.float64]
    hopes: NDArray[np.float64]
    configs: tuple[ProbeConfig, ...]
    counts: dict[str, int]
    gaps: dict[str, dict[str, list[str]]]


def sweep(
    features: ArrayLike,
    labels: Sequence[object] | NDArray[np.generic],
    splits: Sequence[str],
    task: ProbeTask | str,
    *,
    ids: Sequence[str] | None = None,
    representation: str = "features",
    mode: Mode = "race",
    precision: Precision = "fp32",
    seed: int = 0,
    workers: int = 1,
    device: str = "cpu",
    folder: Path | None = None,
    configs: Sequence[ProbeConfig] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SweepResult:
    """Train probes on the training split, select one on the validation split, measure it on the test split.

    Args:
        features: one vector a row, `(n, size)`.
        labels: of each row: a class name or number, a collection of tags or a 0/1 vector, or target values.
        splits: of each row, ``train``, ``validation`` or ``test``; other rows are left out.
        task: one of `TASKS` or its name, or one of your own.
        ids: of each row; they fix the published order of the data and, for keys, name the songs (``song-clip``).
            Without them rows stay as they are.
        representation: name of the features, part of the published names of the probes.
        mode: see the module.
        precision: of the hidden layers' products; ``exact`` knows fp32 only.
        seed: of order, batches, first weights and dropout.
        workers: processes, each with one thread.
        device: where to train. With a GPU one worker is right: all probes of a stack go together.
        folder: keeps each probe as soon as it is done; the same call goes on from there. What a race has trained
            serves ``fast`` too, and the other way round.
        configs: other probes than the 216.
        progress: called with the number of probes trained or passed over and their total.

    Raises:
        DataError: features, labels and splits do not fit, a split is empty, or the folder holds other probes.
        TrainingError: a validation score is not a number.
    """
    task = _task(task)
    parts = _parts(features, labels, splits, task, ids, seed)
    train, valid, test = (parts[name] for name in SPLITS)
    if configs is None:
        configs = grid(task.name, representation, seed=seed)
    if not configs or len({c.uid for c in configs}) < len(configs):
        raise DataError("a sweep needs at least one probe, and each only once")
    scorer(task, valid)  # says at once if nothing can be measured
    if mode == "exact" and precision != "fp32":
        raise DataError(f"exact probes are trained in fp32, not {precision}; choose the mode race or fast")
    kept = ProbeFolder(folder, task, train, valid, "exact" if mode == "exact" else "stacked", precision)
    runs = {config.uid: run for config in configs if (run := kept.read(config)) is not None}
    race = Race(configs, least=1 / len(valid))
    tell = progress or (lambda done, total: None)
    tell(len(runs), len(configs))

    def scores() -> NDArray[np.float64]:
        return np.array([runs[c.uid].score if c.uid in runs else np.nan for c in configs])

    def missing() -> list[ProbeConfig]:
        if mode != "race":
            return [c for c in configs if c.uid not in runs]
        return [configs[row] for row in race.choose(scores())]

    def collect(chosen: Sequence[ProbeConfig], how: Precision) -> None:
        for run in _train(task, train, valid, chosen, mode, how, workers, device):
            runs[run.config.uid] = run
            kept.write(run, how if run.config.hidden_layer_sizes else "fp32")
            tell(len(runs), len(configs))

    while True:
        if chosen := missing():
            collect(chosen, precision)
        elif near := _doubtful(configs, runs, kept, MARGIN / len(valid)):
            collect(near, "fp32")
        else:
            break
    tell(len(configs), len(configs))
    selected = runs[configs[int(np.nanargmax(scores()))].uid]
    outputs = {name: predict(selected, parts[name].x) for name in ("validation", "test")}
    return SweepResult(
        task=task.name,
        mode=mode,
        selected=selected,
        validation=measure(task, valid, valid, outputs["validation"], outputs["validation"]),
        test=measure(task, valid, test, outputs["validation"], outputs["test"]),
        scores=scores(),
        hopes=race.hopes(scores()),
        configs=tuple(configs),
        counts={name: len(part) for name, part in parts.items()},
        gaps={n: tagging.gaps(p.y, task.labels) for n, p in parts.items()} if task.kind == "multilabel" else {},
    )


def _doubtful(
    configs: Sequence[ProbeConfig], runs: dict[str, ProbeRun], kept: ProbeFolder, margin: float
) -> list[ProbeConfig]:
    """Probes trained in bfloat16 that are too near the best to be told from it."""
    least = max(run.score for run in runs.values()) - margin
    low = (c for c in configs if c.uid in runs and kept.precision(c) == "bf16")
    return [c for c in low if runs[c.uid].score >= least]


def _task(task: ProbeTask | str) -> ProbeTask:
    if isinstance(task, ProbeTask):
        return task
    if task not in TASKS:
        raise DataError(f"unknown task {task!r}; there are {', '.join(TASKS)}, or give a ProbeTask of your own")
    return TASKS[task]


def _parts(
    features: ArrayLike,
    labels: Sequence[object] | NDArray[np.generic],
    splits: Sequence[str],
    task: ProbeTask,
    ids: Sequence[str] | None,
    seed: int,
) -> dict[str, Part]:
    """The three splits, in the published order where rows have ids."""
    x = np.asarray(features, np.float32)
    if x.ndim != 2 or not len(x) == len(labels) == len(splits) or (ids is not None and len(ids) != len(x)):
        given = f"{len(labels)} labels, {len(splits)} splits" + ("" if ids is None else f", {len(ids)} ids")
        raise DataError(f"features (n, size) with a label, split and id each are needed, not {x.shape} with {given}")
    names = [str(i) for i in ids] if ids is not None else [f"{i}-0" for i in range(len(x))]
    if len(set(names)) < len(names):
        raise DataError("ids occur twice: a track would stand in two splits or count double; make them unique")
    used = np.flatnonzero(np.isin(splits, SPLITS))
    if bad := next((names[i] for i in used if not np.isfinite(x[i]).all()), None):
        raise DataError(f"the features of {bad} hold NaN or infinite values; embed it again or leave it out")
    parts = {}
    for split in SPLITS:
        rows = [i for i in used.tolist() if splits[i] == split]
        if not rows:
            raise DataError(f"no track is in the split {split!r}; a sweep needs train, validation and test")
        if ids is not None:
            rows = [rows[i] for i in published_order([names[i] for i in rows], seed)]
        y = np.stack([_target(labels[i], task, names[i]) for i in rows])
        parts[split] = Part(x[rows], y, tuple(names[i] for i in rows))
    return parts


def _target(label: object, task: ProbeTask, name: str) -> NDArray[np.generic]:
    """The target of one track: a class number, or float32 values `(labels,)`."""
    count = len(task.labels)
    if task.kind == "multiclass":
        number = task.labels.index(label) if isinstance(label, str) and label in task.labels else label
        if not isinstance(number, (int, np.integer)) or not 0 <= number < count:
            raise DataError(f"{name}: {label!r} is none of the {count} classes of {task.name}")
        return np.asarray(number, np.int64)
    if task.kind == "multilabel" and isinstance(label, (list, tuple, set, frozenset)):
        tags = list(label)
        if all(isinstance(tag, str) for tag in tags):
            return np.isin(task.labels, tags).astype(np.float32)
    values = np.asarray(label, np.float32)
    if values.shape != (count,) or not np.isfinite(values).all():
        raise DataError(f"{name}: {count} finite values are needed ({', '.join(task.labels[:3])}, ...), not {label!r}")
    if task.kind == "multilabel" and not np.isin(values, (0, 1)).all():
        raise DataError(f"{name}: tags are 0 or 1, not {label!r}")
    return values


Job = tuple[ProbeTask, Part, Part, list[ProbeConfig], Mode, Precision, str]


def _run(job: Job) -> Iterator[ProbeRun]:
    task, train, valid, configs, mode, precision, device = job
    if mode != "exact":
        yield from train_stack(task, train, valid, configs, device=device, precision=precision)
    else:
        for config in configs:
            yield train_probe(task, train, valid, config, device=device)


def _run_alone(job: Job) -> list[ProbeRun]:
    torch.set_num_threads(1)
    return list(_run(job))


def _train(
    task: ProbeTask,
    train: Part,
    valid: Part,
    configs: Sequence[ProbeConfig],
    mode: Mode,
    precision: Precision,
    workers: int,
    device: str,
) -> Iterator[ProbeRun]:
    """Probes as they are done, by `workers` processes."""
    units = [[c] for c in configs] if mode == "exact" else stacks(configs)
    if mode != "exact" and workers > 1:  # smaller pieces, for more hands; each share of dropout stays together
        shares = sorted({c.dropout_p for c in configs})
        units = [part for unit in units for p in shares if (part := [c for c in unit if c.dropout_p == p])]
    units.sort(key=lambda unit: (unit[0].hidden_layer_sizes, unit[0].batch_size), reverse=True)  # the longest first
    jobs: list[Job] = [(task, train, valid, unit, mode, precision, device) for unit in units]
    if workers <= 1 or len(jobs) <= 1:
        for job in jobs:
            yield from _run(job)
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        for done in as_completed([pool.submit(_run_alone, job) for job in jobs]):
            yield from done.result()
