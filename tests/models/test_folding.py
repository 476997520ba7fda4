"""Folded batch norms: the same numbers as the layers, and never those of weights that have since changed."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from ohrwurm.models import subsampling, ttmr_cnn
from ohrwurm.models.folding import Derived, folded, folds, tensors_of
from ohrwurm.models.move import MOVE
from ohrwurm.models.muscall import ModifiedResNet
from ohrwurm.models.samplecnn import SampleCNN
from ohrwurm.models.tune import Tune


def settled(bn: nn.BatchNorm1d | nn.BatchNorm2d) -> nn.Module:
    """Statistics and weights as training leaves them."""
    generator = torch.Generator().manual_seed(0)
    for tensor in (bn.running_mean, bn.running_var, *bn.parameters()):
        assert tensor is not None
        tensor.data.uniform_(0.3, 2.0, generator=generator)
    return bn.eval()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize(
    "layer, norm, shape, function",
    [
        (nn.Conv1d, nn.BatchNorm1d, (2, 4, 20), nn.functional.conv1d),
        (nn.Conv2d, nn.BatchNorm2d, (2, 4, 9, 8), nn.functional.conv2d),
        (nn.ConvTranspose1d, nn.BatchNorm1d, (2, 4, 20), nn.functional.conv_transpose1d),
        (nn.ConvTranspose2d, nn.BatchNorm2d, (2, 4, 9, 8), nn.functional.conv_transpose2d),
    ],
)
@torch.no_grad()
def test_folded_layer_gives_the_same_numbers(layer, norm, shape, function, bias: bool, affine: bool) -> None:
    conv, bn, x = layer(4, 6, 3, bias=bias), settled(norm(6, affine=affine)), torch.randn(shape)
    torch.testing.assert_close(function(x, *folded(conv, bn)), bn(conv(x)), rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_folded_linear_gives_the_same_numbers() -> None:
    linear, bn, x = nn.Linear(4, 6), settled(nn.BatchNorm1d(6)), torch.randn(3, 4)
    torch.testing.assert_close(nn.functional.linear(x, *folded(linear, bn)), bn(linear(x)), rtol=1e-5, atol=1e-5)


def test_batch_norm_without_statistics_is_refused() -> None:
    with pytest.raises(ValueError, match="running statistics"):
        folded(nn.Conv1d(1, 2, 3), nn.BatchNorm1d(2, track_running_stats=False))


class Cell(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv1d(1, 2, 3), nn.BatchNorm1d(2)
        self.derived: Derived[tuple[Tensor, Tensor]] = Derived()

    def weights(self) -> tuple[Tensor, Tensor]:
        return self.derived.of(tensors_of(self), lambda: folded(self.conv, self.bn))


def statistics(cell: Cell) -> None:
    cell.train()
    with torch.no_grad():
        cell.bn(cell.conv(torch.randn(4, 1, 20) + 3.0))


CHANGES: dict[str, Callable[[Cell], object]] = {
    "in place": lambda cell: nn.init.ones_(cell.conv.weight),
    "loaded": lambda cell: cell.load_state_dict({k: v + 1 for k, v in cell.state_dict().items()}),
    "assigned": lambda cell: cell.load_state_dict({k: v + 1 for k, v in cell.state_dict().items()}, assign=True),
    "cast": lambda cell: cell.double(),
    "statistics": statistics,
    "another parameter": lambda cell: setattr(cell.conv, "weight", nn.Parameter(torch.randn(2, 1, 3))),
}


@pytest.mark.parametrize("change", CHANGES)
def test_derived_weights_follow_every_change(change: str) -> None:
    cell = Cell().eval()
    before = cell.weights()
    assert cell.weights() is before
    CHANGES[change](cell)
    cell.eval()
    after = cell.weights()
    assert all(torch.equal(found, right) for found, right in zip(after, folded(cell.conv, cell.bn), strict=True))
    assert after[0].dtype != before[0].dtype or not torch.equal(after[0], before[0])


def test_derived_weights_are_not_copied_pickled_or_stored() -> None:
    cell = Cell().eval()
    plain = len(pickle.dumps(cell))
    cell.weights()
    assert len(pickle.dumps(cell)) == plain
    assert copy.deepcopy(cell).derived._kept is None
    assert cell.state_dict().keys() == Cell().state_dict().keys()
    cell.derived.drop()
    assert cell.derived._kept is None


def test_derived_inside_inference_mode_serves_outside_of_it() -> None:
    cell = Cell().eval()
    with torch.inference_mode():
        weight, _ = cell.weights()
    assert not weight.is_inference()
    assert cell.weights()[0] is weight
    with torch.inference_mode():
        born_there = Cell().eval()
        first = born_there.weights()[0]
        born_there.conv.weight.mul_(2)  # not counted by torch: never kept
        assert not torch.equal(born_there.weights()[0], first)


def test_folds_only_where_no_gradient_is_asked_for() -> None:
    cell = Cell().eval()
    assert not folds(cell)
    with torch.no_grad():
        assert folds(cell)
        assert not folds(cell.train())


def test_folds_not_while_a_graph_is_recorded() -> None:
    class Asks(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * (2.0 if folds(self) else 3.0)

    with torch.no_grad():
        asks, one = Asks().eval(), torch.ones(1)
        assert asks(one) == 2.0
        assert torch.export.export(asks, (one,)).module()(one) == 3.0
        assert torch.jit.trace(asks, one, check_trace=False)(one) == 3.0


KEEPERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "TTMR": (lambda: ttmr_cnn.ResidualBlock(1, 4), (1, 1, 16, 20)),
    "MusicFM": (lambda: subsampling.ResidualBlock(1, 4), (1, 1, 16, 20)),
    "MusCALL": (lambda: ModifiedResNet(32, 33, 4, (1, 1), "average", 1, 8), (1, 32, 33)),
    "MOVE": (lambda: MOVE(dim=4, channels=4, kernel_time=20), (1, 1, 23, 150)),
    "SampleCNN": (lambda: SampleCNN(widths=(4, 4, 4, 8, 8)), (1, 810)),
    "TUNe": (lambda: Tune(width=4, depth=3, tail=(8, 16)), (1, 81)),
}


@pytest.mark.parametrize("name", KEEPERS)
@torch.no_grad()
def test_eval_forgets_what_changed_uncounted(name: str) -> None:
    """Fused optimisers, and all that goes through `.data`, leave torch's counter of changes where it was."""
    make, shape = KEEPERS[name]
    used, x = make().eval(), torch.rand(shape)
    before = output(used, x)
    counts = [p._version for p in used.parameters()]
    for parameter in used.parameters():
        parameter.data.mul_(1.5)
    assert counts == [p._version for p in used.parameters()]
    fresh = make().eval()
    fresh.load_state_dict(used.state_dict())
    after = output(used.eval(), x)
    assert torch.equal(after, output(fresh, x))
    assert not torch.allclose(after, before)


@pytest.mark.parametrize("name", KEEPERS)
@torch.no_grad()
def test_mixed_precision_validates_what_it_trains(name: str) -> None:
    """As Lightning does: the very same layers in eval mode, without gradients, under autocast."""
    make, shape = KEEPERS[name]
    torch.manual_seed(1)
    module, x = make().eval(), torch.rand(shape)
    exact = output(module, x)
    with torch.autocast("cpu", torch.bfloat16):
        assert not folds(module)
        mixed = output(module, x)
    torch.testing.assert_close(mixed.float(), exact, rtol=0.05, atol=0.05 * float(exact.abs().max()))


def output(module: nn.Module, x: Tensor) -> Tensor:
    out = module(x)
    return out if isinstance(out, Tensor) else out.pooled
