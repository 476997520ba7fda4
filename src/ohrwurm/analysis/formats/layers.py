"""An analysis as layers of Sonic Visualiser (`.svl`): Import Annotation Layer shows them over the same audio.

Times are frames of the audio at its own rate. Beats and the tempo bear the label `bar.place`; bars count from the first
downbeat, what stands before it is bar 0.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ohrwurm.analysis.chord_names import chord_name
from ohrwurm.analysis.recording import Analysis
from ohrwurm.analysis.tempo import tempo_curve
from ohrwurm.atomic import write_text
from ohrwurm.audio.files import probe
from ohrwurm.events import Beats, Spans

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE sonic-visualiser>\n'
COLOURS = {"Purple": "#c832ff", "Orange": "#ff9632", "Green": "#008000", "Blue": "#0000ff", "Red": "#ff0000"}
LINES, SEGMENTATION = "3", "1"  # plot styles of values and of regions
Point = dict[str, str]


def beats(analysis: Analysis, file: Path) -> None:
    """Time instants, labelled `bar.place`."""
    assert analysis.beats is not None
    rate = _rate(analysis)
    rows = zip(_frames(analysis.beats.times, rate), bar_labels(analysis.beats), strict=True)
    points = [{"frame": str(frame), "label": label} for frame, label in rows]
    _write(file, "Beats", rate, points, {"dimensions": "1"}, {"type": "timeinstants", "plotStyle": "0"}, "Purple")


def tempo(analysis: Analysis, file: Path) -> None:
    """A curve in beats a minute."""
    assert analysis.beats is not None
    rate = _rate(analysis)
    at, bpm = tempo_curve(analysis.beats)
    rows = zip(_frames(at, rate), bpm.tolist(), strict=True)
    points = [{"frame": str(frame), "value": f"{value:.3f}", "label": ""} for frame, value in rows]
    model = {"dimensions": "2", "units": "bpm", **_extent(bpm.tolist())}
    _write(file, "Tempo", rate, points, model, {"type": "timevalues", "plotStyle": LINES, "verticalScale": "0"}, "Red")


def chords(analysis: Analysis, file: Path) -> None:
    """Regions, labelled as musicians write chords."""
    assert analysis.chords is not None
    _regions(file, "Chords", analysis, analysis.chords, [chord_name(label) for label in analysis.chords.labels], "Blue")


def keys(analysis: Analysis, file: Path) -> None:
    """Regions."""
    assert analysis.keys is not None
    _regions(file, "Keys", analysis, analysis.keys, list(analysis.keys.labels), "Green")


def sections(analysis: Analysis, file: Path) -> None:
    """Regions."""
    assert analysis.sections is not None
    _regions(file, "Sections", analysis, analysis.sections, list(analysis.sections.labels), "Orange")


def bar_labels(beats: Beats) -> list[str]:
    """`bar.place` of each beat; empty where its place is not known.

    >>> bar_labels(Beats(np.arange(5.0), np.array([2, 1, 2, 1, 0])))
    ['0.2', '1.1', '1.2', '2.1', '']
    """
    bars = np.cumsum(beats.positions == 1)
    return [f"{bar}.{place}" if place else "" for bar, place in zip(bars, beats.positions, strict=True)]


def _regions(file: Path, name: str, analysis: Analysis, spans: Spans, labels: list[str], colour: str) -> None:
    """Regions whose value, which gives them their colour, is the number of their label."""
    rate = _rate(analysis)
    number = {label: place for place, label in enumerate(dict.fromkeys(labels))}
    starts, ends = (_frames(spans.intervals[:, side], rate) for side in (0, 1))
    points = [
        {"frame": str(a), "value": str(number[label]), "duration": str(b - a), "label": label}
        for a, b, label in zip(starts, ends, labels, strict=True)
    ]
    extent = _extent([float(n) for n in number.values()])
    model = {"dimensions": "3", "subtype": "region", "valueQuantization": "0", "units": "", **extent}
    _write(
        file, name, rate, points, model, {"type": "regions", "plotStyle": SEGMENTATION, "verticalScale": "1"}, colour
    )


def _write(
    file: Path,
    name: str,
    rate: int,
    points: list[Point],
    model: dict[str, str],
    layer: dict[str, str],
    colour: str,
) -> None:
    root = ElementTree.Element("sv")
    data = ElementTree.SubElement(root, "data")
    common = {"id": "1", "name": name, "sampleRate": str(rate), "type": "sparse", "resolution": "1"}
    ElementTree.SubElement(data, "model", {**common, **model, "notifyOnAdd": "true", "dataset": "2"})
    dataset = ElementTree.SubElement(data, "dataset", {"id": "2", "dimensions": model["dimensions"]})
    for point in points:
        ElementTree.SubElement(dataset, "point", point)
    display = ElementTree.SubElement(root, "display")
    shown = {"colourName": colour, "colour": COLOURS[colour], "darkBackground": "false"}
    ElementTree.SubElement(display, "layer", {"id": "3", "name": name, "model": "1", **layer, **shown})
    ElementTree.indent(root)
    write_text(file, HEAD + ElementTree.tostring(root, encoding="unicode") + "\n")


def _extent(values: list[float]) -> dict[str, str]:
    return {"minimum": f"{min(values, default=0.0):g}", "maximum": f"{max(values, default=0.0):g}"}


def _rate(analysis: Analysis) -> int:
    return probe(analysis.file).sample_rate


def _frames(times: NDArray[np.float64], rate: int) -> list[int]:
    found: list[int] = np.rint(times * rate).astype(np.int64).tolist()
    return found
