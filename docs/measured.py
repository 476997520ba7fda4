"""Fills the tables of docs/results.md from reports of `ohrwurm evaluate --out`, so that no figure is typed.

python docs/measured.py FOLDER

A table is asked for in a comment that names metrics, then one report of FOLDER a line and what to call its model:

    <!-- figures: MAP, MR1
    anthems-chroma: `chroma-cross-correlation`
    -->

With `metrics` for `figures` a line is a metric, and a column a model; where a report lacks it, the cell is empty.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from ohrwurm.atomic import write_text
from ohrwurm.evaluation.report import Figure, Report

PAGE = Path(__file__).with_name("results.md")
TABLE = re.compile(
    r"(<!-- (?P<way>figures|metrics): (?P<metrics>.*?)\n(?P<rows>.*?)-->\n)(?P<old>.*?)(?P<end><!-- end -->)", re.DOTALL
)


def table(metrics: list[str], rows: list[tuple[str, Report]]) -> list[list[str]]:
    """The figures of reports with their intervals, and chance as the last row."""
    cells = [["model", *metrics]]
    cells += [[name, *(_cell(report.outcome.figures.get(m)) for m in metrics)] for name, report in rows]
    first = rows[0][1].outcome.figures
    return [*cells, ["*chance*", *(_number(first[m].chance) for m in metrics)]]


def written(cells: Iterable[Sequence[str]]) -> str:
    """Cells as a Markdown table, whose first row is the head."""
    head, *rest = (f"| {' | '.join(row)} |" for row in cells)
    return "\n".join([head, "|---" * (head.count(" | ") + 1) + "|", *rest])


def _cell(figure: Figure | None) -> str:
    return "" if figure is None else f"{_number(figure.value)} [{_number(figure.low)}, {_number(figure.high)}]"


def _number(value: float) -> str:
    return f"{value:.1f}" if abs(value) > 1.5 else f"{value:.3f}"


def main(folder: Path) -> None:
    """Fill all tables of the page."""

    def filled(match: re.Match[str]) -> str:
        rows = [line.split(":", 1) for line in match["rows"].strip().splitlines()]
        found = [(name.strip(), Report.from_json((folder / f"{file.strip()}.json").read_text())) for file, name in rows]
        cells = table([m.strip() for m in match["metrics"].split(",")], found)
        across = list(zip(*cells, strict=True)) if match["way"] == "metrics" else cells
        return f"{match[1]}\n{written(across)}\n\n{match['end']}"

    write_text(PAGE, TABLE.sub(filled, PAGE.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
