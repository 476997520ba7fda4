"""Convolutions of three samples along time, as SampleCNN and TUNe are made of, in the layout that a CPU is fast in.

Everything here takes and gives `(B, T, C)`, channels last, without gradients: three frames in a row are then one row
of a matrix, pooling by three is the maximum of three columns of it, a transposed convolution with stride three one
matrix product, and the library's two-dimensional convolution runs near the peak of the arithmetic units, which its
one-dimensional one does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ohrwurm.models.folding import folded


class Taps(NamedTuple):
    """A convolution of three frames, padded by one: weight `(Cout, Cin, 1, 3)` in channels-last memory, bias `(Cout)`.

    Where a block reads several tensors as if they were concatenated, the weight is split instead, and only the first
    part has the bias.
    """

    weight: Tensor
    bias: Tensor | None


def taps(conv: nn.Conv1d, bn: nn.BatchNorm1d, dtype: torch.dtype, parts: Sequence[int] | None = None) -> list[Taps]:
    """A convolution and its batch norm as one, split along its input channels into `parts` (one part if None)."""
    weight, bias = folded(conv, bn)
    found = []
    for i, part in enumerate(weight.split(list(parts or [weight.shape[1]]), dim=1)):
        planar = part.unsqueeze(2).to(dtype).contiguous(memory_format=torch.channels_last)
        found.append(Taps(planar, bias.to(dtype) if i == 0 else None))
    return found


def waveform_taps(conv: nn.Conv1d, bn: nn.BatchNorm1d) -> Taps:
    """The first convolution (one channel in, stride 1), for `convolve_waveform`; it stays in float32.

    Three outputs in a row are one frame of 3 Cout channels, made of the three samples beside them and one to each
    side: a convolution of 3-channel frames. Two thirds of its products are with zeros, which costs less than a
    convolution with one input channel wastes, and the result has its channels last.
    """
    weight, bias = folded(conv, bn)  # (C, 1, 3)
    channels = weight.shape[0]
    wide = weight.new_zeros(3, channels, 9)  # output phase, channel, the nine samples of three frames
    for phase in range(3):
        wide[phase, :, 2 + phase : 5 + phase] = weight[:, 0]
    wide = wide.view(3 * channels, 3, 3).transpose(1, 2)  # (3 C, sample in its frame, frame)
    return Taps(wide.unsqueeze(2).contiguous(memory_format=torch.channels_last), bias.repeat(3))


def convolve(x: Tensor, kernel: Taps) -> Tensor:
    """`(B, T, Cin)` → `(B, T, Cout)`.

    >>> conv, bn = nn.Conv1d(4, 8, 3, padding=1), nn.BatchNorm1d(8).eval()
    >>> x = torch.randn(2, 27, 4)
    >>> with torch.no_grad():
    ...     y = convolve(x, taps(conv, bn, torch.float32)[0])
    ...     torch.allclose(y, bn(conv(x.transpose(1, 2))).transpose(1, 2), atol=1e-5)
    True
    """
    plane = x.unsqueeze(1).permute(0, 3, 1, 2)  # (B, C, 1, T), channels last in memory
    y = nn.functional.conv2d(plane, kernel.weight, kernel.bias, padding=(0, 1))
    return y.permute(0, 2, 3, 1).squeeze(1).contiguous()  # copies only where the library chose another layout


def convolve_waveform(waveform: Tensor, kernel: Taps) -> Tensor:
    """`(B, T)` with T divisible by three → `(B, T, C)`, with a kernel of `waveform_taps`.

    >>> conv, bn = nn.Conv1d(1, 8, 3, padding=1), nn.BatchNorm1d(8).eval()
    >>> x = torch.randn(2, 27)
    >>> with torch.no_grad():
    ...     y = convolve_waveform(x, waveform_taps(conv, bn))
    ...     torch.allclose(y, bn(conv(x[:, None])).transpose(1, 2), atol=1e-5)
    True
    """
    frames = convolve(waveform.unflatten(1, (-1, 3)), kernel)  # (B, T / 3, 3 C)
    return frames.view(*waveform.shape, -1)


def convolve_parts(parts: Sequence[Tensor], kernels: Sequence[Taps]) -> Tensor:
    """The convolution of the concatenated `parts (B, T, ·)`, which are never copied together."""
    y = convolve(parts[0], kernels[0])
    for x, kernel in zip(parts[1:], kernels[1:], strict=True):
        y += convolve(x, kernel)
    return y


def pool3(x: Tensor) -> Tensor:
    """Max pooling by three: `(B, T, C)` → `(B, T // 3, C)`.

    >>> pool3(torch.tensor([[[1.0], [5.0], [2.0], [9.0]]]))
    tensor([[[5.]]])
    """
    batch, frames, channels = x.shape
    rows = x[:, : frames // 3 * 3].reshape(batch, frames // 3, 3 * channels)
    highest = torch.maximum(rows[..., :channels], rows[..., channels : 2 * channels])
    return torch.maximum(highest, rows[..., 2 * channels :], out=highest)


def spread_weights(conv: nn.ConvTranspose1d, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """A transposed convolution (three samples, stride 3) as a matrix `(Cin, 3 Cout)` and a bias `(3 Cout)`."""
    assert conv.bias is not None
    return conv.weight.transpose(1, 2).flatten(1).to(dtype), conv.bias.repeat(3).to(dtype)


def spread3(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The transposed convolution: `(B, T, Cin)` → `(B, 3 T, Cout)`, with what `spread_weights` gave.

    >>> conv = nn.ConvTranspose1d(4, 2, 3, stride=3)
    >>> x = torch.randn(2, 5, 4)
    >>> with torch.no_grad():
    ...     y = spread3(x, *spread_weights(conv, torch.float32))
    ...     torch.allclose(y, conv(x.transpose(1, 2)).transpose(1, 2), atol=1e-5)
    True
    """
    batch, frames, _ = x.shape
    return torch.addmm(bias, x.flatten(0, 1), weight).view(batch, 3 * frames, -1)
