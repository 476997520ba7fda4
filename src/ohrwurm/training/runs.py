"""Runs by id: the folder that a recipe's run has unless told otherwise, and how the runs in a folder stand."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ohrwurm.errors import TrainingError
from ohrwurm.folders import run_folder, runs_folder

if TYPE_CHECKING:
    from ohrwurm.training.recipes import Recipe


@dataclass(frozen=True)
class Run:
    """How a run stands: ``complete``, ``unfinished`` (the same command goes on), or ``prepared`` (no epoch yet)."""

    id: str
    folder: Path
    state: str
    epochs: int
    best: str


def run_id(recipe: Recipe) -> str:
    """The recipe's name and eight digits of its resolved settings: the same command names the same run.

    Settings that a resumed run may change (limits, how often to save) are left out.
    """
    from ohrwurm.training.runner import FREE_TO_CHANGE

    config = recipe.as_dict()
    config.pop("description")
    config["trainer"] = {k: v for k, v in config["trainer"].items() if k not in FREE_TO_CHANGE}
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:8]
    return f"{Path(recipe.name).with_suffix('').as_posix().strip('/').replace('/', '-')}-{digest}"


def found_in(folder: Path) -> list[Run]:
    """The runs in a folder, by id."""
    return [_read(file.parent) for file in sorted(folder.glob("*/config.yaml"))]


def locate(run: str) -> Path:
    """The folder of a run given by its id, or as a folder.

    Raises:
        TrainingError: there is none; those that exist are named.
    """
    folder = run_folder(run)
    if folder is not None:
        return folder
    known = ", ".join(r.id for r in found_in(runs_folder())) or "none"
    raise TrainingError(f"no run {run!r} in {runs_folder()}; there: {known}. A run elsewhere is given by its folder.")


def _read(folder: Path) -> Run:
    report, course = folder / "report.json", folder / "log.csv"
    epochs, best = 0, ""
    if course.is_file():
        with open(course, newline="", encoding="utf-8") as rows:
            epochs = sum(1 for _ in csv.DictReader(rows))
    if report.is_file():
        summary = json.loads(report.read_text(encoding="utf-8"))
        best = f"{summary['monitor']} {summary['best_score']:.4f} (epoch {summary['best_epoch']})"
    state = "complete" if report.is_file() else "unfinished" if epochs else "prepared"
    return Run(folder.name, folder, state, epochs, best)
