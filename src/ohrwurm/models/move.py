"""MOVE, "Accurate and scalable version identification using musically-motivated embeddings" (Yesiler, Serrà, Gómez;
ICASSP 2020), and Re-MOVE ("Less is more", ISMIR 2020), in their default form at any width and embedding size.

    waveform ─pitch extractor─▶ 12 pitch classes ─tile─▶ 23 rows ─conv 12 x k, max over the 12 keys─▶ convolutions
             ─attention over time─▶ Linear ─▶ batch norm ─▶ vector

The first convolution sees the song in all 12 keys and the maximum keeps the best, so a true transposition changes
nothing. Parameter names and, at the defaults, shapes are those of the published checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ohrwurm.errors import ModelError
from ohrwurm.models.base import AudioEncoder, Encoded
from ohrwurm.models.registry import architecture

FirstConvolution = Literal["auto", "direct", "fft"]
ShortInput = Literal["raise", "repeat", "zeros"]
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


class MOVE(nn.Module):
    """Tiled pitch classes `(B, 1, 23, T)` → `(B, dim)`; the defaults are the published network (dim 256 = Re-MOVE).

    Args:
        dim: embedding size (published: 16000, 4000, 256).
        channels: width of all layers (the last convolution has twice as many: half weighs, half is weighed).
        kernel_time: frames of the first kernel.
        convolutions: (frames, dilation) of the following convolutions.
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
        first_convolution: FirstConvolution = "auto",
        short_input: ShortInput = "repeat",
    ) -> None:
        super().__init__()
        if first_convolution not in ("auto", "direct", "fft"):
            raise ModelError(f"first_convolution must be 'auto', 'direct' or 'fft', not {first_convolution!r}")
        if short_input not in ("raise", "repeat", "zeros"):
            raise ModelError(f"short_input must be 'raise', 'repeat' or 'zeros', not {short_input!r}")
        self.first_convolution = first_convolution
        self.short_input = short_input
        self.receptive_field = kernel_time + sum((frames - 1) * dilation for frames, dilation in convolutions)
        self.autopool_p = nn.Parameter(torch.tensor(0.0))
        self.prelu1 = nn.PReLU(init=0.01)
        self.conv1 = nn.Conv2d(1, channels, (12, kernel_time))
        last = len(convolutions) + 1
        self.following = range(2, last + 1)
        for i, (frames, dilation) in zip(self.following, convolutions, strict=True):
            out = 2 * channels if i == last else channels
            self.add_module(f"prelu{i}", nn.PReLU(init=0.01))
            self.add_module(f"conv{i}", nn.Conv2d(channels, out, (1, frames), dilation=(1, dilation)))
        self.lin1 = nn.Linear(channels, dim, bias=False)
        self.lin_bn = nn.BatchNorm1d(dim, affine=False)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=0.01, mode="fan_in", nonlinearity="leaky_relu")

    def forward(self, pcp: Tensor) -> Tensor:
        return self.encode_features(pcp)

    def encode_features(self, pcp: Tensor) -> Tensor:
        """Tiled pitch classes `(B, 1, 23, T)` → `(B, dim)`; the same as calling the module."""
        x = self._first(self._long_enough(pcp))  # (B, C, 12, T - k + 1)
        x = _prelu_then_highest(x, self.prelu1.weight)  # (B, C, 1, T - k + 1)
        for i in self.following:
            x = self.get_submodule(f"prelu{i}")(self.get_submodule(f"conv{i}")(x))
        weigh, weighed = x.squeeze(2).chunk(2, dim=1)  # each (B, C, T - receptive_field + 1)
        x = (weighed * torch.softmax(self.autopool_p * weigh, dim=-1)).sum(-1)  # (B, C)
        return self.lin_bn(self.lin1(x))

    def _first(self, pcp: Tensor) -> Tensor:
        kernel_time = self.conv1.weight.shape[-1]
        if self.first_convolution == "direct" or (self.first_convolution == "auto" and kernel_time < FFT_FROM):
            return self.conv1(pcp)
        return pitch_convolution_fft(pcp, self.conv1.weight, self.conv1.bias)

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

    def from_published(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The published checkpoints are state dicts of this very layout."""
        return state


def _prelu_then_highest(x: Tensor, slope: Tensor) -> Tensor:
    """max over pitch of PReLU(x), `(B, C, 12, T)` → `(B, C, 1, T)`, without the 12 times larger PReLU.

    PReLU rises where the slope is positive; where it is negative its largest value is that of the largest or of the
    smallest input.
    """
    highest = nn.functional.prelu(x.amax(dim=2, keepdim=True), slope)
    if bool(slope >= 0):
        return highest
    return torch.maximum(highest, nn.functional.prelu(x.amin(dim=2, keepdim=True), slope))


def pitch_convolution_fft(pcp: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """What `conv2d(pcp, weight, bias)` computes for `(B, 1, 23, T)` and `(C, 1, 12, k)`, through the frequency domain.

    A tiled profile repeats after 12 rows, so that the 12 outputs along pitch are one circular correlation of length
    12, and time is one of length T (overlap-save blocks for long songs): 2 T log T + 12 products per frequency
    instead of 144 k T. Rows that do not repeat (the published augmentation rolls all 23) take a circle of 24.
    """
    pitches, kernel_time = weight.shape[2], weight.shape[3]
    outputs = pcp.shape[2] - pitches + 1
    frames = pcp.shape[-1] - kernel_time + 1
    repeats = outputs == pitches and torch.equal(pcp[:, :, : outputs - 1], pcp[:, :, pitches:])
    circle = pitches if repeats else fast_length(pcp.shape[2])
    if repeats:
        pcp = pcp[:, :, :pitches]
    length = min(fast_length(pcp.shape[-1]), fast_length(8 * kernel_time))
    step = length - kernel_time + 1  # new frames each block yields
    blocks = -(-frames // step)
    x = nn.functional.pad(pcp, (0, (blocks - 1) * step + length - pcp.shape[-1]))
    x = x.unfold(-1, length, step).transpose(2, 3).flatten(0, 2)  # (B blocks, rows, length)
    spectrum = torch.fft.rfft2(x, s=(circle, length))  # (B blocks, circle, length // 2 + 1)
    kernels = torch.fft.rfft2(weight.squeeze(1), s=(circle, length))  # (C, circle, length // 2 + 1)
    y = torch.fft.irfft2(spectrum[:, None] * kernels.conj(), s=(circle, length))  # (B blocks, C, circle, length)
    y = y[:, :, :outputs, :step]
    if blocks > 1:
        y = y.unflatten(0, (-1, blocks)).movedim(1, 3).flatten(3, 4)  # (B, C, outputs, blocks step)
    y = y[..., :frames]
    return y if bias is None else y + bias.to(y.dtype)[:, None, None]


def fast_length(n: int) -> int:
    """The smallest length >= n without prime factors above 5: what FFTs like.

    >>> fast_length(1801), fast_length(23)
    (1875, 24)
    """
    while True:
        rest = n
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return n
        n += 1


@architecture("version-encoder")
class VersionEncoder(AudioEncoder):
    """Waveform → pitch classes → MOVE. Vectors are not normalised; versions are compared by cosine.

    Args:
        pitch: "pitchnet" (learned; its weights are in this model's state dict under `pitch.`) or "chroma" (plain).
        pitch_parameters: arguments of the extractor.
        **move: arguments of `MOVE`, whose weights are under `move.`.

    >>> encoder = VersionEncoder(pitch="chroma", dim=16, channels=8, kernel_time=20).eval()
    >>> encoder(torch.randn(1, 22050 * 20)).pooled.shape
    torch.Size([1, 16])
    """

    def __init__(
        self,
        pitch: Literal["pitchnet", "chroma"] = "pitchnet",
        pitch_parameters: Mapping[str, Any] | None = None,
        **move: Any,
    ) -> None:
        super().__init__()
        self.pitch: Any = _pitch_extractor(pitch)(**(pitch_parameters or {}))
        self.move = MOVE(**move)

    def features(self, waveform: Tensor) -> Tensor:
        """Waveform `(B, samples)` → pitch classes `(B, 12, T)` in [0, 1]; what training may cache."""
        return self.pitch.profile(waveform)

    def encode_features(self, features: Tensor) -> Encoded:
        """Pitch classes `(B, 12, T)` → one vector a song."""
        return Encoded(pooled=self.move(tile_pitch_classes(features)))

    def forward(self, waveform: Tensor) -> Encoded:
        return self.encode_features(self.features(waveform))

    def from_published(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """A published MOVE checkpoint fills `move.`; the extractor's weights are kept."""
        if any(key.startswith("move.") for key in state):
            return state
        ours = {f"pitch.{key}": value for key, value in self.pitch.state_dict().items()}
        return ours | {f"move.{key}": value for key, value in state.items()}


def _pitch_extractor(name: str) -> type[nn.Module]:
    if name == "pitchnet":
        from ohrwurm.models.pitchnet import PitchNet

        return PitchNet
    if name == "chroma":
        from ohrwurm.audio.spectral import Chroma

        return Chroma
    raise ModelError(f"no pitch extractor named {name!r}; known: pitchnet, chroma")
