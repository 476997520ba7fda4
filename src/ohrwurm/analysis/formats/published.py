"""An analysis in the formats in which annotations are published: JAMS, `.lab`, `.beats`, `.key`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ohrwurm.analysis.recording import Analysis
from ohrwurm.data.annotations.beats import write_beats
from ohrwurm.data.annotations.jams import write_jams
from ohrwurm.data.annotations.keys import write_key, write_keys
from ohrwurm.data.annotations.spans import write_lab
from ohrwurm.events import Spans


def beats(analysis: Analysis, file: Path) -> None:
    """`.beats`: time and place in the bar."""
    assert analysis.beats is not None
    write_beats(file, analysis.beats)


def chords(analysis: Analysis, file: Path) -> None:
    """`.chords.lab`: start, end, chord, as MIREX exchanges them."""
    assert analysis.chords is not None
    write_lab(file, analysis.chords)


def sections(analysis: Analysis, file: Path) -> None:
    """`.sections.lab`: start, end, name."""
    assert analysis.sections is not None
    write_lab(file, analysis.sections)


def keys(analysis: Analysis, file: Path) -> None:
    """`.key.lab`: the keys in time, as Isophonics writes them."""
    write_keys(file, keys_in_time(analysis))


def key(analysis: Analysis, file: Path) -> None:
    """`.key`: the key of the whole, as GiantSteps writes it."""
    assert analysis.key is not None
    write_key(file, analysis.key)


def jams(analysis: Analysis, file: Path) -> None:
    """`.jams`: all of it, the namespaces beat, chord, segment_open, key_mode, tempo, tag_open."""
    tempo = analysis.tempo
    tempi = []
    if tempo is not None and tempo.bpm:
        tempi = [(tempo.bpm, tempo.share)] + ([(tempo.other, 1 - tempo.share)] if tempo.other else [])
    write_jams(
        file,
        duration=analysis.duration,
        beats=analysis.beats,
        chords=analysis.chords,
        sections=analysis.sections,
        key=analysis.key,
        keys=analysis.keys,
        tempi=tempi,
        tags=analysis.tags or (),
        title=Path(analysis.file).stem,
        tool=f"ohrwurm {analysis.model}",
    )


def keys_in_time(analysis: Analysis) -> Spans:
    """The keys in time; where only that of the whole is known, it from beginning to end.

    >>> from ohrwurm.events import Key
    >>> keys_in_time(Analysis("a.wav", 9.0, "m", key=Key("C major", 0.5))).intervals.tolist()
    [[0.0, 9.0]]
    """
    if analysis.keys is not None:
        return analysis.keys
    assert analysis.key is not None
    return Spans(np.array([[0.0, analysis.duration]]), (analysis.key.label,), np.array([analysis.key.confidence]))
