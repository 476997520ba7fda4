"""LARS: momentum whose step is scaled, weight by weight, to the size of the weight; for large batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor


class LARS(torch.optim.Optimizer):
    """Layer-wise adaptive rate scaling. For a weight p with gradient g:

        g = g + weight_decay p
        ratio = trust |p| / |g|    (1 where one of the norms is 0)
        m = momentum m + lr ratio g
        p = p - m

    Parameters of one dimension (biases, and weights and biases of norms) are neither decayed nor scaled: plain
    momentum. Parameters without a gradient are left alone.

    Args:
        params: parameters, or groups of them with settings of their own.
        lr: a common choice is 0.3 times the batch size / 256.
        momentum, weight_decay, trust: as above; the defaults are SimCLR's.

    Raises:
        ValueError: a setting out of its range. RuntimeError: a sparse gradient.

    Source: You, Gitman, Ginsburg, "Large batch training of convolutional networks", 2017, in the form and with the
    exclusions of Chen, Kornblith, Norouzi, Hinton, "A simple framework for contrastive learning of visual
    representations", 2020, appendix B.

    >>> x = torch.full((2, 2), 3.0, requires_grad=True)
    >>> optimizer = LARS([x], lr=10.0)
    >>> for _ in range(100):
    ...     optimizer.zero_grad()
    ...     loss = (x**2).sum()
    ...     loss.backward()
    ...     optimizer.step()
    >>> bool(loss < 1)
    True
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float,
        *,
        momentum: float = 0.9,
        weight_decay: float = 1e-6,
        trust: float = 1e-3,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "trust": trust})
        for group in self.param_groups:
            ranges = {
                "lr": group["lr"] >= 0,
                "momentum": 0 <= group["momentum"] < 1,
                "weight_decay": group["weight_decay"] >= 0,
                "trust": group["trust"] > 0,
            }
            wrong = [name for name, right in ranges.items() if not right]
            if wrong:
                raise ValueError(f"LARS: {', '.join(f'{name} {group[name]}' for name in wrong)} out of range")

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step of every parameter that has a gradient; with `closure`, its loss is computed first."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad, group)
        return loss

    def _move(self, p: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        if gradient.is_sparse:
            raise RuntimeError("LARS takes no sparse gradients")
        lr: float | Tensor = group["lr"]
        if p.ndim > 1:
            gradient = gradient.add(p, alpha=group["weight_decay"])
            size, slope = torch.linalg.vector_norm(p), torch.linalg.vector_norm(gradient)
            ratio = torch.where((size > 0) & (slope > 0), group["trust"] * size / slope, torch.ones_like(size))
            lr = lr * ratio
        state = self.state[p]
        if not state:
            state["momentum"] = torch.zeros_like(p)
        p.sub_(state["momentum"].mul_(group["momentum"]).add_(gradient * lr))
