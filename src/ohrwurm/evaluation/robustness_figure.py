"""The picture of robustness: a small panel for each degradation and metric, strength against value, a line a model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from ohrwurm.evaluation.comparison import Comparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

COLUMNS = 4  # panels beside each other
HEIGHT = 1.9  # inches of a row of panels


def panels(comparison: Comparison) -> dict[str, list[tuple[float, str]]]:
    """Degradation → (strength, title of the condition), ascending, of all that any of the reports has."""
    found: dict[str, dict[float, str]] = {}
    for report in comparison.reports:
        for row in report.outcome.details.get("conditions", ()):
            title = f"{row['degradation']} {row['strength']:g} {row['unit']}"
            found.setdefault(row["degradation"], {})[float(row["strength"])] = title
    return {name: sorted(of.items()) for name, of in found.items()}


def metrics(comparison: Comparison) -> list[str]:
    """The metrics that are measured under every condition, without the condition."""
    return list(dict.fromkeys(name.partition(" (")[0] for name in comparison.metrics))


def height(comparison: Comparison) -> float:
    """Inches that the picture of one metric needs."""
    return 0.9 + HEIGHT * -(-len(panels(comparison)) // COLUMNS)


def draw(
    comparison: Comparison, metric: str, place: FigureBase, colours: tuple[str, ...], ink: str, faint: str, paper: str
) -> list[Axes]:
    """Draw the panels of one metric; returns those that are used, for a legend."""
    held = panels(comparison)
    rows = -(-len(held) // COLUMNS)
    axes = place.subplots(rows, COLUMNS, squeeze=False, sharey=True).ravel()
    for axis in axes[len(held) :]:
        axis.set_visible(False)
    for axis, (name, conditions) in zip(axes, held.items(), strict=False):
        axis.set_facecolor(paper)
        axis.grid(color=faint, alpha=0.25, linewidth=0.6)
        axis.tick_params(colors=ink, labelsize=7, length=0)
        for side, spine in axis.spines.items():
            spine.set_visible(side == "bottom")
            spine.set_color(faint)
        unit = conditions[0][1].rpartition(" ")[2]
        axis.set_title(f"{name} ({unit})", color=ink, fontsize=9)
        x = range(len(conditions))  # in order, not to scale: strengths are chosen, not spread evenly
        axis.set_xticks(x, [f"{strength:g}" for strength, _ in conditions])
        for i, (model, report) in enumerate(zip(comparison.names, comparison.reports, strict=True)):
            known = [report.outcome.figures.get(f"{metric} ({title})") for _, title in conditions]
            value, low, high = (_values(known, part) for part in ("value", "low", "high"))
            colour = colours[i % len(colours)]
            axis.plot(x, value, "o-", color=colour, markersize=3.5, linewidth=1.3, label=model)
            axis.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
            chance = next((f.chance for f in known if f is not None), np.nan)
            axis.axhline(chance, color=colour, linestyle=":", linewidth=0.8)
    return list(axes[: len(held)])


def _values(figures: Iterable[object], part: str) -> list[float]:
    return [np.nan if f is None else float(getattr(f, part)) for f in figures]
