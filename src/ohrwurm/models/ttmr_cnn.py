"""TTMR's convolutional part: residual blocks with max pooling, the front-end that makes tokens, and the plain ResNet.

Training runs the layers one after the other, as published. Inference (no gradients, eval mode) computes the same
numbers, to about 1e-6, in less than half the time:

* batch norms are folded into the convolutions (`folding`), which are Winograd's where that is faster (`nnpack`);
* where a block changes the number of channels, its shortcut is a convolution of the same size as the second one: both
  are one convolution of their inputs side by side;
* ReLU and maximum commute: pooling comes first, as a maximum of slices, and ReLU has less to do;
* the time axis is cut into strips whose intermediate values stay in the CPU's cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Literal

import torch
from torch import Tensor, nn

from ohrwurm.errors import ModelError
from ohrwurm.models.folding import Derived, folded, folds, tensors_of
from ohrwurm.models.nnpack import conv3x3

MixType = Literal["cf", "ft"]
STRIP = 3 << 19  # numbers in a strip's largest tensor: 6 MB
TILE = 6  # columns that a Winograd tile yields; strips are whole tiles


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, then max pooling: (B, Cin, F, T) → (B, Cout, F // f, T // t).

    >>> block = ResidualBlock(1, 16).eval()
    >>> x = torch.randn(2, 1, 64, 100)
    >>> with torch.no_grad():
    ...     fast = block(x)
    >>> torch.allclose(fast, block(x), atol=1e-4), fast.shape
    (True, torch.Size([2, 16, 32, 50]))
    """

    def __init__(self, channels_in: int, channels_out: int, pool: tuple[int, int] = (2, 2)) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.bn_1 = nn.BatchNorm2d(channels_out)
        self.conv_2 = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        self.bn_2 = nn.BatchNorm2d(channels_out)
        self.reshapes = channels_in != channels_out
        if self.reshapes:
            self.conv_3 = nn.Conv2d(channels_in, channels_out, 3, padding=1)
            self.bn_3 = nn.BatchNorm2d(channels_out)
        self.pool = nn.MaxPool2d(pool)
        self.pool_size = pool
        self._folded: Derived[tuple[Tensor, Tensor, Tensor, Tensor]] = Derived()

    def forward(self, x: Tensor) -> Tensor:
        if folds(self):
            return self._without_gradients(x)
        out = self.bn_2(self.conv_2(torch.relu(self.bn_1(self.conv_1(x)))))
        shortcut = self.bn_3(self.conv_3(x)) if self.reshapes else x
        return self.pool(torch.relu(out + shortcut))

    def train(self, mode: bool = True) -> ResidualBlock:
        self._folded.drop()
        super().train(mode)
        return self

    def _weights(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Folded weights and biases of the first convolution, and of the second with the shortcut's beside them."""
        weight_1, bias_1 = folded(self.conv_1, self.bn_1)
        weight_2, bias_2 = folded(self.conv_2, self.bn_2)
        if self.reshapes:
            weight_3, bias_3 = folded(self.conv_3, self.bn_3)
            weight_2, bias_2 = torch.cat([weight_2, weight_3], dim=1), bias_2 + bias_3
        return weight_1, bias_1, weight_2, bias_2

    def _without_gradients(self, x: Tensor) -> Tensor:
        weights = self._folded.of(tensors_of(self), self._weights)
        channels, (frequency, time) = len(weights[1]), self.pool_size
        batch, _, rows, columns = x.shape
        used = columns // time * time
        out = x.new_empty(batch, channels, rows // frequency, columns // time)
        unit = TILE * time
        width = max(STRIP // ((channels + x.shape[1]) * rows) // unit, 1) * unit
        images = [slice(i, i + 1) for i in range(batch)]
        if x.device.type != "cpu":
            width, images = max(used, 1), [slice(0, batch)]
        for image in images:
            for start in range(0, used, width):
                stop = min(start + width, used)
                strip = self._strip(x[image], start, stop, *weights)
                torch.clamp(highest(strip, frequency, time), 0, out=out[image, :, :, start // time : stop // time])
        return out

    def _strip(
        self, x: Tensor, start: int, stop: int, weight_1: Tensor, bias_1: Tensor, weight_2: Tensor, bias_2: Tensor
    ) -> Tensor:
        """Columns `start` to `stop` of the sum of both branches, before ReLU; needs two columns more at either end."""
        columns = x.shape[-1]
        first, last = max(start - 2, 0), min(stop + 2, columns)
        ends = (first - (start - 2), stop + 2 - last)
        piece = nn.functional.pad(x[..., first:last], ends)  # (n, Cin, F, stop - start + 4)
        channels, wide = len(bias_1), piece.shape[1] if self.reshapes else 0
        hidden = x.new_empty(len(x), channels + wide, x.shape[2], stop - start + 2)
        torch.clamp(conv3x3(piece, weight_1, bias_1, padding=(1, 0)), 0, out=hidden[:, :channels])
        if self.reshapes:
            hidden[:, channels:] = piece[..., 1:-1]
        if start == 0:  # the second convolution is padded with zeros, not with what the first makes of its padding
            hidden[..., 0] = 0
        if stop == columns:
            hidden[..., -1] = 0
        out = conv3x3(hidden, weight_2, bias_2, padding=(1, 0))
        return out if self.reshapes else out.add_(piece[..., 2:-2])


def highest(x: Tensor, rows: int, columns: int) -> Tensor:
    """What `max_pool2d(x, (rows, columns))` gives for `(..., F, T)`, as maxima of slices: ten times faster on a CPU.

    >>> x = torch.randn(1, 2, 5, 9)
    >>> torch.equal(highest(x, 2, 4), nn.functional.max_pool2d(x, (2, 4)))
    True
    """
    height, width = x.shape[-2] // rows * rows, x.shape[-1] // columns * columns
    x = reduce(torch.maximum, [x[..., i:height:rows, :width] for i in range(rows)])
    return reduce(torch.maximum, [x[..., j::columns] for j in range(columns)])


class ResidualStack(nn.Module):
    """Batch norm of the mel, then residual blocks called `layer1`, `layer2`, ...: `(B, n_mels, T)` → `(B, C, F', T')`.

    Raises:
        ModelError: fewer frames than the pooling takes.
    """

    def __init__(self, channels: Sequence[int], pools: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self.input_bn = nn.BatchNorm2d(1)
        self.depth, self.shortest = len(channels), 1
        for i, (before, after, pool) in enumerate(zip([1, *channels], channels, pools, strict=False), start=1):
            self.add_module(f"layer{i}", ResidualBlock(before, after, pool))
            self.shortest *= pool[1]

    def cells(self, mel: Tensor) -> Tensor:
        """Mel in dB `(B, n_mels, T)` → `(B, C, F', T')`."""
        if mel.shape[-1] < self.shortest:
            raise ModelError(f"{mel.shape[-1]} mel frames; the model takes {self.shortest} or more: use longer windows")
        x = self.input_bn(mel.unsqueeze(1))  # (B, 1, F, T)
        for i in range(1, self.depth + 1):
            x = self.get_submodule(f"layer{i}")(x)
        return x


class Frontend(ResidualStack):
    """Mel in dB `(B, n_mels, T)` → tokens `(B, tokens, attention_dim)`.

    `mix_type` "cf" makes one token a time step of all channels and frequencies (channel major); "ft" makes one token
    a time-frequency cell (frequency major).
    """

    def __init__(
        self,
        n_mels: int,
        channels: Sequence[int],
        pools: Sequence[tuple[int, int]],
        attention_dim: int,
        mix_type: MixType,
    ) -> None:
        super().__init__(channels, pools)
        self.mix_type = mix_type
        rows = n_mels
        for frequency, _ in pools:
            rows //= frequency
        self.fc = nn.Linear(channels[-1] * rows if mix_type == "cf" else channels[-1], attention_dim)

    def forward(self, mel: Tensor) -> Tensor:
        x = self.cells(mel)
        if self.mix_type == "cf":
            return self.fc(x.permute(0, 3, 1, 2).flatten(2))  # from (B, T', C F')
        return self.fc(x.flatten(2).transpose(1, 2))  # from (B, F' T', C)
