"""A U-Net along time, with a tail: the body of TUNe (`ohrwurm.models.tune`) and of its hybrids with SampleCNN.

Level l works at a third of the rate of level l - 1. Names of blocks are those of the published checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from ohrwurm.errors import ModelError
from ohrwurm.models.base import ReadOut
from ohrwurm.models.waveform import SAMPLE_RATE, WaveformEncoder
from ohrwurm.models.waveform_layers import (
    Taps,
    convolve_parts,
    convolve_waveform,
    pool3,
    spread3,
    spread_weights,
    taps,
    waveform_taps,
)


class Block(nn.Module):
    """Convolution of three frames, batch norm, ReLU: (B, Cin, T) → (B, Cout, T)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv1d(inputs, outputs, 3, padding=1), nn.BatchNorm1d(outputs), nn.ReLU())
        nn.init.kaiming_uniform_(cast(Tensor, self.layers[0].weight), nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


@dataclass(frozen=True)
class Step:
    """One block of the network: where it stands, its published name, and the channels of what it reads and makes."""

    path: Literal["contracting", "expanding", "tail"]
    level: int
    parts: tuple[int, ...]
    width: int

    @property
    def block(self) -> str:
        """Published name of the block."""
        if self.path == "contracting":
            return f"conv{self.level}" if self.level <= 5 else f"deeperDown{self.level - 5}"
        if self.path == "expanding":
            return f"conv{10 - self.level}" if self.level <= 4 else f"deeperUp{self.level - 4}"
        return f"convDown{self.level - 1}"

    @property
    def spread(self) -> str:
        """Published name of the transposed convolution that leads up to it, of the expanding path."""
        return f"transposedConv{10 - self.level}" if self.level <= 4 else f"transposedDeeper{self.level - 4}"


def contract_and_expand(width: int, depth: int, top: int) -> list[Step]:
    """The steps from the waveform down to level `depth` and up again to level `top`; level l has width 2^(l - 1).

    >>> [(step.block, step.parts, step.width) for step in contract_and_expand(4, 2, 1)]
    [('conv1', (1,), 4), ('conv2', (4,), 8), ('conv9', (4, 4), 4)]
    """
    if not 1 <= top < depth:
        raise ModelError(f"top {top}, depth {depth}: the expanding path climbs from `depth` to `top`, 1 <= top < depth")
    widths = [1] + [width * 2**level for level in range(depth)]  # by level; level 0 is the waveform
    steps = [Step("contracting", level, (widths[level - 1],), widths[level]) for level in range(1, depth + 1)]
    expanding = range(depth - 1, top - 1, -1)
    return steps + [Step("expanding", level, (widths[level], widths[level]), widths[level]) for level in expanding]


class UNet(WaveformEncoder):
    """Runs `steps`. Layers count the blocks from the output back to the input, as the original's `eval_layer`."""

    def __init__(self, steps: Sequence[Step], dim: int, n_classes: int, projection: int) -> None:
        super().__init__(dim, n_classes, projection)
        self.steps = tuple(steps)
        for step in self.steps:
            if step.path == "expanding":
                level = step.parts[0]
                self.add_module(step.spread, nn.ConvTranspose1d(2 * level, level, 3, stride=3))
            self.add_module(step.block, Block(sum(step.parts), step.width))

    def _head(self, dim: int) -> nn.Linear:
        head = super()._head(dim)
        nn.init.xavier_uniform_(head.weight)
        return head

    @property
    def output(self) -> int:
        return 0

    @property
    def layers(self) -> dict[int, ReadOut]:
        return {
            layer: ReadOut(step.width, SAMPLE_RATE / 3 ** (step.level - 1))
            for layer, step in enumerate(reversed(self.steps))
        }

    @property
    def divisor(self) -> int:
        """What the number of samples has to be a multiple of, for the two paths to meet."""
        return 3 ** (max(step.level for step in self.steps if step.path == "contracting") - 1)

    def _check(self, waveform: Tensor) -> None:
        samples = waveform.shape[1]
        if samples % self.divisor:
            raise ModelError(
                f"{samples} samples; this {type(self).__name__} takes multiples of {self.divisor}: "
                f"cut them to {samples - samples % self.divisor}, or pad with zeros"
            )
        shortest = round(SAMPLE_RATE / (self.layers[self.layer or 0].frame_rate or 1))
        if samples < shortest:
            raise ModelError(f"{samples} samples; this layer takes {shortest} or more: pad with zeros")

    def _published(self, x: Tensor, layer: int) -> Tensor:
        features: dict[int, Tensor] = {}
        for step in self._until(layer):
            block = self.get_submodule(step.block)
            if step.path == "expanding":
                x = block(torch.cat([self.get_submodule(step.spread)(x), features[step.level]], dim=1))
            else:
                if features:
                    x = nn.functional.max_pool1d(x, 3)
                x = block(x if len(step.parts) == 1 else torch.cat([x, features[step.level]], dim=1))
            features[step.level] = x
        return x

    def _until(self, layer: int) -> tuple[Step, ...]:
        return self.steps[: len(self.steps) - layer]

    def _fold(self, dtype: torch.dtype) -> dict[str, Any]:
        weights: dict[str, Any] = {}
        for i, step in enumerate(self.steps):
            layers = cast(nn.Sequential, self.get_submodule(step.block).layers)
            conv, bn = cast(nn.Conv1d, layers[0]), cast(nn.BatchNorm1d, layers[1])
            weights[step.block] = taps(conv, bn, dtype, step.parts) if i else waveform_taps(conv, bn)
            if step.path == "expanding":
                weights[step.spread] = spread_weights(cast(nn.ConvTranspose1d, self.get_submodule(step.spread)), dtype)
        return weights

    def _fast(self, waveform: Tensor, layer: int, weights: dict[str, Any]) -> Tensor:
        steps = self._until(layer)
        alone = [step for step in steps if not _small(step)]
        dtype = weights["conv2"][0].weight.dtype
        # One by one where frames are long, so that they stay in the cache; the rest, as small, together.
        windows = waveform.split(1 if waveform.device.type == "cpu" else len(waveform))
        x = torch.cat([self._climb(one, alone, weights, dtype) for one in windows])
        for step in steps[len(alone) :]:
            x = convolve_parts([pool3(x)], weights[step.block]).relu_()
        return x

    def _climb(self, waveform: Tensor, steps: Sequence[Step], weights: dict[str, Any], dtype: torch.dtype) -> Tensor:
        """`(B, samples)` → what the last of `steps` makes of it, `(B, T, C)`."""
        x = convolve_waveform(waveform, weights[steps[0].block]).relu_().to(dtype)
        features = {1: x}
        for step in steps[1:]:
            kernels: list[Taps] = weights[step.block]
            x = spread3(x, *weights[step.spread]) if step.path == "expanding" else pool3(x)
            parts = [x] if len(step.parts) == 1 else [x, features[step.level]]
            features[step.level] = x = convolve_parts(parts, kernels).relu_()
        return x


def _small(step: Step) -> bool:
    """Few frames, and nothing of the other paths is read: 243 a window or less."""
    return step.path == "tail" and step.level >= 6 and len(step.parts) == 1
