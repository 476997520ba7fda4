"""A picture of a whole recording: sections, waveform with its beats, tempo, chords, keys, over one axis of time.

What is too narrow to be written stays a colour, and what is too dense to be drawn is thinned out: thirty seconds and
ten minutes are both legible, and three hours are drawn too. Drawn with matplotlib's objects alone, so that neither its
global state nor a display is touched.
"""

from __future__ import annotations

import importlib.util
import io
import re
import textwrap
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ohrwurm.analysis.formats import lanes
from ohrwurm.analysis.formats.envelope import envelope
from ohrwurm.analysis.formats.lanes import FAINT, INK, PAPER, Scale
from ohrwurm.analysis.recording import Analysis
from ohrwurm.analysis.summary import clock
from ohrwurm.atomic import write_bytes
from ohrwurm.errors import DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, WIDEST = 12.0, 20.0  # inches, up to four minutes and from ten on
LEFT, RIGHT, GAP = 0.95, 0.3, 0.1  # inches beside the lanes and between them
HEAD, LINE, FOOT = 0.72, 0.17, 0.36  # inches of title, of a line of remarks or legend, of the axis of time
LEGEND = 2.6  # inches beside the remarks
DPI = 144
TAGS = 6  # named in the title
REMARKS = 3  # lines of them at most
_drawing = threading.Lock()  # matplotlib's text is not made for several threads


def check_installed() -> None:
    """Raise a `DataError` where matplotlib is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        raise DataError("figures need matplotlib: pip install 'ohrwurm[evaluation]'")


def png(analysis: Analysis, file: Path) -> None:
    """The picture as pixels."""
    write_bytes(file, picture(analysis, "png"))


def svg(analysis: Analysis, file: Path) -> None:
    """The picture as vectors, its text as text."""
    write_bytes(file, picture(analysis, "svg"))


def picture(analysis: Analysis, form: Literal["png", "svg"] = "png") -> bytes:
    """The content of a picture's file.

    Raises:
        AudioError: the audio, of which the waveform is drawn, cannot be read.
        DataError: matplotlib is not installed.
    """
    check_installed()
    import matplotlib

    stream = io.BytesIO()
    with _drawing, warnings.catch_warnings(), matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "o"}):
        warnings.filterwarnings("ignore", message="Glyph")  # a letter that no font here has is a box
        sheet = drawn(analysis)
        metadata: dict[str, str | None] = {"Software": None} if form == "png" else {"Date": None, "Creator": None}
        sheet.savefig(stream, format=form, dpi=DPI, facecolor=PAPER, metadata=metadata)
    return stream.getvalue()


def drawn(analysis: Analysis) -> Figure:
    """The picture as matplotlib has it.

    Raises:
        AudioError: the audio cannot be read.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width = _width(analysis.duration)
    found = lanes.lanes(analysis, envelope(analysis.file, analysis.duration, round(width * DPI / 2)))
    remarks = _remarks(analysis, width)
    foot = FOOT + LINE * max(1, len(remarks))
    height = HEAD + sum(lane.height + GAP for lane in found) + foot
    sheet = Figure(figsize=(width, height), facecolor=PAPER)
    FigureCanvasAgg(sheet)
    scale = Scale(analysis.duration, (width - LEFT - RIGHT) * 72 / max(analysis.duration, 1e-3))
    top = height - HEAD
    for number, lane in enumerate(found):
        bottom = top - lane.height
        place = (LEFT / width, bottom / height, (width - LEFT - RIGHT) / width, lane.height / height)
        axes = sheet.add_axes(place)
        lanes.prepare(axes, scale, lane.name, last=number == len(found) - 1)
        lane.draw(axes, scale)
        top = bottom - GAP
    left = LEFT / width
    title = _short(Path(analysis.file).name, round(width * 7))
    sheet.text(left, 1 - 0.27 / height, title, color=INK, size=13, weight="bold", va="center", parse_math=False)
    sheet.text(left, 1 - 0.53 / height, _facts(analysis), color=FAINT, size=9, va="center", parse_math=False)
    for line, text in enumerate(remarks):
        y = (foot - FOOT - LINE * (line + 0.5)) / height
        sheet.text(left, y, text, color=FAINT, size=7.5, va="center", parse_math=False)
    if analysis.chords is not None:
        lanes.legend(sheet, 1 - RIGHT / width, (foot - FOOT - LINE / 2) / height)
    return sheet


def _facts(analysis: Analysis) -> str:
    """Duration, tempo, metre, key and tags in one line."""
    facts = [clock(analysis.duration)]
    if analysis.tempo is not None:
        facts.append(f"{analysis.tempo.bpm:.1f} bpm" if analysis.tempo.bpm else "no tempo")
    if analysis.metre is not None:
        facts.append(f"{analysis.metre} beats a bar")
    if analysis.key is not None:
        none = analysis.key.label == "N"
        facts.append("no key" if none else f"{analysis.key.label} ({analysis.key.confidence:.2f})")
    facts += [f"{tag} {share:.2f}" for tag, share in (analysis.tags or ())[:TAGS]]
    return "  ·  ".join(facts)


def _remarks(analysis: Analysis, width: float) -> list[str]:
    """Lines of what is uncertain."""
    text = "; ".join(re.sub(r"\s+", " ", remark) for remark in analysis.remarks)
    lines = textwrap.wrap(text, round((width - LEFT - RIGHT - LEGEND) * 15))
    return lines if len(lines) <= REMARKS else [*lines[: REMARKS - 1], f"{lines[REMARKS - 1]} …"]


def _width(duration: float) -> float:
    return min(WIDEST, max(WIDTH, WIDTH + (WIDEST - WIDTH) * (duration - 240) / 360))


def _short(name: str, most: int) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
