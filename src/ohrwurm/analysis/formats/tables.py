"""An analysis as tables: CSV with one header line, one row an event, one file a task. Times are seconds."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ohrwurm.analysis.recording import Analysis
from ohrwurm.analysis.tempo import tempo_curve
from ohrwurm.atomic import write_text
from ohrwurm.data.annotations.analysed import beat_rows, span_rows
from ohrwurm.events import Spans

TRACK = ("file", "duration", "bpm", "bpm_confidence", "other_bpm", "metre", "key", "key_confidence", "model")


def track(analysis: Analysis, file: Path) -> None:
    """One row about the whole recording; those of many can be put below one another."""
    tempo, key = analysis.tempo, analysis.key
    row = (
        analysis.file, analysis.duration, tempo and tempo.bpm, tempo and tempo.confidence, tempo and tempo.other,
        analysis.metre, key and key.label, key and key.confidence, analysis.model,
    )  # fmt: skip
    _write(file, TRACK, [row])


def beats(analysis: Analysis, file: Path) -> None:
    """Time, place in the bar (0 unknown), confidence."""
    assert analysis.beats is not None
    columns = ("time", "position", "confidence")
    _write(file, columns, ([row[name] for name in columns] for row in beat_rows(analysis.beats)))


def tempo(analysis: Analysis, file: Path) -> None:
    """The tempo in time: middle of each interval between beats, beats a minute."""
    assert analysis.beats is not None
    at, bpm = tempo_curve(analysis.beats)
    _write(file, ("time", "bpm"), zip(at.tolist(), bpm.tolist(), strict=True))


def chords(analysis: Analysis, file: Path) -> None:
    """Start, end, chord, confidence."""
    _spans(file, analysis.chords)


def keys(analysis: Analysis, file: Path) -> None:
    """Start, end, key, confidence."""
    _spans(file, analysis.keys)


def sections(analysis: Analysis, file: Path) -> None:
    """Start, end, name, confidence."""
    _spans(file, analysis.sections)


def tags(analysis: Analysis, file: Path) -> None:
    """Tag, probability."""
    assert analysis.tags is not None
    _write(file, ("tag", "probability"), analysis.tags)


def _spans(file: Path, spans: Spans | None) -> None:
    assert spans is not None
    columns = ("start", "end", "label", "confidence")
    _write(file, columns, ([row[name] for name in columns] for row in span_rows(spans)))


def _write(file: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([round(x, 6) if isinstance(x, float) else x for x in row] for row in rows)
    write_text(file, stream.getvalue())
