"""What is to be found in `waltz.flac` of the fixture `heard`."""

from __future__ import annotations

import numpy as np

from ohrwurm.analysis.recording import Analysis
from ohrwurm.analysis.tempo import Tempo
from ohrwurm.events import Beats, Key, Spans


def waltz() -> Analysis:
    """An analysis with something in every lane."""
    beats = np.arange(0.4, 60, 60 / 140)
    names = ("F:min", "Bb:min", "C:7", "F:min", "Ab:maj", "Eb:maj/3", "Db:maj7", "N", "G:hdim7", "C:maj")
    edges = np.linspace(0, 60, 31)
    chords = Spans(np.stack([edges[:-1], edges[1:]], 1), tuple(names[i % 10] for i in range(30)))
    return Analysis(
        "waltz.flac", 60.0, "frames:1", beats=Beats(beats, np.arange(len(beats)) % 3 + 1),
        tempo=Tempo(140.0, 70.0, 0.6, 0.9), metre=3, chords=chords, key=Key("F minor", 0.8),
        keys=Spans(np.array([[0.0, 40], [40, 60]]), ("F minor", "Ab major")),
        sections=Spans(
            np.array([[0.0, 6], [6, 22], [22, 38], [38, 54], [54, 60]]), ("intro", "verse", "chorus", "verse", "outro")
        ),
        tags=(("piano", 0.9),), remarks=("key-changes: Ab major from 0:40",),
    )  # fmt: skip
