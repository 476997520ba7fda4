"""Ranger: rectified Adam with lookahead, what Re-MOVE trains with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor


class Ranger(torch.optim.Optimizer):
    """RAdam whose steps are taken only where enough gradients were seen, averaged with slow weights every `k` steps.

    At step t of a parameter (those without a gradient are left alone, and begin when they get one):

        m = b1 m + (1 - b1) g          v = b2 v + (1 - b2) g^2
        p = p - weight_decay lr p
        p = p - lr r_t m / (sqrt(v) + eps)    if rho_t > threshold, else    p = p - lr m / (1 - b1^t)
        s = s + alpha (p - s), p = s          if k divides t; s begins as p before its first step

    rho_t is the length of the average that v then is, r_t its correction; `v` itself is not divided by 1 - b2^t, that
    factor is in r_t. With b2 = 0.999 the first five steps are plain momentum.

    Args:
        params: parameters, or groups of them with settings of their own.
        lr, betas, eps, weight_decay: as in Adam; the decay is decoupled. The defaults are Re-MOVE's.
        alpha, k: how far the slow weights go towards the fast ones, and every how many steps.
        threshold: of rho_t.

    Raises:
        ValueError: a setting out of its range. RuntimeError: a sparse gradient.

    Source: Liu et al. 2020 (RAdam), Zhang et al. 2019 (Lookahead); combined as in Ranger 9.3.19.

    >>> x = torch.tensor([3.0], requires_grad=True)
    >>> optimizer = Ranger([x], lr=0.1)
    >>> for _ in range(60):
    ...     optimizer.zero_grad()
    ...     loss = (x**2).sum()
    ...     loss.backward()
    ...     optimizer.step()
    >>> 0 < x.item() < 2
    True
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.95, 0.999),
        eps: float = 1e-5,
        weight_decay: float = 0.0,
        alpha: float = 0.5,
        k: int = 6,
        threshold: float = 5.0,
    ) -> None:
        settings = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "alpha": alpha, "k": k,
            "threshold": threshold,
        }  # fmt: skip
        super().__init__(params, settings)
        for group in self.param_groups:
            _check(group)

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
                    self._move(parameter, group)
        return loss

    def _move(self, p: Tensor, group: dict[str, Any]) -> None:
        gradient = p.grad
        assert gradient is not None
        if gradient.is_sparse:
            raise RuntimeError("Ranger takes no sparse gradients")
        state = self.state[p]
        if not state:
            state["step"] = 0
            state["m"], state["v"] = torch.zeros_like(p), torch.zeros_like(p)
            state["slow"] = p.clone()
        state["step"] += 1
        t, m, v = state["step"], state["m"], state["v"]
        beta1, beta2 = group["betas"]
        m.lerp_(gradient, 1 - beta1)
        v.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        if group["weight_decay"]:
            p.mul_(1 - group["weight_decay"] * group["lr"])
        rectified = rectification(t, beta2, group["threshold"])
        size = group["lr"] / (1 - beta1**t)
        if rectified is None:
            p.sub_(m, alpha=size)
        else:
            p.addcdiv_(m, v.sqrt().add_(group["eps"]), value=-size * rectified)
        if t % group["k"] == 0:
            p.copy_(state["slow"].lerp_(p, group["alpha"]))


def rectification(t: int, beta2: float, threshold: float = 5.0) -> float | None:
    """r_t with sqrt(1 - beta2^t) in it; None where the average is too short to tell a variance (rho_t <= threshold).

    >>> rectification(5, 0.999), round(rectification(6, 0.999), 4)
    (None, 0.002)
    """
    decayed = beta2**t
    longest = 2 / (1 - beta2) - 1
    length = longest - 2 * t * decayed / (1 - decayed)
    if length <= threshold:
        return None
    ratio = (length - 4) / (longest - 4) * (length - 2) / length * longest / (longest - 2)
    return float(((1 - decayed) * ratio) ** 0.5)


def _check(group: dict[str, Any]) -> None:
    beta1, beta2 = group["betas"]
    ranges = {
        "lr": group["lr"] >= 0,
        "betas": 0 <= beta1 < 1 and 0 < beta2 < 1,
        "eps": group["eps"] > 0,
        "weight_decay": group["weight_decay"] >= 0,
        "alpha": 0 <= group["alpha"] <= 1,
        "k": isinstance(group["k"], int) and group["k"] >= 1,
        "threshold": group["threshold"] >= 4,  # at 4 the correction is 0, below it has no root
    }
    wrong = [name for name, right in ranges.items() if not right]
    if wrong:
        raise ValueError(f"Ranger: {', '.join(f'{name} {group[name]}' for name in wrong)} out of range")
