"""The rows in which our own analyses are written as JSON (`ohrwurm analyze`), and the annotations that they are.

{"format": "ohrwurm-analysis", "beats": [{"time": 0.5, "position": 1, "confidence": 0.9}, ...],
 "chords": [{"start": 0.0, "end": 2.0, "label": "C:maj", "confidence": 0.8}, ...], "key": {"label": ..., ...}, ...}
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ohrwurm.data.annotations.chords import chords_of
from ohrwurm.data.annotations.reading import Reading
from ohrwurm.errors import DataError
from ohrwurm.events import Beats, Key, Spans

FORMAT = "ohrwurm-analysis"
Rows = list[dict[str, Any]]


def is_analysis(content: dict[str, Any]) -> bool:
    """Whether a JSON object is an analysis of ours."""
    return content.get("format") == FORMAT


def beat_rows(beats: Beats) -> Rows:
    """Beats row by row; `beats_from` gives them back.

    >>> beat_rows(Beats(np.array([0.5]), np.array([1]), np.array([0.9])))
    [{'time': 0.5, 'position': 1, 'confidence': 0.9}]
    """
    rows = zip(beats.times.tolist(), beats.positions.tolist(), _sure(beats.confidence, len(beats)), strict=True)
    return [{"time": time, "position": position, "confidence": sure} for time, position, sure in rows]


def span_rows(spans: Spans) -> Rows:
    """Spans row by row; `spans_from` gives them back.

    >>> span_rows(Spans(np.array([[0.0, 2.0]]), ("verse",)))
    [{'start': 0.0, 'end': 2.0, 'label': 'verse', 'confidence': None}]
    """
    rows = zip(spans.intervals.tolist(), spans.labels, _sure(spans.confidence, len(spans)), strict=True)
    return [{"start": start, "end": end, "label": label, "confidence": sure} for (start, end), label, sure in rows]


def beats_from(rows: Rows) -> Beats:
    """See `beat_rows`.

    Raises:
        KeyError, TypeError, ValueError: not such rows.
    """
    times = np.array([row["time"] for row in rows], np.float64)
    positions = np.array([row["position"] for row in rows], np.int64)
    return Beats(times, positions, _confidence(rows))


def spans_from(rows: Rows) -> Spans:
    """See `span_rows`.

    Raises:
        KeyError, TypeError, ValueError: not such rows.
    """
    intervals = np.array([[row["start"], row["end"]] for row in rows], np.float64).reshape(-1, 2)
    return Spans(intervals, tuple(row["label"] for row in rows), _confidence(rows))


def read_beats(file: Path, content: dict[str, Any]) -> Reading[Beats]:
    """The beats of an analysis.

    Raises:
        DataError: none in it, or damaged.
    """
    rows = _rows(file, content, "beats")
    try:
        return Reading(beats_from(rows))
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(file, "beats", error) from error


def read_spans(file: Path, content: dict[str, Any], kind: Literal["chords", "sections"]) -> Reading[Spans]:
    """The chords or the sections of an analysis.

    Raises:
        DataError: none in it, or damaged.
    """
    rows = _rows(file, content, kind)
    try:
        found = Reading(spans_from(rows))
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(file, kind, error) from error
    return chords_of(found) if kind == "chords" else found


def read_key(file: Path, content: dict[str, Any]) -> Reading[Key]:
    """The key of the whole recording.

    Raises:
        DataError: none in it, or damaged.
    """
    found = content.get("key")
    if found is None:
        raise DataError(f"{file}: no key in it; analyze the recording for it too (--tasks key)")
    try:
        return Reading(Key(found["label"], found["confidence"]))
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(file, "key", error) from error


def _rows(file: Path, content: dict[str, Any], kind: str) -> Rows:
    if content.get(kind) is None:
        raise DataError(f"{file}: no {kind} in it; analyze the recording for them too (--tasks {kind})")
    rows: Rows = content[kind]
    return rows


def _damaged(file: Path, kind: str, error: Exception) -> DataError:
    return DataError(f"{file}: its {kind} are damaged ({error!r}); analyze the recording again")


def _sure(confidence: NDArray[np.float64] | None, count: int) -> Sequence[float | None]:
    return [None] * count if confidence is None else confidence.tolist()


def _confidence(rows: Rows) -> NDArray[np.float64] | None:
    if not rows or rows[0]["confidence"] is None:
        return None
    return np.array([row["confidence"] for row in rows], np.float64)
