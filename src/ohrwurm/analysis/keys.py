"""The key of a recording, and how it changes.

Classes are the 24 keys as `evaluation.metrics.key` numbers them (C major .. B major, C minor .. B minor), and "N", no
key, for heads that have it as a 25th.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohrwurm.analysis.activations import checked, shares
from ohrwurm.analysis.smoothing import LEAST, best_classes, change_matrix, runs
from ohrwurm.events import KEYS, Key, Spans

NO_KEY = "N"
LABELS = (*KEYS, NO_KEY)


def global_key(probabilities: ArrayLike, frame_rate: float = 0.5) -> Key:
    """The key of a whole recording: logits are averaged over its frames, which log shares are up to a constant.

    Args:
        probabilities: `(frames, 24)` or `(frames, 25)`.

    Returns:
        The key and its share of the averaged shares: 1 / 24 where nothing is known, near 1 where every frame is sure of
        the same key. Without a frame "N" and 0.

    Raises:
        DataError: not such probabilities.

    >>> x = np.full((6, 24), 0.01)
    >>> x[:, 21] = 0.77
    >>> global_key(x).label, round(global_key(x).confidence, 2)
    ('A minor', 0.77)
    """
    x = shares(checked(probabilities, (24, 25), frame_rate, "key"))
    if not len(x):
        return Key(NO_KEY, 0.0)
    mean = np.log(x + LEAST).mean(0)
    share = np.exp(mean - np.logaddexp.reduce(mean))
    best = int(share.argmax())
    return Key(LABELS[best], float(min(share[best], 1.0)))


def key_curve(probabilities: ArrayLike, frame_rate: float = 0.5, *, mean: float = 60.0, shortest: float = 8.0) -> Spans:
    """Keys over time: the most likely sequence, in which near keys follow one another more readily.

    Args:
        probabilities: as in `global_key`.
        mean, shortest: seconds that a key lasts on average, and at least.

    Returns:
        Spans from 0 s to the end. Confidence is the mean share of the span's key over its frames.

    Raises:
        DataError: not such probabilities.

    >>> x = np.full((60, 24), 0.01)
    >>> x[:30, 0], x[30:, 2] = 0.77, 0.77
    >>> key_curve(x).labels
    ('C major', 'D major')
    """
    x = shares(checked(probabilities, (24, 25), frame_rate, "key"))
    change = change_matrix(x.shape[1], mean * frame_rate, np.exp(-key_distances()[: x.shape[1], : x.shape[1]] / 4))
    classes = best_classes(np.log(x + LEAST), change, shortest=max(1, round(shortest * frame_rate)))
    found = runs(classes)
    confidence = np.array([x[a:b, classes[a]].mean() for a, b in found.tolist()])
    labels = tuple(LABELS[classes[a]] for a in found[:, 0].tolist())
    return Spans(found / frame_rate, labels, np.clip(confidence, 0, 1))


def key_distances() -> NDArray[np.float64]:
    """Steps between keys `(25, 25)`: a fifth up or down, to the relative or the parallel key is one; "N" is 3 from all.

    >>> near = key_distances()[0]
    >>> near[[0, 7, 5, 21, 12, 2, 6]].tolist()
    [0.0, 1.0, 1.0, 1.0, 1.0, 2.0, 4.0]
    """
    from scipy.sparse.csgraph import shortest_path

    steps = np.zeros((25, 25))
    for tonic in range(12):
        for mode in (0, 12):
            steps[tonic + mode, (tonic + 7) % 12 + mode] = 1
        steps[tonic, 12 + (tonic + 9) % 12] = steps[tonic, 12 + tonic] = 1
    found = np.asarray(shortest_path(steps, directed=False), np.float64)
    found[24], found[:, 24], found[24, 24] = 3, 3, 0
    return found
