"""Ranger against the trajectories of its public source, and what training runs ask of an optimiser."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ohrwurm.training.optimizers.ranger import Ranger

GOLDEN = Path(__file__).parents[1] / "golden" / "remove" / "ranger.npz"
SETTINGS: dict[str, dict[str, Any]] = {
    "lr1e-1": {"lr": 0.1},
    "lr1e-3": {"lr": 0.001},
    "wd": {"lr": 0.05, "weight_decay": 0.01},
    "k3": {"lr": 0.05, "k": 3, "alpha": 0.8, "betas": (0.9, 0.99), "eps": 1e-8, "threshold": 4},
}


class Descent:
    """The golden problem: x'Ax / 2 - b'x, and from step 5 on also the sum of y^4, so that y starts late."""

    def __init__(self, name: str, dtype: torch.dtype = torch.float32) -> None:
        with np.load(GOLDEN) as arrays:
            self.golden = dict(arrays)
        self.a, self.b = (torch.from_numpy(self.golden[key]).to(dtype) for key in ("A", "b"))
        self.x, self.y = (torch.from_numpy(self.golden[key]).to(dtype).requires_grad_() for key in ("x0", "y0"))
        groups = [{"params": [self.y], "lr": float(self.golden[f"{name}_lr_y"])}, {"params": [self.x]}]
        self.optimizer = Ranger(groups, **SETTINGS[name])
        self.steps = 0

    def step(self) -> None:
        self.optimizer.zero_grad()
        loss = 0.5 * self.x @ self.a @ self.x - self.b @ self.x
        if self.steps >= 5:
            loss = loss + (self.y**4).sum()
        loss.backward()
        self.optimizer.step()
        self.steps += 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", SETTINGS)
def test_trajectories_are_those_of_the_original(name: str, dtype: torch.dtype) -> None:
    run = Descent(name, dtype)
    for i in range(20):
        run.step()
        for found, key in ((run.x, f"{name}_x"), (run.y, f"{name}_y")):
            np.testing.assert_allclose(found.detach().numpy(), run.golden[key][i], rtol=1e-5, atol=1e-6)


def test_parameter_without_a_gradient_is_left_alone() -> None:
    run = Descent("wd")
    for _ in range(5):
        run.step()
    assert run.y.detach().numpy().tolist() == run.golden["y0"].tolist()
    assert run.y not in run.optimizer.state
    run.step()
    assert run.optimizer.state[run.y]["step"] == 1


@pytest.mark.parametrize("cut", [4, 7, 12])
def test_resumed_run_equals_an_uninterrupted_one(cut: int) -> None:
    whole, first, second = Descent("k3"), Descent("k3"), Descent("k3")
    for _ in range(16):
        whole.step()
    for _ in range(cut):
        first.step()
    with torch.no_grad():
        second.x.copy_(first.x)
        second.y.copy_(first.y)
    second.optimizer.load_state_dict(copy.deepcopy(first.optimizer.state_dict()))
    second.steps = cut
    for _ in range(cut, 16):
        second.step()
    assert torch.equal(whole.x, second.x)
    assert torch.equal(whole.y, second.y)


def test_closure_gives_its_loss() -> None:
    x = torch.tensor([2.0], requires_grad=True)
    optimizer = Ranger([x], lr=0.1)

    def closure() -> float:
        optimizer.zero_grad()
        loss = (x**2).sum()
        loss.backward()
        return loss.item()

    assert optimizer.step(closure) == 4.0
    assert float(x.detach()) < 2.0


@pytest.mark.parametrize(
    "settings",
    [
        {"lr": -1.0},
        {"betas": (1.0, 0.9)},
        {"betas": (0.9, 1.0)},
        {"eps": 0.0},
        {"weight_decay": -1.0},
        {"alpha": 1.1},
        {"k": 0},
        {"threshold": 3},
    ],
)
def test_settings_out_of_range_are_refused_by_name(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"Ranger: {next(iter(settings))} .* out of range"):
        Ranger([torch.zeros(1, requires_grad=True)], **settings)


def test_sparse_gradients_are_refused() -> None:
    table = torch.nn.Embedding(3, 2, sparse=True)
    table(torch.tensor([1])).sum().backward()
    with pytest.raises(RuntimeError, match="sparse"):
        Ranger(table.parameters()).step()
