"""`Score`: notes, chords, beats and keys in seconds. One shape for lead sheets, piano arrangements and MIDI files."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ohrwurm.data.annotations.keys import signature_number
from ohrwurm.data.harmony import transpose_label

Notes = NDArray[np.float64]  # (n, 4): onset in s, duration in s, MIDI pitch, velocity 1-127; sorted by onset

ONSET, DURATION, PITCH, VELOCITY = range(4)


class Span(NamedTuple):
    """A label that holds from `start` to `end` (seconds): a chord ``C:maj7`` or a key ``Gb:maj``."""

    start: float
    end: float
    label: str


@dataclass(frozen=True)
class Part:
    """One instrument: General MIDI `program` 0-127 (for drums: the kit's number), its notes and its gain."""

    program: int
    is_drum: bool
    notes: Notes
    gain: float = 1.0
    role: str = ""


@dataclass(frozen=True)
class Score:
    """What is played, and everything that is known about it.

    `parts` is what sounds. A lead sheet has `melody` and `chords` and no parts until
    `ohrwurm.data.arrange.arrange` fills them; a MIDI file has parts and perhaps no melody.

    Attributes:
        score_id: unique, ``pop909/001`` or ``pop909/001-v2``.
        work_id: equal for all settings of one tune.
        source: name of the collection; decides the split and whether training is allowed.
        melody: notes of the tune.
        chords, keys: labelled spans in seconds.
        signatures: key signatures, where they are known and keys are not: spans whose labels are numbers of sharps.
        beats, downbeats: times in seconds.
        metre: as printed, for example (3, 4).
        tempo: beats per minute, of the beats as listed.
        tags: genre and style words from the source or the arrangement.
        accompaniment: the parts are an arrangement by the source, not by us.
        style: name of the style it was arranged in; empty for as published.
        seconds: length.
    """

    score_id: str
    work_id: str
    title: str
    source: str
    melody: Notes
    chords: tuple[Span, ...] = ()
    beats: NDArray[np.float64] = dataclasses.field(default_factory=lambda: np.zeros(0))
    downbeats: NDArray[np.float64] = dataclasses.field(default_factory=lambda: np.zeros(0))
    keys: tuple[Span, ...] = ()
    signatures: tuple[Span, ...] = ()
    metre: tuple[int, int] = (4, 4)
    tempo: float = 120.0
    tags: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    style: str = ""
    seconds: float = 0.0

    @property
    def key(self) -> str | None:
        """The key that holds longest, as ``Gb:maj``; None where unknown."""
        return _longest(self.keys)

    @property
    def signature(self) -> int | None:
        """Sharps (flats are negative) of the key signature that holds longest; None where unknown."""
        found = _longest(self.signatures)
        return None if found is None else signature_number(int(found))

    def transposed(self, semitones: int) -> Score:
        """The same, `semitones` higher: notes, chords and keys; drums stay."""
        if semitones == 0:
            return self

        def spans(old: tuple[Span, ...]) -> tuple[Span, ...]:
            return tuple(Span(s.start, s.end, transpose_label(s.label, semitones)) for s in old)

        parts = tuple(
            p if p.is_drum else dataclasses.replace(p, notes=_shift_pitch(p.notes, semitones)) for p in self.parts
        )
        return dataclasses.replace(
            self,
            melody=_shift_pitch(self.melody, semitones),
            parts=parts,
            chords=spans(self.chords),
            keys=spans(self.keys),
            signatures=tuple(
                Span(s.start, s.end, str(signature_number(int(s.label) + 7 * semitones))) for s in self.signatures
            ),
        )

    def stretched(self, factor: float) -> Score:
        """The same, `factor` times as long (2.0: half the tempo)."""
        if factor == 1.0:
            return self
        return self.warped(lambda times: times * factor, tempo=self.tempo / factor)

    def warped(
        self, time_map: Callable[[NDArray[np.float64]], NDArray[np.float64]], *, tempo: float | None = None
    ) -> Score:
        """All times through `time_map`, an increasing function of an array of seconds."""

        def notes(old: Notes) -> Notes:
            new = old.copy()
            new[:, ONSET] = time_map(old[:, ONSET])
            new[:, DURATION] = time_map(old[:, ONSET] + old[:, DURATION]) - new[:, ONSET]
            return new

        def spans(old: tuple[Span, ...]) -> tuple[Span, ...]:
            if not old:
                return old
            starts = time_map(np.array([s.start for s in old]))
            ends = time_map(np.array([s.end for s in old]))
            return tuple(Span(float(a), float(b), s.label) for a, b, s in zip(starts, ends, old, strict=True))

        return dataclasses.replace(
            self,
            melody=notes(self.melody),
            parts=tuple(dataclasses.replace(p, notes=notes(p.notes)) for p in self.parts),
            chords=spans(self.chords),
            keys=spans(self.keys),
            signatures=spans(self.signatures),
            beats=time_map(self.beats),
            downbeats=time_map(self.downbeats),
            tempo=self.tempo if tempo is None else tempo,
            seconds=float(time_map(np.array([self.seconds]))[0]),
        )

    def excerpt(self, start: float, seconds: float) -> Score:
        """`seconds` from `start` on, with times relative to it.

        A note that began before `start` is struck again at 0 unless less than 30 ms of it is left, so that
        what the excerpt lists is what is heard; drums are not struck again.
        """
        end = start + seconds

        def notes(old: Notes, restrike: bool = True) -> Notes:
            offset = np.minimum(old[:, ONSET] + old[:, DURATION], end)
            onset = np.maximum(old[:, ONSET], start)
            keep = (offset - onset >= 0.03) & (old[:, ONSET] < end)
            if not restrike:
                keep = (old[:, ONSET] >= start) & (old[:, ONSET] < end)
            new = old[keep].copy()
            new[:, ONSET] = onset[keep] - start
            new[:, DURATION] = (offset - onset)[keep]
            return new

        def spans(old: tuple[Span, ...]) -> tuple[Span, ...]:
            cut = ((max(s.start, start) - start, min(s.end, end) - start, s.label) for s in old)
            return tuple(Span(a, b, label) for a, b, label in cut if b - a > 1e-6)

        def times(old: NDArray[np.float64]) -> NDArray[np.float64]:
            return old[(old >= start - 1e-9) & (old < end)] - start

        return dataclasses.replace(
            self,
            melody=notes(self.melody),
            parts=tuple(dataclasses.replace(p, notes=notes(p.notes, not p.is_drum)) for p in self.parts),
            chords=spans(self.chords),
            keys=spans(self.keys),
            signatures=spans(self.signatures),
            beats=times(self.beats),
            downbeats=times(self.downbeats),
            seconds=float(min(seconds, max(0.0, self.seconds - start))),
        )


def make_notes(rows: Iterable[Sequence[float]] | Notes = ()) -> Notes:
    """`(n, 4)` float64 notes sorted by onset, then pitch; notes without duration are dropped.

    >>> make_notes([(1.0, 0.5, 60, 80), (0.0, 0.5, 64, 80)])[:, 2].tolist()
    [64.0, 60.0]
    """
    notes = np.asarray(rows if isinstance(rows, np.ndarray) else list(rows), dtype=np.float64).reshape(-1, 4)
    notes = notes[notes[:, DURATION] > 0]
    return notes[np.lexsort((notes[:, PITCH], notes[:, ONSET]))]


def end_of(*arrays: Notes) -> float:
    """When the last note ends, in seconds; 0 without notes."""
    return max((float((a[:, ONSET] + a[:, DURATION]).max()) for a in arrays if len(a)), default=0.0)


def _longest(spans: Sequence[Span]) -> str | None:
    """The label that holds longest in all; None without a span."""
    lengths: dict[str, float] = {}
    for span in spans:
        lengths[span.label] = lengths.get(span.label, 0.0) + span.end - span.start
    return max(lengths, key=lambda label: lengths[label]) if lengths else None


def _shift_pitch(notes: Notes, semitones: int) -> Notes:
    """Transpose; a pitch that would leave 0-127 moves by octaves back into it."""
    new = notes.copy()
    new[:, PITCH] += semitones
    new[new[:, PITCH] > 127, PITCH] -= 12
    new[new[:, PITCH] < 0, PITCH] += 12
    return new
