"""Fills the tables of docs/results.md from reports of `ohrwurm evaluate --out`, so that no figure is typed.

python docs/measured.py FOLDER

A table is asked for in a comment that names metrics, then one report of FOLDER a line and what to call its model:

    <!-- figures: MAP, MR1
    anthems-chroma: `chroma-cross-correlation`
    -->
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from ohrwurm.atomic import write_text
from ohrwurm.evaluation.report import Figure, Report

PAGE = Path(__file__).with_name("results.md")
TABLE = re.compile(r"(<!-- figures: (?P<metrics>.*?)\n(?P<rows>.*?)-->\n)(?P<old>.*?)(<!-- end -->)", re.DOTALL)


def table(metrics: list[str], rows: list[tuple[str, Report]]) -> str:
    """The figures of reports as Markdown, with their intervals, and chance as the last row."""
    lines = ["| model | " + " | ".join(metrics) + " |", "|---" * (len(metrics) + 1) + "|"]
    for name, report in rows:
        found = [report.outcome.figures[m] for m in metrics]
        lines.append(f"| {name} | " + " | ".join(_cell(f) for f in found) + " |")
    chance = [rows[0][1].outcome.figures[m].chance for m in metrics]
    return "\n".join([*lines, "| *chance* | " + " | ".join(_number(c) for c in chance) + " |"])


def _cell(figure: Figure) -> str:
    return f"{_number(figure.value)} [{_number(figure.low)}, {_number(figure.high)}]"


def _number(value: float) -> str:
    return f"{value:.1f}" if abs(value) > 1.5 else f"{value:.3f}"


def main(folder: Path) -> None:
    """Fill all tables of the page."""

    def filled(match: re.Match[str]) -> str:
        rows = [line.split(":", 1) for line in match["rows"].strip().splitlines()]
        found = [(name.strip(), Report.from_json((folder / f"{file.strip()}.json").read_text())) for file, name in rows]
        return f"{match[1]}\n{table([m.strip() for m in match['metrics'].split(',')], found)}\n\n{match[5]}"

    write_text(PAGE, TABLE.sub(filled, PAGE.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
