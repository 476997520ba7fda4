"""What all annotation readers share: text in, values out, and remarks on whatever was not as it should be.

Annotations are made by people, and by programs of people: rows out of order, spans that overlap, labels nobody knows.
None of that loses a file. It is put right by the same rules everywhere, and every rule that had to be used is a remark
of the `Reading`, which validation and evaluation pass on.

* Rows out of order are sorted. Of several beats at one time the first stays.
* A time that is not finite leaves its row out; what begins before 0 s begins there (a beat before 0 s is left out).
* A span that does not last is left out. Where two overlap, the one that begins later wins from there on.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from ohrwurm.errors import DataError
from ohrwurm.events import Beats, Spans

T = TypeVar("T")
ROUNDING = 1e-3  # seconds: overlaps up to here come from rounding and are no remark
NAMED = 3  # examples in a remark


@dataclass(frozen=True)
class Reading(Generic[T]):
    """What a file says, and what had to be put right in it (sentences without the file's name)."""

    value: T
    remarks: tuple[str, ...] = ()


def text_of(file: Path) -> str:
    """The text of a file: UTF-8, else Latin-1, in which some older annotations are.

    Raises:
        DataError: no such file, or it cannot be read.
    """
    try:
        data = file.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{file}: missing; get the annotations again") from error
    except OSError as error:
        raise DataError(f"{file}: not readable ({error})") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def rows_of(text: str) -> list[tuple[int, str]]:
    """(number, line) of the lines that say something; those that begin with # are comments.

    >>> rows_of("# time\\n0.5 1\\n\\n1.0 2")
    [(2, '0.5 1'), (4, '1.0 2')]
    """
    lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1))
    return [(number, line) for number, line in lines if line and not line.startswith("#")]


def cells_of(line: str, count: int) -> list[str]:
    """The values of a line: separated by tabs, else by commas or semicolons, else by blanks, of which only the first
    `count` - 1 separate, since labels hold blanks.

    >>> cells_of("0.0 8.5 verse A", 3), cells_of("0.5,2", 2), cells_of("0.0\\t8.5\\tverse A", 3)
    (['0.0', '8.5', 'verse A'], ['0.5', '2'], ['0.0', '8.5', 'verse A'])
    """
    for separator in ("\t", ",", ";"):
        if separator in line:
            cells = [cell.strip().strip('"') for cell in line.split(separator)]
            if separator == "\t" or _is_number(cells[0]):
                return [cell for cell in cells if cell]
    return [cell.strip('"') for cell in line.split(None, count - 1)]


def number(text: str, file: Path | str, row: int) -> float:
    """A time.

    Raises:
        DataError: no number; the message names file and row.
    """
    try:
        return float(text)
    except ValueError:
        raise DataError(f"{file}, row {row}: {text[:40]!r} is no time in seconds") from None


def named(examples: Iterable[str]) -> str:
    """Some of the examples, for a remark.

    >>> named(["a", "b", "c", "d"])
    'a, b, c, ...'
    """
    listed = list(examples)
    return ", ".join(listed[:NAMED]) + (", ..." if len(listed) > NAMED else "")


def counted(labels: Iterable[str]) -> str:
    """Labels and how often each occurs, the most frequent first.

    >>> counted(["gtr", "raps", "gtr"])
    'gtr (2), raps'
    """
    return named(f"{label} ({n})" if n > 1 else label for label, n in Counter(labels).most_common())


def beats_of(rows: Sequence[tuple[float, int]]) -> Reading[Beats]:
    """Beats from (time, position), put right as the module says.

    >>> found = beats_of([(1.0, 2), (0.5, 1), (1.0, 3)])
    >>> found.value.times.tolist(), found.value.positions.tolist()
    ([0.5, 1.0], [1, 2])
    >>> found.remarks
    ('beats out of order were sorted', '1 of several beats at one time left out (1 s)')
    """
    remarks = []
    usable = [(t, p) for t, p in rows if math.isfinite(t) and t >= 0]
    if len(usable) < len(rows):
        remarks.append(f"{len(rows) - len(usable)} beats without a time from 0 s on left out")
    ordered = sorted(usable, key=lambda row: row[0])
    if ordered != usable:
        remarks.append("beats out of order were sorted")
    kept: list[tuple[float, int]] = []
    doubled = []
    for time, position in ordered:
        if kept and time <= kept[-1][0]:
            doubled.append(f"{time:g} s")
        else:
            kept.append((time, max(position, 0)))
    if doubled:
        remarks.append(f"{len(doubled)} of several beats at one time left out ({named(doubled)})")
    value = Beats(np.array([t for t, _ in kept], np.float64), np.array([p for _, p in kept], np.int64))
    return Reading(value, tuple(remarks))


def spans_of(rows: Sequence[tuple[float, float, str]], what: str = "spans") -> Reading[Spans]:
    """Spans from (start, end, label), put right as the module says.

    >>> found = spans_of([(0, 3, "A"), (2, 4, "B"), (4, 4, "C")])
    >>> found.value.intervals.tolist(), found.value.labels
    ([[0.0, 2.0], [2.0, 4.0]], ('A', 'B'))
    >>> found.remarks
    ('1 spans that do not last left out (C at 4 s)', '1 overlaps of spans cut where the later begins (A at 2 s)')
    """
    remarks = []
    usable = [(max(float(a), 0.0), float(b), label) for a, b, label in rows if math.isfinite(a) and math.isfinite(b)]
    if len(usable) < len(rows):
        remarks.append(f"{len(rows) - len(usable)} {what} without times left out")
    empty = [f"{label} at {start:g} s" for start, end, label in usable if end <= start]
    if empty:
        remarks.append(f"{len(empty)} {what} that do not last left out ({named(empty)})")
    lasting = [row for row in usable if row[1] > row[0]]
    ordered = sorted(lasting, key=lambda row: row[0])
    if ordered != lasting:
        remarks.append(f"{what} out of order were sorted")
    kept: list[tuple[float, float, str]] = []
    cut = []
    for start, end, label in ordered:
        while kept and kept[-1][1] > start:
            a, b, before = kept.pop()
            if b > start + ROUNDING:
                cut.append(f"{before} at {start:g} s")
            if start > a:
                kept.append((a, start, before))
        kept.append((start, end, label))
    if cut:
        remarks.append(f"{len(cut)} overlaps of {what} cut where the later begins ({named(cut)})")
    intervals = np.array([(a, b) for a, b, _ in kept], np.float64).reshape(-1, 2)
    return Reading(Spans(intervals, tuple(label for _, _, label in kept)), tuple(remarks))


def relabelled(spans: Spans, labels: Sequence[str]) -> Spans:
    """The same times under other labels; one that is empty leaves its span out.

    >>> relabelled(Spans(np.array([[0, 1], [1, 2]]), ("a", "b")), ["x", ""]).intervals.tolist()
    [[0.0, 1.0]]
    """
    keep = np.array([bool(label) for label in labels], bool)
    confidence = None if spans.confidence is None else spans.confidence[keep]
    return Spans(spans.intervals[keep], tuple(label for label in labels if label), confidence)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
