"""Analyses made up by hand, for tests of what is made of an analysis."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from ohrwurm.analysis.recording import Analysis
from ohrwurm.analysis.tempo import tempo
from ohrwurm.events import KEYS, Beats, Key, Spans

CHORDS = ("D:min", "G:7/3", "C:maj", "A:hdim7", "N", "F:maj7", "Bb:sus4", "E:min")
NAMES = ("intro", "verse", "chorus", "inst", "verse", "chorus", "bridge", "outro")


def spans(duration: float, count: int, labels: tuple[str, ...], sure: bool = True) -> Spans:
    """`count` labelled stretches of unequal length, from 0 s to the end."""
    edges = np.cumsum(np.random.default_rng(count).uniform(0.5, 1.5, count))
    edges = np.concatenate([[0.0], edges / edges[-1] * duration]) if count else np.zeros(1)
    edges[-1] = duration
    confidence = np.linspace(0.1, 1, count) if sure else None
    return Spans(np.stack([edges[:-1], edges[1:]], 1), tuple(labels[i % len(labels)] for i in range(count)), confidence)


def made_up(file: str | Path = "music/song.mp3", duration: float = 30.0, bpm: float = 120.0) -> Analysis:
    """An analysis in which everything was found: bars of three, an upbeat, times that are no round numbers."""
    times = np.arange(0.1234567, duration, 60 / bpm)
    positions = (np.arange(len(times)) + 1) % 3 + 1
    found = Beats(times, positions, np.linspace(0.3, 1, len(times)))
    return Analysis(
        str(file), duration, "some-model:0123", beats=found, tempo=tempo(found), metre=3,
        chords=spans(duration, max(1, round(duration / 1.7)), CHORDS), key=Key("D minor", 0.8125),
        keys=spans(duration, max(1, round(duration / 20)), (*KEYS[::5], "N")),
        sections=spans(duration, max(1, round(duration / 15)), NAMES, sure=False),
        tags=(("piano", 0.9), ("slow & <soft>", 0.6)), remarks=("key-changes: twice", "unclear-beat: confidence 0.2"),
    )  # fmt: skip


def tone(file: Path, duration: float = 30.0, rate: int = 8000, channels: int = 2) -> Path:
    """A quiet stereo sound in a file."""
    rng = np.random.default_rng(0)
    soundfile.write(file, rng.uniform(-0.1, 0.1, (round(duration * rate), channels)), rate)
    return file
