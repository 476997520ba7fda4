"""Chords from what a head says of every frame, smoothed: a chord lasts a while.

Two kinds of heads: one class a chord (`decode_chords`), or root, bass and pitch classes apart (`decode_chord_parts`),
after McFee and Bello, "Structured training for large-vocabulary chord recognition" (2017), and Jiang et al.,
"Large-vocabulary chord transcription via chord structure decomposition" (2019). The second can name chords that were
rare in training, and their inversions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohrwurm.analysis.activations import checked, shares
from ohrwurm.analysis.chord_classes import LARGE, MAJMIN, NONE, Vocabulary
from ohrwurm.analysis.harte import QUALITIES, spell
from ohrwurm.analysis.smoothing import LEAST, best_classes, change_matrix, runs
from ohrwurm.errors import DataError
from ohrwurm.events import Spans

BLOCK = 4096  # frames whose 170 classes are held in full precision
EDGE = 0.01  # a pitch class sounds with a probability of at least this, and at most 1 less this


@dataclass(frozen=True)
class Smoothing:
    """How long chords last.

    Attributes:
        mean: seconds on average; longer resists changes more.
        shortest: seconds at least. 0 with a `mean` of 0 takes each frame for itself.

    Raises:
        ValueError: below 0.
    """

    mean: float = 2.0
    shortest: float = 0.25

    def __post_init__(self) -> None:
        if self.mean < 0 or self.shortest < 0:
            raise ValueError(f"chords of {self.mean} s on average, of {self.shortest} s at least")


SMOOTH, RAW = Smoothing(), Smoothing(0.0, 0.0)


def decode_chords(
    probabilities: ArrayLike,
    frame_rate: float = 16.0,
    *,
    vocabulary: Vocabulary = MAJMIN,
    smoothing: Smoothing = SMOOTH,
) -> Spans:
    """Chords of a head with one class a chord.

    Args:
        probabilities: `(frames, classes)`, of the classes of `vocabulary`.
        smoothing: `RAW` for each frame's own best class.

    Returns:
        Spans that follow one another from 0 s to the end; equal neighbours are one. Confidence is the mean share of the
        span's class over its frames.

    Raises:
        DataError: not such probabilities.

    >>> x = np.full((32, 25), 0.01)
    >>> x[:16, 0], x[16:, 21], x[5, 3] = 0.9, 0.9, 0.95
    >>> found = decode_chords(x)
    >>> found.labels, found.intervals.tolist()
    (('C:maj', 'A:min'), [[0.0, 1.0], [1.0, 2.0]])
    """
    x = shares(checked(probabilities, len(vocabulary), frame_rate, "chords"))
    likely = np.log(x + LEAST).astype(np.float32)
    classes = _smoothed(likely, frame_rate, smoothing)
    names = vocabulary.labels
    return _spans(classes, likely, [names[c] for c in classes.tolist()], frame_rate)


def decode_chord_parts(
    root: ArrayLike,
    bass: ArrayLike,
    pitch: ArrayLike,
    frame_rate: float = 16.0,
    *,
    vocabulary: Vocabulary = LARGE,
    smoothing: Smoothing = SMOOTH,
) -> Spans:
    """Chords, inversions included, of a head by parts.

    A chord is as likely as its root, and its tones sounding and no others. The bass is decided for each chord as a
    whole, among its tones: anything but the root must be likelier than it. `X` is what the vocabulary's chords explain
    worse than chance does: where a root is heard but no chord of the vocabulary gives the tones.

    Args:
        root, bass: `(frames, 13)`: C .. B, none.
        pitch: `(frames, 12)`: each pitch class sounds, independently.

    Returns:
        As `decode_chords`.

    Raises:
        DataError: not such probabilities, or not for the same frames.

    >>> root, bass, pitch = np.full((32, 13), 0.01), np.full((32, 13), 0.01), np.full((32, 12), 0.1)
    >>> root[:, 9], bass[:, 0] = 0.9, 0.9
    >>> pitch[:, [9, 0, 4, 7]] = 0.9
    >>> decode_chord_parts(root, bass, pitch).labels
    ('A:min7/b3',)
    """
    roots = np.log(shares(checked(root, 13, frame_rate, "chord roots")) + LEAST)
    basses = np.log(shares(checked(bass, 13, frame_rate, "chord basses")) + LEAST)
    sounds = np.clip(checked(pitch, 12, frame_rate, "pitch classes"), EDGE, 1 - EDGE)
    if not len(roots) == len(basses) == len(sounds):
        raise DataError(
            f"chords: {len(roots)} frames of roots, {len(basses)} of basses, {len(sounds)} of pitch classes"
        )
    likely = np.empty((len(roots), len(vocabulary)), np.float32)
    for start in range(0, len(roots), BLOCK):
        rows = slice(start, start + BLOCK)
        found = _likelihood(roots[rows], sounds[rows], vocabulary)
        likely[rows] = np.log(np.exp(found - np.logaddexp.reduce(found, axis=1, keepdims=True)) + LEAST)
    classes = _smoothed(likely, frame_rate, smoothing)
    names = vocabulary.labels
    labels = [names[c] for c in classes.tolist()]
    for begin, end in runs(classes).tolist():
        number, place = divmod(int(classes[begin]), 12)
        if number < len(vocabulary.qualities):
            quality = vocabulary.qualities[number]
            tones = sorted(QUALITIES[quality])  # the root first, which stands unless another is likelier
            heard = basses[begin:end].mean(0)
            lowest = max(tones, key=lambda tone: heard[(place + tone) % 12])
            labels[begin:end] = [spell(place, quality, lowest)] * (end - begin)
    return _spans(classes, likely, labels, frame_rate)


def _likelihood(roots: NDArray[np.float64], sounds: NDArray[np.float64], vocabulary: Vocabulary) -> NDArray[np.float64]:
    """Log likelihood of every class `(frames, classes)` from log roots `(frames, 13)` and tones `(frames, 12)`."""
    tones = vocabulary.tones.astype(np.float64)
    off = np.log(1 - sounds)
    of_tones = (np.log(sounds) - off) @ tones.T + off.sum(1, keepdims=True)
    of_root = np.concatenate(
        [np.tile(roots[:, :NONE], len(vocabulary.qualities)), roots[:, NONE:]], axis=1
    )  # (frames, chords and N)
    chords = vocabulary.no_chord + 1
    likely = of_tones[:, :chords] + of_root
    if vocabulary.unknown:
        some_root = np.logaddexp.reduce(roots[:, :NONE], axis=1, keepdims=True)
        likely = np.concatenate([likely, some_root - 12 * np.log(2)], axis=1)
    return likely


def _smoothed(likely: NDArray[np.float32], frame_rate: float, smoothing: Smoothing) -> NDArray[np.int64]:
    if smoothing == RAW or not len(likely):
        return likely.argmax(1).astype(np.int64) if len(likely) else np.zeros(0, np.int64)
    change = change_matrix(likely.shape[1], smoothing.mean * frame_rate)
    return best_classes(likely, change, shortest=max(1, round(smoothing.shortest * frame_rate)))


def _spans(classes: NDArray[np.int64], likely: NDArray[np.float32], labels: list[str], frame_rate: float) -> Spans:
    """Runs of frames with one class as spans; neighbours with one label do not occur."""
    found = runs(classes)
    confidence = np.array([np.exp(likely[a:b, classes[a]]).mean() for a, b in found.tolist()])
    return Spans(found / frame_rate, tuple(labels[a] for a in found[:, 0].tolist()), np.clip(confidence, 0, 1))
