"""ASAP: beats, time signatures and key signatures of piano performances.

    0.888021 <tab> 0.888021 <tab> db,2/4,-3         NAME_annotations.txt, beside each performance and score
    asap_annotations.json                           the same of all performances, by the path of the MIDI file

`db` is a downbeat, `b` a beat, `bR` a beat of a bar that does not add up (rubato, a pickup in the middle): there
is one, but its place is not sure. It is kept as a beat of unknown place; `strict` leaves it out.

Source: Foscarin, McLeod, Rigaux, Jacquemard, Sakai, "ASAP: a dataset of aligned scores and performances for piano
transcription", ISMIR 2020.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ohrwurm.data.annotations.reading import Reading, beats_of, number, rows_of, spans_of, text_of
from ohrwurm.errors import DataError
from ohrwurm.events import Beats, Spans

TABLE = "asap_annotations.json"
ROW = re.compile(r"\S+\t\S+\t(db|b|bR)(,|$)")


def is_asap(text: str) -> bool:
    """Whether a text has the rows of ASAP's annotations.

    >>> is_asap("0.5\\t0.5\\tb,,0\\n"), is_asap("0.5\\t1\\n")
    (True, False)
    """
    rows = rows_of(text)
    return bool(rows) and ROW.match(rows[0][1]) is not None


def read_beats(file: Path, *, strict: bool = False) -> Reading[Beats]:
    """Beats with their places, counted from each downbeat.

    Raises:
        DataError: no such file, or not ASAP's rows.
    """
    return beats_from([(time, said[0]) for time, said in _rows(file)], strict=strict)


def read_signatures(file: Path) -> Reading[Spans]:
    """Key signatures in time, as the number of sharps (flats are negative); the last one ends with the last beat.

    Raises:
        DataError: as `read_beats`.
    """
    rows = _rows(file)
    changes = [(time, said[2]) for time, said in rows if len(said) > 2 and said[2]]
    return _until(changes, rows[-1][0] if rows else 0.0, "key signatures")


def read_metres(file: Path) -> Reading[Spans]:
    """Time signatures in time, as they are printed, e.g. `6/8`; the last one ends with the last beat.

    Raises:
        DataError: as `read_beats`.
    """
    rows = _rows(file)
    changes = [(time, said[1]) for time, said in rows if len(said) > 1 and said[1]]
    return _until(changes, rows[-1][0] if rows else 0.0, "time signatures")


def read_table(file: Path, performance: str) -> dict[str, Any]:
    """The entry of one performance in `asap_annotations.json`.

    Raises:
        DataError: no such file or performance, or it is damaged.
    """
    try:
        table = json.loads(text_of(file))
    except ValueError as error:
        raise DataError(f"{file}: not readable as JSON ({error})") from error
    entry = table.get(performance) if isinstance(table, dict) else None
    if not isinstance(entry, dict):
        raise DataError(f"{file}: no performance {performance!r}; name one by the path of its MIDI file")
    return entry


def table_beats(file: Path, performance: str, *, strict: bool = False) -> Reading[Beats]:
    """Beats of a performance from `asap_annotations.json`.

    Raises:
        DataError: as `read_table`, or without beats.
    """
    kinds = read_table(file, performance).get("performance_beats_type")
    if not isinstance(kinds, dict):
        raise DataError(f"{file}: {performance} has no performance_beats_type; get the file again")
    return beats_from([(number(time, file, 0), str(kind)) for time, kind in kinds.items()], strict=strict)


def table_signatures(file: Path, performance: str) -> Reading[Spans]:
    """Key signatures of a performance from `asap_annotations.json`, as `read_signatures`.

    Raises:
        DataError: as `read_table`, or without them.
    """
    entry = read_table(file, performance)
    signatures, beats = entry.get("perf_key_signatures"), entry.get("performance_beats")
    if not isinstance(signatures, dict) or not isinstance(beats, list) or not beats:
        raise DataError(f"{file}: {performance} has no perf_key_signatures or beats; get the file again")
    changes = [(number(time, file, 0), str(pair[1])) for time, pair in signatures.items()]
    return _until(changes, float(beats[-1]), "key signatures")


def beats_from(rows: Sequence[tuple[float, str]], *, strict: bool = False) -> Reading[Beats]:
    """Beats from (time, `b`, `db` or `bR`).

    >>> beats_from([(0.0, "b"), (0.5, "db"), (1.0, "bR"), (1.5, "b")]).value.positions.tolist()
    [0, 1, 0, 0]
    >>> len(beats_from([(0.0, "db"), (1.0, "bR")], strict=True).value)
    1
    """
    place, found = 0, []
    for time, kind in rows:
        if kind == "bR":
            place = 0
            if strict:
                continue
        else:
            place = 1 if kind == "db" else place + 1 if place else 0
        found.append((time, place))
    unsure = sum(kind == "bR" for _, kind in rows)
    read = beats_of(found)
    what = "left out" if strict else "of unknown place in the bar"
    remarks = (f"{unsure} beats of bars that do not add up (bR) {what}",) if unsure else ()
    return Reading(read.value, (*remarks, *read.remarks))


def _rows(file: Path) -> list[tuple[float, list[str]]]:
    found = []
    for row, line in rows_of(text_of(file)):
        cells = line.split("\t")
        said = [part.strip() for part in cells[-1].split(",")]
        if len(cells) != 3 or said[0] not in ("b", "db", "bR"):
            raise DataError(f"{file}, row {row}: not a beat of ASAP, e.g. '0.5 <tab> 0.5 <tab> db,4/4,0'")
        found.append((number(cells[0], file, row), said))
    return found


def _until(changes: Sequence[tuple[float, str]], end: float, what: str) -> Reading[Spans]:
    """Each change holds to the next, the last to `end`."""
    ordered = sorted(changes)
    ends = [time for time, _ in ordered[1:]] + [end]
    return spans_of([(t, e, label) for (t, label), e in zip(ordered, ends, strict=True)], what)
