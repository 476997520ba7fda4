"""Key: in which of the 24 major and minor keys is a track?

The MIREX audio key detection score (Raffel et al., "mir_eval: a transparent implementation of common MIR metrics",
2014; Noland and Sandler, "Signal processing parameters for tonality estimation", 2007): a wrong key that a listener
would call near earns a part of a point.

Conventions
-----------
A key is its number `tonic + 12 * minor`, C = 0, so 0 .. 11 are major and 12 .. 23 minor; `parse` reads names.

Metrics
-------
* ``weighted score``: mean of 1 for the same key, 0.5 for the key of the same mode a fifth above the reference, 0.3 for
  the relative and 0.2 for the parallel key, else 0. A key a fifth **below** earns 0.5 only with `descending_fifths`
  (which mir_eval and jukemir do not count).
* ``accuracy``: share of ``same``. ``fifth``, ``relative``, ``parallel``, ``other``: shares of the other cases.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohrwurm.errors import DataError
from ohrwurm.events import KEYS

NAMES = KEYS
RELATIONS = ("same", "fifth", "relative", "parallel", "other")
POINTS = (1.0, 0.5, 0.3, 0.2, 0.0)

_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_MODES = {"major": 0, "maj": 0, "": 0, "minor": 12, "min": 12, "m": 12}


def parse(name: str) -> int:
    """The number of a key written as `A minor`, `F# maj`, `Bbm`, `C` or `Eb:min`.

    Raises:
        DataError: not such a name; other modes and `unknown` have no number.

    >>> parse("C major"), parse("F#:min"), parse("Cbm"), parse("BbM")
    (0, 18, 23, 10)
    """
    text = name.strip().replace(":", " ")
    letter, rest = text[:1].upper(), text[1:]
    shift = 0
    while rest[:1] in ("#", "b"):
        shift += 1 if rest[0] == "#" else -1
        rest = rest[1:]
    mode = "major" if rest.strip() == "M" else rest.strip().lower()
    if letter not in _LETTERS or mode not in _MODES:
        raise DataError(f"{name!r} is not a key; write tonic and mode, e.g. 'Ab minor'")
    return (_LETTERS[letter] + shift) % 12 + _MODES[mode]


def validate(reference: ArrayLike, estimate: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The arguments as arrays of key numbers `(tracks,)`; names are read.

    Raises:
        DataError: not of one length, or not keys.
    """
    r, e = _numbers(reference), _numbers(estimate)
    if r.ndim != 1 or r.shape != e.shape:
        raise DataError(f"reference and estimate must be one key a track each, not {r.shape} and {e.shape}")
    return r, e


def relations(reference: ArrayLike, estimate: ArrayLike, *, descending_fifths: bool = False) -> NDArray[np.int64]:
    """How each estimate relates to its reference, as indices into `RELATIONS`, `(tracks,)`.

    >>> [RELATIONS[i] for i in relations(["C", "C", "C", "C", "C"], ["C", "G", "Am", "Cm", "F"])]
    ['same', 'fifth', 'relative', 'parallel', 'other']
    """
    r, e = validate(reference, estimate)
    up, same_mode = (e - r) % 12, r // 12 == e // 12
    fifth = (up == 7) | (descending_fifths & (up == 5))
    relative = np.where(r < 12, 9, 3)  # semitones from the reference's tonic up to that of its relative key
    cases = [same_mode & (up == 0), same_mode & fifth, ~same_mode & (up == relative), ~same_mode & (up == 0)]
    return np.select(cases, np.arange(4), 4).astype(np.int64)


def weighted_scores(
    reference: ArrayLike, estimate: ArrayLike, *, descending_fifths: bool = False
) -> NDArray[np.float64]:
    """Points of each track `(tracks,)`; for confidence intervals.

    >>> weighted_scores([0, 21], ["Am", "A minor"])
    array([0.3, 1. ])
    """
    return np.asarray(POINTS)[relations(reference, estimate, descending_fifths=descending_fifths)]


def evaluate(reference: ArrayLike, estimate: ArrayLike, *, descending_fifths: bool = False) -> dict[str, float]:
    """All metrics; NaN without a track.

    >>> evaluate(["C", "A minor"], ["G", "A minor"])["weighted score"]
    0.75
    """
    found = relations(reference, estimate, descending_fifths=descending_fifths)
    if not len(found):
        return dict.fromkeys(("weighted score", "accuracy", *RELATIONS[1:]), float("nan"))
    shares = np.bincount(found, minlength=len(RELATIONS)) / len(found)
    names = ("accuracy", *RELATIONS[1:])
    return {
        "weighted score": float(np.asarray(POINTS)[found].mean()),
        **{name: float(share) for name, share in zip(names, shares, strict=True)},
    }


def chance(reference: ArrayLike) -> dict[str, float]:
    """Expected metrics of a key drawn at random.

    >>> round(chance(["C", "D minor"])["weighted score"], 4)
    0.0833
    """
    found = evaluate(np.zeros(24, np.int64), np.arange(24))
    return found if len(np.asarray(reference)) else dict.fromkeys(found, float("nan"))


def _numbers(keys: ArrayLike | Sequence[str | int]) -> NDArray[np.int64]:
    given = np.asarray(keys, dtype=object)
    mixed = [parse(k) if isinstance(k, str) else k for k in given.reshape(-1).tolist()]
    wrong = next((k for k in mixed if k not in range(24)), None)
    if wrong is not None:
        raise DataError(f"{wrong!r} is not a key; its number must lie in 0 .. 23 (C major .. B minor)")
    return np.asarray(mixed, np.int64).reshape(given.shape)
