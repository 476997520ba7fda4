"""Figures reach a card from reports alone, and only from reports on the same weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ohrwurm.errors import DataError, ModelError
from ohrwurm.evaluation.record import record
from ohrwurm.models import registry
from ohrwurm.models.base import ModelCard


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return registry.save(registry.load("mel-statistics"), tmp_path / "model")


def evaluated(file: Path, value: float, weights: str, model: str = "m", **facts: str) -> Path:
    figure = {"value": value, "low": value - 0.1, "high": value + 0.1, "chance": 0.1}
    outcome = {"protocol": "p", "counts": {"queries": 7}, "figures": {"MAP": figure}}
    file.write_text(
        json.dumps({"task": "versions", "data": "d", "model": model, "weights": weights, "outcome": outcome} | facts)
    )
    return file


def test_figures_are_added_and_replaced_with_a_baseline_beside(folder: Path, tmp_path: Path) -> None:
    weights = registry.card(folder).sha256
    record(folder, [evaluated(tmp_path / "a.json", 0.5, weights)])
    baseline = evaluated(tmp_path / "b.json", 0.3, "other", model="plain")
    card = record(folder, [evaluated(tmp_path / "c.json", 0.6, weights)], [baseline])
    (row,) = card.results
    assert (row["value"], row["interval"], row["chance"]) == (0.6, [0.5, 0.7], 0.1)
    assert row["baseline"] == "0.3 (plain)"
    assert ModelCard.from_json((folder / "config.json").read_text()).results == card.results
    assert "0.3 (plain)" in (folder / "README.md").read_text()
    assert registry.load(folder).card.sha256 == weights


def test_renditions_are_called_so_and_nothing_says_where_they_lay(folder: Path, tmp_path: Path) -> None:
    facts = {"data": "/home/me/pop/manifest.csv", "caveats": "Rendered: played by a synthesiser from scores."}
    (row,) = record(folder, [evaluated(tmp_path / "a.json", 0.5, registry.card(folder).sha256, **facts)]).results
    assert row["data"] == "rendered: pop"


def test_figures_of_other_weights_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="other weights"):
        record(folder, [evaluated(tmp_path / "a.json", 0.9, "0" * 64)])
    assert registry.card(folder).results == ()


def test_what_is_no_report_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(DataError, match="not a report"):
        record(folder, [tmp_path / "x.json"])
    (tmp_path / "x.json").write_text("nonsense")
    with pytest.raises(DataError, match=r"x\.json"):
        record(folder, [tmp_path / "x.json"])
