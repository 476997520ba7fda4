"""Figures of heads over crops: cheap ones, to choose the best weights by.

Crops are no tracks: nothing is averaged over overlapping windows, and beats are picked without a model of tempo. Whole
tracks are measured by `ohrwurm evaluate`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from torch import Tensor

from ohrwurm.analysis.beats import beats_from_peaks
from ohrwurm.analysis.peaks import pick_peaks
from ohrwurm.evaluation.metrics import key as key_metrics
from ohrwurm.evaluation.metrics import tagging
from ohrwurm.evaluation.metrics.sections import mir_eval
from ohrwurm.models.frame_heads import HeadSpec

Outputs = Mapping[str, np.ndarray]
Figures = dict[str, float]
MAIN = {
    "beats": "F-measure", "chords": "accuracy", "chord-parts": "root accuracy", "sections": "accuracy",
    "key": "weighted score", "tags": "mAP",
}  # fmt: skip
CLICKS = 0.5  # seconds between the beats of the metronome that is chance


class HeadScores:
    """Collects what a head says of crops.

    >>> import torch
    >>> scores = HeadScores(HeadSpec("chords"))
    >>> logits = torch.eye(25)[[0, 7, 7, 7]][None]
    >>> scores.add({"chords": logits}, {"chords": torch.tensor([[0, 7, 9, -1]])})
    >>> scores.crops, round(scores.figures()["accuracy"], 3), round(scores.chance()["accuracy"], 3)
    (1, 0.667, 0.333)
    """

    def __init__(self, spec: HeadSpec) -> None:
        self.spec = spec
        self.crops = 0
        self._said: dict[str, list[np.ndarray]] = {name: [] for name in spec.outputs}
        self._truth: dict[str, list[np.ndarray]] = {name: [] for name in spec.outputs}

    @property
    def main(self) -> str:
        """The figure that counts."""
        return MAIN[self.spec.task]

    def add(self, logits: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> None:
        """Count a batch, of which only crops with something known count."""
        truth = {name: x.cpu().numpy() for name, x in targets.items()}
        known = np.any([(x >= 0).reshape(len(x), -1).any(1) for x in truth.values()], axis=0)
        self.crops += int(known.sum())
        for name in self._said:
            self._said[name] += list(logits[name].float().cpu().numpy()[known])
            self._truth[name] += list(truth[name][known])

    def figures(self) -> Figures:
        """All figures; NaN for what nothing is known of."""
        return self._measured(self._said) if self.crops else {self.main: float("nan")}

    def chance(self) -> Figures:
        """What is reached without hearing anything: the most frequent class, or a metronome."""
        if not self.crops:
            return {self.main: float("nan")}
        said = {}
        for name, truth in self._truth.items():
            size = self._said[name][0].shape[-1]
            if truth[0].dtype.kind == "i":
                classes = np.concatenate([x.ravel() for x in truth])
                counts = np.bincount(classes[classes >= 0], minlength=size)
                said[name] = [np.broadcast_to(counts.astype(float), (*x.shape, size)) for x in truth]
            elif name == "beats":
                said[name] = [self._metronome(len(x)) for x in truth]
            else:
                share = np.nanmean([np.where(x >= 0, x, np.nan).reshape(-1, size).mean(0) for x in truth], axis=0)
                level = np.log(np.clip(share, 1e-6, 1 - 1e-6) / (1 - np.clip(share, 1e-6, 1 - 1e-6)))
                said[name] = [np.broadcast_to(level, x.shape) for x in truth]
        return self._measured(said)

    def _metronome(self, frames: int) -> np.ndarray:
        logits = np.full((frames, 2), -9.0)
        beats = np.rint(np.arange(0, frames, CLICKS * float(self.spec.frame_rate or 1))).astype(int)
        beats = beats[beats < frames]
        logits[beats, 0], logits[beats[::4], 1] = 9.0, 9.0
        return logits

    def _measured(self, said: Mapping[str, list[np.ndarray]]) -> Figures:
        rate = float(self.spec.frame_rate or 1)
        return _OF[self.spec.task](said, self._truth, rate)


def watched(scores: dict[str, HeadScores], watch: str) -> float:
    """The main figure of a head, or the mean over all heads of which something is known; NaN where nothing is."""
    mains = {task: head.figures()[head.main] for task, head in scores.items()}
    if watch != "mean":
        return mains[watch]
    known = [value for value in mains.values() if value == value]
    return sum(known) / len(known) if known else float("nan")


def _accuracy(said: list[np.ndarray], truth: list[np.ndarray]) -> float:
    hits = np.concatenate([(x.argmax(-1) == y)[y >= 0] for x, y in zip(said, truth, strict=True)])
    return float(hits.mean()) if len(hits) else float("nan")


def _probabilities(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -50, 50)))


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _beats(said: Mapping[str, list[np.ndarray]], truth: Mapping[str, list[np.ndarray]], rate: float) -> Figures:
    measure = mir_eval("beat").f_measure
    beats: list[float] = []
    downbeats: list[float] = []
    for logits, known in zip(said["beats"], truth["beats"], strict=True):
        found = beats_from_peaks(_probabilities(logits), rate)
        for column, times, into in ((0, found.times, beats), (1, found.downbeats, downbeats)):
            if (known[:, column] >= 0).any():
                there = np.flatnonzero(known[:, column] == 1) / rate
                if len(there):
                    into.append(float(measure(there, times)) if len(times) else 0.0)
    both = {"beat F-measure": _mean(beats), "downbeat F-measure": _mean(downbeats)}
    return {"F-measure": _mean([x for x in both.values() if not np.isnan(x)]), **both}


def _chords(said: Mapping[str, list[np.ndarray]], truth: Mapping[str, list[np.ndarray]], rate: float) -> Figures:
    return {"accuracy": _accuracy(said["chords"], truth["chords"])}


def _parts(said: Mapping[str, list[np.ndarray]], truth: Mapping[str, list[np.ndarray]], rate: float) -> Figures:
    found = {f"{name} accuracy": _accuracy(said[name], truth[name]) for name in ("root", "bass")}
    hits = [((x > 0) == (y > 0.5))[y >= 0] for x, y in zip(said["pitches"], truth["pitches"], strict=True)]
    return {**found, "pitch accuracy": float(np.concatenate(hits).mean())}


def _sections(said: Mapping[str, list[np.ndarray]], truth: Mapping[str, list[np.ndarray]], rate: float) -> Figures:
    measure = mir_eval("onset").f_measure
    rates = []
    for logits, known in zip(said["boundaries"], truth["boundaries"], strict=True):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], known[:, 0] == 1, [0]])))
        there = (edges[::2] + edges[1::2] - 1) / 2 / rate  # the middle of each widened boundary
        places, _ = pick_peaks(_probabilities(logits[:, 0]), threshold=0.3, distance=max(1, round(2 * rate)))
        if len(there):
            rates.append(float(measure(there, np.sort(places) / rate, window=0.5)[0]) if len(places) else 0.0)
    return {"accuracy": _accuracy(said["labels"], truth["labels"]), "HR.5F": _mean(rates)}


def _key(said: Mapping[str, list[np.ndarray]], truth: Mapping[str, list[np.ndarray]], rate: float) -> Figures:
    pairs = []
    for logits, known in zip(said["key"], truth["key"], strict=True):
        classes = known[(known >= 0) & (known < 24)]
        if len(classes):
            shares = logits[:, :24] - np.logaddexp.reduce(logits[:, :24], axis=1, keepdims=True)
            pairs.append((int(np.bincount(classes).argmax()), int(shares.mean(0).argmax())))
    if not pairs:
        return {"weighted score": float("nan"), "accuracy": float("nan")}
    found = key_metrics.evaluate(*np.array(pairs).T)
    return {name: found[name] for name in ("weighted score", "accuracy")}


def _tags(said: Mapping[str, list[np.ndarray]], truth: Mapping[str, list[np.ndarray]], rate: float) -> Figures:
    found = tagging.evaluate(np.stack(truth["tags"]) > 0.5, np.stack(said["tags"]))
    return {"mAP": found["PR-AUC"], "ROC-AUC": found["ROC-AUC"]}


_OF: dict[str, Callable[[Mapping[str, list[np.ndarray]], Mapping[str, list[np.ndarray]], float], Figures]] = {
    "beats": _beats, "chords": _chords, "chord-parts": _parts, "sections": _sections, "key": _key, "tags": _tags,
}  # fmt: skip
