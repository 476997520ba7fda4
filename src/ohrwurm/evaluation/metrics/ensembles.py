"""From clips to songs: several parts of a recording are scored, one answer for the recording is wanted.

The four ensembles of jukemir (Castellon, Donahue, Liang 2021) over the clips of a song, from their logits:

* ``vote``: the class that most clips answer, the lowest numbered of several.
* ``max``: the class of the highest logit of any clip.
* ``gmean``: the class of the highest mean logit (the geometric mean of the clips' probabilities).
* ``mean``: the class of the highest mean probability.

jukemir chooses the strategy by the score on the **validation** songs (`choose`) and reports that one on the test songs.
CLMR averages probabilities over a track's chunks (`probabilities`), of many labels by the sigmoid.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohrwurm.errors import DataError

Strategy = Literal["vote", "max", "gmean", "mean"]
STRATEGIES: tuple[Strategy, ...] = ("vote", "max", "gmean", "mean")


def validate(logits: ArrayLike, songs: ArrayLike) -> tuple[NDArray[np.floating], NDArray[np.str_], NDArray[np.int64]]:
    """The logits as an array, the songs sorted, and the song of each clip as a number.

    Raises:
        DataError: not `(clips, classes)` with a song for each clip, or a logit that is not finite.
    """
    x, names = np.asarray(logits), np.asarray(songs)
    if x.ndim != 2 or names.shape != x.shape[:1]:
        raise DataError(f"logits (clips, classes) and one song a clip are needed, not {x.shape} and {names.shape}")
    if not np.isfinite(x).all():
        clip = np.argwhere(~np.isfinite(x))[0][0]
        raise DataError(f"the logits of clip {clip} (song {names[clip]}) hold NaN or infinite values")
    order, index = np.unique(names, return_inverse=True)
    return x, order, index.reshape(-1)


def song_truth(truth: ArrayLike, songs: ArrayLike) -> NDArray[np.int64]:
    """The class of each song, songs sorted, from that of its clips.

    Raises:
        DataError: clips of one song differ.

    >>> song_truth([3, 1, 3], ["b", "a", "b"])
    array([1, 3])
    """
    t, (order, first, index) = np.asarray(truth), np.unique(np.asarray(songs), return_index=True, return_inverse=True)
    if t.shape != index.shape:
        raise DataError(f"one class and one song a clip are needed, not {t.shape} and {index.shape}")
    wrong = np.flatnonzero(t != t[first][index.reshape(-1)])
    if len(wrong):
        raise DataError(f"clips of song {order[index.reshape(-1)[wrong[0]]]} are labelled with different classes")
    return t[first].astype(np.int64)


def scores(logits: ArrayLike, songs: ArrayLike, strategy: Strategy) -> NDArray[np.float64]:
    """Scores `(songs, classes)`, songs sorted; the highest is the answer.

    >>> clips = [[2.0, 0.0], [0.0, 1.0], [0.0, 1.0]]
    >>> [int(scores(clips, ["a", "a", "a"], s).argmax()) for s in STRATEGIES]
    [1, 0, 0, 1]
    """
    x, order, index = validate(logits, songs)
    shape = len(order), x.shape[1]
    if strategy == "vote":
        votes = np.zeros(shape)
        if x.size:
            np.add.at(votes, (index, x.argmax(1)), 1.0)
        return votes
    if strategy == "max":
        highest = np.full(shape, -np.inf)
        np.maximum.at(highest, index, x)
        return highest
    if strategy in ("gmean", "mean"):
        return _means(x if strategy == "gmean" else _softmax(x), index, len(order))
    raise ValueError(f"strategy must be one of {', '.join(STRATEGIES)}, not {strategy!r}")


def answers(logits: ArrayLike, songs: ArrayLike, strategy: Strategy) -> NDArray[np.int64]:
    """The class of each song, songs sorted; the lowest numbered of equally high ones.

    >>> answers([[0.0, 1.0], [3.0, 0.0]], ["b", "a"], "mean")
    array([0, 1])
    """
    found = scores(logits, songs, strategy)
    return found.argmax(1) if found.size else np.zeros(len(found), np.int64)


def choose(
    logits: ArrayLike,
    songs: ArrayLike,
    truth: ArrayLike,
    score: Callable[[NDArray[np.int64], NDArray[np.int64]], float],
) -> Strategy:
    """The strategy with the best score on these (validation) songs, the first of equals in the order of `STRATEGIES`.

    Args:
        truth: the class of each clip.
        score: of the songs' true classes and answers, higher is better.

    >>> same = lambda t, a: float((t == a).mean())
    >>> choose([[2.0, 0.0], [0.0, 1.0], [0.0, 1.0]], ["a", "a", "a"], [0, 0, 0], same)
    'max'
    """
    true = song_truth(truth, songs)
    found = [score(true, answers(logits, songs, strategy)) for strategy in STRATEGIES]
    if np.isnan(found).any():
        raise DataError("no strategy can be chosen: the validation songs give no score")
    return STRATEGIES[int(np.argmax(found))]


def probabilities(logits: ArrayLike, songs: ArrayLike, *, several: bool) -> NDArray[np.float64]:
    """Mean probabilities over the clips of each song `(songs, classes)`, songs sorted.

    Args:
        several: whether several labels may hold (sigmoid) or one class (softmax).

    >>> probabilities([[0.0, 0.0], [100.0, -100.0]], ["a", "a"], several=True)
    array([[0.75, 0.25]])
    """
    x, order, index = validate(logits, songs)
    if not several:
        return scores(x, order[index], "mean")
    from scipy.special import expit

    return _means(expit(x), index, len(order))


def _softmax(x: NDArray[np.floating]) -> NDArray[np.floating]:
    if not x.size:
        return x
    shifted = np.exp(x - x.max(1, keepdims=True))
    return shifted / shifted.sum(1, keepdims=True)


def _means(x: NDArray[np.floating], index: NDArray[np.int64], songs: int) -> NDArray[np.float64]:
    sums = np.zeros((songs, x.shape[1]))
    np.add.at(sums, index, x)
    return sums / np.bincount(index, minlength=songs)[:, None]
