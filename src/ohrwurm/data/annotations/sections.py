"""Sections, and the seven classes that their labels are counted as.

Everyone names sections otherwise: the Harmonix set alone has 126 names. The classes and the words by which a name is
recognised are those of the published boundary and function models (Wang, Hung, Smith, "To catch a chorus, verse, intro,
or anything else", 2022): the first word of the list below that occurs in the name, in small letters and without digits,
decides. A name in which none occurs has no class (`UNKNOWN`); it is kept as a boundary, and told.
"""

from __future__ import annotations

import re
from pathlib import Path

from ohrwurm.data.annotations.reading import Reading, cells_of, relabelled, rows_of, text_of
from ohrwurm.data.annotations.spans import END, read_lab, read_starts, unknown_labels
from ohrwurm.events import Spans

CLASSES = ("intro", "verse", "chorus", "bridge", "inst", "outro", "silence")
UNKNOWN = "unknown"
WORDS = {
    "silence": "silence",
    "pre-chorus": "verse",
    "prechorus": "verse",
    "refrain": "chorus",
    "chorus": "chorus",
    "theme": "chorus",
    "stutter": "chorus",
    "verse": "verse",
    "rap": "verse",
    "section": "verse",
    "slow": "verse",
    "build": "verse",
    "dialog": "verse",
    "intro": "intro",
    "fadein": "intro",
    "fade-in": "intro",
    "opening": "intro",
    "bridge": "bridge",
    "trans": "bridge",
    "out": "outro",
    "coda": "outro",
    "ending": "outro",
    "break": "inst",
    "inst": "inst",
    "interlude": "inst",
    "impro": "inst",
    "solo": "inst",
}


def class_of(label: str) -> str:
    """The class of a section's name, or `UNKNOWN`.

    >>> [class_of(name) for name in ("Verse 2", "postchorus", "instverse", "Fade-out", "gtr", "nothing")]
    ['verse', 'chorus', 'verse', 'outro', 'unknown', 'silence']
    """
    text = re.sub(r"\d", "", label.lower())
    if text.strip() == "nothing":  # RWC's word
        return "silence"
    return next((found for word, found in WORDS.items() if word in text), UNKNOWN)


def classes_of(spans: Spans) -> Reading[Spans]:
    """The same sections under the names of their classes, and a remark on those without one.

    >>> import numpy as np
    >>> found = classes_of(Spans(np.array([[0, 1], [1, 2]]), ("intro2", "gtr")))
    >>> found.value.labels, found.remarks
    (('intro', 'unknown'), ('1 section labels are not known: gtr; their time has no class',))
    """
    labels = [class_of(label) for label in spans.labels]
    unknown = [old for old, new in zip(spans.labels, labels, strict=True) if new == UNKNOWN]
    return Reading(relabelled(spans, labels), unknown_labels(unknown, "section", "their time has no class"))


def read_sections(file: Path, duration: float | None = None) -> Reading[Spans]:
    """The sections of a text file with starts and ends, or starts alone, under the names that it gives them.

    Args:
        duration: of the recording in seconds; closes a last section that nothing else closes.

    Raises:
        DataError: no such file, or a row without a time.
    """
    rows = rows_of(text_of(file))
    if rows and all(_has_two_times(line) for _, line in rows):
        found = read_lab(file, "sections")
        labels = ["" if label.lower() == END else label for label in found.value.labels]
        return Reading(relabelled(found.value, labels), found.remarks)
    return read_starts(file, duration)


def _has_two_times(line: str) -> bool:
    cells = cells_of(line, 3)
    if len(cells) < 2:
        return False
    try:
        float(cells[0]), float(cells[1])
    except ValueError:
        return False
    return True
