"""FSDP: split over processes, a run gives the weights of one process, goes on after a kill, and exports whole models.

On CPU processes here; the same code runs on GPUs.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import ohrwurm
from ohrwurm.errors import RecipeError
from ohrwurm.training import checkpoints
from ohrwurm.training.plan import plan
from ohrwurm.training.recipes import resolve
from ohrwurm.training.runner import make_trainer, run
from ohrwurm.training.sharding import split

HERE = Path(__file__).parent
NETWORK = "{channels: 8, dim: 32, depth: 2, heads: 2, ffn: 64, codes: 32, kernel: 7, n_mels: 32, dropout: 0}"
SETTINGS = [
    f"task.parameters={NETWORK}", "task.window=1.2", "task.layer=1", "task.batch_size=12", "task.lr=5e-3",
    "task.warmup_steps=10", "task.freeze_bn=true", "task.random_grid=true", "trainer.accelerator=cpu",
    "trainer.precision=32", "trainer.accumulate=2",
]  # fmt: skip


@pytest.fixture
def train(music: Path, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    def begin(out: Path, *more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "ohrwurm", "train", "musicfm/laptop", f"task.data={music}", *SETTINGS, *more]
        command += ["--out", str(out), "--cache", str(tmp_path / "cache"), "--workers", "0"]
        environment = {k: v for k, v in os.environ.items() if k not in ("RANK", "LOCAL_RANK", "WORLD_SIZE")}
        return subprocess.Popen(command, env=environment | {"OMP_NUM_THREADS": "1"}, text=True, stderr=subprocess.PIPE)

    return begin


def finished(process: subprocess.Popen[str]) -> None:
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors


def weights(out: Path) -> dict[str, Tensor]:
    task = resolve(out / "config.yaml").build()
    checkpoints.load_weights(task, checkpoints.last(out))
    return task.state_dict()


@pytest.mark.slow
def test_split_over_two_processes_equals_one(train, tmp_path: Path) -> None:
    alone, fsdp, ddp = tmp_path / "alone", tmp_path / "fsdp", tmp_path / "ddp"
    more = ("trainer.max_epochs=3", "trainer.keep_every=2")
    finished(train(alone, *more))
    finished(train(fsdp, *more, "trainer.devices=2", "trainer.strategy=fsdp"))
    finished(train(ddp, *more, "trainer.devices=2", "trainer.strategy=ddp"))
    one = weights(alone)
    for out in (fsdp, ddp):
        for key, value in weights(out).items():
            if not key.endswith("linear_k.bias"):  # no gradient but rounding errors, which Adam takes for a direction
                torch.testing.assert_close(value, one[key], rtol=1e-4, atol=2e-5)
    reports = [json.loads((out / "report.json").read_text()) for out in (alone, fsdp)]
    assert reports[0]["results"]["test"] == pytest.approx(reports[1]["results"]["test"], abs=2e-4)
    assert reports[0]["best_epoch"] == reports[1]["best_epoch"]

    # To go on from: each process's shards. To keep and to export: whole.
    last = checkpoints.last(fsdp)
    assert len(list(checkpoints.shards(last).glob("*.distcp"))) == 2
    assert checkpoints.exists(checkpoints.kept(fsdp, 2))
    parts = [file.stat().st_size for file in checkpoints.shards(last).glob("*.distcp")]
    assert max(parts) < 0.7 * sum(parts)
    best = checkpoints.read(checkpoints.best(fsdp))
    assert set(best) == set(checkpoints.BEST_KEEPS)
    audio = 0.1 * torch.randn(1, 28800)
    vectors = [ohrwurm.load(out / "model").encode(audio, 24000).pooled for out in (alone, fsdp)]
    torch.testing.assert_close(*vectors, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_killed_and_resumed_equals_uninterrupted(train, tmp_path: Path) -> None:
    more = ("trainer.devices=2", "trainer.strategy=fsdp", "trainer.max_epochs=4", "trainer.save_every_minutes=0.0001",
            "task.crops=2", "task.freeze_bn=false")  # fmt: skip
    finished(train(tmp_path / "whole", *more))
    process = train(tmp_path / "killed", *more)
    end = time.monotonic() + 120
    while not checkpoints.exists(checkpoints.last(tmp_path / "killed")):
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "killed" / "report.json").is_file()
    time.sleep(3)  # the second process ends when it misses the first
    finished(train(tmp_path / "killed", *more))
    one, two = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert all(torch.equal(one[key], two[key]) for key in one)
    last = checkpoints.last(tmp_path / "killed")
    assert sorted(p.name for p in last.iterdir()) == sorted([checkpoints.CURRENT, checkpoints.shards(last).name])


@pytest.mark.slow
def test_one_process_alone_trains_as_without(recipe: Path, start, tmp_path: Path) -> None:
    finished(start(tmp_path / "split", "trainer.strategy=fsdp", "trainer.max_epochs=2"))
    run(recipe, out=tmp_path / "plain", overrides=["trainer.max_epochs=2"], cache=tmp_path)
    plain = checkpoints.read(checkpoints.best(tmp_path / "plain"))["state_dict"]
    found = checkpoints.read(checkpoints.best(tmp_path / "split"))["state_dict"]
    assert plain.keys() == found.keys()
    assert all(torch.allclose(plain[key].float(), found[key].float(), atol=1e-6) for key in plain)


def test_shards_count_once_they_are_all_written(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    first = checkpoints.next_shards(path)
    (first / "part").write_text("1")
    assert not checkpoints.exists(path)
    checkpoints.commit_shards(path, first)
    assert checkpoints.exists(path)
    second = checkpoints.next_shards(path)  # a kill here leaves the first one
    assert checkpoints.shards(path) == first
    checkpoints.commit_shards(path, second)
    assert checkpoints.shards(path) == second
    assert not first.exists()
    checkpoints.remove(path)
    assert not checkpoints.exists(path)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["trainer.strategy=fsdp", "trainer.ema=0.9"], "keeps no average of the weights"),
        (["trainer.strategy=fsdp", "trainer.precision=64"], "32 or bf16-mixed, not in 64"),
        (["trainer.strategy=fsdp", "trainer.accelerator=mps"], "several CUDA GPUs"),
        (["trainer.precision=16-mixed"], "needs a CUDA GPU; here take bf16-mixed or 32"),
    ],
)
def test_what_cannot_be_is_refused(overrides: list[str], message: str, recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=message):
        make_trainer(resolve(recipe, overrides).trainer, tmp_path, [])


def test_single_numbers_cannot_be_split(tmp_path: Path) -> None:
    (tmp_path / "joint.yaml").write_text("task: {class: joint.JointTask}\ntrainer: {max_epochs: 1}")
    mesh: Any = None  # not reached
    with pytest.raises(RecipeError, match=r"cannot split a single number, scale: take trainer\.strategy=ddp"):
        split(resolve(tmp_path / "joint.yaml").build(), mesh)


def test_plan_is_made_in_one_process(recipe: Path, tmp_path: Path) -> None:
    assert plan(resolve(recipe, ["trainer.strategy=fsdp", "trainer.devices=4"]), tmp_path).batches == 6
