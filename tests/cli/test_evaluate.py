"""`ohrwurm evaluate TASK`: a task's own options on the command line, typed, beside those that every task has."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import pytest
from typer.testing import CliRunner

from ohrwurm.cli import app
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.evaluation import tasks
from ohrwurm.evaluation.report import Figure, Outcome
from ohrwurm.evaluation.task import Job, Recordings, Task, option

SEEN: list[Any] = []


@dataclasses.dataclass(frozen=True)
class Options:
    """One option of each kind."""

    first: Path = option(help="An argument.", argument=True, metavar="FIRST")
    count: int = option(3, "A number.", min=1)
    share: float = option(0.5, "A share.")
    kind: Literal["plain", "fancy"] = option("plain", "A choice.")
    several: tuple[str, ...] = option((), "Some words.")
    limit: int | None = option(None, "A limit, or none.")
    careful: bool = option(True, "On unless switched off.")
    loud: bool = option(False, "Off unless switched on.")


def run(job: Job[Options]) -> Outcome:
    """Remembers what it was asked."""
    SEEN.append((job.options, job.seed, job.protocol, job.device))
    job.warn("a warning")
    job.warn("a warning")
    return Outcome("a protocol", "none", {"score": Figure(1.0, 1.0, 1.0, 0.5)}, {"tracks": len(job.tracks)})


TASK = Task(
    name="pretend",
    about="Does this work?",
    needs="nothing.",
    example="ohrwurm evaluate pretend x",
    model="mel-statistics",
    run=run,
    options=Options,
    protocols=("corrected", "published"),
    truth=None,
    source=lambda options: Recordings(Manifest([Track("a", str(options.first))]), "made up"),
)


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tasks.MODULES, "pretend", __name__)
    find = tasks.find
    monkeypatch.setattr(tasks, "find", lambda name: TASK if name == "pretend" else find(name))
    SEEN.clear()


def command(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["evaluate", "pretend", *arguments], env={"COLUMNS": "160"})


def test_defaults() -> None:
    done = command("x.wav", "--json")
    assert done.exit_code == 0, done.output
    ((options, seed, protocol, _),) = SEEN
    assert options == Options(Path("x.wav"))
    assert (seed, protocol) == (0, "corrected")
    report = json.loads(done.stdout)
    assert report["outcome"]["warnings"] == ["a warning"]
    assert report["settings"] == {
        "protocol": "corrected", "first": "x.wav", "count": 3, "share": 0.5, "kind": "plain", "several": [],
        "limit": None, "careful": True, "loud": False,
    }  # fmt: skip


def test_every_kind_of_option_arrives_typed() -> None:
    done = command(
        "x.wav", "--count", "7", "--share", "0.25", "--kind", "fancy", "--several", "a", "--several", "b",
        "--limit", "9", "--no-careful", "--loud", "--seed", "4", "--device", "cpu",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    ((options, seed, _, device),) = SEEN
    assert options == Options(Path("x.wav"), 7, 0.25, "fancy", ("a", "b"), 9, careful=False, loud=True)
    assert type(options.kind) is str
    assert (seed, device) == (4, "cpu")


@pytest.mark.parametrize(
    "wrong, message",
    [
        (("--count", "0"), "Invalid value for '--count'"),
        (("--kind", "odd"), "Invalid value for '--kind'"),
        (("--share", "much"), "Invalid value for '--share'"),
        (("--protocol", "mine"), "Invalid value for '--protocol'"),
        (("--benchmark", "anthems"), "No such option: --benchmark"),
    ],
)
def test_wrong_usage_is_exit_code_two(wrong: tuple[str, ...], message: str) -> None:
    done = command("x.wav", *wrong)
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.replace("│", " ").split())
    assert not SEEN


def test_a_missing_argument_is_wrong_usage() -> None:
    assert command().exit_code == 2


def test_published_windows_of_a_model_that_names_none_are_an_error() -> None:
    done = command("x.wav", "--protocol", "published")
    assert done.exit_code == 1
    assert "mel-statistics: its card names no published windowing" in done.stderr


def test_help_has_it_all() -> None:
    words = command("--help").stdout
    for text in ("Does this work?", "FIRST", "--kind", "plain|fancy", "A share.", "--no-careful", "x>=1", "Example:"):
        assert text in words
    assert "--benchmark" not in words


def test_the_group_lists_every_task() -> None:
    words = CliRunner().invoke(app, ["evaluate", "--help"], env={"COLUMNS": "160"}).stdout
    assert all(name in words for name in tasks.MODULES)
    assert "Does this work?" in words


@pytest.mark.parametrize("group", ["evaluate", "data"])
def test_the_help_of_a_group_waits_for_no_network_library(group: str) -> None:
    asked = f"import sys, ohrwurm.__main__ as m; sys.argv[1:] = [{group!r}, '--help']; m.main()"
    done = subprocess.run([sys.executable, "-X", "importtime", "-c", asked], capture_output=True, text=True, check=True)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "typer" in imported
    assert not imported & {"torch", "sklearn", "scipy", "numpy"}
