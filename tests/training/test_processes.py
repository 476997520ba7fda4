"""Several processes train what one would: negatives across processes, one writer, one decision to stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ohrwurm.training import checkpoints
from ohrwurm.training.processes import launched, rank

HERE = Path(__file__).parent
RECIPE = """\
description: Two towers.
task: {class: joint.JointTask}
trainer: {max_epochs: 3, accelerator: cpu}
"""


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    file = tmp_path / "joint.yaml"
    file.write_text(RECIPE)

    def begin(out: Path, *overrides: str, launcher: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        command = [sys.executable, *launcher, "-m", "ohrwurm", "train", str(file), *overrides, "--out", str(out)]
        environment = {k: v for k, v in os.environ.items() if k not in ("RANK", "LOCAL_RANK", "WORLD_SIZE")}
        environment |= {"PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            [*command, "--cache", str(tmp_path / "cache")], env=environment, text=True, stderr=subprocess.PIPE
        )

    return begin


def finished(process: subprocess.Popen[str], code: int = 0) -> None:
    _, errors = process.communicate(timeout=240)
    assert process.returncode == code, errors


def weights(out: Path) -> dict[str, torch.Tensor]:
    return checkpoints.read(checkpoints.last(out))["state_dict"]


@pytest.mark.parametrize(
    "launcher",
    [(), pytest.param(("-m", "torch.distributed.run", "--nproc-per-node=2"), marks=pytest.mark.slow)],
    ids=["started by Lightning", "started by torchrun"],
)
def test_two_processes_equal_one_with_the_joint_batch(launcher, train, tmp_path: Path) -> None:
    alone, together = tmp_path / "alone", tmp_path / "together"
    runs = [train(alone), train(together, "trainer.devices=2", launcher=launcher)]
    for process in runs:
        finished(process)
    one, two = weights(alone), weights(together)
    assert one.keys() == two.keys()
    for key in one:
        torch.testing.assert_close(one[key], two[key], rtol=1e-5, atol=1e-6)
    reports = [json.loads((out / "report.json").read_text()) for out in (alone, together)]
    assert [r["results"]["processes"] for r in reports] == [1, 2]
    assert reports[0]["best_score"] == pytest.approx(reports[1]["best_score"], rel=1e-5)
    assert (together / "log.csv").read_text().count("\n") == 4


@pytest.mark.slow
def test_signal_to_one_of_two_processes_saves_and_the_run_goes_on(train, tmp_path: Path) -> None:
    out, whole = tmp_path / "run", tmp_path / "whole"
    settings = ("trainer.devices=2", "trainer.max_epochs=400")
    process = train(out, *settings)
    end = time.monotonic() + 120
    while not checkpoints.last(out).is_file():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    finished(process, 75)
    reached = checkpoints.read(checkpoints.last(out))["global_step"]
    assert 0 < reached < 1600
    finished(train(out, *settings))
    finished(train(whole, *settings))
    assert all(torch.equal(a, b) for a, b in zip(weights(out).values(), weights(whole).values(), strict=True))


def test_launchers_are_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOCAL_WORLD_SIZE", "WORLD_SIZE", "RANK", "LOCAL_RANK", "SLURM_PROCID", "SLURM_NTASKS"):
        monkeypatch.delenv(name, raising=False)
    assert (launched(), rank()) == (None, 0)
    monkeypatch.setenv("SLURM_PROCID", "5")
    assert (launched(), rank()) == (None, 0)  # an interactive shell on a cluster is no job of several tasks
    monkeypatch.setenv("SLURM_NTASKS", "8")
    monkeypatch.setenv("SLURM_NNODES", "2")
    assert (launched(), rank()) == ((4, 2), 5)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert (launched(), rank()) == ((2, 1), 1)
