"""Sections under the names that their files give them: starts and ends, or starts alone.

Everyone names sections otherwise (the Harmonix set alone has 126 names); which of seven classes a name means is for
`ohrwurm.analysis.section_classes` to say.
"""

from __future__ import annotations

from pathlib import Path

from ohrwurm.data.annotations.reading import Reading, cells_of, relabelled, rows_of, text_of
from ohrwurm.data.annotations.spans import END, read_lab, read_starts
from ohrwurm.events import Spans


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
