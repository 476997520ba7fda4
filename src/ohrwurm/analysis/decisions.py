"""From what was heard at each moment to beats, chords, keys, sections and tags: which decoder, and with which settings.

What is silent is silence: no beat, no chord (`N`), no say in the key, whatever the model makes of it. All spans end
where the recording does.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ohrwurm.analysis.bar_pointer import BarPointer
from ohrwurm.analysis.beats import beats_from_peaks
from ohrwurm.analysis.chord_classes import MAJMIN
from ohrwurm.analysis.chords import SMOOTH, Smoothing, decode_chord_parts, decode_chords
from ohrwurm.analysis.doubts import Doubts
from ohrwurm.analysis.hearing import STATE_RATE, Heard
from ohrwurm.analysis.keys import LABELS, NO_KEY, global_key, key_curve
from ohrwurm.analysis.novelty import Novelty, sections_by_novelty, standardized
from ohrwurm.analysis.section_classes import CLASSES
from ohrwurm.analysis.sections import Segmentation, decode_sections
from ohrwurm.analysis.targets import pooled
from ohrwurm.analysis.tempo import NO_TEMPO, Tempo, tempo
from ohrwurm.errors import ModelError
from ohrwurm.events import Beats, Key, Spans
from ohrwurm.models.frame_heads import Target

BeatDecoding = Literal["bars", "peaks"]


@dataclass(frozen=True)
class Settings:
    """How probabilities become decisions.

    Attributes:
        bars: the model of tempo and bars that beats are decoded with. Its beats last an eighth, not the published
            sixteenth: heads are trained to hear an event two frames to either side (chosen on validation renditions).
        peak: height from which a peak is a beat, where beats are taken peak by peak.
        chords: how long chords last.
        sections: what is a boundary to a model with a head for sections.
        novelty: what is one without.
        tag, tags: probability from which a tag is told, and how many at most.
        untold: tags that are left out: metre and key are told by themselves, and better; and renditions, which the
            house model learned from, are instrumental one and all.
        silence: full scale below which there is nothing (-80 dB).
        doubts: from where on something is worth a remark.
    """

    bars: BarPointer = field(default_factory=lambda: BarPointer(observation=8))
    peak: float = 0.5
    chords: Smoothing = SMOOTH
    sections: Segmentation = field(default_factory=Segmentation)
    novelty: Novelty = field(default_factory=lambda: Novelty(least=0.1))
    tag: float = 0.3
    tags: int = 10
    untold: frozenset[str] = frozenset({"four-four", "major", "major key", "minor", "minor key", "instrumental"})
    silence: float = 1e-4
    doubts: Doubts = field(default_factory=Doubts)


SETTINGS = Settings()


def beats_of(heard: Heard, how: BeatDecoding = "bars", settings: Settings = SETTINGS) -> tuple[Beats, Tempo]:
    """Beats with their places in the bar, and their tempo.

    Args:
        how: "bars" follows tempo and bars, "peaks" takes each peak for itself.
    """
    x, rate = _frames(heard, "beats", "beats")
    x[_silent(heard, x, rate, settings)] = 0.0
    found = settings.bars.decode(x, rate) if how == "bars" else beats_from_peaks(x, rate, threshold=settings.peak)
    inside = (found.times >= 0) & (found.times < heard.duration)
    sure = None if found.confidence is None else found.confidence[inside]
    found = Beats(found.times[inside], found.positions[inside], sure)
    return found, tempo(found, x[:, 0], rate) if len(found) > 1 else NO_TEMPO


def metre_of(beats: Beats) -> tuple[int | None, float]:
    """Beats of most bars and the share of bars that have so many; None and 0 where no whole bar is known.

    >>> metre_of(Beats(np.arange(8.0), np.array([2, 1, 2, 3, 1, 2, 3, 1])))
    (3, 1.0)
    """
    lengths = np.diff(np.flatnonzero(beats.positions == 1)).tolist()
    if not lengths:
        return None, 0.0
    (metre, count), *_ = Counter(lengths).most_common(1)
    return metre, count / len(lengths)


def chords_of(heard: Heard, settings: Settings = SETTINGS) -> Spans:
    """Chords from 0 s to the end: of the head for triads, or else by parts, with sevenths and inversions."""
    if "chords" in heard.specs:
        _expect(heard, "chords", (MAJMIN.labels,))
        x, rate = _frames(heard, "chords", "chords")
        _only(x, _silent(heard, x, rate, settings), MAJMIN.no_chord)
        found = decode_chords(x, rate, smoothing=settings.chords)
    else:
        root, rate = _frames(heard, "chord-parts", "root")
        bass, pitches = (_frames(heard, "chord-parts", name)[0] for name in ("bass", "pitches"))
        silent = _silent(heard, root, rate, settings)
        _only(root, silent, 12)
        _only(bass, silent, 12)
        pitches[silent] = 0.0
        found = decode_chord_parts(root, bass, pitches, rate, smoothing=settings.chords)
    return fitted(found, heard.duration)


def keys_of(heard: Heard, settings: Settings = SETTINGS) -> tuple[Key, Spans]:
    """The key of the whole recording, and keys over time."""
    _expect(heard, "key", (LABELS[:-1], LABELS))
    x, rate = _frames(heard, "key", "key")
    silent = _silent(heard, x, rate, settings)
    if silent.all():
        everywhere = np.array([[0.0, heard.duration]])
        return Key(NO_KEY, 0.0), Spans(everywhere, (NO_KEY,), np.zeros(1))
    x[silent] = 1 / x.shape[1]  # says nothing
    return global_key(x[~silent], rate), fitted(key_curve(x, rate), heard.duration)


def sections_of(heard: Heard, settings: Settings = SETTINGS) -> Spans:
    """Sections: under functions by the model's head; without one under letters, by novelty of the hidden states and, if
    there is a head for chords, of what it says."""
    if "sections" in heard.specs:
        _expect(heard, "sections", (CLASSES,))
        boundary, rate = _frames(heard, "sections", "boundaries")
        labels, _ = _frames(heard, "sections", "labels")
        _only(labels, _silent(heard, labels, rate, settings), CLASSES.index("silence"))
        return fitted(decode_sections(boundary, labels, rate, segmentation=settings.sections), heard.duration)
    assert heard.states is not None
    x = standardized(heard.states)
    chords = heard.probabilities.get("chords") or heard.probabilities.get("chord-parts") or {}
    harmony = [standardized(pooled(chords[name], len(x))) for name in ("chords", "pitches") if name in chords]
    x = x[:0] if _silent(heard, x, STATE_RATE, settings).all() else np.concatenate([x, *harmony], 1)
    return sections_by_novelty(x, STATE_RATE, heard.duration, settings=settings.novelty)


def tags_of(heard: Heard, settings: Settings = SETTINGS) -> tuple[tuple[str, float], ...]:
    """The likeliest tags with their probabilities; none of silence."""
    x = heard.probabilities["tags"]["tags"]
    if not (heard.sound.peaks >= settings.silence).any():
        return ()
    classes = heard.specs["tags"].classes
    order = [i for i in np.argsort(-x, kind="stable").tolist() if classes[i] not in settings.untold]
    return tuple((classes[i], float(x[i])) for i in order[: settings.tags] if x[i] >= settings.tag)


def fitted(spans: Spans, duration: float) -> Spans:
    """Spans that end where the recording does: frames are a little longer or shorter than it.

    >>> fitted(Spans(np.array([[0.0, 2.0], [2.0, 4.0]]), ("A", "B")), 3.7).intervals.tolist()
    [[0.0, 2.0], [2.0, 3.7]]
    """
    count = int((spans.intervals[:, 0] < duration).sum())
    intervals = spans.intervals[:count].copy()
    if count:
        intervals[-1, 1] = duration
    sure = None if spans.confidence is None else spans.confidence[:count]
    return Spans(intervals, spans.labels[:count], sure)


def _frames(heard: Heard, task: Target, output: str) -> tuple[NDArray[np.float32], float]:
    """A copy of the probabilities, and their rate."""
    rate = heard.specs[task].frame_rate
    if rate is None:
        raise ModelError(f"{heard.card.name}: its head for {task} gives one vector a window, no frames")
    return heard.probabilities[task][output].copy(), rate


def _silent(heard: Heard, x: NDArray[np.floating], rate: float, settings: Settings) -> NDArray[np.bool_]:
    return heard.sound.silent(len(x), rate, settings.silence)


def _only(x: NDArray[np.floating], rows: NDArray[np.bool_], column: int) -> None:
    """One class in these rows, for certain."""
    x[rows] = 0.0
    x[rows, column] = 1.0


def _expect(heard: Heard, task: Target, known: tuple[tuple[str, ...], ...]) -> None:
    if heard.specs[task].classes not in known:
        raise ModelError(
            f"{heard.card.name}: its head for {task} tells apart {', '.join(heard.specs[task].classes[:4])} ...; what "
            f"can be decoded is {', '.join(known[0][:4])} ... ({len(known[0])} classes, in their order)"
        )
