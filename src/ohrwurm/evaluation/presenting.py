"""Reports as tables for people: the same tables in the terminal, in Markdown and on an HTML page."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from ohrwurm.evaluation.comparison import Comparison, Difference, changes, lower_is_better
from ohrwurm.evaluation.references import Beside, beside
from ohrwurm.evaluation.report import Figure, Report

CHANGED = 5  # items at either end of the table of changes


@dataclass(frozen=True)
class Table:
    """A titled table.

    Attributes:
        title: its heading.
        head: of the columns; the first is text, the others are numbers unless `words` names them.
        rows: cells as text, as many a row as there are columns.
        notes: sentences below it.
        words: columns that hold text.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    words: frozenset[int] = field(default_factory=lambda: frozenset({0}))


def title(comparison: Comparison) -> str:
    """What the page is about, in a few words."""
    first = comparison.reports[0]
    return f"{first.task} on {first.data}: {', '.join(comparison.names)}"


def tables(comparison: Comparison, references: bool = False) -> list[Table]:
    """All that the reports hold: figures, differences, published numbers, changes, and how it was measured."""
    found = [_figures(comparison)]
    if comparison.differences:
        found += [*_differences(comparison.differences, comparison.names), _changed(comparison)]
    if any(r.outcome.published for r in comparison.reports):
        found.append(_published(comparison))
    if references:
        found.append(_beside(comparison))
    found.append(_measured(comparison))
    return found


def warnings(comparison: Comparison) -> list[str]:
    """What a reader has to know before the figures: of the comparison, of each report, of the data."""
    told = list(comparison.warnings)
    for name, report in zip(comparison.names, comparison.reports, strict=True):
        told += [f"{name}: {message}" for message in report.outcome.warnings]
        if report.failures:
            told.append(f"{name}: {len(report.failures)} recordings were left out; its report names them")
    told += [report.caveats for report in comparison.reports if report.caveats]
    return list(dict.fromkeys(told))


def markdown(comparison: Comparison, *, references: bool = False, picture: str = "") -> str:
    """The tables as Markdown.

    Args:
        picture: path or address of the picture of the figures, as the page sees it.
    """
    lines = [f"# {title(comparison)}", ""]
    lines += [f"> {w}" if i == 0 else f">\n> {w}" for i, w in enumerate(warnings(comparison))]
    for table in tables(comparison, references):
        lines += ["", f"## {table.title}", "", _row(table.head)]
        lines.append(_row(tuple("---" if i in table.words else "---:" for i in range(len(table.head)))))
        lines += [_row(row) for row in table.rows]
        lines += [f"\n{note}" for note in table.notes]
    if picture:
        lines += ["", f"![metrics, differences and items of {', '.join(comparison.names)}]({picture})"]
    return "\n".join(lines) + "\n"


def page(comparison: Comparison, *, references: bool = False, figures: Sequence[tuple[str, bytes, bytes]] = ()) -> str:
    """The tables as one HTML page that needs nothing else, light or dark as the reader's system is.

    Args:
        figures: title, light and dark picture (PNG) of each.
    """
    parts = [f"<h1>{html.escape(title(comparison))}</h1>"]
    parts += [f'<p class="note">{html.escape(w)}</p>' for w in warnings(comparison)]
    for table in tables(comparison, references):
        parts.append(f"<h2>{html.escape(table.title)}</h2>\n<div><table>\n<tr>")
        parts += [f"<th{_kind(i, table)}>{html.escape(cell)}</th>" for i, cell in enumerate(table.head)]
        parts.append("</tr>")
        for row in table.rows:
            cells = (f"<td{_kind(i, table)}>{html.escape(cell)}</td>" for i, cell in enumerate(row))
            parts.append("<tr>" + "".join(cells) + "</tr>")
        parts.append("</table></div>")
        parts += [f"<p>{html.escape(note)}</p>" for note in table.notes]
    for name, light, dark in figures:
        bright, dim = (base64.b64encode(p).decode() for p in (light, dark))
        parts.append(
            f'<picture><source media="(prefers-color-scheme: dark)" srcset="data:image/png;base64,{dim}">'
            f'<img src="data:image/png;base64,{bright}" alt="{html.escape(name)}"></picture>'
        )
    return PAGE.format(title=html.escape(title(comparison)), body="\n".join(parts))


def figure_text(figure: Figure | None) -> str:
    """A figure with its interval.

    >>> figure_text(Figure(0.5, 0.41, 0.59, 0.1)), figure_text(Figure(12.5, 9, 20, 50)), figure_text(None)
    ('0.500 (0.410 to 0.590)', '12.5 (9.0 to 20.0)', '')
    """
    if figure is None:
        return ""
    digits = _digits(figure)
    return f"{number(figure.value, digits)} ({number(figure.low, digits)} to {number(figure.high, digits)})"


def number(value: float, digits: int = 3) -> str:
    """A number with so many decimals; a dash for none."""
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def _digits(figure: Figure) -> int:
    known = [abs(x) for x in (figure.value, figure.low, figure.high, figure.chance) if not math.isnan(x)]
    return 1 if max(known, default=0.0) > 1.5 else 3  # ranks and shares


def _figures(comparison: Comparison) -> Table:
    rows = []
    for metric in comparison.metrics:
        own = [r.outcome.figures.get(metric) for r in comparison.reports]
        known = next(f for f in own if f is not None)
        chance = number(known.chance, _digits(known))
        rows.append((metric, *(figure_text(f) for f in own), chance))
    protocols = dict.fromkeys(f"{r.outcome.protocol}; {r.outcome.interval}" for r in comparison.reports)
    return Table("Figures", ("metric", *comparison.names, "chance"), tuple(rows), tuple(f"{p}." for p in protocols))


