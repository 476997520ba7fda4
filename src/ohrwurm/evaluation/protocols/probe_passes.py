"""What `probe_stack` does to every number by itself, in one pass over memory: activation, its way back, and Adam.

A hidden layer's products are as fast as the machine multiplies; what is left of a step is reading and writing. On a CPU
each of these is therefore one compiled loop where torch takes three to ten passes; on a GPU it is torch's operations.
Sums are torch's everywhere: Adam makes much of gradients near zero, so their rounding is kept as published.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ohrwurm.audio.compiled import compiled

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # of Adam, torch's defaults
COMPILED = "cpu"  # the device whose tensors the compiled loops read


def activate(h: Tensor, bias: Tensor, mask: Tensor) -> None:
    """Bias `(probes, hidden)`, ReLU and dropout in place on `h (B, probes, hidden)`; `mask (B, hidden)`.

    >>> h = torch.tensor([[[1.0, 2.0, -3.0]]])
    >>> activate(h, torch.ones(1, 3), torch.tensor([[2.0, 0.0, 2.0]]))
    >>> h.tolist()
    [[[4.0, 0.0, 0.0]]]
    """
    if h.device.type == COMPILED:
        _activate(h.numpy(), bias.numpy(), mask.numpy())
    else:
        h.add_(bias).relu_().mul_(mask[:, None])


def pass_back(gradient: Tensor, h: Tensor, scale: float, of_bias: Tensor) -> None:
    """Gradient before `activate` from that behind it, in place, `(probes, B, hidden)`; summed into `of_bias`.

    Args:
        h: what `activate` made, in the same shape. Where it is 0, the unit is dropped or below zero: nothing passes.
        scale: of the mask's ones.

    >>> gradient, of_bias = torch.ones(1, 2, 2), torch.empty(1, 2)
    >>> pass_back(gradient, torch.tensor([[[4.0, 0.0], [1.0, 0.0]]]), 2.0, of_bias)
    >>> gradient.tolist(), of_bias.tolist()
    ([[[2.0, 0.0], [2.0, 0.0]]], [[4.0, 0.0]])
    """
    if h.device.type == COMPILED:
        _pass_back(gradient.numpy(), h.numpy(), np.float32(scale))
    else:
        gradient.mul_(h > 0).mul_(scale)
    torch.sum(gradient, 1, out=of_bias)


class Adam:
    """Adam on stacks of weights `(probes, ...)` in place, each probe with its own rate and decay `(probes,)`.

    Args:
        weights, gradients, first, second: one tensor a layer each; the moments start as zeros. Gradients are read anew
            in each step.
    """

    def __init__(
        self,
        weights: list[Tensor],
        gradients: list[Tensor],
        first: list[Tensor],
        second: list[Tensor],
        rates: Tensor,
        decays: Tensor,
    ) -> None:
        self.layers = list(zip(weights, gradients, first, second, strict=True))
        self.rates, self.decays = rates, decays
        if rates.device.type == COMPILED:
            # Views, made once for many steps. `view` and not `reshape`: a copy would be updated in vain.
            self.arrays = [[t.view(len(t), -1).numpy() for t in layer] for layer in self.layers]

    def step(self, number: int) -> None:
        """One step; `number` counts from 1."""
        bias1, bias2 = 1 - BETA1**number, (1 - BETA2**number) ** 0.5
        if self.rates.device.type == COMPILED:
            rates, decays = (self.rates / bias1).numpy(), self.decays.numpy()
            constants = np.array([1 - BETA1, BETA2, 1 - BETA2, EPSILON, 1 / bias2], np.float32)
            for w, g, m, v in self.arrays:
                _adam(w, g, m, v, rates, decays, constants)
            return
        for weight, given, mean, square in self.layers:
            shape = -1, *[1] * (weight.ndim - 1)
            gradient = torch.addcmul(given, weight, self.decays.view(shape))
            mean.lerp_(gradient, 1 - BETA1)
            square.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
            weight.sub_(mean / square.sqrt().div_(bias2).add_(EPSILON) * (self.rates.view(shape) / bias1))


@compiled
def _activate(h, bias, mask):
    for i in range(h.shape[0]):
        for p in range(h.shape[1]):
            for j in range(h.shape[2]):
                h[i, p, j] = max(h[i, p, j] + bias[p, j], np.float32(0)) * mask[i, j]


@compiled
def _pass_back(gradient, h, scale):
    for p in range(h.shape[0]):
        for i in range(h.shape[1]):
            for j in range(h.shape[2]):
                gradient[p, i, j] = gradient[p, i, j] * scale if h[p, i, j] > 0 else np.float32(0)


@compiled
def _adam(w, g, m, v, rates, decays, constants):
    new1, old2, new2, epsilon, unbias2 = constants
    for row in range(w.shape[0]):
        rate, decay = rates[row], decays[row]
        for i in range(w.shape[1]):
            gradient = g[row, i] + decay * w[row, i]
            first = m[row, i] + new1 * (gradient - m[row, i])
            second = old2 * v[row, i] + new2 * gradient * gradient
            m[row, i], v[row, i] = first, second
            # np.divide: a plain `/` looks for a zero each time, and the loop would not run on vectors.
            w[row, i] -= np.divide(rate * first, np.sqrt(second) * unbias2 + epsilon)
