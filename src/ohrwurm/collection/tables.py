"""Schemas of the collection's tables, and rows from and to the values of `records`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from ohrwurm.collection.records import Facts, Failure, Track

META = pa.schema([("key", pa.string()), ("value", pa.string())])
DESCRIPTION = pa.schema(
    [
        ("path", pa.string()), ("content", pa.string()), ("title", pa.string()), ("artist", pa.string()),
        ("album", pa.string()), ("genre", pa.string()), ("year", pa.int32()), ("number", pa.int32()),
        ("duration", pa.float64()), ("size", pa.int64()), ("mtime_ns", pa.int64()), ("status", pa.string()),
        ("flags", pa.string()), ("added", pa.string()),
    ]
)  # fmt: skip
# What `ohrwurm analyze` finds; null for a track that was not analysed. Tables made before there was any lack them.
ANALYSIS = pa.schema(
    [
        ("analysis_model", pa.string()), ("analysis_tasks", pa.string()), ("analysis_error", pa.string()),
        ("key", pa.string()), ("tonic", pa.string()), ("mode", pa.string()), ("key_confidence", pa.float64()),
        ("bpm", pa.float64()), ("bpm_confidence", pa.float64()), ("tempo_stability", pa.float64()),
        ("metre", pa.int32()), ("beats", pa.int32()), ("downbeats", pa.int32()), ("chords", pa.string()),
        ("sections", pa.int32()), ("form", pa.string()), ("analysis_tags", pa.string()),
        ("analysis_remarks", pa.string()),
    ]
)  # fmt: skip
TRACKS = pa.schema([*DESCRIPTION, *ANALYSIS])
FAILURES = pa.schema(
    [
        ("path", pa.string()), ("reason", pa.string()), ("detail", pa.string()), ("content", pa.string()),
        ("size", pa.int64()), ("mtime_ns", pa.int64()), ("time", pa.string()),
    ]
)  # fmt: skip

# Names that could as well be of something else carry their origin in the table.
_COLUMN_OF = {f.name: f.name for f in dataclasses.fields(Facts)} | {
    name: f"analysis_{name}" for name in ("model", "tasks", "error", "tags", "remarks")
}


def vector_schema(dim: int) -> pa.Schema:
    """Columns of a table of vectors; windows are `(W, dim)` in one row after the other."""
    numbers = pa.list_(pa.float32())
    return pa.schema(
        [
            ("content", pa.string()), ("vector", pa.list_(pa.float32(), dim)), ("windows", numbers),
            ("starts", numbers), ("valid", numbers),
        ]
    )  # fmt: skip


@dataclass(frozen=True)
class Vectors:
    """The vectors of one content under one model.

    Attributes:
        track: `(D,)` the vector of the whole track.
        windows: `(W, D)`; `starts` and `valid`: `(W,)` seconds.
    """

    content: str
    track: np.ndarray
    windows: np.ndarray
    starts: np.ndarray
    valid: np.ndarray


def vector_rows(rows: Sequence[Vectors]) -> pa.Table:
    """Rows of a table of vectors."""
    dim = rows[0].track.shape[0]
    columns = {
        "content": [r.content for r in rows],
        "vector": [r.track for r in rows],
        "windows": [r.windows.reshape(-1) for r in rows],
        "starts": [r.starts for r in rows],
        "valid": [r.valid for r in rows],
    }
    return pa.table(columns, schema=vector_schema(dim))


def track_rows(tracks: Sequence[Track]) -> pa.Table:
    """Rows of the table of tracks."""
    return pa.Table.from_pylist([_track_row(track) for track in tracks], schema=TRACKS)


def _track_row(track: Track) -> dict[str, Any]:
    row = {name: getattr(track, name) for name in DESCRIPTION.names}
    if track.analysis is not None:
        row |= {column: getattr(track.analysis, name) for name, column in _COLUMN_OF.items()}
    return row


def tracks_of_rows(rows: pa.Table) -> list[Track]:
    """The tracks of rows with all columns, or with those of `DESCRIPTION` alone."""
    analyses: dict[int, Facts] = {}
    if "analysis_model" in rows.column_names:
        # Most of a large collection may not be analysed: only the rows that are cost anything here.
        analysed = [i for i, model in enumerate(rows["analysis_model"].to_pylist()) if model]
        found = rows.select(ANALYSIS.names).take(pa.array(analysed, pa.int64())).to_pylist()
        for i, row in zip(analysed, found, strict=True):
            analyses[i] = Facts(**{name: row[column] for name, column in _COLUMN_OF.items()})
    described = rows.select(DESCRIPTION.names).to_pylist()
    return [Track(**row, analysis=analyses.get(i)) for i, row in enumerate(described)]


def failure_rows(failures: Sequence[Failure]) -> pa.Table:
    """Rows of the table of failures."""
    values = [{name: getattr(failure, name) for name in FAILURES.names} for failure in failures]
    return pa.Table.from_pylist(values, schema=FAILURES)


def failures_of_rows(rows: pa.Table) -> list[Failure]:
    """The failures of rows."""
    return [Failure(**row) for row in rows.select(FAILURES.names).to_pylist()]


def failure_of_analysis(track: Track) -> Failure:
    """The failure that a track's `Facts.error` tells."""
    reason, _, detail = (track.analysis.error if track.analysis else "").partition(": ")
    return Failure(track.path, reason, detail, track.content, track.size, track.mtime_ns, stage="analyze")
