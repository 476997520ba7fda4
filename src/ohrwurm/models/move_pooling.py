"""From what MOVE sees at each time to one value per channel: the five ways of its paper.

With u the last layer's output `(B, C, T)` and p a learned scalar (`autopool_p`, 0 at first, which makes a mean):

    max                 max_t u
    mean                mean_t u
    auto-pool           sum_t u softmax_t(p u)
    attention           sum_t v softmax_t(w)      u = [v, w], two halves of the channels
    adaptive-attention  sum_t v softmax_t(p w)    u = [w, v]: the halves are the other way round

Auto-pool is that of McFee, Salamon, Bello, "Adaptive pooling operators for weakly labeled sound event detection", 2018.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

Pooling = Literal["max", "mean", "auto-pool", "attention", "adaptive-attention"]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)  # in the order of the original's `sum_method` 0 ... 4


def takes_two_halves(pooling: Pooling) -> bool:
    """Whether half of the channels weigh the other half."""
    return pooling in ("attention", "adaptive-attention")


def pool_over_time(u: Tensor, pooling: Pooling, p: Tensor) -> Tensor:
    """`(B, C, T)` → `(B, C)`, or `(B, C / 2)` where one half weighs the other.

    >>> pool_over_time(torch.tensor([[[1.0, 2.0, 6.0]]]), "auto-pool", torch.tensor(0.0))
    tensor([[3.]])
    """
    if pooling == "max":
        return u.amax(-1)
    if pooling == "mean":
        return u.mean(-1)
    if pooling == "auto-pool":
        return (u * torch.softmax(p * u, -1)).sum(-1)
    first, second = u.chunk(2, 1)
    if pooling == "attention":
        return (first * torch.softmax(second, -1)).sum(-1)
    return (second * torch.softmax(p * first, -1)).sum(-1)
