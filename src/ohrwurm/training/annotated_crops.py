"""What a track's annotations say of a crop of it: the targets of each head, frame by frame.

Chords, keys and pitch classes turn with the music when a crop is transposed. What nobody annotated is `IGNORED`: a
track without chords does not count in the chord head's loss, whatever else it is annotated with.
"""

from __future__ import annotations

import functools
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ohrwurm.analysis.chord_classes import LARGE, MAJMIN, NONE, SEVENTHS, Vocabulary, parts_of
from ohrwurm.analysis.section_classes import section_class
from ohrwurm.analysis.targets import IGNORED, boundary_targets, event_targets, label_targets
from ohrwurm.data.annotations import Kind
from ohrwurm.data.annotations.references import keys, reference
from ohrwurm.data.annotations.rendered import NothingKnown
from ohrwurm.data.tracks import Track
from ohrwurm.errors import DataError
from ohrwurm.events import Beats, Spans
from ohrwurm.models.frame_heads import HeadSpec

log = logging.getLogger(__name__)
KIND_OF: dict[str, Kind] = {
    "beats": "beats", "chords": "chords", "chord-parts": "chords", "sections": "sections", "key": "key",
}  # fmt: skip
Targets = dict[str, np.ndarray]


@dataclass(frozen=True)
class Annotations:
    """What is known of one track; None where nothing is."""

    beats: Beats | None = None
    chords: Spans | None = None
    sections: Spans | None = None
    key: Spans | None = None
    tags: frozenset[str] | None = None

    def knows(self, task: str) -> bool:
        """Whether there is something for this head to learn."""
        return (self.tags if task == "tags" else getattr(self, KIND_OF[task])) is not None


def read_annotations(tracks: Sequence[Track], tasks: Iterable[str]) -> tuple[list[Annotations], dict[str, str]]:
    """The annotations of tracks, as far as these tasks need them, and what could not be read: track id → why."""
    kinds = sorted({KIND_OF[task] for task in tasks if task in KIND_OF})
    found: list[Annotations] = []
    failed: dict[str, str] = {}
    for track in tracks:
        said: dict[str, Any] = {}
        for kind in kinds:
            try:
                reading = _read(track, kind)
            except NothingKnown:
                continue
            except DataError as error:
                failed[track.track_id] = str(error)
                continue
            if reading is not None:
                said[kind] = reading
        found.append(Annotations(**said, tags=frozenset(track.tags) or None))
    return found, failed


def _read(track: Track, kind: Kind) -> Beats | Spans | None:
    reading = keys(track) if kind == "key" else reference(kind, track)
    return None if reading is None else reading.value


def vocabulary(spec: HeadSpec) -> Vocabulary:
    """The chord classes of a head.

    Raises:
        DataError: classes of one's own, whose members nobody knows.
    """
    for known in (MAJMIN, SEVENTHS, LARGE):
        if known.labels == tuple(spec.classes):
            return known
    raise DataError(
        f"a chord head with {len(spec.classes)} classes ({', '.join(spec.classes[:3])}, ...): there are the "
        f"{len(MAJMIN)}, {len(SEVENTHS)} and {len(LARGE)} of ohrwurm.analysis.chord_classes"
    )


def targets(
    spec: HeadSpec, found: Annotations, start: float, frames: int, *, valid: float = float("inf"), shift: int = 0
) -> Targets:
    """What a head is to say of a crop, by name of its outputs.

    Args:
        found: annotations of the track.
        start: of the crop in the track, in seconds.
        frames: that the head gives of a crop.
        valid: seconds of the crop that are music; what follows is padding and does not count.
        shift: semitones by which the crop was transposed up.

    >>> spec = HeadSpec("key")
    >>> key = Spans(np.array([[0.0, 60.0]]), ("A minor",))
    >>> targets(spec, Annotations(key=key), 30, 3, shift=1)
    {'key': array([22, 22, 22])}
    >>> targets(spec, Annotations(), 30, 3)
    {'key': array([-1, -1, -1])}
    """
    rate = spec.frame_rate
    if rate is None:
        return {"tags": _tags(spec, found)}
    made = _OF[spec.task](spec, found, start, frames, float(rate), shift)
    known = np.arange(frames) / rate < valid
    for values in made.values():
        values[~known] = IGNORED
    return made


def _tags(spec: HeadSpec, found: Annotations) -> np.ndarray:
    if found.tags is None:
        return np.full(len(spec.classes), IGNORED, np.float32)
    return np.array([name in found.tags for name in spec.classes], np.float32)


