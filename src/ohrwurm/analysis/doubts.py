"""What is uncertain about an analysis, and why: remarks for people, each with a word in front for programs.

``silent``            nothing sounds
``short``             shorter than what the model was trained to hear at a time
``truncated``         the file ends before its header says
``damaged``           parts of the file could not be decoded
``noise``             the spectrum has no relief: nothing but noise
``no-beat``           not two beats were found
``unclear-beat``      beats were found, and are not sure
``tempo-changes``     steady stretches of different tempi
``rubato``            the tempo comes and goes
``unclear-metre``     bars have different numbers of beats, or none is known
``no-chords``         hardly any chord
``unclear-chords``    chords were found, and are not sure
``no-key``            no key
``unclear-key``       others are nearly as likely
``key-changes``       other keys hold for a while
``sections-by-sound`` no head for sections: letters, by similarity
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ohrwurm.analysis.chord_classes import NO_CHORD
from ohrwurm.analysis.keys import NO_KEY
from ohrwurm.analysis.tempo import Tempo, tempo_curve
from ohrwurm.events import Beats, Key, Spans

if TYPE_CHECKING:
    from ohrwurm.analysis.hearing import Heard


@dataclass(frozen=True)
class Doubts:
    """From where on something is worth a remark.

    Attributes:
        noise: relief of the spectrum in decibels (`ohrwurm.analysis.sound`) below which there is only noise.
        beat, chords, key: confidence below which they are unclear.
        chordless: share of the time without a chord from which there are hardly any.
        bars: share of bars that have the same number of beats, below which the metre is unclear.
        tempo: departure from the tempo that counts, as a share of it.
        apart: share of the time that departs so far, from which the tempo is said to change.
        steady: change of the tempo over four beats, as a share, below which it is steady.
        another_key: seconds that another key lasts.
    """

    noise: float = 1.5
    beat: float = 0.3
    chords: float = 0.4
    key: float = 0.3
    chordless: float = 0.9
    bars: float = 0.75
    tempo: float = 0.08
    apart: float = 0.15
    steady: float = 0.02
    another_key: float = 15.0


DOUBTS = Doubts()


def of_sound(heard: Heard, silence: float, doubts: Doubts = DOUBTS) -> Iterator[str]:
    """Remarks on the recording itself."""
    if not (heard.sound.peaks >= silence).any():
        yield "silent: nothing sounds in it"
    elif 0 < heard.sound.relief < doubts.noise:
        yield "noise: no note stands out of its spectrum"
    if "short" in heard.flags:
        yield f"short: {heard.duration:.3g} s, the model was trained on {heard.card.window:g} s at a time"
    if "truncated" in heard.flags:
        yield f"truncated: the file ends before its header says, after {heard.duration:.1f} s"
    if "damaged" in heard.flags:
        yield "damaged: parts of the file could not be decoded"


def of_beats(beats: Beats, tempo: Tempo, metre: int | None, share: float, doubts: Doubts = DOUBTS) -> Iterator[str]:
    """Remarks on beats, tempo and metre; `share` of the bars have `metre` beats.

    >>> steady = Beats(np.arange(0, 20, 0.5), np.tile([1, 2, 3, 4], 10), np.full(40, 0.9))
    >>> list(of_beats(steady, Tempo(120.0, 0.0, 1.0, 0.9), 4, 1.0))
    []
    >>> list(of_beats(steady, Tempo(120.0, 0.0, 1.0, 0.1), None, 0.0))
    ['unclear-beat: confidence 0.10', 'unclear-metre: no whole bar is known']
    """
    if len(beats) < 2:
        yield f"no-beat: {len(beats) or 'none'} found"
        return
    if tempo.confidence < doubts.beat:
        yield f"unclear-beat: confidence {tempo.confidence:.2f}"
    else:
        yield from _of_tempo(beats, tempo.bpm, doubts)
    if metre is None:
        yield "unclear-metre: no whole bar is known"
    elif share < doubts.bars:
        yield f"unclear-metre: {share:.0%} of the bars have {metre} beats"


def _of_tempo(beats: Beats, bpm: float, doubts: Doubts) -> Iterator[str]:
    at, curve = tempo_curve(beats)
    if len(curve) < 16:
        return
    apart = np.abs(np.log(curve / bpm)) > doubts.tempo
    lasts = np.diff(beats.times)
    if lasts[apart].sum() < doubts.apart * lasts.sum():
        return
    low, high = np.quantile(curve, [0.05, 0.95])
    if np.median(np.abs(np.log(curve[4:] / curve[:-4]))) < doubts.steady:
        first = at[apart][0]
        yield f"tempo-changes: between {low:.0f} and {high:.0f} beats a minute, e.g. at {first:.0f} s"
    else:
        yield f"rubato: the tempo comes and goes between {low:.0f} and {high:.0f} beats a minute"


def of_chords(chords: Spans, doubts: Doubts = DOUBTS) -> Iterator[str]:
    """Remarks on chords.

    >>> list(of_chords(Spans(np.array([[0.0, 9.0]]), ("N",), np.array([0.9]))))
    ['no-chords: none in 100% of the time']
    """
    lasts = chords.intervals[:, 1] - chords.intervals[:, 0]
    total = float(lasts.sum())
    without = float(lasts[[label == NO_CHORD for label in chords.labels]].sum())
    if not total or without >= doubts.chordless * total:
        yield f"no-chords: none in {without / total if total else 1:.0%} of the time"
    elif (
        chords.confidence is not None and (sure := float(np.average(chords.confidence, weights=lasts))) < doubts.chords
    ):
        yield f"unclear-chords: confidence {sure:.2f}"


def of_key(key: Key, keys: Spans, doubts: Doubts = DOUBTS) -> Iterator[str]:
    """Remarks on the key.

    >>> list(of_key(Key("A minor", 0.2), Spans(np.array([[0.0, 60.0]]), ("A minor",))))
    ['unclear-key: A minor is the likeliest, with a confidence of 0.20']
    """
    if key.label == NO_KEY:
        yield "no-key: none"
        return
    if key.confidence < doubts.key:
        yield f"unclear-key: {key.label} is the likeliest, with a confidence of {key.confidence:.2f}"
    others = {
        label: start
        for (start, end), label in zip(keys.intervals[::-1].tolist(), keys.labels[::-1], strict=True)
        if label not in (key.label, NO_KEY) and end - start >= doubts.another_key
    }
    if others and key.confidence >= doubts.key:
        named = ", ".join(f"{label} from {start:.0f} s" for label, start in reversed(others.items()))
        yield f"key-changes: {key.label} on the whole; {named}"


BY_SOUND = "sections-by-sound: the model has no head for sections; letters stand for what sounds alike"
