"""From positions in quarter notes, as lead sheets are written, to a `Score` in seconds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ohrwurm.data.score import Score, Span, make_notes


def beat_length(metre: tuple[int, int]) -> float:
    """Quarter notes in a beat: the dotted quarter in 6/8, 9/8 and 12/8, the eighth in 3/8, else the quarter.

    >>> beat_length((6, 8)), beat_length((3, 4)), beat_length((2, 2))
    (1.5, 1.0, 1.0)
    """
    if metre[1] == 8:
        return 1.5 if metre[0] % 3 == 0 and metre[0] > 3 else 0.5
    return 1.0 if metre[1] <= 4 else 4.0 / metre[1]


def lead_sheet(
    notes: list[list[float]],
    chords: list[tuple[float, str]],
    keys: list[tuple[float, str]],
    downbeats: list[float],
    end: float,
    metre: tuple[int, int],
    bpm: float,
    *,
    score_id: str,
    work_id: str,
    source: str,
    title: str,
    tags: tuple[str, ...],
) -> Score:
    """A Score from `notes` (onset, duration, pitch) and points in quarter notes; `bpm` counts beats.

    2/2 counts as 4/4. Beats are laid from every downbeat to the next, so that an incomplete bar does not
    shift those after it.
    """
    if metre == (2, 2):
        metre = (4, 4)
    beat = beat_length(metre)
    scale = 60.0 / bpm / beat  # seconds per quarter note
    table = np.array(notes, dtype=np.float64)
    rows = np.column_stack([table[:, 0] * scale, table[:, 1] * scale, table[:, 2], np.full(len(table), 90.0)])

    def spans(points: list[tuple[float, str]]) -> tuple[Span, ...]:
        if not points:
            return ()
        points = sorted(points, key=lambda p: p[0])
        ends = [p[0] for p in points[1:]] + [end]
        return tuple(Span(p[0] * scale, e * scale, p[1]) for p, e in zip(points, ends, strict=True) if e - p[0] > 1e-6)

    return Score(
        score_id=score_id,
        work_id=work_id,
        title=title,
        source=source,
        melody=make_notes(rows),
        chords=spans(chords),
        beats=_beats(downbeats, end, beat) * scale,
        downbeats=np.array(downbeats) * scale,
        keys=spans(keys),
        metre=metre,
        tempo=bpm,
        tags=tags,
        seconds=end * scale,
    )


def _beats(downbeats: list[float], end: float, beat: float) -> NDArray[np.float64]:
    if not downbeats:
        return np.arange(0.0, end - 1e-6, beat)
    upbeat = downbeats[0] - beat * np.arange(int(downbeats[0] / beat + 1e-6), 0, -1)
    pieces = [np.arange(a, b - 1e-6, beat) for a, b in zip(downbeats, [*downbeats[1:], end], strict=True)]
    return np.concatenate([upbeat, *pieces])
