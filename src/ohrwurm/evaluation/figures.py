"""Reports as pictures: metrics with their intervals, differences, ranks, and what changed item by item.

Drawn with matplotlib's objects alone, so that neither its global state nor a display is touched.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ohrwurm.errors import DataError
from ohrwurm.evaluation import robustness_figure
from ohrwurm.evaluation.comparison import Comparison, changes, items_of, lower_is_better

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

Theme = Literal["light", "dark"]
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito: told apart by everybody
THEMES = {
    "light": {"ink": "#1f2328", "faint": "#8c959f", "paper": "#ffffff"},
    "dark": {"ink": "#e6edf3", "faint": "#7d8590", "paper": "#0d1117"},
}
WIDTH = 8.0  # inches
NAMED = 12  # items at either end of the picture of changes
RANKS = ("MedR", "rank", "MR1")  # values of single queries that are ranks


@dataclass(frozen=True)
class Picture:
    """One part of the whole: its title, its height in inches, and what draws it."""

    title: str
    height: float
    draw: Callable[[FigureBase, Theme], None]


def pictures(comparison: Comparison) -> list[Picture]:
    """Those that the reports have the numbers for."""
    if robustness_figure.panels(comparison):
        return [
            Picture(f"{metric}, with 95 % intervals; dotted: chance", robustness_figure.height(comparison),
                    _bind(partial(_robustness, metric), comparison))
            for metric in robustness_figure.metrics(comparison)
        ]  # fmt: skip
    shares, ranks = _kinds(comparison, comparison.metrics)
    rows = len(shares) + len(ranks)
    models = len(comparison.reports)
    height = 0.9 + rows * (0.22 + 0.16 * models)
    found = [Picture("Metrics, with 95 % intervals and chance", height, _bind(_metrics, comparison))]
    if comparison.differences:
        height = 1.0 + 0.34 * len(comparison.differences)
        found.append(Picture("Differences, with 95 % intervals over pairs", height, _bind(_differences, comparison)))
    if _rank_metric(comparison):
        found.append(Picture("Share of queries answered among the first k", 3.2, _bind(_rank_curves, comparison)))
    if comparison.differences:
        first = comparison.differences[0]
        named = min(len(changes(comparison)), 2 * NAMED)
        title = f"{first.metric}: which {first.what} changed most"
        found.append(Picture(title, 1.1 + 0.2 * named, _bind(_items, comparison)))
    return found


def png(comparison: Comparison, parts: list[Picture], theme: Theme = "light") -> bytes:
    """Pictures one below the other as a PNG file's content.

    Raises:
        DataError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure as Sheet
    except ImportError as error:
        raise DataError("figures need matplotlib: pip install 'ohrwurm[evaluation]'") from error
    heights = [p.height for p in parts]
    sheet = Sheet(figsize=(WIDTH, sum(heights)), facecolor=THEMES[theme]["paper"], layout="constrained")
    FigureCanvasAgg(sheet)
    made = sheet.subfigures(len(parts), 1, height_ratios=heights, squeeze=False)
    for part, place in zip(parts, made[:, 0], strict=True):
        place.set_facecolor(THEMES[theme]["paper"])
        place.suptitle(part.title, color=THEMES[theme]["ink"], fontsize=11, fontweight="bold")
        part.draw(place, theme)
    stream = io.BytesIO()
    sheet.savefig(stream, format="png", dpi=144, metadata={"Software": None})
    return stream.getvalue()


def _bind(draw: Callable[[Comparison, FigureBase, Theme], None], comparison: Comparison) -> Callable[..., None]:
    return lambda place, theme: draw(comparison, place, theme)


def _metrics(comparison: Comparison, place: FigureBase, theme: Theme) -> None:
    kinds = [names for names in _kinds(comparison, comparison.metrics) if names]
    axes = place.subplots(len(kinds), 1, squeeze=False, height_ratios=[len(names) + 0.6 for names in kinds])[:, 0]
    step = 0.8 / len(comparison.reports)
    for axis, names in zip(axes, kinds, strict=True):
        _plain(axis, theme)
        for row, metric in enumerate(names):
            for i, (name, report) in enumerate(zip(comparison.names, comparison.reports, strict=True)):
                figure = report.outcome.figures.get(metric)
                if figure is None:
                    continue
                y = row + (i - (len(comparison.reports) - 1) / 2) * step
                ends = np.array([[figure.value - figure.low], [figure.high - figure.value]])
                axis.errorbar(
                    [figure.value], [y], xerr=None if np.isnan(ends).any() else np.maximum(ends, 0), fmt="o",
                    color=COLOURS[i % len(COLOURS)], markersize=5, capsize=2.5, elinewidth=1.4,
                    label=name if row == 0 else None,
                )  # fmt: skip
                if i == 0:
                    axis.plot([figure.chance] * 2, [row - 0.4, row + 0.4], color=THEMES[theme]["faint"], linestyle=":")
        axis.set_yticks(range(len(names)), names)
        axis.set_ylim(len(names) - 0.5, -0.5)
        if names[0] in _kinds(comparison, comparison.metrics)[1]:
            _log(axis)
            axis.set_xlabel("rank (lower is better)", color=THEMES[theme]["ink"], fontsize=9)
    _legend(place, axes[0], theme)


