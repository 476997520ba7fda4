"""Makes `training.png`: loss and monitored figure of training runs, one column a run.

python docs/img/curves.py "TTMR=runs/ttmr" "CLMR=runs/clmr" ...
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import yaml

HERE = Path(__file__).parent


def course(folder: Path) -> tuple[list[dict[str, str]], str]:
    """The rows of a run's log, and the name of the figure that it monitored."""
    with open(folder / "log.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    report = yaml.safe_load((folder / "report.json").read_text(encoding="utf-8"))
    return rows, report["monitor"]


def draw(runs: list[str]) -> None:
    figure, axes = plt.subplots(2, len(runs), figsize=(2.6 * len(runs), 4.2), squeeze=False, sharex="col")
    for column, run in enumerate(runs):
        title, _, folder = run.partition("=")
        rows, monitor = course(Path(folder))
        above, below = axes[:, column]
        above.plot([int(r["epoch"]) for r in rows], [float(r["loss"]) for r in rows], color="#1f5fa8")
        measured = [(int(r["epoch"]), float(r[monitor])) for r in rows if r.get(monitor)]
        below.plot(*zip(*measured, strict=True), color="#b3541e", marker="o", markersize=2.5)
        above.set_title(title, fontsize=10)
        below.set_title(monitor.replace("validation/", "validation "), fontsize=8)
        below.set_xlabel("epoch", fontsize=8)
        for axis in (above, below):
            axis.tick_params(labelsize=7)
            axis.spines[["top", "right"]].set_visible(False)
    axes[0, 0].set_ylabel("training loss", fontsize=8)
    figure.tight_layout()
    figure.savefig(HERE / "training.png", dpi=110)


if __name__ == "__main__":
    draw(sys.argv[1:])