def _differences(differences: Sequence[Difference], names: Sequence[str]) -> list[Table]:
    """A table for each model that is compared with the first."""
    found = []
    for second in dict.fromkeys(d.second for d in differences):
        own = [d for d in differences if d.second == second]
        rows = []
        for d in own:
            digits = 2 if lower_is_better(d.metric) else 3
            difference, low, high = (number(x, digits) for x in (d.found.difference, d.found.low, d.found.high))
            rows.append((d.metric, difference, f"{low} to {high}", _p(d.found.p), _p(d.p), d.verdict))
        head = ("metric", "difference", "95 % interval", "p", "p (Holm)", "verdict")
        pairs = dict.fromkeys(
            f"{d.found.items} {d.what}" + (f" in {d.found.groups} groups" if d.found.groups < d.found.items else "")
            for d in own
        )
        notes = (
            f"Over {', '.join(pairs)} that both have: percentile bootstrap of the paired difference and two-sided "
            f"sign-flip test, both over whole groups; Holm's correction over all {len(differences)} tests.",
        )
        title = f"Differences: {names[second]} against {names[own[0].first]}"
        found.append(Table(title, head, tuple(rows), notes, frozenset({0, 5})))
    return found


def _changed(comparison: Comparison) -> Table:
    d, pairs = comparison.differences[0], changes(comparison)
    shown = pairs if len(pairs) <= 2 * CHANGED else pairs[:CHANGED] + pairs[-CHANGED:]
    rows = [(i, number(before), number(now), number(now - before)) for i, before, now in shown]
    head = (d.what, comparison.names[d.first], comparison.names[d.second], "difference")
    return Table(f"{d.metric}: what changed most", head, tuple(rows))


def _published(comparison: Comparison) -> Table:
    names = dict.fromkeys(n for r in comparison.reports for n in r.outcome.published)
    rows = []
    for name in names:
        own = (r.outcome.published.get(name) for r in comparison.reports)
        rows.append((name, *("" if v is None else number(v, 4) for v in own)))
    notes = dict.fromkeys(f"{r.outcome.published_as}." for r in comparison.reports if r.outcome.published_as)
    return Table("By the published protocol", ("metric", *comparison.names), tuple(rows), tuple(notes))


def _beside(comparison: Comparison) -> Table:
    """Published results, a row each, with the own figures in the last columns."""
    own: list[list[Beside]] = [beside(r) for r in comparison.reports]
    keyed = [{b.reference: b for b in found} for found in own]
    rows, numbered = [], dict[str, int]()
    for reference in dict.fromkeys(b.reference for found in own for b in found):
        those = [k.get(reference) for k in keyed]
        told = dict.fromkeys(w for b in those if b is not None for w in b.warnings)
        marks = ", ".join(str(numbered.setdefault(w, len(numbered) + 1)) for w in told)
        digits = 1 if reference.unit == "rank" else 3
        metric = next(b.metric for b in those if b is not None)
        cells = ("" if b is None else number(b.own, digits) + (" *" if b.published else "") for b in those)
        rows.append((f"{reference.system}: {reference.model}", metric, number(reference.figure, digits), *cells,
                     marks, reference.source))  # fmt: skip
    notes = [f"{i}. {warning}" for warning, i in numbered.items()]
    if any(b.published for found in own for b in found):
        notes.insert(0, "*: one's own number by the published protocol.")
    if not rows:
        notes.append(f"No published result is known for {comparison.reports[0].task} on {comparison.reports[0].data}.")
    head = ("published by", "metric", "published", *comparison.names, "differs in", "source")
    count = len(head)
    return Table("Published results", head, tuple(rows), tuple(notes), frozenset({0, 1, count - 2, count - 1}))


def _measured(comparison: Comparison) -> Table:
    def cells(name: str, of: str) -> tuple[str, ...]:
        return (name, *(_detail(r, of) for r in comparison.reports))

    wanted = ("weights", "card", "windows", "data", "counts", "settings", "seed", "machine", "software")
    rows = [cells(name, name) for name in wanted]
    columns = frozenset(range(len(comparison.names) + 1))
    kept = tuple(row for row in rows if any(row[1:]))
    return Table("How it was measured", ("", *comparison.names), kept, (), columns)


def _detail(report: Report, name: str) -> str:
    if name in ("counts", "settings", "machine", "software"):
        held = report.outcome.counts if name == "counts" else getattr(report, name)
        return ", ".join(f"{v} {n}" if name == "counts" else f"{n} {v}" for n, v in held.items())
    return {
        "weights": report.weights[:12] or "none",
        "card": report.card[:12],
        "windows": report.provenance,
        "data": f"{report.data} {report.data_hash[:12]}".strip(),
        "seed": str(report.outcome.seed),
    }[name]


def _p(value: float) -> str:
    return "-" if math.isnan(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(c.replace("|", "\\|").replace("\n", " ") for c in cells) + " |"


def _kind(column: int, table: Table) -> str:
    return "" if column in table.words else ' class="n"'


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<style>
:root {{ --ink: #1f2328; --paper: #fff; --faint: #d0d7de; --note: #fff8c5; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ink: #e6edf3; --paper: #0d1117; --faint: #30363d; --note: #3b2e00; }}
}}
body {{ font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 72rem;
  margin: 2rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.4rem; }} h2 {{ font-size: 1.1rem; margin: 2rem 0 .5rem; }}
div {{ overflow-x: auto; }} table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--faint);
  vertical-align: top; }}
.n {{ text-align: right; white-space: nowrap; }} .note {{ background: var(--note); padding: .4rem .8rem; }}
img {{ max-width: 100%; height: auto; display: block; margin: 1.5rem 0; }}
</style></head><body>
{body}
</body></html>
"""
