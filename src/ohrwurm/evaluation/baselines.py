"""Simple systems against which others are measured in the same run: no training, a few lines each.

* ``librosa-beats``: librosa's dynamic programming beat tracker (Ellis, "Beat tracking by dynamic programming", 2007).
  Bars of four are assumed; the downbeat is the place at which onsets in the bass are strongest.
* ``chroma-chords``: the correlation of the chroma of each tenth of a second with the 24 major and minor triads, no
  chord where none reaches `NO_CHORD`, smoothed by a Viterbi search that likes to stay (Fujishima 1999; Sheh and Ellis
  2003). The settings are the best of twelve on 18 renditions of the validation split: majmin 0.74.
* ``chroma-key``: mean chroma against the key profiles of Krumhansl and Kessler (1982); ``chroma-key-temperley`` against
  those of Temperley (2001, revised).
* ``foote-sections``: peaks of Foote's novelty (2000) over the self-similarity of timbre and harmony; sections that
  sound alike get one letter.

Silence has a result too: no beats, no chord (`N`), no key (`N`), one section.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ohrwurm.analysis.novelty import NOVELTY, sections_by_novelty, standardized
from ohrwurm.data.annotations.keys import NONE
from ohrwurm.evaluation.systems import System, card_of, heard
from ohrwurm.events import KEYS, TONICS, Beats, Key, Spans

RATE = 22050
HOP = 512
METRE = 4
BASS = 200.0  # Hz
SILENT = 1e-4  # root mean square below which there is nothing (-80 dB)
QUIET = 0.01  # of the loudest frames, below which a frame has no chord
CHORDS = (*(f"{root}:maj" for root in TONICS), *(f"{root}:min" for root in TONICS), "N")
CHORD_HOP = 0.1  # seconds
NO_CHORD = 0.2  # correlation that a triad has to reach
SHARPNESS = 10.0  # of the likelihoods that the correlations become
STAY = 0.97  # probability that a chord goes on for another CHORD_HOP
PROFILES = {
    "krumhansl": (
        (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
        (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
    ),
    "temperley": (
        (5.0, 2.0, 3.5, 2.0, 4.5, 4.0, 2.0, 4.5, 2.0, 3.5, 1.5, 4.0),
        (5.0, 2.0, 3.5, 4.5, 2.0, 4.0, 2.0, 4.5, 3.5, 2.0, 1.5, 4.0),
    ),
}
SECTION_HOP = 0.5  # seconds a frame of the self-similarity


def beats(waveform: NDArray[np.float32], rate: int) -> Beats:
    """Beats, with bars of four.

    >>> clicks = np.zeros(RATE * 12, np.float32)
    >>> clicks[RATE // 2 :: RATE // 2] = 1.0
    >>> 0.45 < float(np.median(np.diff(beats(clicks, RATE).times))) < 0.55
    True
    """
    import librosa

    strength = librosa.onset.onset_strength(y=waveform, sr=rate, hop_length=HOP)
    if float(np.sqrt(np.mean(waveform**2))) < SILENT or not strength.any():
        return Beats(np.zeros(0), np.zeros(0, np.int64))
    _, frames = librosa.beat.beat_track(onset_envelope=strength, sr=rate, hop_length=HOP, trim=False)
    times = np.unique(librosa.frames_to_time(frames, sr=rate, hop_length=HOP))
    low = librosa.onset.onset_strength(y=waveform, sr=rate, hop_length=HOP, fmax=BASS, n_mels=8)
    at = [low[max(frame - 1, 0) : frame + 2].max() for frame in np.asarray(frames)[: len(times)]]
    first = int(np.argmax([np.mean(at[phase::METRE] or [0.0]) for phase in range(METRE)]))
    return Beats(times, (np.arange(len(times)) - first) % METRE + 1)


def chords(waveform: NDArray[np.float32], rate: int) -> Spans:
    """Major and minor chords, and `N`.

    >>> t = np.arange(RATE * 4) / RATE
    >>> triad = sum(np.sin(2 * np.pi * f * t) for f in (261.63, 329.63, 392.0)).astype(np.float32)
    >>> chords(triad, RATE).labels
    ('C:maj',)
    """
    import librosa

    if float(np.sqrt(np.mean(waveform**2))) < SILENT:
        return Spans(np.array([[0.0, len(waveform) / rate]]), ("N",))
    hop = HOP * max(1, round(CHORD_HOP * rate / HOP))
    profile = _chroma(waveform, rate, hop)  # (12, frames)
    level = librosa.feature.rms(y=waveform, frame_length=2 * hop, hop_length=hop)[0]
    frames = min(profile.shape[1], len(level))
    profile, level = profile[:, :frames], level[:frames]
    triads = _standing_out(_triads().T).T @ _standing_out(profile)  # (24, frames)
    likelihood = np.exp(SHARPNESS * np.concatenate([triads, np.full((1, frames), NO_CHORD)]))  # (25, frames)
    mute = level < max(SILENT, QUIET * float(np.quantile(level, 0.95)))
    likelihood[:, mute] = 1e-6
    likelihood[-1, mute] = 1.0
    likelihood /= likelihood.sum(0)
    path = librosa.sequence.viterbi_discriminative(likelihood, librosa.sequence.transition_loop(len(CHORDS), STAY))
    edges = np.concatenate([[0], np.flatnonzero(np.diff(path)) + 1, [frames]])
    times = edges * hop / rate
    times[-1] = len(waveform) / rate
    labels = [CHORDS[path[i]] for i in edges[:-1]]
    sure = [float(likelihood[path[a], a:b].mean()) for a, b in pairwise(edges)]
    return Spans(np.stack([times[:-1], times[1:]], 1), tuple(labels), np.clip(sure, 0, 1))


def key(waveform: NDArray[np.float32], rate: int, profiles: str = "krumhansl") -> Key:
    """The key whose profile correlates most with the mean chroma; its lead over the next, as confidence.

    >>> t = np.arange(RATE * 4) / RATE
    >>> triad = sum(np.sin(2 * np.pi * f * t) for f in (220.0, 261.63, 329.63)).astype(np.float32)
    >>> key(triad, RATE).label
    'A minor'
    """
    if float(np.sqrt(np.mean(waveform**2))) < SILENT:
        return Key(NONE, 0.0)
    return key_of(_chroma(waveform, rate, 4 * HOP).mean(1), profiles)


def key_of(profile: NDArray[np.floating], profiles: str = "krumhansl") -> Key:
    """The key of a pitch-class profile `(12,)`, C first.

    >>> key_of(np.array([5, 0, 3, 0, 4, 3, 0, 5, 0, 3, 0, 2])).label
    'C major'
    """
    if float(np.ptp(profile)) == 0.0:
        return Key(NONE, 0.0)
    wanted = np.concatenate([[np.roll(mode, tonic) for tonic in range(12)] for mode in PROFILES[profiles]])  # (24, 12)
    correlations = np.array([np.corrcoef(row, profile)[0, 1] for row in wanted])
    order = np.argsort(-correlations, kind="stable")
    lead = float(correlations[order[0]] - correlations[order[1]])
    return Key(KEYS[order[0]], float(np.clip(lead, 0, 1)))


def sections(waveform: NDArray[np.float32], rate: int) -> Spans:
    """Sections under letters.

    >>> noise = np.random.default_rng(0).normal(0, 0.1, RATE * 20)
    >>> tone = np.sin(np.arange(RATE * 20) * 2 * np.pi * 220 / RATE)
    >>> sections(np.concatenate([noise, tone, noise]).astype(np.float32), RATE).labels
    ('A', 'B', 'A')
    """
    import librosa

    seconds = len(waveform) / rate
    hop = HOP * max(1, round(SECTION_HOP * rate / HOP / 4))  # four frames are averaged to one
    if float(np.sqrt(np.mean(waveform**2))) < SILENT or seconds < 2 * NOVELTY.nearest:
        return Spans(np.array([[0.0, seconds]]), ("A",))
    timbre = librosa.feature.mfcc(y=waveform, sr=rate, n_mfcc=13, hop_length=hop).T
    harmony = _chroma(waveform, rate, hop).T
    frames = min(len(timbre), len(harmony))
    x = np.concatenate([standardized(timbre[:frames]), standardized(harmony[:frames])], 1)  # (frames, 25)
    count = frames // 4
    x = x[: count * 4].reshape(count, 4, -1).mean(1)
    return sections_by_novelty(x, rate / (4 * hop), seconds)


def _chroma(waveform: NDArray[np.float32], rate: int, hop: int) -> NDArray[np.float64]:
    """Chroma by a constant-Q transform, `(12, frames)`, C first, each frame of length 1 (or 0)."""
    import librosa

    short = len(waveform) < rate  # the lowest filters of a constant-Q transform are longer than that
    if short:
        found = librosa.feature.chroma_stft(y=waveform, sr=rate, hop_length=hop, tuning=0.0, norm=None)
    else:
        found = librosa.feature.chroma_cqt(y=waveform, sr=rate, hop_length=hop, norm=None)
    lengths = np.linalg.norm(found, axis=0)
    return np.asarray(found / np.maximum(lengths, 1e-9), np.float64)


def _triads() -> NDArray[np.float64]:
    """Pitch classes of the 24 triads, `(24, 12)`."""
    rows = np.zeros((24, 12))
    for root in range(12):
        rows[root, [root, (root + 4) % 12, (root + 7) % 12]] = 1.0
        rows[12 + root, [root, (root + 3) % 12, (root + 7) % 12]] = 1.0
    return rows


def _standing_out(profiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Profiles `(12, n)` less their means, of length 1 (or 0): their products are correlations."""
    apart = profiles - profiles.mean(0)
    return np.asarray(apart / np.maximum(np.linalg.norm(apart, axis=0), 1e-9))


SYSTEMS: dict[str, System] = {
    system.card.name: system
    for system in (
        heard(card_of("librosa-beats", "beats", "librosa's beat tracker, bars of four.", RATE), "beats", beats),
        heard(
            card_of(
                "chroma-chords",
                "chords",
                "Triad templates on chroma, smoothed.",
                RATE,
                {"no_chord": NO_CHORD, "sharpness": SHARPNESS, "stay": STAY},
            ),
            "chords",
            chords,
        ),
        heard(card_of("chroma-key", "key", "Krumhansl's key profiles on mean chroma.", RATE), "key", key),
        heard(
            card_of("chroma-key-temperley", "key", "Temperley's key profiles on mean chroma.", RATE),
            "key",
            lambda waveform, rate: key(waveform, rate, "temperley"),
        ),
        heard(
            card_of("foote-sections", "sections", "Foote's novelty and clustered sections.", RATE), "sections", sections
        ),
    )
}
