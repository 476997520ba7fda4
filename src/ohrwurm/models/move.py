"""MOVE, "Accurate and scalable version identification using musically-motivated embeddings" (Yesiler, Serrà, Gómez;
ICASSP 2020), and Re-MOVE ("Less is more", ISMIR 2020): the network, in all published variants, widths and sizes.

    12 pitch classes ─tile─▶ 23 rows ─conv 12 x 180, PReLU, max over the 12 keys─▶ four convolutions over time
                     ─pooling over time─▶ Linear ─▶ batch norm ─▶ vector

The first convolution sees the song in all 12 keys and the maximum keeps the best, so a true transposition changes
nothing. Parameter names and, at the defaults, shapes are those of the published checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from ohrwurm.errors import ModelError
from ohrwurm.models.folding import Derived, folds, tensors_of
from ohrwurm.models.move_pooling import POOLINGS, Pooling, pool_over_time, takes_two_halves
from ohrwurm.models.pitch_convolution import KernelSpectra, pitch_convolution_fft, repeats

Activation = Literal["none", "sigmoid", "tanh", "batch-norm"]
FirstConvolution = Literal["auto", "direct", "fft"]
ShortInput = Literal["raise", "repeat", "zeros"]
ACTIVATIONS: tuple[Activation, ...] = get_args(Activation)  # in the order of the original's `final_activation` 0 ... 3
PUBLISHED_CONVOLUTIONS = ((5, 1), (5, 20), (5, 1), (5, 13))  # (frames, dilation) of conv2 ... conv5
FFT_FROM = 16  # frames of the first kernel from which the frequency domain is faster on a CPU


def tile_pitch_classes(pitch_classes: Tensor) -> Tensor:
    """Pitch classes `(B, 12, T)` → `(B, 1, 23, T)`: row i holds pitch class i mod 12, so 12 rows from s on are key s.

    >>> tile_pitch_classes(torch.arange(12.0).view(1, 12, 1)).flatten().tolist()[10:14]
    [10.0, 11.0, 0.0, 1.0]
    """
    if pitch_classes.ndim != 3 or pitch_classes.shape[1] != 12:
        raise ValueError(f"pitch classes are (batch, 12, time), not {tuple(pitch_classes.shape)}")
    return torch.cat([pitch_classes, pitch_classes[:, :11]], dim=1).unsqueeze(1)


def transpose(pcp: Tensor, semitones: int, *, legacy: bool = False) -> Tensor:
    """Tiled pitch classes `(B, 1, 23, T)` some semitones up.

    With `legacy`, as in the published training code, which rolls the 23 rows: the rows that come round at the bottom
    are then one semitone off, and MOVE, which a true transposition does not touch, sees a disturbed song. Its
    augmentation lived on that.

    >>> rows = tile_pitch_classes(torch.arange(12.0).view(1, 12, 1))
    >>> transpose(rows, 2).flatten().tolist()[:3], transpose(rows, 2, legacy=True).flatten().tolist()[:3]
    ([10.0, 11.0, 0.0], [9.0, 10.0, 0.0])
    """
    if legacy:
        return pcp.roll(semitones, 2)
    return tile_pitch_classes(pcp[:, 0, :12].roll(semitones, 1))


class MOVE(nn.Module):
    """Tiled pitch classes `(B, 1, 23, T)` → `(B, dim)`; the defaults are the published network (dim 256 = Re-MOVE).

    Args:
        dim: embedding size (published: 16000, 4000, 256).
        channels: width of all layers.
        kernel_time: frames of the first kernel.
        convolutions: (frames, dilation) of the following convolutions.
        pooling: over time; see `ohrwurm.models.move_pooling`.
        activation: what follows the linear layer; the batch norm is without weight and bias, and replaces the bias of
            the linear layer.
        transposition_invariant: False is the paper's MOVE-NT, which takes the song in its own key alone: 12 rows
            (`(B, 1, 12, T)`, or the first 12 of 23).
        first_convolution: "direct", "fft" (the same numbers through the frequency domain), or "auto".
        short_input: what to do with fewer frames than `receptive_field`: "raise" (the published network), "repeat"
            the song, or pad with "zeros".

    >>> MOVE(dim=16, channels=8).eval()(torch.rand(2, 1, 23, 400)).shape
    torch.Size([2, 16])
    """

    def __init__(
        self,
        dim: int = 256,
        channels: int = 256,
        kernel_time: int = 180,
        convolutions: Sequence[Sequence[int]] = PUBLISHED_CONVOLUTIONS,
        pooling: Pooling = "adaptive-attention",
        activation: Activation = "batch-norm",
        transposition_invariant: bool = True,
        first_convolution: FirstConvolution = "auto",
        short_input: ShortInput = "repeat",
    ) -> None:
        super().__init__()
        _one_of("pooling", pooling, POOLINGS)
        _one_of("activation", activation, ACTIVATIONS)
        _one_of("first_convolution", first_convolution, get_args(FirstConvolution))
        _one_of("short_input", short_input, get_args(ShortInput))
        self.pooling: Pooling = pooling
        self.activation: Activation = activation
        self.keys = 12 if transposition_invariant else 1
        self.first_convolution: FirstConvolution = first_convolution
        self.short_input: ShortInput = short_input
        self.receptive_field = kernel_time + sum((frames - 1) * dilation for frames, dilation in convolutions)
        self.following = range(2, len(convolutions) + 2)
        self.autopool_p = nn.Parameter(torch.tensor(0.0))  # in every published checkpoint, used or not
        self.prelu1 = nn.PReLU(init=0.01)
        for i in self.following:
            self.add_module(f"prelu{i}", nn.PReLU(init=0.01))
        self.conv1 = nn.Conv2d(1, channels, (12, kernel_time))
        for i, (frames, dilation) in zip(self.following, convolutions, strict=True):
            out = 2 * channels if i == self.following[-1] and takes_two_halves(pooling) else channels
            self.add_module(f"conv{i}", nn.Conv2d(channels, out, (1, frames), dilation=(1, dilation)))
        if activation == "batch-norm":
            self.lin_bn = nn.BatchNorm1d(dim, affine=False)
        self.lin1 = nn.Linear(channels, dim, bias=activation != "batch-norm")
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=0.01, mode="fan_in", nonlinearity="leaky_relu")
        self._spectra = Derived[KernelSpectra]()
        self.later_dtype = torch.float32
        self._lowered = Derived[list[tuple[Tensor, Tensor, Tensor]]]()

    @property
    def dim(self) -> int:
        """Size of the embedding."""
        return self.lin1.out_features

    def forward(self, pcp: Tensor) -> Tensor:
        return self.encode_features(pcp)

    def encode_features(self, pcp: Tensor) -> Tensor:
        """Tiled pitch classes `(B, 1, 23, T)` → `(B, dim)`; the same as calling the module."""
        x = self.first_layer(self._long_enough(self._rows(pcp)))  # (B, C, T - k + 1)
        x = self.later_layers(x)  # (B, C or 2 C, T - receptive_field + 1)
        x = self.lin1(pool_over_time(x, self.pooling, self.autopool_p))
        if self.activation == "batch-norm":
            return self.lin_bn(x)
        if self.activation == "none":
            return x
        return torch.sigmoid(x) if self.activation == "sigmoid" else torch.tanh(x)

    def first_layer(self, pcp: Tensor) -> Tensor:
        """First convolution, PReLU and the highest value over the keys: `(B, 1, rows, T)` → `(B, C, T - k + 1)`."""
        slope = self.prelu1.weight
        if self._direct():
            return self.prelu1(self.conv1(pcp)).amax(2)
        if not folds(self) or (self.keys > 1 and not repeats(pcp)):
            y = pitch_convolution_fft(pcp, self.conv1.weight, self.conv1.bias)
            low = None if bool(slope >= 0) else y.amin(2)
            return _highest_after_prelu(y.amax(2), low, slope)
        spectra = self._spectra.of([self.conv1.weight], lambda: KernelSpectra(self.conv1.weight, self.keys))
        high, low = spectra.extremes(pcp, bias=self.conv1.bias, lowest=bool(slope < 0))
        return _highest_after_prelu(high, low, slope)

    def later_layers(self, x: Tensor) -> Tensor:
        """The convolutions over time: `(B, C, T)` → `(B, C or 2 C, T - receptive_field + k)`."""
        x = x.unsqueeze(2)  # the published kernels are (1, frames)
        if self.later_dtype == torch.float32:
            for conv, prelu in self._later_modules():
                x = prelu(conv(x))
            return x.squeeze(2)
        outer, x = x.dtype, x.to(self.later_dtype)
        for (conv, _), (weight, bias, slope) in zip(self._later_modules(), self._lowered_weights(), strict=True):
            x = nn.functional.prelu(nn.functional.conv2d(x, weight, bias, dilation=conv.dilation), slope)
        return x.squeeze(2).to(outer)

    def lower_later_layers(self, dtype: torch.dtype) -> None:
        """Let the convolutions after the first compute in `dtype`; the weights themselves stay as they are."""
        self.later_dtype = dtype
        self._lowered.drop()

    def train(self, mode: bool = True) -> MOVE:
        self._spectra.drop()
        self._lowered.drop()
        super().train(mode)
        return self

    def _direct(self) -> bool:
        if self.first_convolution == "auto":  # compilers and exporters know little of FFTs
            recorded = torch.compiler.is_compiling() or torch.jit.is_tracing()
            return recorded or self.conv1.weight.shape[-1] < FFT_FROM
        return self.first_convolution == "direct"

    def _later_modules(self) -> list[tuple[Any, Any]]:
        return [(self.get_submodule(f"conv{i}"), self.get_submodule(f"prelu{i}")) for i in self.following]

    def _lowered_weights(self) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Kernel, bias and slope of each later layer in `later_dtype`."""
        layers = self._later_modules()

        def lowered() -> list[tuple[Tensor, Tensor, Tensor]]:
            dtype = self.later_dtype
            return [(c.weight.to(dtype), c.bias.to(dtype), p.weight.to(dtype)) for c, p in layers]

        if not folds(self):
            return lowered()
        return self._lowered.of(tensors_of(*(module for layer in layers for module in layer)), lowered)

    def _rows(self, pcp: Tensor) -> Tensor:
        rows = 11 + self.keys
        if pcp.ndim != 4 or pcp.shape[1] != 1 or pcp.shape[2] not in {rows, 23}:
            raise ModelError(f"MOVE takes (batch, 1, {rows}, time), not {tuple(pcp.shape)}: see tile_pitch_classes")
        return pcp[:, :, :rows]

    def _long_enough(self, pcp: Tensor) -> Tensor:
        missing = self.receptive_field - pcp.shape[-1]
        if missing <= 0:
            return pcp
        if self.short_input == "raise" or pcp.shape[-1] == 0:
            raise ModelError(
                f"{pcp.shape[-1]} frames; MOVE needs at least {self.receptive_field}. Give a longer recording."
            )
        if self.short_input == "zeros":
            return nn.functional.pad(pcp, (0, missing))
        return pcp.repeat(1, 1, 1, -(-self.receptive_field // pcp.shape[-1]))[..., : self.receptive_field]


def _highest_after_prelu(high: Tensor, low: Tensor | None, slope: Tensor) -> Tensor:
    """max over pitch of PReLU(x) from the highest and the lowest x, without the 12 times larger PReLU.

    PReLU rises where the slope is positive; where it is negative its largest value is that of the largest or of the
    smallest input.
    """
    highest = nn.functional.prelu(high, slope)
    return highest if low is None else torch.maximum(highest, nn.functional.prelu(low, slope))


def _one_of(setting: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ModelError(f"{setting} must be {', '.join(map(repr, known[:-1]))} or {known[-1]!r}, not {value!r}")
