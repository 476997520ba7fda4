"""An analysis as JSON: all that it holds, to the last bit, and back.

`ohrwurm.data.annotations.read` reads beats, chords, sections and key from such a file as from any other annotation.
"""

from __future__ import annotations

import json
from typing import Any

from ohrwurm.analysis.recording import Analysis
from ohrwurm.analysis.tempo import Tempo
from ohrwurm.data.annotations.analysed import FORMAT, beat_rows, beats_from, is_analysis, span_rows, spans_from
from ohrwurm.errors import DataError
from ohrwurm.events import Key

VERSION = 1
LONG = ("tags", "sections", "keys", "chords", "beats")  # tables, the longest last


def plain(analysis: Analysis) -> dict[str, Any]:
    """An analysis as JSON can hold it; what was not asked for is None."""
    tempo, key = analysis.tempo, analysis.key
    spans = {name: getattr(analysis, name) for name in ("sections", "keys", "chords")}
    tags = analysis.tags
    return {
        "format": FORMAT,
        "version": VERSION,
        "file": analysis.file,
        "duration": float(analysis.duration),
        "model": analysis.model,
        "tempo": None if tempo is None else dict(vars(tempo)),
        "metre": analysis.metre,
        "key": None if key is None else {"label": key.label, "confidence": key.confidence},
        "remarks": list(analysis.remarks),
        "tags": None if tags is None else [{"tag": tag, "probability": float(share)} for tag, share in tags],
        **{name: None if found is None else span_rows(found) for name, found in spans.items()},
        "beats": None if analysis.beats is None else beat_rows(analysis.beats),
    }


def restored(content: Any) -> Analysis:
    """See `plain`.

    Raises:
        DataError: no analysis, of another version, or damaged.
    """
    if not isinstance(content, dict) or not is_analysis(content):
        raise DataError("this is no analysis of ohrwurm")
    if content.get("version") != VERSION:
        raise DataError(f"an analysis in version {content.get('version')}, and not {VERSION}; analyze the file again")
    try:
        spans = {
            name: None if content[name] is None else spans_from(content[name])
            for name in ("sections", "keys", "chords")
        }
        return Analysis(
            file=content["file"],
            duration=content["duration"],
            model=content["model"],
            beats=None if content["beats"] is None else beats_from(content["beats"]),
            tempo=None if content["tempo"] is None else Tempo(**content["tempo"]),
            metre=content["metre"],
            key=None if content["key"] is None else Key(**content["key"]),
            tags=None if content["tags"] is None else tuple((t["tag"], t["probability"]) for t in content["tags"]),
            remarks=tuple(content["remarks"]),
            **spans,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"a damaged analysis ({error!r}); analyze the file again") from error


def to_json(analysis: Analysis, *, one_line: bool = False) -> str:
    """An analysis as text: a row of a table a line, or everything in one line.

    >>> found = Analysis("song.mp3", 3.5, "none", key=Key("D minor", 0.75), remarks=("short: 3.5 s",))
    >>> from_json(to_json(found)) == found
    True
    """
    content = plain(analysis)
    if one_line:
        return json.dumps(content, ensure_ascii=False, allow_nan=False)
    parts = [f" {json.dumps(name)}: {_text(value, name in LONG)}" for name, value in content.items()]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def from_json(text: str) -> Analysis:
    """An analysis from what `to_json` made of it.

    Raises:
        DataError: no analysis, of another version, or damaged.
    """
    try:
        content = json.loads(text)
    except ValueError as error:
        raise DataError(f"not readable as JSON ({error})") from error
    return restored(content)


def _text(value: Any, table: bool) -> str:
    if table and value:
        rows = (json.dumps(row, ensure_ascii=False, allow_nan=False) for row in value)
        return "[\n  " + ",\n  ".join(rows) + "\n ]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
