"""Beats in text files: one a row, its time in seconds first.

    13.683 2                 Ballroom, Hainsworth, GTZAN-Rhythm, Isophonics: time, place in the bar
    9.430 9.3                Ballroom as first published, Rock corpus: time, bar.place
    0.530973 2 1             Harmonix: time, place, bar
    0.587 1.0 1.0            POP909 (beat_midi.txt): time, is it the first of half a bar, of a whole one
    1.0448                   SMC: the time alone
    4  49  384               RWC (AIST): start and end in hundredths of a second, 384 for the first beat of a bar
    0.5 0.5 db,2/4           ASAP, see `asap`

Which of them a file is shows in its rows. A place that nobody says is 0; words such as Isophonics' "New Point" are
places that follow from their neighbours.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ohrwurm.atomic import write_text
from ohrwurm.data.annotations.reading import Reading, beats_of, cells_of, named, number, rows_of, text_of
from ohrwurm.errors import DataError
from ohrwurm.events import Beats

RWC_DOWNBEAT = 384  # ticks; all other beats count 48 a quarter note from 0 on
HALF_BARS = 6  # beats between POP909's whole bars where these are two bars of three


def read_beats(file: Path) -> Reading[Beats]:
    """The beats of a text file in any of the forms above.

    Raises:
        DataError: no such file, or a row without a time.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "a.beats"
    >>> _ = file.write_text("0.5\\t2\\n1.0\\t1\\n")
    >>> read_beats(file).value.positions.tolist()
    [2, 1]
    """
    table = [(row, cells_of(line, 3)) for row, line in rows_of(text_of(file))]
    if len(table) > 1 and not _starts_with_number(table[0][1]):
        table = table[1:]  # a header
    times = [number(cells[0], file, row) for row, cells in table]
    last = [cells[1:] for _, cells in table]
    remarks: tuple[str, ...] = ()
    if all(len(cells) == 2 for cells in last) and (numbers := _numbers(last)) is not None and len(numbers):
        if (numbers[:, 1] == RWC_DOWNBEAT).any():
            return _rwc(np.array(times), numbers[:, 1])
        if set(np.unique(numbers)) <= {0.0, 1.0} and (numbers == 0).any():
            positions = places(half_bars(numbers))
        else:
            positions = [round(p) for p in numbers[:, 0]]
    else:
        positions, remarks = _places([cells[0] if cells else "" for cells in last])
    found = beats_of(list(zip(times, positions, strict=True)))
    return Reading(found.value, (*remarks, *found.remarks))


def write_beats(file: str | Path, beats: Beats) -> None:
    """Write a `.beats` file: time and place in the bar, separated by a tab; the place alone is left out where unknown.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "a.beats"
    >>> write_beats(file, Beats(np.array([0.5, 1.0]), np.array([0, 1])))
    >>> file.read_text()
    '0.500000\\n1.000000\\t1\\n'
    """
    rows = (
        f"{time:.6f}\t{place}\n" if place else f"{time:.6f}\n"
        for time, place in zip(beats.times, beats.positions, strict=True)
    )
    write_text(file, "".join(rows))


def half_bars(flags: np.ndarray) -> list[bool]:
    """Which beats of POP909 are downbeats: by the second column of `flags (beats, 2)`, or by the first where whole bars
    have six beats, since those are two bars of three.

    >>> half_bars(np.array([[1, 1], [0, 0], [1, 0], [0, 0], [1, 1]]))
    [True, False, False, False, True]
    """
    gaps = np.diff(np.flatnonzero(flags[:, 1] > 0.5))
    column = 0 if len(gaps) and int(np.median(gaps)) == HALF_BARS else 1
    return [bool(flag > 0.5) for flag in flags[:, column]]


def places(downbeats: list[bool]) -> list[int]:
    """Places in the bar counted from each downbeat; 0 before the first.

    >>> places([False, True, False, True])
    [0, 1, 2, 1]
    """
    found: list[int] = []
    for downbeat in downbeats:
        before = found[-1] if found else 0
        found.append(1 if downbeat else before + 1 if before else 0)
    return found


def _rwc(starts: np.ndarray, ticks: np.ndarray) -> Reading[Beats]:
    known = ticks >= 0  # -1: no beat could be told
    counted = places([bool(t == RWC_DOWNBEAT) for t in ticks[known]])
    found = beats_of(list(zip((starts[known] / 100).tolist(), counted, strict=True)))
    left_out = int((~known).sum())
    remarks = (f"{left_out} rows without a beat left out",) if left_out else ()
    return Reading(found.value, (*remarks, *found.remarks))


def _places(texts: list[str]) -> tuple[list[int], tuple[str, ...]]:
    """Places from their texts: whole numbers, bar.place, or words that neighbours explain."""
    if any("." in text and text.partition(".")[2].strip("0") for text in texts):  # bar.place
        texts = [text.partition(".")[2] for text in texts]
    found: list[int | None] = []
    unknown = []
    for text in texts:
        try:
            found.append(int(float(text)) if text else 0)
        except ValueError:
            found.append(None)
            unknown.append(text)
    longest = max((place for place in found if place is not None), default=0)
    for i in range(len(found) - 1, -1, -1):  # from the next beat back
        if found[i] is None and i + 1 < len(found) and (after := found[i + 1]):
            found[i] = after - 1 or longest
    for i, place in enumerate(found):
        if place is None:
            before = found[i - 1] if i else 0
            found[i] = before % longest + 1 if before and longest else 0
    remarks = (f"{len(unknown)} places in the bar follow from their neighbours ({named(unknown)})",) if unknown else ()
    return [place or 0 for place in found], remarks


def _numbers(cells: list[list[str]]) -> np.ndarray | None:
    try:
        return np.array([[float(text) for text in row] for row in cells])
    except ValueError:
        return None


def _starts_with_number(cells: list[str]) -> bool:
    try:
        number(cells[0], "", 0)
    except DataError:
        return False
    return True
