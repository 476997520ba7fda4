"""Batch norm folded into the convolution before it, and the cache that keeps such derived weights while they hold.

In eval mode a batch norm is one multiplication and one addition per channel, which the convolution in front of it can
do for nothing. The state dict keeps the published, unfolded weights; the folded ones are derived at the first use and
derived again when a weight has changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

T = TypeVar("T")
Convolution = nn.Conv1d | nn.Conv2d | nn.ConvTranspose1d | nn.ConvTranspose2d | nn.Linear
BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d


def folded(conv: Convolution, bn: BatchNorm) -> tuple[Tensor, Tensor]:
    """Weight and bias of the one layer that computes `bn(conv(x))` in eval mode.

    The product is formed in float64 and rounded once. Gradients flow through it, though training has to use the
    layers themselves, whose batch norm then follows the batch.

    Args:
        conv: the layer, with or without bias; a transposed convolution without groups.
        bn: the batch norm that follows it; with running statistics, with or without weight and bias.

    >>> conv, bn = nn.Conv1d(2, 3, 5), nn.BatchNorm1d(3).eval()
    >>> bn.running_mean, bn.running_var = torch.randn(3), torch.rand(3) + 0.5
    >>> x = torch.randn(1, 2, 9)
    >>> torch.allclose(nn.functional.conv1d(x, *folded(conv, bn)), bn(conv(x)), atol=1e-5)
    True
    """
    if bn.running_mean is None or bn.running_var is None:
        raise ValueError("a batch norm without running statistics follows its batch and cannot be folded")
    scale = (bn.running_var.double() + bn.eps).rsqrt()
    if bn.weight is not None:
        scale = scale * bn.weight.double()
    shift = -bn.running_mean.double() * scale
    if bn.bias is not None:
        shift = shift + bn.bias.double()
    if conv.bias is not None:
        shift = shift + conv.bias.double() * scale
    weight = conv.weight.double()
    channels = 1 if isinstance(conv, nn.ConvTranspose1d | nn.ConvTranspose2d) else 0
    along = [1] * weight.ndim
    along[channels] = -1
    return (weight * scale.view(along)).to(conv.weight.dtype), shift.to(conv.weight.dtype)


def folds(module: nn.Module) -> bool:
    """Whether a module may compute with folded weights now.

    Only in eval mode, with no gradient asked for, not under autocast, where each layer chooses its type, and not while
    its operations are recorded (`torch.compile`, `torch.export`, tracing), where values are not there to be kept.
    """
    if module.training or torch.is_grad_enabled() or torch.compiler.is_compiling() or torch.jit.is_tracing():
        return False
    tensor = next(module.parameters(), None)
    return tensor is None or not torch.is_autocast_enabled(tensor.device.type)


def tensors_of(*modules: nn.Module) -> list[Tensor]:
    """All parameters and buffers of `modules`: what weights derived from them depend on."""
    return [tensor for module in modules for tensor in (*module.parameters(), *module.buffers())]


class Derived(Generic[T]):
    """A value derived from a module's tensors, made at first use and made again when one of them has changed.

    A change is another tensor object, other storage (`.to(...)`), or an operation in place (an optimiser's step,
    `load_state_dict`), which torch counts. It does not count what is done through `.data`, nor the steps of a fused
    optimiser: modules that hold one `drop` it in `train()`, and so in `eval()`, which has to come after such a change.
    It is neither copied nor pickled along with the module that holds it, and not part of its state dict.

    >>> layer, square = nn.Linear(1, 1), Derived[Tensor]()
    >>> first = square.of(tensors_of(layer), lambda: layer.weight ** 2)
    >>> square.of(tensors_of(layer), lambda: layer.weight ** 2) is first
    True
    >>> _ = nn.init.constant_(layer.weight, 3.0)
    >>> square.of(tensors_of(layer), lambda: layer.weight ** 2).item()
    9.0
    """

    def __init__(self) -> None:
        self._kept: tuple[list[Tensor], list[Any], T] | None = None

    def of(self, tensors: list[Tensor], make: Callable[[], T]) -> T:
        """`make()`, or what it returned before if `tensors` are what they were then."""
        if any(tensor.is_inference() for tensor in tensors):  # torch does not count changes of these
            return make()
        marks = [(tensor._version, tensor.data_ptr(), tensor.dtype, tensor.device) for tensor in tensors]
        kept = self._kept
        if kept is not None and kept[1] == marks and all(a is b for a, b in zip(kept[0], tensors, strict=True)):
            return kept[2]
        with torch.inference_mode(False), torch.no_grad():
            value = make()
        self._kept = (tensors, marks, value)  # assigned at once: another thread sees the old value or the new one
        return value

    def drop(self) -> None:
        """Forget the value and free its memory; what a module's `train()` calls, in either mode."""
        self._kept = None

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), ())
