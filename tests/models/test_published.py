"""Every published model, checkpoint for checkpoint: its whole key list loads, its numbers come out, and back again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from cases import Case, all_cases

from ohrwurm.errors import ModelError
from ohrwurm.models import registry

CASES = all_cases()
CASE_PARAMS = [
    pytest.param(name, case, id=name, marks=[pytest.mark.slow] if case.slow else []) for name, case in CASES.items()
]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory):
    """Name → checkpoint file as a trainer with DataParallel leaves it, made once."""
    folder, made = tmp_path_factory.mktemp("published"), {}

    def make(name: str, case: Case) -> Path:
        if name not in made:
            state = {f"module.{key}": value for key, value in case.checkpoint().items()}
            made[name] = folder / f"{name}.pth"
            torch.save({"epoch": 3, "state_dict": state}, made[name])
        return made[name]

    return make


@pytest.mark.parametrize("name, case", CASE_PARAMS)
@torch.inference_mode()
def test_published_checkpoint_gives_the_published_numbers(name: str, case: Case, checkpoints) -> None:
    model = registry.load(case.card or name, weights=checkpoints(name, case), **case.changes)
    for found, expected in case.numbers(model):
        assert found.shape == expected.shape
        assert float(np.abs(found - expected).max()) <= case.tolerance * float(np.abs(expected).max())


@pytest.mark.parametrize("name, case", CASE_PARAMS)
def test_model_goes_back_to_the_published_layout(name: str, case: Case, checkpoints) -> None:
    checkpoint = case.checkpoint()
    again = registry.load(case.card or name, weights=checkpoints(name, case), **case.changes).to_published()
    assert again.keys() == checkpoint.keys()
    assert {k: v.shape for k, v in again.items()} == {k: v.shape for k, v in checkpoint.items()}


@pytest.mark.parametrize("name, case", CASE_PARAMS)
def test_checkpoint_with_a_key_missing_or_one_too_many_is_refused(name: str, case: Case, tmp_path: Path) -> None:
    checkpoint = case.checkpoint()
    used = next(key for key, value in checkpoint.items() if value.ndim >= 2 and key.endswith(("weight", "kernel:0")))
    torch.save({**checkpoint, "stranger.weight": torch.zeros(1)}, tmp_path / "more.pth")
    with pytest.raises(ModelError, match=r"unexpected.*stranger\.weight"):
        registry.load(case.card or name, weights=tmp_path / "more.pth", **case.changes)
    torch.save({key: value for key, value in checkpoint.items() if key != used}, tmp_path / "fewer.pth")
    with pytest.raises(ModelError, match="missing"):
        registry.load(case.card or name, weights=tmp_path / "fewer.pth", **case.changes)
