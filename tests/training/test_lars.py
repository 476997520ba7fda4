"""LARS by hand: which weights it scales and decays, and which not."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from ohrwurm.training.optimizers.lars import LARS


def stepped(p: torch.Tensor, gradients: list[torch.Tensor], **settings: float) -> torch.Tensor:
    p = p.clone().requires_grad_()
    optimizer = LARS([p], **settings)
    for g in gradients:
        p.grad = g.clone()
        optimizer.step()
    return p.detach()


def test_two_steps_of_a_matrix_by_hand() -> None:
    p, g = torch.tensor([[3.0, 0.0], [0.0, 4.0]]), torch.tensor([[0.0, 1.0], [2.0, 0.0]])
    lr, decay, trust = 0.5, 0.1, 0.01
    decayed = g + decay * p
    first = lr * trust * 5.0 / math.sqrt(0.09 + 1 + 4 + 0.16) * decayed
    q = p - first
    again = g + decay * q
    second = 0.9 * first + lr * trust * float(q.norm() / again.norm()) * again
    found = stepped(p, [g, g], lr=lr, weight_decay=decay, trust=trust)
    torch.testing.assert_close(found, q - second)


def test_one_dimension_is_plain_momentum() -> None:
    p, g = torch.tensor([3.0, 4.0]), torch.tensor([1.0, -2.0])
    found = stepped(p, [g, g], lr=0.1, weight_decay=0.5, trust=1e-3)
    expected = p.clone().requires_grad_()
    sgd = torch.optim.SGD([expected], 0.1, momentum=0.9)
    for _ in range(2):
        expected.grad = g.clone()
        sgd.step()
    torch.testing.assert_close(found, expected.detach())


@pytest.mark.parametrize("zero", ["weight", "gradient"])
def test_norms_of_zero_leave_the_rate_as_it_is(zero: str) -> None:
    p = torch.zeros(2, 2) if zero == "weight" else torch.ones(2, 2)
    g = torch.ones(2, 2) if zero == "weight" else torch.zeros(2, 2)
    found = stepped(p, [g], lr=0.1, weight_decay=0.0)
    torch.testing.assert_close(found, p - 0.1 * g)


def test_the_step_does_not_depend_on_the_size_of_the_gradient() -> None:
    p, g = torch.randn(5, 3), torch.randn(5, 3)
    small, large = (stepped(p, [scale * g], lr=1.0, weight_decay=0.0) for scale in (1e-3, 1e3))
    torch.testing.assert_close(small, large)
    assert float((small - p).norm() / p.norm()) == pytest.approx(1e-3, rel=1e-3)


def test_goes_on_from_its_state_exactly() -> None:
    torch.manual_seed(0)
    nets = [nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)) for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    optimizers = [LARS(net.parameters(), 0.3) for net in nets]
    batches = torch.randn(6, 8, 4)

    def train(number: int, part: torch.Tensor) -> None:
        for x in part:
            optimizers[number].zero_grad()
            nets[number](x).square().mean().backward()
            optimizers[number].step()

    train(0, batches)
    train(1, batches[:3])
    state = optimizers[1].state_dict()
    optimizers[1] = LARS(nets[1].parameters(), 0.7)
    optimizers[1].load_state_dict(state)
    train(1, batches[3:])
    for a, b in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("wrong", [{"lr": -1.0}, {"momentum": 1.0}, {"weight_decay": -1e-6}, {"trust": 0.0}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} .* out of range"):
        LARS([torch.zeros(2, requires_grad=True)], **{"lr": 0.1, **wrong})
