"""The most likely sequence of classes where each lasts a while: a hidden Markov model with least durations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ohrwurm.audio.compiled import compiled
from ohrwurm.errors import DataError

LEAST = 1e-6  # share of what a head excludes: one wrong frame does not exclude a class


def change_matrix(classes: int, frames: float, affinity: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Log probabilities `(classes, classes)` of the next frame's class.

    Args:
        frames: how long a class lasts on average.
        affinity: how readily each class (row) gives way to each other one, positive; None is equally.

    >>> np.exp(change_matrix(3, 10.0)).round(3)[0].tolist()
    [0.9, 0.05, 0.05]
    """
    leave = min(1 / max(frames, 1.0), 0.5)
    weights = np.ones((classes, classes)) if affinity is None else np.array(affinity, np.float64)
    np.fill_diagonal(weights, 0)
    total = weights.sum(1, keepdims=True)
    change = leave * np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
    np.fill_diagonal(change, 1 - leave if classes > 1 else 1.0)
    with np.errstate(divide="ignore"):
        return np.log(change)


def best_classes(
    log_shares: NDArray[np.floating], change: NDArray[np.float64], *, shortest: int = 1
) -> NDArray[np.int64]:
    """Viterbi: the class of each frame, `(frames,)`. All classes are equally likely at first.

    Args:
        log_shares: `(frames, classes)`; float32 saves memory and changes nothing else.
        change: log probability `(classes, classes)` that a class (row) is followed by another.
        shortest: frames that a class lasts at least; in a recording that is shorter, one class holds throughout.

    Raises:
        DataError: shapes that do not match.

    >>> likely = np.log(np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.9, 0.1]]))
    >>> best_classes(likely, change_matrix(2, 4.0)).tolist()
    [0, 0, 0, 0]
    """
    x = np.ascontiguousarray(log_shares)
    if x.ndim != 2 or change.shape != (x.shape[1], x.shape[1]) or shortest < 1:
        raise DataError(f"{x.shape} shares, changes {change.shape}, at least {shortest} frames: they do not fit")
    if not len(x):
        return np.zeros(0, np.int64)
    shortest = min(shortest, len(x))
    leave = np.array(change, np.float64)
    np.fill_diagonal(leave, -np.inf)
    entered, before, last = _forward(x, leave, change.diagonal().copy(), shortest)
    found = np.empty(len(x), np.int64)
    end = len(x)
    while True:
        # The latest frame by which `last` had been there for `shortest` frames and had just been entered.
        settled = end - 1 - int(entered[:end, last][::-1].argmax())
        start = settled - shortest + 1
        found[start:end] = last
        if start <= 0:
            return found
        last, end = int(before[settled, last]), start


@compiled
def _forward(x, leave, stay, shortest):
    """Whether each class is best entered `shortest` frames before each frame's end, and what was there before.

    Entering means `shortest` frames at once; after them a class either stays or is left.
    """
    frames, classes = x.shape
    entered = np.zeros((frames, classes), np.bool_)
    before = np.zeros((frames, classes), np.int16)
    ring = np.full((shortest, classes), -np.inf)  # scores of the last frames: a class that may be left
    run = np.zeros(classes)  # sum of the shares of the last `shortest` frames
    score = np.full(classes, -np.inf)
    enter, source = np.empty(classes), np.empty(classes)
    for t in range(frames):
        for j in range(classes):
            run[j] += x[t, j]
            if t >= shortest:
                run[j] -= x[t - shortest, j]
            score[j] += stay[j] + x[t, j]
        if t == shortest - 1:
            for j in range(classes):
                score[j] = run[j] + (shortest - 1) * stay[j]
                entered[t, j] = True
        elif t >= 2 * shortest - 1:
            old = ring[t % shortest]
            enter[:] = -np.inf
            source[:] = 0
            for i in range(classes):
                value, number, row = old[i], float(i), leave[i]
                for j in range(classes):
                    total = value + row[j]
                    source[j] = number if total > enter[j] else source[j]
                    enter[j] = total if total > enter[j] else enter[j]
            for j in range(classes):
                total = enter[j] + run[j] + (shortest - 1) * stay[j]
                if total > score[j]:
                    score[j] = total
                    entered[t, j] = True
                    before[t, j] = int(source[j])
        ring[t % shortest] = score
    return entered, before, score.argmax()


def runs(classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where equal classes start and end, `(runs, 2)`.

    >>> runs(np.array([4, 4, 1, 4])).tolist()
    [[0, 2], [2, 3], [3, 4]]
    """
    if not len(classes):
        return np.zeros((0, 2), np.int64)
    edges = np.concatenate([[0], np.flatnonzero(np.diff(classes)) + 1, [len(classes)]])
    return np.stack([edges[:-1], edges[1:]], 1)
