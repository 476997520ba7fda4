"""JAMS: the annotations of one recording in one JSON file, each under the namespace that says what it is.

Read are `beat`, `beat_position`, `chord`, `chord_harte`, `segment_open`, `segment_salami_function`,
`segment_salami_upper`, `segment_tut`, `key_mode`, `tempo` and `tag_open`, with observations as a list or, as in older
files, as columns. Several annotators may stand in one file: the first is read, `part` names another by its place or id.

Source: Humphrey, Salamon, Nieto, Forsyth, Bittner, Bello, "JAMS: a JSON annotated music specification for reproducible
MIR research", ISMIR 2014.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ohrwurm.atomic import write_text
from ohrwurm.data.annotations.chords import chords_of
from ohrwurm.data.annotations.keys import NONE, keys_of
from ohrwurm.data.annotations.reading import Reading, beats_of, spans_of, text_of
from ohrwurm.data.annotations.spans import END
from ohrwurm.errors import DataError
from ohrwurm.events import Beats, Key, Spans

BEATS = ("beat", "beat_position")
CHORDS = ("chord", "chord_harte")
SECTIONS = ("segment_salami_function", "segment_open", "segment_tut", "segment_salami_upper")
KEYS = ("key_mode",)
SCHEMA = "0.3.4"
NEAR = 0.05  # seconds between a beat and the downbeat of another annotation that it is


@dataclass(frozen=True)
class Observation:
    """What is at a time, for how long (seconds), how sure (NaN: nobody says)."""

    time: float
    duration: float
    value: Any
    confidence: float


def read_beats(file: Path, part: str = "") -> Reading[Beats]:
    """Beats with their places; those of GTZAN-Rhythm, whose downbeats are an annotation of their own, get them from it.

    Raises:
        DataError: no such file, not JAMS, or no beats in it.
    """
    listed = _annotations(file, BEATS)
    kinds = {id(a): str((a.get("sandbox") or {}).get("annotation_type", "beat")) for a in listed}
    plain = [a for a in listed if kinds[id(a)] == "beat"]
    chosen = _chosen(file, plain, "beats", part)
    rows = [(o.time, _place(o.value)) for o in _observations(chosen, file)]
    found = beats_of(rows)
    downbeats = [o.time for a in listed if kinds[id(a)] == "downbeat" for o in _observations(a, file)]
    if not downbeats or found.value.positions.any() or not len(found.value):
        return found
    times, positions = found.value.times, np.zeros(len(found.value), np.int64)
    is_first = [bool(np.abs(np.array(downbeats) - time).min() <= NEAR) for time in times]
    for i, first in enumerate(is_first):
        before = positions[i - 1] if i else 0
        positions[i] = 1 if first else before + 1 if before else 0
    return Reading(Beats(times, positions), found.remarks)


def read_chords(file: Path, part: str = "") -> Reading[Spans]:
    """Chords.

    Raises:
        DataError: no such file, not JAMS, or no chords in it.
    """
    return chords_of(_spans(file, CHORDS, "chords", part))


def read_sections(file: Path, part: str = "") -> Reading[Spans]:
    """Sections under their names: by function where the file has it, else as it has them.

    Raises:
        DataError: no such file, not JAMS, or no sections in it.
    """
    found = _spans(file, SECTIONS, "sections", part)
    keep = [label.lower() != END for label in found.value.labels]
    labels = tuple(label for label, kept in zip(found.value.labels, keep, strict=True) if kept)
    return Reading(Spans(found.value.intervals[np.array(keep, bool)], labels), found.remarks)


def read_keys(file: Path, part: str = "") -> Reading[Spans]:
    """Keys in time.

    Raises:
        DataError: no such file, not JAMS, or no keys in it.
    """
    return keys_of(_spans(file, KEYS, "keys", part))


def read_tempo(file: Path, part: str = "") -> list[tuple[float, float]]:
    """(beats a minute, confidence) of the tempi given for the recording; NaN where nobody says how sure.

    Raises:
        DataError: no such file, not JAMS, or no tempo in it.
    """
    chosen = _chosen(file, _annotations(file, ("tempo",)), "tempo", part)
    return [(float(o.value), o.confidence) for o in _observations(chosen, file)]


def read_tags(file: Path) -> list[str]:
    """The open tags of all annotators, each once."""
    listed = _annotations(file, ("tag_open",))
    return list(dict.fromkeys(str(o.value) for a in listed for o in _observations(a, file)))


def write_jams(
    file: str | Path,
    *,
    duration: float,
    beats: Beats | None = None,
    chords: Spans | None = None,
    sections: Spans | None = None,
    key: Key | None = None,
    keys: Spans | None = None,
    tempi: Sequence[tuple[float, float]] = (),
    tags: Sequence[tuple[str, float | None]] = (),
    title: str = "",
    artist: str = "",
    tool: str = "ohrwurm",
) -> None:
    """Write what was found in a recording of `duration` seconds; what is not given is not in the file.

    Args:
        key: of the whole; the first annotation of keys.
        keys: of its parts.
        tempi: beats a minute and confidence in [0, 1], as MIREX has them: the likeliest first, together 1.
        tags: and how sure they are.
        tool: what found it.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "a.jams"
    >>> write_jams(file, duration=2.0, beats=Beats(np.array([0.5, 1.0]), np.array([1, 2])), key=Key("C minor", 0.8))
    >>> read_beats(file).value.positions.tolist(), read_keys(file).value.labels
    ([1, 2], ('C minor',))
    """
    made = []
    if beats is not None:
        values = [int(place) or None for place in beats.positions]
        made.append(("beat", _points(beats.times, values, beats.confidence)))
    for namespace, spans in (("chord", chords), ("segment_open", sections)):
        if spans is not None:
            made.append((namespace, _stretches(spans, spans.labels)))
    if key is not None:
        made.append(("key_mode", _of_all([(_mode(key.label), key.confidence)], duration)))
    if keys is not None:
        made.append(("key_mode", _stretches(keys, [_mode(label) for label in keys.labels])))
    if tempi:
        made.append(("tempo", _of_all(tempi, duration)))
    if tags:
        made.append(("tag_open", _of_all(tags, duration)))
    content = {
        "annotations": [
            {
                "namespace": namespace,
                "data": data,
                "annotation_metadata": {"annotation_tools": tool, "data_source": "program"},
                "sandbox": {},
                "time": 0.0,
                "duration": duration,
            }
            for namespace, data in made
        ],
        "file_metadata": {
            "title": title,
            "artist": artist,
            "release": "",
            "duration": duration,
            "identifiers": {},
            "jams_version": SCHEMA,
        },
        "sandbox": {},
    }
    write_text(file, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def content_of(file: Path) -> dict[str, Any]:
    """A JSON object; NaN, which many JAMS files have, is allowed.

    Raises:
        DataError: no such file, or no JSON object.
    """
    try:
        content = json.loads(text_of(file))
    except ValueError as error:
        raise DataError(f"{file}: not readable as JSON ({error})") from error
    if not isinstance(content, dict):
        raise DataError(f"{file}: not a JSON object")
    return content


def _annotations(file: Path, namespaces: Sequence[str]) -> list[dict[str, Any]]:
    """Those of the first namespace that the file has."""
    listed = content_of(file).get("annotations")
    if isinstance(listed, dict):  # of the very first version: namespace → annotations
        listed = [{**a, "namespace": name} for name, some in listed.items() for a in some if isinstance(a, dict)]
    if not isinstance(listed, list) or not all(isinstance(a, dict) for a in listed):
        raise DataError(f"{file}: not JAMS; it has no list of annotations")
    for namespace in namespaces:
        if found := [a for a in listed if a.get("namespace") == namespace and a.get("data")]:
            return found
    return []


def _chosen(file: Path, listed: list[dict[str, Any]], what: str, part: str) -> dict[str, Any]:
    if not listed:
        raise DataError(f"{file}: no {what} in it")
    if not part:
        return listed[0]
    names = [str(((a.get("annotation_metadata") or {}).get("annotator") or {}).get("id", "")) for a in listed]
    if part in names:
        return listed[names.index(part)]
    if part.isdecimal() and int(part) < len(listed):
        return listed[int(part)]
    raise DataError(f"{file}: {len(listed)} annotators of {what}, none of them {part!r}")


def _observations(annotation: dict[str, Any], file: Path) -> list[Observation]:
    data = annotation["data"]
    if isinstance(data, dict):  # columns
        names = ("time", "duration", "value", "confidence")
        data = [dict(zip(names, row, strict=True)) for row in zip(*(data.get(n, ()) for n in names), strict=True)]
    try:
        return [
            Observation(_float(o["time"]), _float(o.get("duration")), o.get("value"), _float(o.get("confidence")))
            for o in data
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{file}: an observation that is none ({error!r}); get the file again") from error


def _float(value: Any) -> float:
    return math.nan if value is None else float(value)


def _place(value: Any) -> int:
    if isinstance(value, dict):
        value = value.get("position")
    if isinstance(value, str):
        value = float(value) if value.strip().replace(".", "", 1).isdigit() else None
    return 0 if value is None or not math.isfinite(value) else round(value)


def _spans(file: Path, namespaces: Sequence[str], what: str, part: str) -> Reading[Spans]:
    chosen = _chosen(file, _annotations(file, namespaces), what, part)
    return spans_of([(o.time, o.time + o.duration, str(o.value)) for o in _observations(chosen, file)], what)


def _points(times: np.ndarray, values: Sequence[Any], confidence: np.ndarray | None) -> list[dict[str, Any]]:
    sure = [None] * len(values) if confidence is None else confidence.tolist()
    rows = zip(times.tolist(), values, sure, strict=True)
    return [{"time": t, "duration": 0.0, "value": v, "confidence": c} for t, v, c in rows]


def _stretches(spans: Spans, values: Sequence[str]) -> list[dict[str, Any]]:
    sure = [None] * len(spans) if spans.confidence is None else spans.confidence.tolist()
    rows = zip(spans.intervals.tolist(), values, sure, strict=True)
    return [{"time": a, "duration": b - a, "value": v, "confidence": c} for (a, b), v, c in rows]


def _of_all(rows: Iterable[tuple[Any, float | None]], duration: float) -> list[dict[str, Any]]:
    """(value, confidence) of the whole recording."""
    return [{"time": 0.0, "duration": duration, "value": v, "confidence": c} for v, c in rows]


def _mode(label: str) -> str:
    """A key as JAMS writes it: `Eb:minor`."""
    return label if label == NONE else label.replace(" ", ":")
