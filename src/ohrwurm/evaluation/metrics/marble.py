"""Beats and chords as MARBLE counts them (Yuan et al., "MARBLE: music audio representation benchmark for universal
evaluation", 2023, version 2 of its code): recordings are cut into clips, and what is right is counted over all of them.

Conventions
-----------
Clips follow one another from 0 s; the last one may be shorter. Every event and every frame belongs to one clip.
Figures of a set are ratios of sums over it, not means over recordings: a long recording weighs more.

Metrics
-------
* **beats**: times are those of frames, 25 a second; a beat is found if an estimate of the same clip lies within 70 ms
  (so within one frame). F1 is 2 hits / (reference beats + estimated beats).
* **chords**: share of the frames with the right class of 25 (major, minor, none); others do not count.
  As published, time without a chord takes the class of the chord before it in the clip.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohrwurm.analysis.chord_classes import MAJMIN, majmin_of
from ohrwurm.analysis.targets import IGNORED, label_targets
from ohrwurm.errors import DataError
from ohrwurm.evaluation.metrics.sections import mir_eval
from ohrwurm.events import Spans

BEAT_CLIP, BEAT_RATE = 10.0, 25.0  # seconds, frames a second
CHORD_CLIP, CHORD_RATE = 15.0, 16.0
TOLERANCE = 0.07  # seconds


@dataclass(frozen=True)
class Counts:
    """What was found of a recording: `right` of what there is to find, and what counts against it.

    Attributes:
        right: hits, or frames of the right class.
        total: the denominator: reference plus estimated beats over two, or frames that count.
    """

    right: float
    total: float

    @property
    def share(self) -> float:
        """F1, or accuracy; NaN where there is nothing to be measured."""
        return self.right / self.total if self.total else float("nan")


def beats(
    reference: ArrayLike, estimate: ArrayLike, *, clip: float = BEAT_CLIP, frame_rate: float = BEAT_RATE
) -> Counts:
    """Beats of one recording.

    Args:
        reference, estimate: increasing times in seconds.

    Raises:
        DataError: times that are not finite, or before 0 s.

    >>> found = beats([0.5, 1.0, 1.5, 10.02], [0.52, 1.06, 1.5, 9.98])
    >>> found.right, found.total, found.share
    (3.0, 4.0, 0.75)
    """
    r, e = _in_clips(reference, clip, frame_rate), _in_clips(estimate, clip, frame_rate)
    util = mir_eval("util")
    hits = sum(len(util.match_events(r[place], e[place], TOLERANCE)) for place in r.keys() & e.keys())
    return Counts(float(hits), sum(map(len, (*r.values(), *e.values()))) / 2)


def chords(
    reference: Spans,
    estimate: Spans,
    *,
    clip: float = CHORD_CLIP,
    frame_rate: float = CHORD_RATE,
    published: bool = False,
) -> Counts:
    """Frames of one recording, from the beginning to the end of its annotation.

    Args:
        published: time without a chord is given to the chord before it in the clip.

    >>> one = Spans(np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]]), ("C:maj", "N", "C:sus4"))
    >>> held = Spans(np.array([[0.0, 3.0]]), ("C:7",))
    >>> chords(one, held).share, chords(one, held, published=True).share
    (0.5, 1.0)
    """
    if not len(reference):
        return Counts(0.0, 0.0)
    frames = int(np.ceil(reference.intervals[-1, 1] * frame_rate))
    truth, found = (label_targets(spans, majmin_of, frames, frame_rate) for spans in (reference, estimate))
    if published:
        truth = without_pauses(truth, round(clip * frame_rate))
    known = truth != IGNORED
    return Counts(float((truth[known] == found[known]).sum()), float(known.sum()))


def without_pauses(classes: NDArray[np.int64], clip: int) -> NDArray[np.int64]:
    """Classes `(frames,)` in which no chord (24) is what was before it within clips of so many frames.

    >>> without_pauses(np.array([24, 3, 24, -1, 24, 24]), 5).tolist()
    [24, 3, 3, -1, -1, 24]
    """
    found = classes.copy()
    for start in range(0, len(found), clip):
        for frame in range(start + 1, min(start + clip, len(found))):
            if found[frame] == MAJMIN.no_chord:
                found[frame] = found[frame - 1]
    return found


def _in_clips(times: ArrayLike, clip: float, frame_rate: float) -> dict[int, NDArray[np.float64]]:
    """Clip → times of its events' frames, in order, none twice."""
    x = np.asarray(times, np.float64)
    if x.ndim != 1 or not np.isfinite(x).all() or (x < 0).any():
        raise DataError("beats must be finite times from 0 s on")
    places = (x / clip).astype(np.int64)
    return {
        int(place): np.unique(np.round((x[places == place] - place * clip) * frame_rate)) / frame_rate
        for place in np.unique(places)
    }
