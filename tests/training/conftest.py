"""A recipe file of the tiny task, and a way to train it in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # the tasks and the music that tests train on
RECIPE = """\
description: A regression of milliseconds.
task: {class: tiny.TinyTask}
trainer: {max_epochs: 4, accelerator: cpu}
"""


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """As in the processes that `start` makes: sums are split by thread, so runs compare bit for bit at equal counts."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifest of 24 little clips with tags, captions and works; see `music.py`."""
    from music import compose

    return compose(tmp_path_factory.mktemp("music"))


@pytest.fixture(scope="session")
def profiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pitch-class profiles of 16 works; see `versions.py`."""
    from versions import compose_profiles

    return compose_profiles(tmp_path_factory.mktemp("profiles"))


@pytest.fixture(scope="session")
def teacher(profiles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained MOVE of 32 dimensions, as a model folder."""
    from versions import LEARN, train

    folder = tmp_path_factory.mktemp("teacher")
    return train("remove/baseline", folder / "run", profiles, "task.dim=32", "trainer.max_epochs=40", *LEARN)[0]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    file = tmp_path / "tiny.yaml"
    file.write_text(RECIPE)
    return file


@pytest.fixture
def start(recipe: Path, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts `ohrwurm train` on the tiny recipe."""

    def begin(out: Path, *overrides: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "ohrwurm", "train", str(recipe), *overrides, "--out", str(out)]
        environment = os.environ | {"PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            [*command, "--cache", str(tmp_path / "cache")], env=environment, text=True, stderr=subprocess.PIPE
        )

    return begin