def _differences(comparison: Comparison, place: FigureBase, theme: Theme) -> None:
    shares, ranks = _kinds(comparison, list(dict.fromkeys(d.metric for d in comparison.differences)))
    kinds = [[d for d in comparison.differences if d.metric in names] for names in (shares, ranks)]
    kinds = [differences for differences in kinds if differences]
    axes = place.subplots(len(kinds), 1, squeeze=False, height_ratios=[len(k) + 0.6 for k in kinds])[:, 0]
    for axis, differences in zip(axes, kinds, strict=True):
        _plain(axis, theme)
        axis.axvline(0, color=THEMES[theme]["faint"], linewidth=1)
        several = len(comparison.reports) > 2
        for row, d in enumerate(differences):
            sure = d.verdict != "no difference shown"
            colour = COLOURS[d.second % len(COLOURS)]
            if not np.isnan(d.found.low):
                axis.plot([d.found.low, d.found.high], [row, row], color=colour, linewidth=2)
            axis.plot([d.found.difference], [row], "o", color=colour, markerfacecolor=colour if sure else "none")
        names = [f"{d.metric} ({comparison.names[d.second]})" if several else d.metric for d in differences]
        axis.set_yticks(range(len(names)), names)
        axis.set_ylim(len(names) - 0.5, -0.5)
        against = comparison.names[0] if several else f"{comparison.names[1]} minus {comparison.names[0]}"
        better = "left" if lower_is_better(differences[0].metric) else "right"
        label = f"minus {against}" if several else against
        axis.set_xlabel(f"{label}; better to the {better}; filled: p < 0.05", color=THEMES[theme]["ink"], fontsize=9)


def _rank_curves(comparison: Comparison, place: FigureBase, theme: Theme) -> None:
    metric = _rank_metric(comparison)
    axis = place.subplots()
    _plain(axis, theme)
    last = 1.0
    for i, (name, report) in enumerate(zip(comparison.names, comparison.reports, strict=True)):
        items = items_of(report, metric)
        if items is None:
            continue
        ranks = np.array(items.values[metric])
        ranks = np.sort(ranks[~np.isnan(ranks)])
        if not len(ranks):
            continue
        last = max(last, float(ranks[-1]))
        k = np.unique([1.0, *ranks])
        share = np.searchsorted(ranks, k, side="right") / len(ranks)
        axis.step(k, share, where="post", color=COLOURS[i % len(COLOURS)], label=name)
    _log(axis)
    axis.set_xlim(1, last)
    axis.set_ylim(0, 1.02)
    axis.set_xlabel("k, the rank of the answer", color=THEMES[theme]["ink"], fontsize=9)
    axis.set_ylabel("share of queries", color=THEMES[theme]["ink"], fontsize=9)
    _legend(place, axis, theme)


def _robustness(metric: str, comparison: Comparison, place: FigureBase, theme: Theme) -> None:
    axes = robustness_figure.draw(comparison, metric, place, COLOURS, **THEMES[theme])
    _legend(place, axes[0], theme)


def _items(comparison: Comparison, place: FigureBase, theme: Theme) -> None:
    changed, first = changes(comparison), comparison.differences[0]
    shown = changed if len(changed) <= 2 * NAMED else changed[:NAMED] + changed[-NAMED:]
    axis = place.subplots()
    _plain(axis, theme)
    gains = [after - before for _, before, after in shown]
    colours = [COLOURS[(gain > 0) != lower_is_better(first.metric)] for gain in gains]
    axis.barh(range(len(shown)), gains, color=colours)
    axis.axvline(0, color=THEMES[theme]["faint"], linewidth=1)
    axis.set_yticks(range(len(shown)), [_short(i) for i, _, _ in shown], fontsize=7)
    axis.set_ylim(len(shown) - 0.5, -0.5)
    label = f"{comparison.names[first.second]} minus {comparison.names[first.first]}"
    more = "" if len(changed) == len(shown) else f"; {len(changed) - len(shown)} between them not shown"
    axis.set_xlabel(label + more, color=THEMES[theme]["ink"], fontsize=9)


def _rank_metric(comparison: Comparison) -> str:
    """The metric whose single values are ranks, if every report has one."""
    common = [m for m in comparison.metrics if all(items_of(r, m) is not None for r in comparison.reports)]
    return next((m for m in common if m.startswith(RANKS)), "")


def _kinds(comparison: Comparison, metrics: list[str]) -> tuple[list[str], list[str]]:
    """Metrics that are shares of 1, and those that are ranks."""
    ranks = [m for m in metrics if lower_is_better(m)]
    return [m for m in metrics if m not in ranks], ranks


def _plain(axis: Axes, theme: Theme) -> None:
    colours = THEMES[theme]
    axis.set_facecolor(colours["paper"])
    axis.grid(axis="x", color=colours["faint"], alpha=0.25, linewidth=0.6)
    axis.set_axisbelow(True)
    axis.tick_params(colors=colours["ink"], labelsize=9, length=0)
    for side, spine in axis.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(colours["faint"])


def _log(axis: Axes) -> None:
    """Ranks on a logarithmic axis, written as plain numbers."""
    from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))


def _legend(place: Any, axis: Axes, theme: Theme) -> None:
    handles, labels = axis.get_legend_handles_labels()
    place.legend(
        handles, [_short(name, 40) for name in labels], loc="outside lower center", ncols=min(3, max(1, len(labels))),
        frameon=False, labelcolor=THEMES[theme]["ink"], fontsize=9,
    )  # fmt: skip


def _short(name: str, most: int = 48) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
