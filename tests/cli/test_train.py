"""`ohrwurm train` and `ohrwurm recipes` from outside."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from ohrwurm.cli import app

TINY = Path(__file__).parents[1] / "training"


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.syspath_prepend(str(TINY))
    file = tmp_path / "tiny.yaml"
    file.write_text("description: tiny\ntask: {class: tiny.TinyTask}\ntrainer: {max_epochs: 2, accelerator: cpu}\n")
    logger = logging.getLogger("ohrwurm")
    before = logger.handlers[:], logger.level
    yield str(file)
    logger.handlers[:], logger.level = before


def invoke(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def test_train_writes_a_run_folder(recipe: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = invoke("train", recipe, "trainer.max_epochs=1", "--out", str(out), "--cache", str(tmp_path / "cache"))
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(out / "model")
    made = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()}
    expected = {"config.yaml", "log.csv", "report.json", "checkpoints/last.ckpt", "checkpoints/best.ckpt"}
    assert made == expected | {"model/config.json", "model/model.pt"}
    assert yaml.safe_load((out / "config.yaml").read_text())["trainer"]["max_epochs"] == 1


def test_show_prints_the_resolved_recipe_and_trains_nothing(recipe: str, tmp_path: Path) -> None:
    result = invoke("train", recipe, "task.lr=0.5", "--show", "--out", str(tmp_path / "run"))
    shown = yaml.safe_load(result.stdout)
    assert shown["task"]["lr"] == 0.5
    assert shown["trainer"]["precision"] == "32"
    assert not (tmp_path / "run").exists()


def test_dry_run_prints_the_plan_and_trains_nothing(recipe: str, tmp_path: Path) -> None:
    result = invoke("train", recipe, "--dry-run", "--out", str(tmp_path / "run"))
    assert result.exit_code == 0
    assert "TinyTask, seed 0" in result.stdout
    assert "227 trainable parameters" in result.stdout
    assert "6 batches an epoch, 12 steps in all" in result.stdout
    assert not (tmp_path / "run").exists()


def test_mistakes_are_one_line_not_a_traceback(recipe: str, tmp_path: Path) -> None:
    result = invoke("train", recipe, "task.lrr=0.5", "--out", str(tmp_path / "run"))
    assert result.exit_code == 1
    assert result.stderr.strip().endswith("Did you mean lr?")
    assert invoke("train", "no/such-recipe", "--out", str(tmp_path)).exit_code == 1


def test_data_is_a_setting_of_the_task(recipe: str, tmp_path: Path) -> None:
    shown = invoke("train", "ohrwurm/versions", "--data", str(tmp_path), "--show")
    assert f"data: {tmp_path}" in shown.stdout
    assert "unknown setting of TinyTask 'data'" in invoke("train", recipe, "--data", str(tmp_path)).stderr


def test_run_without_a_folder_lives_under_its_id(recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OHRWURM_RUNS", str(tmp_path / "runs"))
    trained = invoke("train", recipe, "--cache", str(tmp_path / "cache"))
    assert trained.exit_code == 0
    [row] = json.loads(invoke("runs", "list", "--json").stdout)
    assert trained.stdout.strip() == f"{row['folder']}/model"
    assert row["state"] == "complete"
    again = invoke("runs", "resume", row["id"], "--cache", str(tmp_path / "cache"))
    assert again.stdout == trained.stdout
    assert "there: " in invoke("runs", "resume", "another").stderr


def test_recipes_are_listed_and_shown_without_torch() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from ohrwurm.cli import app\n"
        "result = CliRunner().invoke(app, ['recipes', 'list', '--json'])\n"
        "assert result.exit_code == 0, result.output\n"
        "assert 'torch' not in sys.modules and 'lightning' not in sys.modules\n"
        "print(result.stdout)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for row in json.loads(done.stdout):
        assert row["description"]
        shown = invoke("recipes", "show", row["name"])
        assert shown.exit_code == 0
        assert "class" in yaml.safe_load(shown.stdout)["task"]
