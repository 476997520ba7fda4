"""Labelled spans in text files.

0.000 3.947 B:maj            .lab: start, end, label (chords, sections); Isophonics' sections have a number before
0.000 3.947 0 verse          their label, its keys the word Key
8.495568 verse               Harmonix, SALAMI: where a section begins; the last row, `end`, closes the one before
4  1026  "verse A"           RWC (AIST): hundredths of a second
"""

from __future__ import annotations

import re
from pathlib import Path

from ohrwurm.atomic import write_text
from ohrwurm.data.annotations.reading import Reading, cells_of, counted, named, number, rows_of, spans_of, text_of
from ohrwurm.events import Spans

END = "end"
QUIET = ("silence", END)  # of several labels at one time the other counts
RWC_CHORUS = re.compile(r"RM-[A-Z]\d+\.CHORUS\.TXT", re.IGNORECASE)


def read_lab(file: Path, what: str = "spans") -> Reading[Spans]:
    """Rows of start, end and label. A number or the word `Key` between end and label is passed over; spans of keys
    without the word (Isophonics' silence) keep their label.

    Raises:
        DataError: no such file, or a row without times.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "a.lab"
    >>> _ = file.write_text("0.0\\t1.5\\tN\\n1.5 4.0 Eb:min7/b3\\n")
    >>> read_lab(file).value.labels
    ('N', 'Eb:min7/b3')
    """
    unit = 100 if RWC_CHORUS.fullmatch(file.name) else 1  # of a second
    found, unlabelled = [], []
    for row, line in rows_of(text_of(file)):
        cells = cells_of(line, 3)
        if len(cells) >= 2 and row == 1 and cells[0].lower() in ("start", "time", "begin"):
            continue  # a header
        start, end = number(cells[0], file, row), number(cells[1] if len(cells) > 1 else "", file, row)
        label = " ".join(cells[2:])
        label = re.sub(r"^(Key|[-+]?\d+(\.\d+)?)\s+(?=\S)", "", label).strip().strip('"')
        if not label:
            unlabelled.append(f"{start:g} s")
            continue
        found.append((start / unit, end / unit, label))
    remarks = (f"{len(unlabelled)} {what} without a label left out ({named(unlabelled)})",) if unlabelled else ()
    read = spans_of(found, what)
    return Reading(read.value, (*remarks, *read.remarks))


def read_starts(file: Path, duration: float | None = None, what: str = "sections") -> Reading[Spans]:
    """Rows of time and label, each of which lasts to the next; see `starts`.

    Raises:
        DataError: no such file, or a row without a time.
    """
    rows = []
    for row, line in rows_of(text_of(file)):
        cells = cells_of(line, 2)
        rows.append((number(cells[0], file, row), " ".join(cells[1:])))
    return starts(rows, duration, what)


def starts(rows: list[tuple[float, str]], duration: float | None = None, what: str = "sections") -> Reading[Spans]:
    """Spans of which only the beginnings are written, as (time, label).

    `end` closes the span before it. Where nothing closes the last, it lasts to `duration`, or is left out. Of several
    labels at one time the first counts that is not silence or `end`.

    >>> found = starts([(0, "intro"), (8, "Verse"), (8, "Solo"), (20, "end")])
    >>> found.value.labels, found.remarks
    (('intro', 'Verse'), ('1 times with several labels, of which the first counts (8 s: Verse, Solo)',))
    """
    remarks = []
    ordered = sorted(rows, key=lambda row: row[0])
    if ordered != rows:
        remarks.append(f"{what} out of order were sorted")
    at: dict[float, list[str]] = {}
    for time, label in ordered:
        at.setdefault(time, []).append(label)
    chosen: list[tuple[float, str]] = []
    several = []
    for time, labels in at.items():
        told = list(dict.fromkeys(label for label in labels if label.lower() not in QUIET))
        if len(told) > 1:
            several.append(f"{time:g} s: {', '.join(told)}")
        closes = [label for label in labels if label.lower() == END]
        chosen.append((time, (told or closes or labels)[0]))
    if several:
        text = named(several)
        remarks.append(f"{len(several)} times with several labels, of which the first counts ({text})")
    spans = []
    early = []
    for i, (time, label) in enumerate(chosen):
        last = i + 1 == len(chosen)
        if label.lower() == END:
            if not last and any(later.lower() != END for _, later in chosen[i + 1 :]):
                early.append(f"{time:g} s")
            continue
        if not last:
            spans.append((time, chosen[i + 1][0], label))
        elif duration is not None and duration > time:
            spans.append((time, duration, label))
        else:
            remarks.append(f"nothing closes the last of the {what} ({label} at {time:g} s); left out")
    if early:
        remarks.append(f"{what} go on after an end ({named(early)}); a gap is left")
    read = spans_of(spans, what)
    return Reading(read.value, (*remarks, *read.remarks))


def write_lab(file: str | Path, spans: Spans) -> None:
    """Write a `.lab` file: start, end and label, separated by tabs.

    >>> import tempfile
    >>> import numpy as np
    >>> file = Path(tempfile.mkdtemp()) / "a.lab"
    >>> write_lab(file, Spans(np.array([[0, 1.5]]), ("C:maj",)))
    >>> file.read_text()
    '0.000000\\t1.500000\\tC:maj\\n'
    """
    rows = (f"{a:.6f}\t{b:.6f}\t{label}\n" for (a, b), label in zip(spans.intervals, spans.labels, strict=True))
    write_text(file, "".join(rows))


def unknown_labels(labels: list[str], what: str, instead: str) -> tuple[str, ...]:
    """The remark on labels that are not known, if there are any.

    >>> unknown_labels(["gtr", "gtr"], "section", "no class")
    ('2 section labels are not known: gtr (2); no class',)
    """
    return (f"{len(labels)} {what} labels are not known: {counted(labels)}; {instead}",) if labels else ()
