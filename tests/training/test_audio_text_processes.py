"""Text-audio training in two processes gives the weights of one with the joint batch, whatever the loss."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ohrwurm.training import checkpoints

HERE = Path(__file__).parent
RECIPE = """\
description: Without batch norm.
task: {class: plain_text.PlainTextTask, model: plain-text, batch_size: 6, lr: 1.0e-2, representation: mixed}
trainer: {max_epochs: 2, accelerator: cpu}
"""


@pytest.fixture
def train(tmp_path: Path, music: Path) -> Callable[..., subprocess.Popen[str]]:
    file = tmp_path / "text.yaml"
    file.write_text(RECIPE)

    def begin(out: Path, *overrides: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "ohrwurm", "train", str(file), "--data", str(music), *overrides]
        environment = {k: v for k, v in os.environ.items() if k not in ("RANK", "LOCAL_RANK", "WORLD_SIZE")}
        environment |= {"PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1", "OHRWURM_CACHE": str(tmp_path / "cache")}
        return subprocess.Popen(
            [*command, "--out", str(out), "--workers", "0"], env=environment, text=True, stderr=subprocess.PIPE
        )

    return begin


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["contrastive", "content-aware", "triplet"])
def test_two_processes_equal_one_with_the_joint_batch(loss: str, train, tmp_path: Path) -> None:
    more = [f"task.loss={loss}", *(["task.representation=sentence"] if loss == "content-aware" else [])]
    alone, together = tmp_path / "alone", tmp_path / "together"
    for process in [train(alone, *more), train(together, *more, "trainer.devices=2")]:
        _, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors
    one, two = (checkpoints.read(checkpoints.last(out)) for out in (alone, together))
    for key, value in one["state_dict"].items():
        torch.testing.assert_close(two["state_dict"][key], value, rtol=1e-5, atol=1e-6)
    rows = [state["callbacks"]["History"]["rows"] for state in (one, two)]
    for first, second in zip(*rows, strict=True):  # validation hears the same too, each track once
        assert second["validation/loss"] == pytest.approx(first["validation/loss"], rel=1e-5)
        assert second["validation/mAP@10"] == pytest.approx(first["validation/mAP@10"])


@pytest.mark.slow
def test_batch_that_processes_cannot_share_is_refused(train, tmp_path: Path) -> None:
    process = train(tmp_path / "run", "trainer.devices=2", "task.batch_size=7")
    _, errors = process.communicate(timeout=240)
    assert process.returncode != 0
    assert "2 processes cannot share batch_size=7 evenly" in errors
