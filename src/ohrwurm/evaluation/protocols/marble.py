"""`--protocol marble` of beats, chords and key: clips heard each alone, counts over the set (`metrics.marble`).

What MARBLE does otherwise than we, as far as its second version's code tells:

* beats: clips of 10 s, 25 frames a second; beats and downbeats are decoded apart, each as if it were the only one, by a
  bar pointer of one beat; times are those of frames; nothing is left out at the start; one F1 of all counts.
* chords: clips of 15 s; the share of frames with the right class. As published, time without a chord in the truth takes
  the chord before it.
* key: clips of 30 s, whose logits are averaged; the weighted score is ours.

Systems that are no model with heads are not asked again: their estimates for whole recordings are cut into the clips.
Structure has no such protocol: MARBLE's task is to name the function of single clips of HookTheory, without boundaries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohrwurm.analysis.bar_pointer import BarPointer
from ohrwurm.analysis.decisions import keys_of
from ohrwurm.evaluation.hearings import Pieces
from ohrwurm.evaluation.metrics import marble
from ohrwurm.evaluation.metrics.marble import Counts
from ohrwurm.evaluation.protocols import events
from ohrwurm.evaluation.report import Outcome
from ohrwurm.evaluation.task import Job
from ohrwurm.events import Beats, Key, Spans

KEY_CLIP = 30.0  # seconds
Count = Callable[[Any, Any], Counts]


def decoded(pieces: Pieces, column: int) -> Beats:
    """Beats (column 0) or downbeats (1) of clips, at `marble.BEAT_RATE`, decoded as if there were no others.

    Positions are 1, so that the downbeats of the result are its times.
    """
    model, times = BarPointer(), []
    for piece in pieces:
        rate = piece.heard.specs["beats"].frame_rate
        assert rate is not None
        found = model.decode_beats(
            to_rate(piece.heard.probabilities["beats"]["beats"][:, column], rate, marble.BEAT_RATE), marble.BEAT_RATE
        )
        times.append(piece.start + found.times[found.times < piece.heard.duration])
    joined = np.unique(np.concatenate(times))
    return Beats(joined, np.ones(len(joined), np.int64))


def to_rate(activation: NDArray[np.floating], rate: float, wanted: float) -> NDArray[np.float64]:
    """An activation `(frames,)` at another rate: the highest value of each of its frames, where it becomes lower.

    >>> to_rate(np.array([0.1, 0.9, 0.2, 0.3, 0.4]), 50, 25).tolist()
    [0.9, 0.3, 0.4]
    """
    count = max(1, int(np.ceil(len(activation) * wanted / rate - 1e-9)))
    first = np.minimum((np.arange(count) * rate / wanted + 1e-9).astype(np.int64), len(activation) - 1)
    if rate <= wanted:
        return np.asarray(activation, np.float64)[first]
    return np.maximum.reduceat(np.asarray(activation, np.float64), first)


def joined(pieces: Pieces, decide: Callable[[Pieces], Spans]) -> Spans:
    """Labelled spans of clips, one after the other."""
    found = [decide((piece,)) for piece in pieces]
    return Spans(
        np.concatenate([spans.intervals + piece.start for piece, spans in zip(pieces, found, strict=True)]),
        tuple(label for spans in found for label in spans.labels),
    )


def key(pieces: Pieces) -> Key:
    """The key of the averaged logits of all clips; silent stretches have no say."""
    if len(pieces) == 1:
        return keys_of(pieces[0].heard)[0]
    first = pieces[0].heard
    sound = replace(first.sound, peaks=np.concatenate([piece.heard.sound.peaks for piece in pieces]))
    frames = np.concatenate([piece.heard.probabilities["key"]["key"] for piece in pieces])
    whole = replace(
        first,
        duration=sum(piece.heard.duration for piece in pieces),
        probabilities={**first.probabilities, "key": {"key": frames}},
        sound=sound,
    )
    return keys_of(whole)[0]


def counted(job: Job[Any], found: Mapping[str, tuple[events.Found, Count]], *, protocol: str) -> Outcome:
    """Shares of counts over the whole set, each track bearing the weight of its own.

    Args:
        found: metric → pairs, the same tracks for each metric, and what counts one. NaN: a metric that no reference
            decides.
        protocol: how it was measured, in one sentence.
    """
    first = next(iter(found.values()))[0]
    each = {
        name: [_of(count, pair.reference, pair.estimate) for pair in of.pairs] for name, (of, count) in found.items()
    }
    scores = [{name: counts[row].share for name, counts in each.items()} for row in range(len(first.pairs))]
    weights = {name: np.array([counts.total for counts in of]) for name, of in each.items()}
    chance = {name: _by_others(count, of.pairs) for name, (of, count) in found.items()}
    return events.summary(job, first, scores, weights, chance, protocol=protocol)


def share(counts: Sequence[Counts]) -> float:
    """Of all together; NaN where there is nothing."""
    return Counts(sum(c.right for c in counts), sum(c.total for c in counts)).share


def of_pairs(found: events.Found, count: Count) -> list[Counts]:
    """Counts of every pair."""
    return [_of(count, pair.reference, pair.estimate) for pair in found.pairs]


def _of(count: Count, reference: Any, estimate: Any) -> Counts:
    if estimate is not None:
        return count(reference, estimate)
    nothing = Beats(np.zeros(0), np.zeros(0, np.int64)) if isinstance(reference, Beats) else Spans(np.zeros((0, 2)), ())
    return count(reference, nothing)


def _by_others(count: Count, pairs: Sequence[events.Pair]) -> float:
    """What the estimates of the next track get, on some tracks spread over all."""
    if len(pairs) < 2:
        return float("nan")
    rows = np.unique(np.linspace(0, len(pairs) - 1, min(events.CHANCE, len(pairs))).astype(int)).tolist()
    return share([_of(count, pairs[i].reference, pairs[(i + 1) % len(pairs)].estimate) for i in rows])
