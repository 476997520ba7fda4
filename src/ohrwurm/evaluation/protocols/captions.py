"""Captions and tracks in pairs: each caption asks for its track, and each track for its caption.

Sources: TTMR (Doh et al. 2023): 1,000 tracks of ECALS whose tags, joined by commas, are the caption; a track's vector
is the mean over three chunks. MusCALL (Manco et al. 2022): pairs drawn from its test set, vectors of one crop.

Measured here in both directions, captions of the same words asking for all of their tracks (and found by any of them),
tied tracks in expectation. `Outcome.published` holds the paper's own numbers beside it:

* ``ttmr``: text to audio; MedR counts from 0 and is jackknifed; only the caption's own track is right.
* ``muscall``: in percent, with the lower median rank. Its test entry point swaps the arguments: what it reports is
  **audio to text**, while its validation (and most papers since) ranks audio for each text. Both are given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohrwurm.errors import DataError
from ohrwurm.evaluation.confidence import bootstrap
from ohrwurm.evaluation.metrics import retrieval as metrics
from ohrwurm.evaluation.report import Figure, Items, Outcome

PUBLISHED = {
    "ttmr": "TTMR's retrieval by captions: text to audio, only the caption's own track is right, MedR counts from 0 "
    "and is jackknifed",
    "muscall": "MusCALL's retrieval: in percent, the lower median rank, and audio to text, as its test entry point has "
    "the two swapped; its validation ranks audio for each text",
}


def overlap(queries: ArrayLike, decisions: ArrayLike) -> NDArray[np.int64]:
    """Similarities `(queries, tracks)` for a model that only tags: how many of the asked tags it gives the track.

    TTMR's classifier, which decides by thresholds chosen on the test tracks (`metrics.tagging.decide`, strict). Most
    tracks are tied, and the published order among them is that of an unstable sort; in expectation it has no say.

    Args:
        queries: asked tags, boolean `(queries, tags)`.
        decisions: given tags, boolean `(tracks, tags)`.

    >>> overlap([[1, 1, 0]], [[1, 0, 1], [1, 1, 0]])
    array([[1, 2]])
    """
    return np.asarray(queries, bool).astype(np.int64) @ np.asarray(decisions, bool).T.astype(np.int64)


def draw(pairs: int, size: int = 1000, *, seed: int = 0) -> NDArray[np.int64]:
    """Which pairs are measured, ascending: MusCALL draws 1,000 of its test set (unseeded there); all, if fewer.

    >>> draw(5, 3)
    array([2, 3, 4])
    """
    return np.sort(np.random.default_rng(seed).permutation(pairs)[:size])


def evaluate(
    similarity: ArrayLike,
    captions: Sequence[str],
    *,
    form: Literal["ttmr", "muscall"],
    tracks: Sequence[str] = (),
    seed: int = 0,
) -> Outcome:
    """Metrics of similarities `(captions, tracks)`, where caption i belongs to track i.

    Args:
        tracks: their ids, under which reports keep what each pair got; without them the captions' words serve.

    Returns:
        Figures of text to audio under their plain names, of audio to text under ``NAME (audio to text)``; intervals are
        drawn over different captions.

    Raises:
        DataError: no pair, not a square matrix with a caption for each row, or similarities that are not finite.

    >>> found = evaluate([[0.9, 0.1], [0.8, 0.2]], ["slow waltz", "fast polka"], form="muscall")
    >>> found.figures["R@1"].value, found.published["R@1"]
    (0.5, 100.0)
    """
    s, words = np.asarray(similarity), np.asarray(captions, dtype=object)
    if not len(words) or s.shape != (len(words), len(words)):
        raise DataError(f"captions and tracks in pairs are needed, not {len(words)} captions and a matrix {s.shape}")
    group = np.unique([str(w) for w in words], return_inverse=True)[1].reshape(-1)
    same = group[:, None] == group[None]
    figures: dict[str, Figure] = {}
    each: dict[str, NDArray[np.floating]] = {}
    for direction, rows in (("", s), (" (audio to text)", s.T)):
        values, chance = metrics.per_query(rows, same), metrics.chance(same)
        for name in (n for n in values if n != "MedR (0-based)"):
            statistic: Literal["mean", "median"] = "median" if name == "MedR" else "mean"
            each[name + direction] = values[name]
            value = float((np.median if name == "MedR" else np.mean)(values[name]))
            ends = bootstrap(values[name], groups=group, statistic=statistic, seed=seed)
            figures[name + direction] = Figure(value, *ends, chance[name])
    return Outcome(
        protocol="each caption asks for its tracks, and each track for its captions, among all pairs",
        interval="95 % bootstrap over captions, 2000 samples",
        figures=figures,
        counts={"pairs": len(words), "captions": int(group.max()) + 1},
        seed=seed,
        published=_published(s, form),
        published_as=PUBLISHED[form],
        items=(Items.of("captions", tracks or _distinct(words), each, groups=words),),
    )


def _published(similarity: NDArray[np.floating], form: Literal["ttmr", "muscall"]) -> dict[str, float]:
    both = metrics.directions(similarity, np.eye(len(similarity), dtype=bool), legacy=form)
    if form == "ttmr":
        return dict(both["text to audio"])
    validation = {f"{name} (validation, text to audio)": v for name, v in both["text to audio"].items()}
    return {**both["audio to text"], **validation}


def _distinct(words: NDArray[np.object_]) -> list[str]:
    """The captions' words; from the second time on with a number."""
    seen: Counter[str] = Counter()
    named = []
    for word in map(str, words):
        seen[word] += 1
        named.append(word if seen[word] == 1 else f"{word} #{seen[word]}")
    return named
