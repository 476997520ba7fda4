"""Low-rank adaptation: of a layer's weights only a product of two thin matrices learns, and is added in the end.

Source: Hu et al., "LoRA: Low-rank adaptation of large language models", ICLR 2022.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize


class LowRank(nn.Module):
    """Weight `(out, in)` → weight + scale * B A; B is 0 at first, so that nothing has changed."""

    def __init__(self, weight: Tensor, rank: int, alpha: float) -> None:
        super().__init__()
        rows, columns = weight.shape
        self.a = nn.Parameter(torch.empty(rank, columns))
        self.b = nn.Parameter(torch.zeros(rows, rank))
        self.scale = alpha / rank
        nn.init.kaiming_uniform_(self.a, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        with torch.autocast(weight.device.type, enabled=False):  # in every precision the sum that `merge` writes
            return weight + self.scale * (self.b @ self.a)


def adapt(module: nn.Module, rank: int = 8, alpha: float = 16.0, names: Sequence[str] = ()) -> int:
    """Freeze all of `module` and give the linear layers of these names a low-rank part that learns.

    Args:
        names: last parts of the layers' names, as ``linear_q``.

    Returns:
        How many layers were found.

    >>> layers = nn.ModuleDict({"linear_q": nn.Linear(4, 4), "other": nn.Linear(4, 4)})
    >>> adapt(layers, rank=2, names=["linear_q"]), sum(p.numel() for p in layers.parameters() if p.requires_grad)
    (1, 16)
    """
    module.requires_grad_(False)
    found = [layer for name, layer in module.named_modules()
             if isinstance(layer, nn.Linear) and name.rpartition(".")[2] in names]  # fmt: skip
    for layer in found:
        parametrize.register_parametrization(layer, "weight", LowRank(layer.weight, rank, alpha))
    return len(found)


def merge(module: nn.Module) -> None:
    """Write what was learned into the weights; the module computes the same, and is one as before `adapt`.

    >>> layer = nn.ModuleDict({"q": nn.Linear(4, 4)})
    >>> _ = adapt(layer, rank=2, names=["q"])
    >>> merge(layer)
    >>> sorted(layer.state_dict())
    ['q.bias', 'q.weight']
    """
    for layer in list(module.modules()):
        if parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
