"""Fills the results table of the README from the cards of the bundled models, so that no figure is typed.

python docs/results.py
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ohrwurm.atomic import write_text
from ohrwurm.models import registry

README = Path(__file__).parents[1] / "README.md"
# What the table shows of each card: (model, beginning of the row's data, metrics).
SHOWN = (
    ("ohrwurm-text", "rendered", ("R@1", "R@5", "R@10", "mAP@10", "MedR")),
    ("ohrwurm-text", "recordings: recordings", ("R@10", "MedR")),
    ("ohrwurm-text", "recordings: emotify", ("accuracy",)),
    ("ohrwurm-alignment", "recordings: anthems", ("MAP", "Top-1", "MR1")),
    ("ohrwurm-alignment", "rendered: folk-versions", ("MAP", "Top-1")),
    ("ohrwurm-alignment", "rendered: pop909-versions", ("MAP", "Top-1")),
    ("ohrwurm-versions", "rendered", ("MAP", "Top-1")),
    ("ohrwurm-versions", "recordings: anthems", ("MAP", "Top-1", "MR1")),
    ("ohrwurm-frames", "rendered: pop909", ("F-measure", "downbeat F-measure", "majmin", "weighted score")),
    ("ohrwurm-frames", "rendered: asap", ("F-measure", "downbeat F-measure", "signature accuracy")),
    ("pitchnet", "rendered", ("AP",)),
)
HEARD = ("beats", "chords", "key")  # tasks whose metrics do not say what they are of
START, END = "<!-- RESULTS", "<!-- END RESULTS -->"


def rows() -> list[str]:
    """The table's lines."""
    lines = ["| model | data | figure | value | chance | baseline | counts |", "|---|---|---|---|---|---|---|"]
    for model, data, metrics in SHOWN:
        by_metric = {r["metric"]: r for r in registry.card(model).results if r["data"].startswith(data)}
        lines += [_line(model, by_metric[m]) for m in metrics if m in by_metric]
    return lines


def _line(model: str, row: dict[str, Any]) -> str:
    value = f"{row['value']:.3g}"
    if "interval" in row:
        low, high = row["interval"]
        value += f" [{low:.3g}, {high:.3g}]"
    chance = f"{row['chance']:.3g}" if row.get("chance") is not None else ""
    counts = ", ".join(part for part in row["n"].split(", ") if not part.startswith("0 "))
    task = row["protocol"].partition(":")[0]
    metric = f"{task}: {row['metric']}" if task in HEARD else row["metric"]
    cells = (f"`{model}`", row["data"], metric, value, chance, row.get("baseline", ""), counts)
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Replace what stands between the two marks."""
    text = README.read_text(encoding="utf-8")
    table = "\n".join(rows())
    pattern = re.compile(rf"({re.escape(START)}.*?-->\n).*?({re.escape(END)})", re.DOTALL)
    write_text(README, pattern.sub(lambda m: f"{m[1]}\n{table}\n\n{m[2]}", text))


if __name__ == "__main__":
    main()
