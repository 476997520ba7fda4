"""Spectrogram → tokens: MusicFM's two residual blocks, each of which halves frequency and time, and a linear layer.

In eval mode batch norms are folded, the two convolutions that see the same input are one, and on a CPU all but the
first of them, two thirds of all multiplications of the model, go by `ohrwurm.models.tiled_convolution`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ohrwurm.errors import ModelError
from ohrwurm.models.folding import Derived, folded, folds, tensors_of
from ohrwurm.models.tiled_convolution import convolution, point_weight, rectified_residual

Convolution = Literal["auto", "direct", "winograd"]
WINOGRAD_FROM = 64  # channels from which it is faster


@dataclass(frozen=True)
class _Packed:
    """A residual block's weights for inference: the convolution of its input, and that of the main branch."""

    first: Tensor  # (2 C, C in, 3, 3): main branch, shortcut; or (81, C in, 2 C) for Winograd's algorithm
    first_bias: Tensor  # (2 C,); the shortcut's half carries the second convolution's bias too
    second: Tensor  # (C, C, 3, 3), or (36, C, C)


class ResidualBlock(nn.Module):
    """relu(BN(conv(relu(BN(conv(x))))) + BN(conv(x))), 3 x 3: (B, Cin, F, T) → (B, Cout, ceil(F / 2), ceil(T / 2))."""

    def __init__(self, channels_in: int, channels_out: int, convolution: Convolution = "auto") -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride=2, padding=1)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.conv3 = nn.Conv2d(channels_in, channels_out, 3, stride=2, padding=1)
        self.bn3 = nn.BatchNorm2d(channels_out)
        self.convolution = convolution
        self._packed: Derived[_Packed] = Derived()

    def forward(self, x: Tensor) -> Tensor:
        mixed = torch.is_autocast_enabled(x.device.type)  # then each layer chooses its type, and gradients may be due
        if not mixed and (folds(self) or x.dtype != self.conv1.weight.dtype):
            return self._infer(x)
        out = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(out + self.bn3(self.conv3(x)))

    def train(self, mode: bool = True) -> ResidualBlock:
        self._packed.drop()
        super().train(mode)
        return self

    def _infer(self, x: Tensor) -> Tensor:
        """What the layers compute in eval mode, in the type of `x`."""
        packed = self._packed.of(tensors_of(self), lambda: self._pack(x.dtype))
        if packed.first.ndim == 3:
            y = _each(lambda item: convolution(item, packed.first, packed.first_bias, stride=2), x)
        else:
            y = nn.functional.conv2d(x, packed.first, packed.first_bias, stride=2, padding=1)
        main, shortcut = y.chunk(2, dim=1)  # each (B, C, F / 2, T / 2)
        if packed.second.ndim == 3:
            return _each(lambda item, beside: rectified_residual(item, packed.second, beside), main, shortcut)
        return torch.relu_(nn.functional.conv2d(main.relu_(), packed.second, padding=1).add_(shortcut))

    def _pack(self, dtype: torch.dtype) -> _Packed:
        (main, main_bias), (second, second_bias), (skip, skip_bias) = (
            folded(conv, bn) for conv, bn in ((self.conv1, self.bn1), (self.conv2, self.bn2), (self.conv3, self.bn3))
        )
        first, first_bias = torch.cat([main, skip]), torch.cat([main_bias, skip_bias + second_bias]).to(dtype)

        def ready(weight: Tensor, stride: int) -> Tensor:
            channels = weight.shape[1]
            many = weight.device.type == "cpu" and channels >= WINOGRAD_FROM
            if self.convolution == "direct" or channels == 1 or (self.convolution == "auto" and not many):
                return weight.to(dtype, memory_format=torch.channels_last)
            return point_weight(weight, dtype, stride)

        return _Packed(ready(first, 2), first_bias, ready(second, 1))


def _each(function: Callable[..., Tensor], *batches: Tensor) -> Tensor:
    """`function` of the items of `(B, C, F, T)`, given to it and taken from it with the channels last."""
    out = [function(*items) for items in zip(*(batch.permute(0, 2, 3, 1) for batch in batches), strict=True)]
    return (out[0][None] if len(out) == 1 else torch.stack(out)).permute(0, 3, 1, 2)


class ConvSubsampling(nn.Module):
    """Spectrogram `(B, bands, T)` → tokens `(B, ceil(ceil(T / 2) / 2), dim)`.

    Args:
        bands: frequency bands of the spectrogram.
        channels: of the convolutions.
        dim: of the tokens.
        first_channels: of the first block, which hears four times as many cells; as the second's unless given.
        convolution: how the convolutions are computed in eval mode: "direct", "winograd" (the same numbers,
            rounded differently), or "auto", whichever is faster.

    >>> ConvSubsampling(bands=16, channels=4, dim=8)(torch.randn(2, 16, 201)).shape
    torch.Size([2, 51, 8])
    """

    def __init__(
        self, bands: int, channels: int, dim: int, convolution: Convolution = "auto", first_channels: int | None = None
    ) -> None:
        super().__init__()
        if convolution not in ("auto", "direct", "winograd"):
            raise ModelError(f"convolution must be 'auto', 'direct' or 'winograd', not {convolution!r}")
        first = first_channels or channels
        self.conv = nn.ModuleList([ResidualBlock(1, first, convolution), ResidualBlock(first, channels, convolution)])
        self.linear = nn.Linear(channels * -(-bands // 4), dim)
        self.dtype = torch.float32

    def lower(self, dtype: torch.dtype) -> None:
        """Compute in `dtype` from here on, without gradients; the convolutions' own weights stay as they are."""
        self.dtype = dtype
        self.linear.to(dtype)

    def forward(self, mel: Tensor) -> Tensor:
        if mel.device.type != "cpu" or not folds(self):
            return self._encode(mel)
        # One item after the other, so that memory does not grow with the batch: 0.5 GB for 30 s in float32.
        return torch.cat([self._encode(item) for item in mel.split(1)])

    def _encode(self, mel: Tensor) -> Tensor:
        x = mel.unsqueeze(1).to(self.dtype)  # (B, 1, F, T)
        for block in self.conv:
            x = block(x)  # (B, C, F / 2, T / 2)
        return self.linear(x.permute(0, 3, 1, 2).flatten(2))  # from (B, T, C F)
