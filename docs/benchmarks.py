"""Fills the table of docs/benchmarks.md from the registry, so that no count is typed twice.

python docs/benchmarks.py
"""

from __future__ import annotations

from pathlib import Path

from ohrwurm.atomic import write_text
from ohrwurm.data.benchmarks.listing import markdown

PAGE = Path(__file__).with_name("benchmarks.md")
START, END = "<!-- ohrwurm data list --markdown -->\n", "<!-- end -->"

if __name__ == "__main__":
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    after = rest.partition(END)[2]
    write_text(PAGE, f"{before}{START}\n{markdown()}\n{END}{after}")
