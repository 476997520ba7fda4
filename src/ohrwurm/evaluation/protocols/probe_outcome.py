"""What the selected probe told of the test tracks, as figures: classes, labels, numbers, keys of songs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from ohrwurm.evaluation.confidence import CELLS, bootstrap
from ohrwurm.evaluation.metrics import ensembles, key, regression
from ohrwurm.evaluation.protocols import labels
from ohrwurm.evaluation.protocols.probe_scores import ProbeTask
from ohrwurm.evaluation.report import Figure, Items, Outcome


@dataclass(frozen=True)
class Answers:
    """Outputs of a probe for tracks that it has not seen.

    Attributes:
        outputs: `(tracks, labels)`.
        y: the truth, as `targets.Targets` has it.
        ids: of the tracks; for keys ``song-clip``.
    """

    outputs: NDArray[np.float32]
    y: NDArray[np.generic]
    ids: tuple[str, ...]

    @property
    def songs(self) -> list[str]:
        """The song of each clip."""
        return [name.rsplit("-", 1)[0] for name in self.ids]

    @classmethod
    def joined(cls, several: Sequence[Answers]) -> Answers:
        """Those of all folds."""
        outputs, y = (np.concatenate([getattr(a, n) for a in several]) for n in ("outputs", "y"))
        return cls(outputs, y, tuple(i for a in several for i in a.ids))


def outcome_of(task: ProbeTask, tests: Sequence[Answers], validations: Sequence[Answers], seed: int = 0) -> Outcome:
    """Figures over the test tracks of all folds.

    Args:
        tests, validations: one a fold. Validation tracks choose thresholds of F1, and how the clips of a song are
            joined, in each fold its own.
    """
    if task.main == "score":
        return _songs(task, tests, validations, seed)
    test, seen = Answers.joined(tests), Answers.joined(validations)
    if task.kind == "regression":
        return _numbers(task, test, seed)
    if task.kind == "multiclass":
        return labels.classes(test.outputs, test.y, task.labels, tracks=test.ids, seed=seed)
    validation = expit(seen.outputs), seen.y
    return labels.tags(expit(test.outputs), test.y, task.labels, form="clmr", validation=validation, seed=seed)


def _songs(task: ProbeTask, tests: Sequence[Answers], validations: Sequence[Answers], seed: int) -> Outcome:
    def score(truth: NDArray[np.int64], answers: NDArray[np.int64]) -> float:
        return float(key.weighted_scores(truth, answers, descending_fifths=task.descending_fifths).mean())

    songs: list[str] = []
    truths, answers, strategies = [], [], []
    for test, seen in zip(tests, validations, strict=True):
        chosen = ensembles.choose(seen.outputs, seen.songs, seen.y, score)
        truths.append(ensembles.song_truth(test.y, test.songs))
        answers.append(ensembles.answers(test.outputs, test.songs, chosen))
        songs += np.unique(test.songs).tolist()
        strategies.append(chosen)
    truth, answer = np.concatenate(truths), np.concatenate(answers)
    points = key.weighted_scores(truth, answer, descending_fifths=task.descending_fifths)
    each = {"weighted score": points, "accuracy": (truth == answer).astype(np.float64)}
    chance = key.chance(truth)
    return Outcome(
        protocol="keys of songs, their clips joined as is best on the validation songs; weighted as in MIREX",
        interval="95 % bootstrap over songs, 2000 samples",
        figures={n: Figure(float(v.mean()), *bootstrap(v, seed=seed), chance[n]) for n, v in each.items()},
        counts={"songs": len(truth), "clips": sum(len(t.ids) for t in tests)},
        details={
            "clips joined by": strategies,
            **key.evaluate(truth, answer, descending_fifths=task.descending_fifths),
        },
        seed=seed,
        items=(Items.of("songs", songs, each),),
    )


def _numbers(task: ProbeTask, test: Answers, seed: int) -> Outcome:
    truth, estimate = regression.validate(test.y, test.outputs)
    values = regression.evaluate(truth, estimate, task.labels)
    residual, total = (truth - estimate) ** 2, ((truth - truth.mean(0)) ** 2).sum(0)
    # What a track takes from R2: the mean over tracks is R2 itself.
    share = 1 - len(truth) * residual / np.where(total > 0, total, np.nan)
    each = {"R2": share.mean(1), **{f"R2 ({n})": share[:, i] for i, n in enumerate(task.labels)}}
    low, high = _r2_intervals(truth, residual, seed)
    return Outcome(
        protocol="numbers, R2 as the mean over them",
        interval="95 % bootstrap over tracks, 2000 samples",
        figures={n: Figure(values[n], float(low[i]), float(high[i]), 0.0) for i, n in enumerate(each)},
        counts={"tracks": len(truth)},
        seed=seed,
        items=(Items.of("tracks", test.ids, each),),
    )


def _r2_intervals(
    truth: NDArray[np.float64], residual: NDArray[np.float64], seed: int, samples: int = 2000
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ends of the intervals of the mean R2 and of each number's, `(1 + numbers,)`; the spread is drawn anew as well."""
    rng, n, found = np.random.default_rng(seed), len(truth), []
    for start in range(0, samples, step := max(1, CELLS // n)):
        drawn = rng.multinomial(n, np.full(n, 1 / n), size=min(step, samples - start)).astype(np.float64)
        total = drawn @ truth**2 - (drawn @ truth) ** 2 / n
        with np.errstate(invalid="ignore", divide="ignore"):
            each = 1 - drawn @ residual / total
        found.append(np.concatenate([each.mean(1, keepdims=True), each], axis=1))
    rows = np.concatenate(found)
    rows = rows[np.isfinite(rows).all(1)]  # one track drawn n times has no spread
    ends = np.quantile(rows, [0.025, 0.975], axis=0) if len(rows) else np.full((2, rows.shape[1]), np.nan)
    return ends[0], ends[1]
