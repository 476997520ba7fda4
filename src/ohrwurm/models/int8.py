"""Linear layers in 8-bit integers: weights scaled per output, activations per row as they come.

A row's scale depends on that row alone, so vectors do not depend on the batch. Products are exact in 32-bit integers;
what is lost is the rounding of both factors, 0.8 % of the output for normal weights and normal input. Trained networks
may have outliers that lose more: agreement is to be measured on the weights in question.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

LARGEST = 127


def has_int8(device: torch.device) -> bool:
    """Whether `device` is a CPU that multiplies 8-bit integers faster than floats (AVX512-VNNI).

    >>> isinstance(has_int8(torch.device("cpu")), bool)
    True
    """
    return device.type == "cpu" and torch.cpu._is_vnni_supported()


class Int8Linear(nn.Module):
    """What `linear` computes, (..., in) → (..., out) in the type of the input, from 8-bit weights; for inference.

    >>> linear = nn.Linear(64, 32)
    >>> x = torch.randn(5, 64)
    >>> (Int8Linear(linear)(x) - linear(x)).abs().max().item() < 0.05
    True
    """

    weight: Tensor
    scale: Tensor
    bias: Tensor

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach().float()
        scale = _scale(weight)  # (out, 1)
        # (in, out), its outputs side by side: the other way round torch multiplies a hundred times slower.
        self.register_buffer("weight", (weight / scale).round().to(torch.int8).t().contiguous())
        self.register_buffer("scale", scale[:, 0])
        bias = torch.zeros(len(weight)) if linear.bias is None else linear.bias.detach().float()
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        rows = x.flatten(0, -2).float()  # (n, in)
        scale = _scale(rows)
        product = torch._int_mm((rows / scale).round_().to(torch.int8), self.weight)  # (n, out) int32
        out = torch.addcmul(self.bias, product * scale, self.scale)
        return out.to(x.dtype).unflatten(0, x.shape[:-1])


def _scale(rows: Tensor) -> Tensor:
    """What a row's numbers are divided by to fit into 8 bits, `(n, 1)`."""
    return rows.abs().amax(dim=-1, keepdim=True).clamp_(min=1e-12) / LARGEST
