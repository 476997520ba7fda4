"""3x3 convolutions with fewer multiplications: Winograd's algorithm, which torch has on CPUs through NNPACK.

F(6x6, 3x3) needs 64 multiplications for the 36 values of a tile that take 324 directly. On a CPU where the direct
convolution already runs at the peak of the arithmetic units, this is the only way to be faster in float32. The price is
rounding: about 1e-5 of the largest value of one convolution, random in sign.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

LEAST_CHANNELS = 16  # in and out, and
LEAST_CELLS = 400  # cells of the plane, from which it is faster than the direct convolution
MOST_THREADS = 2  # of torch, with which the direct convolution is still slower than this one with its single thread


def conv3x3(x: Tensor, weight: Tensor, bias: Tensor, padding: tuple[int, int] = (1, 1)) -> Tensor:
    """`conv2d(x, weight, bias, padding=padding)` of one image `(1, Cin, H, W)` with `(Cout, Cin, 3, 3)`; no gradients.

    By Winograd's algorithm, in the calling thread, where torch has it and it is faster; or else directly.

    >>> x, weight, bias = torch.randn(1, 16, 30, 40), torch.randn(16, 16, 3, 3) / 12, torch.randn(16)
    >>> (conv3x3(x, weight, bias) - functional.conv2d(x, weight, bias, padding=1)).abs().max().item() < 1e-4
    True
    """
    if _faster(x, weight):
        return torch._nnpack_spatial_convolution(x, weight, bias, padding, (1, 1))
    return functional.conv2d(x, weight, bias, padding=padding)


def _faster(x: Tensor, weight: Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and x.shape[0] == 1
        and min(weight.shape[:2]) >= LEAST_CHANNELS
        and x.shape[-2] * x.shape[-1] >= LEAST_CELLS
        and torch.get_num_threads() <= MOST_THREADS
        and _ready()
    )


@cache
def _ready() -> bool:
    """Whether torch has NNPACK on this CPU, which then has a single thread from here on.

    It makes threads at its first call, as many as torch has at that moment, and keeps them for the whole process. They
    would wait beside torch's own, take turns where several workers encode at once, and be missing after a fork.
    """
    if not torch._nnpack_available():
        return False
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        torch._nnpack_spatial_convolution(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 3, 3), None, (1, 1), (1, 1))
    finally:
        torch.set_num_threads(threads)
    return True
