"""The lanes of the picture of a recording, each drawn by a function of its own over the same axis of time.

Keys and roots of chords have the twelve hues of the circle of fifths, so that what is near in music is near in colour;
minor is darker than major.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ohrwurm.analysis.chord_names import chord_name, key_name
from ohrwurm.analysis.formats.envelope import Envelope
from ohrwurm.analysis.harte import parse
from ohrwurm.analysis.recording import Analysis
from ohrwurm.analysis.section_classes import CLASSES
from ohrwurm.analysis.summary import clock
from ohrwurm.analysis.tempo import Tempo, tempo_curve
from ohrwurm.errors import DataError
from ohrwurm.events import TONICS, Beats, Key, Spans, pitch_class

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, FAINT, PAPER, GRID = "#1f2328", "#59636e", "#ffffff", "#d1d9e0"
WAVE, LOUD, BEAT, CURVE = "#b6c6d8", "#7f9bb8", "#59636e", "#d1495b"
NONE = "#e6e9ec"  # of no chord and no key
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)  # seconds between times on the axis
LETTER = 0.62  # mean width of a letter, of its size
DENSE = 4.0  # points between beats that are still told apart; bars need twice that
NUMBERED = 24.0  # points between numbers of bars
EDGE = 0.6  # points around a box
OTHER = 0.42  # lightness of chords that are neither major nor minor
MAJOR, MINOR = 0.80, 0.60


@dataclass(frozen=True)
class Scale:
    """The axis of time: seconds, and points (1/72 inch) a second."""

    duration: float
    points: float


@dataclass(frozen=True)
class Lane:
    """One lane: what stands at its left, its height in inches, and what draws it."""

    name: str
    height: float
    draw: Callable[[Axes, Scale], None]


def lanes(analysis: Analysis, sound: Envelope) -> list[Lane]:
    """Those that there is something for, from top to bottom; the waveform is always there."""
    made = []
    if analysis.sections is not None:
        made.append(Lane("sections", 0.3, partial(_sections, analysis.sections)))
    made.append(Lane("beats" if analysis.beats is not None else "", 1.15, partial(_wave, sound, analysis.beats)))
    if analysis.beats is not None:
        made.append(Lane("tempo\n(bpm)", 0.75, partial(_tempo, analysis.beats, analysis.tempo)))
    if analysis.chords is not None:
        made.append(Lane("chords", 2.1, partial(_chords, analysis.chords, analysis.key, analysis.beats)))
    if analysis.keys is not None:
        made.append(Lane("key", 0.3, partial(_keys, analysis.keys)))
    return made


def prepare(axes: Axes, scale: Scale, name: str, *, last: bool) -> None:
    """Name and axis of time of a lane; the last has the times below it."""
    axes.set_facecolor(PAPER)
    axes.set_xlim(0, max(scale.duration, 1e-3))
    step = next((s for s in STEPS if s * scale.points >= 45), STEPS[-1])
    at = np.arange(0, scale.duration + 1e-9, step)
    axes.set_xticks(at, [clock(t) for t in at] if last else [""] * len(at))
    axes.tick_params(axis="x", colors=FAINT, labelsize=8, length=3 if last else 0)
    axes.tick_params(axis="y", colors=FAINT, labelsize=7, length=0)
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color(GRID)
    axes.annotate(
        name, (0, 0.5), (-0.85 * 72, 0), xycoords="axes fraction", textcoords="offset points", va="center", size=8.5,
        color=INK,
    )  # fmt: skip


def legend(sheet: Figure, right: float, middle: float) -> None:
    """What the shades of chords mean, in the lower right corner."""
    from matplotlib.patches import Patch

    shades = (("major", hue(0, MAJOR)), ("minor", hue(0, MINOR)), ("other", hue(0, OTHER)), ("none", NONE))
    sheet.legend(
        handles=[Patch(color=colour, label=label) for label, colour in shades], loc="center right", frameon=False,
        bbox_to_anchor=(right, middle), ncols=len(shades), fontsize=7.5, labelcolor=FAINT, handlelength=1.2,
        handleheight=0.9, columnspacing=1.2, borderaxespad=0, borderpad=0,
    )  # fmt: skip


def hue(root: float, lightness: float, chroma: float = 0.11) -> tuple[float, float, float]:
    """The colour of a pitch class: its place on the circle of fifths as an angle, at one perceived lightness.

    Source of the colour space: Ottosson, "A perceptual color space for image processing" (Oklab), 2020.

    >>> [round(part, 2) for part in hue(0, 0.8)]
    [0.99, 0.63, 0.63]
    """
    angle = 2 * np.pi * (root * 7 % 12) / 12 + 0.35
    a, b = chroma * np.cos(angle), chroma * np.sin(angle)
    cube = np.array(
        [lightness + 0.3963377774 * a + 0.2158037573 * b, lightness - 0.1055613458 * a - 0.0638541728 * b,
         lightness - 0.0894841775 * a - 1.2914855480 * b]
    ) ** 3  # fmt: skip
    linear = np.array(
        [[4.0767416621, -3.3077115913, 0.2309699292], [-1.2684380046, 2.6097574011, -0.3413193965],
         [-0.0041960863, -0.7034186147, 1.7076147010]]
    ) @ cube  # fmt: skip
    linear = np.clip(linear, 0, 1)
    r, g, b = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055).tolist()
    return r, g, b


def _wave(sound: Envelope, beats: Beats | None, axes: Axes, scale: Scale) -> None:
    top = max(1e-3, float(np.abs([sound.low, sound.high]).max(initial=0.0)))
    axes.set_ylim(-1.25 * top, 1.45 * top)
    axes.fill_between(sound.times, sound.low, sound.high, color=WAVE, linewidth=0)
    axes.fill_between(sound.times, -sound.level, sound.level, color=LOUD, linewidth=0)
    if beats is None:
        return
    if not len(beats):
        _remark(axes, "no beats")
        return
    if scale.duration / len(beats) * scale.points >= DENSE:
        axes.vlines(beats.times, -1.25 * top, -1.0 * top, color=BEAT, linewidth=0.6)
    bars = beats.downbeats
    if not len(bars):
        return
    spacing = (bars[-1] - bars[0]) / max(len(bars) - 1, 1) * scale.points or scale.duration * scale.points
    lines = bars[:: _every(spacing, 2 * DENSE)]
    axes.vlines(lines, -1.25 * top, 1.08 * top, color=BEAT, linewidth=0.6, alpha=0.7)
    each = _every(spacing, NUMBERED)
    for number in range(0, len(bars), each):
        if (scale.duration - bars[number]) * scale.points > 10:
            axes.text(bars[number], 1.12 * top, str(number + 1), size=6.5, color=FAINT, va="bottom", ha="center")


def _tempo(beats: Beats, found: Tempo | None, axes: Axes, scale: Scale) -> None:
    at, bpm = tempo_curve(beats)
    if not len(at):
        _remark(axes, "no tempo")
        return
    low, high = float(np.quantile(bpm, 0.01)), float(np.quantile(bpm, 0.99))
    margin = max(0.12 * (high - low), 0.04 * (low + high) / 2)
    axes.set_ylim(low - margin, high + margin)
    if found is not None and found.bpm:
        axes.axhline(found.bpm, color=GRID, linewidth=1, linestyle="--")
    axes.plot(at, bpm, color=CURVE, linewidth=1.2)
    from matplotlib.ticker import MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10], prune="both"))


def _chords(chords: Spans, key: Key | None, beats: Beats | None, axes: Axes, scale: Scale) -> None:
    """A row for each root, in fifths around the tonic; no chord lies below them."""
    known = key is not None and key.label != "N"
    middle = pitch_class(key.label.partition(" ")[0]) * 7 % 12 if key is not None and known else 0
    order = [(fifth * 7) % 12 for fifth in range(middle - 5, middle + 7)]
    row = {root: place for place, root in enumerate(order)}
    boxes, colours, texts = [], [], []
    for (start, end), label in zip(chords.intervals.tolist(), chords.labels, strict=True):
        root, lightness = _chord(label)
        y = -1 if root is None else row[root]
        boxes.append([(start, y - 0.44), (end, y - 0.44), (end, y + 0.44), (start, y + 0.44)])
        colours.append(NONE if root is None else hue(root, lightness))
        name = chord_name(label)
        names = [n for n in (name, name.partition("/")[0]) if _fits(n, (end - start) * scale.points, 6.5)]
        if names and root is not None:
            texts.append(((start + end) / 2, y - 0.03, names[0], INK if lightness >= MINOR else PAPER))
    low = -1.6 if any(box[0][1] < -1 for box in boxes) else -0.6
    if beats is not None and len(bars := beats.downbeats) > 1:
        each = _every((bars[-1] - bars[0]) / (len(bars) - 1) * scale.points, 4 * DENSE)
        axes.vlines(bars[::each], low, 11.6, color=GRID, linewidth=0.5)
    axes.hlines(np.arange(-0.5, 11.5), 0, scale.duration, color=GRID, linewidth=0.4)
    _boxes(axes, scale, boxes, colours)
    for x, level, name, colour in texts:
        axes.text(x, level, name, size=6.5, color=colour, ha="center", va="center", clip_on=True, parse_math=False)
    axes.set_ylim(low, 11.6)
    roots = [TONICS[root] for root in order]
    axes.set_yticks(range(12), roots) if low > -1 else axes.set_yticks([-1, *range(12)], ["none", *roots])


def _chord(label: str) -> tuple[int | None, float]:
    """Root and lightness of its colour; None where there is no chord."""
    try:
        chord = parse(label)
    except DataError:
        chord = None
    if chord is None:
        return None, 1.0
    if not chord.tones & {3, 4} or chord.tones & {6, 8}:
        return chord.root, OTHER
    return chord.root, MAJOR if 4 in chord.tones else MINOR


def _keys(keys: Spans, axes: Axes, scale: Scale) -> None:
    def colour(label: str) -> tuple[float, float, float] | str:
        tonic, _, mode = label.partition(" ")
        return hue(pitch_class(tonic), MAJOR if mode == "major" else MINOR) if mode else NONE

    _blocks(axes, scale, keys, colour, lambda label: ("no key",) if label == "N" else (label, key_name(label)))


def _sections(sections: Spans, axes: Axes, scale: Scale) -> None:
    others = list(dict.fromkeys(label for label in sections.labels if label not in CLASSES))

    def colour(label: str) -> tuple[float, float, float] | str:
        if label == "silence":
            return NONE
        place = CLASSES.index(label) if label in CLASSES else others.index(label) % 12
        return hue(place * 7 * 5 % 12, 0.87, 0.07)

    _blocks(axes, scale, sections, colour, lambda label: (label, label[:3]))


def _blocks(
    axes: Axes,
    scale: Scale,
    spans: Spans,
    colour: Callable[[str], tuple[float, float, float] | str],
    names: Callable[[str], tuple[str, ...]],
) -> None:
    """One row of labelled blocks; of the names of a label the first that fits is written."""
    rows = list(zip(spans.intervals.tolist(), spans.labels, strict=True))
    _boxes(axes, scale, [[(a, 0), (b, 0), (b, 1), (a, 1)] for (a, b), _ in rows], [colour(name) for _, name in rows])
    axes.set_ylim(0, 1)
    for (start, end), label in rows:
        width = (end - start) * scale.points
        if name := next((name for name in names(label) if _fits(name, width, 8)), ""):
            axes.text(
                (start + end) / 2, 0.47, name, size=8, color=INK, ha="center", va="center", clip_on=True,
                parse_math=False,
            )  # fmt: skip


def _boxes(
    axes: Axes,
    scale: Scale,
    boxes: list[list[tuple[float, float]]],
    colours: list[tuple[float, float, float] | str],
) -> None:
    """Corners `(4, 2)` in colours, with a gap between those that are wide enough for one."""
    from matplotlib.collections import PolyCollection

    gaps = [EDGE if (box[1][0] - box[0][0]) * scale.points > 5 * EDGE else 0.0 for box in boxes]
    axes.add_collection(PolyCollection(boxes, facecolors=colours, edgecolors=PAPER, linewidths=gaps, zorder=2))


def _remark(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, color=FAINT, size=9, ha="center", va="center")


def _every(spacing: float, least: float) -> int:
    """The least power of two of things so far apart (points) that are to be at least so far apart.

    >>> _every(2.0, 7.0), _every(30.0, 7.0)
    (4, 1)
    """
    return int(2 ** max(0, np.ceil(np.log2(least / max(spacing, 1e-6)))))


def _fits(text: str, width: float, size: float) -> bool:
    return (len(text) * LETTER + 0.3) * size <= width
