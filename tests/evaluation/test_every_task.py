"""Every registered task is whole: it says what it is, its example is a command, and it refuses what is unfit."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import ohrwurm
from ohrwurm.cli import app
from ohrwurm.data.benchmarks import NAMES
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError, ModelError
from ohrwurm.evaluation import tasks
from ohrwurm.evaluation.registry import about
from ohrwurm.evaluation.task import Job, Task
from ohrwurm.evaluation.tasks import MODULES, Recordings, find, options_of
from ohrwurm.models import registry

HERE = Path(__file__).parent
PROTOCOLS = Path(tasks.__file__).parent / "protocols"
every = pytest.mark.parametrize("name", MODULES)


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})


@every
def test_says_what_it_is(name: str) -> None:
    task = find(name)
    assert task.name == name
    assert task.about.endswith(("?", "."))
    assert task.needs.endswith(".")
    assert "\n" not in task.about
    assert task.about == about(name)
    assert "corrected" in task.protocols
    module = importlib.import_module(MODULES[name])
    assert module.__doc__
    assert (task.run.__doc__ or "").strip()


@every
def test_default_model_exists(name: str) -> None:
    task = find(name)
    assert (registry.card(task.model) if task.load is None else task.load(task.model).card).name


@every
def test_help_shows_the_example_and_the_example_parses(name: str) -> None:
    task = find(name)
    done = invoke("evaluate", name, "--help")
    assert done.exit_code == 0, done.output
    words = re.sub(r"\s+", " ", done.stdout)
    assert f"Example: {task.example}" in words
    for flag in ("--model", "--weights", "--workers", "--seed", "--no-cache", "--device", "--precision", "--out"):
        assert flag in words
    assert ("--benchmark" in words) == (task.source is None)
    given = shlex.split(task.example)
    assert given[:3] == ["ohrwurm", "evaluate", name]
    # Without the options that must name something that exists, what is left is known to the command:
    wrong = invoke(*given[1:], "--no-such-option")
    assert wrong.exit_code == 2
    assert "No such option: --no-such-option" in wrong.stderr
    assert [flag for flag in given if flag.startswith("--") and flag not in words] == []


@every
def test_own_options_have_help_and_are_checked(name: str) -> None:
    task = find(name)
    for field in dataclasses.fields(task.options):
        assert field.metadata.get("help", "").endswith((".", "]")), f"{name}: {field.name} has no help"
    with pytest.raises(DataError, match="no option no_such_option"):
        options_of(task, {"no_such_option": 1})


@every
def test_has_a_test_of_its_own(name: str) -> None:
    """Some test runs it by name."""
    for file in HERE.rglob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if (
                isinstance(node, ast.Call)
                and node.args
                and getattr(node.func, "id", getattr(node.func, "attr", ""))
                in ("run", "evaluate", "as_json", "command", "measure")
                and isinstance(node.args[0], ast.Constant)
                and node.args[0].value == name
            ):
                return
    pytest.fail(f"no test under {HERE.name} runs the task {name}")


@every
def test_an_empty_manifest_is_an_error(name: str) -> None:
    if find(name).source is not None:
        pytest.skip("brings recordings of its own")
    model = "mel-statistics" if find(name).load is None else None
    with pytest.raises(DataError, match="nothing to measure"):
        ohrwurm.evaluate(name, model, Recordings(Manifest(), "empty"), cache=False, **required(name))


@every
def test_recordings_without_any_truth_are_refused_before_they_are_embedded(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = find(name)
    if task.truth is None:
        pytest.skip("needs no truth")

    def never(*_: object, **__: object) -> None:
        raise AssertionError("embedded")

    monkeypatch.setattr(Job, "vectors", never)
    bare = Recordings(Manifest([Track("a", "a.wav"), Track("b", "b.wav")]), "bare")
    with pytest.raises((DataError, ModelError)):
        tasks.run(name, tasks.load(task), bare, **required(name))


def required(name: str) -> dict[str, Any]:
    """Values for the options that a task cannot do without."""
    return {f.name: "x" for f in dataclasses.fields(find(name).options) if f.default is dataclasses.MISSING}


def test_every_task_in_the_folder_is_registered() -> None:
    found = {
        f"ohrwurm.evaluation.protocols.{file.stem}"
        for file in PROTOCOLS.glob("*.py")
        if any(
            isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "TASK"
            for node in ast.parse(file.read_text()).body
        )
    }
    assert found <= set(MODULES.values())
    assert all(isinstance(find(name), Task) for name in MODULES)


@every
def test_the_example_names_a_benchmark_that_has_the_truth(name: str) -> None:
    task, given = find(name), shlex.split(find(name).example)
    if "--benchmark" in given:
        benchmark = given[given.index("--benchmark") + 1]
        assert benchmark.partition("/")[0] in NAMES
        assert benchmark.partition("/")[0] in (tasks.serving(task) or [benchmark])


def test_an_unknown_task_is_an_error() -> None:
    with pytest.raises(DataError, match=r"no task named 'covers'\. Known: versions"):
        ohrwurm.evaluate("covers")
    assert invoke("evaluate", "covers").exit_code == 2
    assert "Did you mean 'versions'?" in invoke("evaluate", "version").stderr


def test_cards_name_tasks_that_exist() -> None:
    """What a paper cuts otherwise for a task would never be used under another name."""
    told = {name: registry.card(name).published.get("tasks", {}).keys() for name in registry.names()}
    assert {task for keys in told.values() for task in keys} <= MODULES.keys()
    assert told["ttmr-contrastive-bert-tag"] >= {"retrieval", "tag-retrieval", "zero-shot"}
