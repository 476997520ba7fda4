"""Measured figures onto a model's card: from reports of `ohrwurm train` and `ohrwurm evaluate`, never by hand."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ohrwurm.atomic import write_text
from ohrwurm.errors import DataError, ModelError
from ohrwurm.evaluation.report import RENDERED
from ohrwurm.models.base import ModelCard
from ohrwurm.models.readme import readme

Row = dict[str, Any]


def rows_of(report: dict[str, Any]) -> list[Row]:
    """The figures of one report as rows of a card.

    >>> run = {"results": {"data": "d", "protocol": "p", "n": "9 clips", "test": {"R@1": 0.5}, "chance": {"R@1": 0.1}}}
    >>> rows_of(run)
    [{'data': 'd', 'protocol': 'p', 'metric': 'R@1', 'value': 0.5, 'chance': 0.1, 'n': '9 clips'}]
    """
    if "outcome" in report:  # of `ohrwurm evaluate`
        outcome = report["outcome"]
        counts = ", ".join(f"{number} {what}" for what, number in outcome["counts"].items())
        return [
            {
                "data": f"{_kind(report)}: {_data(report['data'])}",
                "protocol": f"{report['task']}: {outcome['protocol']}",
                "metric": metric,
                "value": _round(figure["value"]),
                "interval": [_round(figure["low"]), _round(figure["high"])],
                "chance": _round(figure["chance"]),
                "n": counts,
            }
            for metric, figure in outcome["figures"].items()
        ]
    results = report.get("results", {})
    if "test" not in results:
        raise DataError("not a report of `ohrwurm evaluate --out` or of a finished `ohrwurm train` (its report.json)")
    rows = []
    for metric, value in results["test"].items():
        row = {"data": results["data"], "protocol": results["protocol"], "metric": metric, "value": value}
        if metric in results.get("chance", {}):
            row["chance"] = results["chance"][metric]
        if metric in results.get("baseline", {}):
            row["baseline"] = f"{results['baseline'][metric]} ({results['baseline_name']})"
        rows.append(row | {"n": results["n"]})
    return rows


def record(folder: Path, reports: Sequence[Path], baselines: Sequence[Path] = ()) -> ModelCard:
    """Write the figures of `reports` onto the card in `folder`; the same figure measured again replaces the old one.

    `baselines` are reports of other models on the same data, set beside in the column ``baseline``. A report of
    `ohrwurm evaluate` must have been made with these very weights.

    Raises:
        ModelError: a report belongs to other weights.
        DataError: a file is not a report.
    """
    config = folder / "config.json"
    card = ModelCard.from_json(config.read_text(encoding="utf-8"))
    beside: dict[tuple[str, str, str], str] = {}
    for file in baselines:
        report = _read(file)
        beside |= {_key(r): f"{r['value']} ({report.get('model', file.stem)})" for r in rows_of(report)}
    rows = {_key(r): r for r in card.results}
    for file in reports:
        report = _read(file)
        if report.get("weights", card.sha256) != card.sha256:
            raise ModelError(f"{file}: measured with other weights than those in {folder}; evaluate again")
        for row in rows_of(report):
            rows[_key(row)] = row | ({"baseline": beside[_key(row)]} if _key(row) in beside else {})
    card = dataclasses.replace(card, results=tuple(rows.values()))
    write_text(config, card.to_json())
    write_text(folder / "README.md", readme(card))
    return card


def _kind(report: dict[str, Any]) -> str:
    return "rendered" if report.get("caveats", "").startswith(RENDERED) else "recordings"


def _data(name: str) -> str:
    """A benchmark's name; of a manifest that of its folder, or its own: where it lies is nobody's business.

    >>> _data("anthems"), _data("/home/me/pop/manifest.csv"), _data("mine/songs.csv")
    ('anthems', 'pop', 'songs')
    """
    path = Path(name)
    if path.suffix not in (".csv", ".jsonl", ".parquet"):
        return path.name if path.is_absolute() else name
    return path.parent.name if path.stem == "manifest" and path.parent.name else path.stem


def _key(row: Row) -> tuple[str, str, str]:
    return row["data"], row["protocol"], row["metric"]


def _read(file: Path) -> dict[str, Any]:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise DataError(f"{file}: cannot be read as a report ({error})") from error


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