def _beats(spec: HeadSpec, found: Annotations, start: float, frames: int, rate: float, shift: int) -> Targets:
    values = np.full((frames, 2), IGNORED, np.float32)
    if found.beats is not None:
        values[:, 0] = event_targets(found.beats.times, frames, rate, start=start)
        if len(found.beats.downbeats):  # else nobody said which are
            values[:, 1] = event_targets(found.beats.downbeats, frames, rate, start=start)
    return {"beats": values}


def _classes(spans: Spans | None, class_of: Callable[[str], int], start: float, frames: int, rate: float) -> np.ndarray:
    if spans is None:
        return np.full(frames, IGNORED, np.int64)
    return label_targets(spans, class_of, frames, rate, start=start)


def turned(classes: np.ndarray, shift: int, chords: int) -> np.ndarray:
    """Classes in blocks of twelve, C to B, the first `chords` of all, as they are `shift` semitones higher.

    >>> turned(np.array([0, 11, 23, 24, -1]), 1, 24).tolist()
    [1, 0, 12, 24, -1]
    """
    turns = (classes >= 0) & (classes < chords)
    return np.where(turns, classes // 12 * 12 + (classes + shift) % 12, classes)


def _chords(spec: HeadSpec, found: Annotations, start: float, frames: int, rate: float, shift: int) -> Targets:
    known = vocabulary(spec)
    classes = _classes(found.chords, known.class_of, start, frames, rate)
    return {"chords": turned(classes, shift, known.no_chord)}


_parts = functools.lru_cache(4096)(parts_of)


def _chord_parts(spec: HeadSpec, found: Annotations, start: float, frames: int, rate: float, shift: int) -> Targets:
    spans = found.chords
    rows = _classes(None if spans is None else spans, _Numbers(), start, frames, rate)
    labels = list(dict.fromkeys(spans.labels)) if spans is not None else []
    root, bass = np.full(frames, IGNORED, np.int64), np.full(frames, IGNORED, np.int64)
    tones = np.full((frames, 12), IGNORED, np.float32)
    for number, label in enumerate(labels):
        parts = _parts(label)
        if parts is not None:
            here = rows == number
            root[here], bass[here], tones[here] = parts[0], parts[1], np.roll(parts[2], shift)
    return {"root": turned(root, shift, NONE), "bass": turned(bass, shift, NONE), "pitches": tones}


class _Numbers(dict[str, int]):
    """Label → how many others were asked for before it."""

    def __call__(self, label: str) -> int:
        return self.setdefault(label, len(self))


def _sections(spec: HeadSpec, found: Annotations, start: float, frames: int, rate: float, shift: int) -> Targets:
    if found.sections is None:
        return {"boundaries": np.full((frames, 1), IGNORED, np.float32), "labels": np.full(frames, IGNORED, np.int64)}
    times = np.unique(found.sections.intervals)
    numbers = {name: number for number, name in enumerate(spec.classes)}
    labels = _classes(
        found.sections, lambda label: numbers.get(section_class(label) or "", IGNORED), start, frames, rate
    )
    boundaries = boundary_targets(times[times > 0], frames, rate, start=start)
    return {"boundaries": boundaries[:, None], "labels": labels}


def _key(spec: HeadSpec, found: Annotations, start: float, frames: int, rate: float, shift: int) -> Targets:
    numbers = {name: number for number, name in enumerate(spec.classes)}
    classes = _classes(found.key, lambda label: numbers.get(label, IGNORED), start, frames, rate)
    return {"key": turned(classes, shift, 24)}


_OF: dict[str, Callable[[HeadSpec, Annotations, float, int, float, int], Targets]] = {
    "beats": _beats, "chords": _chords, "chord-parts": _chord_parts, "sections": _sections, "key": _key,
}  # fmt: skip


def left_out(spec: HeadSpec, annotations: Iterable[Annotations]) -> tuple[Counter[str], float]:
    """Labels that are none of a head's classes, with their seconds, and which share of all annotated time that is.

    >>> spans = Spans(np.array([[0.0, 3.0], [3.0, 4.0]]), ("C:maj", "C:sus4"))
    >>> left_out(HeadSpec("chords"), [Annotations(chords=spans)])
    (Counter({'C:sus4': 1.0}), 0.25)
    """
    seconds: Counter[str] = Counter()
    total = 0.0
    for found in annotations:
        spans = found.chords if spec.task == "chords" else found.sections
        if spans is None:
            continue
        for (begin, end), label in zip(spans.intervals.tolist(), spans.labels, strict=True):
            total += end - begin
            if spec.task == "chords":
                known = _class(len(spec.classes), label) != IGNORED
            else:
                known = section_class(label) in spec.classes
            if not known:
                seconds[label] += end - begin
    return seconds, sum(seconds.values()) / total if total else 0.0


@functools.lru_cache(8192)
def _class(size: int, label: str) -> int:
    return next(v for v in (MAJMIN, SEVENTHS, LARGE) if len(v) == size).class_of(label)
