"""An analysis in a few lines of text: what a musician asks first."""

from __future__ import annotations

import textwrap
from itertools import pairwise

from ohrwurm.analysis.chord_names import chord_name
from ohrwurm.analysis.recording import Analysis
from ohrwurm.events import Spans

BARS, LINES = 4, 4  # bars a line, and lines of them
WIDTH = 100  # columns
LEAST = 0.2  # of a bar, for which a chord must sound to be named
TAGS = 8
COLUMN = 11  # of what follows a name


def summary(analysis: Analysis, *, width: int = WIDTH) -> str:
    """Tempo, metre, key, sections, chords bar by bar, tags and remarks; of chords the first `LINES` lines.

    >>> from ohrwurm.events import Key
    >>> print(summary(Analysis("a/song.mp3", 200.0, "m", key=Key("D minor", 0.83), tags=(("piano", 0.9),))))
    a/song.mp3  3:20
      key      D minor (0.83)
      tags     piano 0.90
    """
    lines = [f"{analysis.file}  {clock(analysis.duration)}".strip()]
    for name, text in _rows(analysis):
        if isinstance(text, list):
            lines += [f"  {name if not i else '':<{COLUMN - 2}}{line}".rstrip() for i, line in enumerate(text)]
            continue
        indent = " " * COLUMN
        lines += textwrap.wrap(
            text, max(width, COLUMN + 20), initial_indent=f"  {name:<{COLUMN - 2}}", subsequent_indent=indent
        )
    return "\n".join(lines)


def clock(seconds: float) -> str:
    """Seconds as m:ss or h:mm:ss.

    >>> clock(75), clock(3601)
    ('1:15', '1:00:01')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def bars(analysis: Analysis) -> list[tuple[str, ...]]:
    """The chords of each bar as musicians write them, from the first downbeat on; none where no bar is known.

    >>> import numpy as np
    >>> from ohrwurm.events import Beats
    >>> chords = Spans(np.array([[0.0, 1.9], [1.9, 3], [3, 4]]), ("D:min", "G:7", "C:maj"))
    >>> beats = Beats(np.arange(8) / 2, np.array([1, 2, 3, 4] * 2))
    >>> bars(Analysis("a.wav", 4.0, "m", beats=beats, chords=chords))
    [('Dm',), ('G7', 'C')]
    """
    if analysis.beats is None or analysis.chords is None or not len(analysis.beats.downbeats):
        return []
    edges = [*analysis.beats.downbeats.tolist(), analysis.duration]
    return [_between(analysis.chords, start, end) for start, end in pairwise(edges) if end > start]


def _between(chords: Spans, start: float, end: float) -> tuple[str, ...]:
    inside = (chords.intervals[:, 1] > start) & (chords.intervals[:, 0] < end)
    named: list[str] = []
    for place in inside.nonzero()[0]:
        a, b = chords.intervals[place].tolist()
        name = chord_name(chords.labels[place])
        if min(b, end) - max(a, start) >= LEAST * (end - start) and named[-1:] != [name]:
            named.append(name)
    return tuple(named)


def _rows(analysis: Analysis) -> list[tuple[str, str | list[str]]]:
    rows: list[tuple[str, str | list[str]]] = []
    tempo, key = analysis.tempo, analysis.key
    if tempo is not None:
        other = f", or {tempo.other:.1f}" if tempo.other else ""
        rows.append(("tempo", f"{tempo.bpm:.1f} bpm{other} ({tempo.confidence:.2f})" if tempo.bpm else "none"))
    if analysis.metre is not None:
        rows.append(("metre", f"{analysis.metre} beats a bar"))
    if key is not None:
        rows.append(("key", "none" if key.label == "N" else f"{key.label} ({key.confidence:.2f})"))
    if analysis.keys is not None and len(analysis.keys) > 1:
        rows.append(("keys", _spans(analysis.keys)))
    if analysis.sections is not None and len(analysis.sections):
        rows.append(("sections", _spans(analysis.sections)))
    if analysis.chords is not None:
        rows.append(("chords", _chords(analysis)))
    if analysis.tags:
        rows.append(("tags", ", ".join(f"{tag} {share:.2f}" for tag, share in analysis.tags[:TAGS])))
    return [*rows, *(("note", remark) for remark in analysis.remarks)]


def _spans(spans: Spans) -> str:
    starts = (f"{clock(start)} {label}" for start, label in zip(spans.intervals[:, 0], spans.labels, strict=True))
    return " · ".join(starts)


def _chords(analysis: Analysis) -> str | list[str]:
    """A line for a few bars; a run of chords where no bar is known."""
    assert analysis.chords is not None
    found = bars(analysis)
    if not found:
        rows = zip(analysis.chords.intervals[:, 0].tolist(), analysis.chords.labels, strict=True)
        named = [f"{clock(start)} {chord_name(label)}" for start, label in rows]
        more = [f"{len(named) - BARS * LINES} more"] if len(named) > BARS * LINES else []
        return " · ".join([*named[: BARS * LINES], *more]) or "none"
    shown = [" ".join(bar) or "-" for bar in found[: BARS * LINES]]
    column = max(map(len, shown))
    lines = []
    for first in range(0, len(shown), BARS):
        cells = " | ".join(f"{text:<{column}}" for text in shown[first : first + BARS])
        lines.append(f"{first + 1:>3}  | {cells} |")
    return [*lines, *([f"     of {len(found)} bars"] if len(found) > len(shown) else [])]
