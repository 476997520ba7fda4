"""MusCALL, "Contrastive Audio-Language Learning for Music" (Manco, Benetos, Quinton, Fazekas; ISMIR 2022).

    waveform ─mel dB─▶ ModifiedResNet (CLIP's, narrow) ─attention or average pooling─▶ Linear ─▶ joint space
    text     ─causal Transformer, or CLIP's text model, at the end token────────────▶ Linear ─▶ joint space

Module and parameter names are those of the published code's checkpoints, its dead and doubled keys included
(`from_published`, `to_published`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ohrwurm.audio.spectral import MelSpectrogram
from ohrwurm.errors import ModelError
from ohrwurm.models.base import Encoded, JointModel, ModelCard, Precision, TextEncoder, check_texts
from ohrwurm.models.folding import Derived, folded, folds, tensors_of
from ohrwurm.models.precision import has_bf16
from ohrwurm.models.registry import architecture, register_card
from ohrwurm.models.text import text_encoder

Pool = Literal["attention", "average"]
Folded = dict[nn.Module, tuple[Tensor, Tensor]]  # convolution → weight and bias that hold its batch norm too
PUBLISHED_BLOCKS = (3, 4, 6, 3)
EXPANSION = 4
ALIAS = "audio_ssl.simclr.encoder."  # the backbone's second name in checkpoints of self-supervised training


class Bottleneck(nn.Module):
    """1x1, 3x3, average pooling, 1x1 beside a shortcut: (B, Cin, F, T) → (B, 4 planes, F // stride, T // stride)."""

    def __init__(self, channels_in: int, planes: int, stride: int, reshapes: bool) -> None:
        super().__init__()
        out = EXPANSION * planes
        self.conv1, self.bn1 = nn.Conv2d(channels_in, planes, 1, bias=False), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False), nn.BatchNorm2d(planes)
        self.conv3, self.bn3 = nn.Conv2d(planes, out, 1, bias=False), nn.BatchNorm2d(out)
        self.stride = stride
        self.downsample = (
            nn.Sequential(nn.Conv2d(channels_in, out, 1, bias=False), nn.BatchNorm2d(out)) if reshapes else None
        )

    def pairs(self) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
        """Its convolutions, each with the batch norm that follows."""
        found = [(self.conv1, self.bn1), (self.conv2, self.bn2), (self.conv3, self.bn3)]
        return found if self.downsample is None else [*found, tuple(self.downsample)]  # type: ignore[list-item]

    def forward(self, x: Tensor, weights: Folded | None = None) -> Tensor:
        out = _convolve(x, self.conv1, self.bn1, weights).relu_()
        out = _convolve(out, self.conv2, self.bn2, weights).relu_()
        shortcut = x
        if self.stride > 1:
            out = nn.functional.avg_pool2d(out, self.stride)
            shortcut = nn.functional.avg_pool2d(x, self.stride)
        if self.downsample is not None:
            shortcut = _convolve(shortcut, self.downsample[0], self.downsample[1], weights)
        return _convolve(out, self.conv3, self.bn3, weights).add_(shortcut).relu_()


def _convolve(x: Tensor, conv: nn.Module, bn: nn.Module, weights: Folded | None) -> Tensor:
    if weights is None:
        return bn(conv(x))
    assert isinstance(conv, nn.Conv2d)
    weight, bias = weights[conv]
    return nn.functional.conv2d(x.to(weight.dtype), weight, bias, conv.stride, conv.padding)


class AttentionPool(nn.Module):
    """Cells `(B, C, F, T)` → `(B, out)`: their mean, as the one query, attends to itself and all of them.

    In the published code every token is a query and the first one's result is taken. Here there is only that query,
    and keys and values are never formed: with one query a head, q · (K t + b) = (Kᵀ q) · t + q · b, and the weighted
    sum of V t + b is V (weighted sum of t) + b.
    """

    def __init__(self, tokens: int, dim: int, heads: int, out: int) -> None:
        super().__init__()
        self.heads = heads
        self.positional_embedding = nn.Parameter(torch.randn(tokens, dim) / dim**0.5)
        self.k_proj, self.q_proj, self.v_proj = (nn.Linear(dim, dim) for _ in range(3))
        self.c_proj = nn.Linear(dim, out)

    def forward(self, x: Tensor) -> Tensor:
        cells = x.flatten(2).transpose(1, 2)  # (B, F T, C), frequency major
        tokens = torch.cat([cells.mean(1, keepdim=True), cells], dim=1) + self.positional_embedding  # (B, N, C)
        q = self.q_proj(tokens[:, 0]).unflatten(-1, (self.heads, -1))  # (B, heads, C / heads)
        q = q * q.shape[-1] ** -0.5
        keys = self.k_proj.weight.unflatten(0, (self.heads, -1))  # (heads, C / heads, C)
        values = self.v_proj.weight.unflatten(0, (self.heads, -1))
        scores = torch.einsum("bhd,hdc->bhc", q, keys) @ tokens.transpose(1, 2)  # (B, heads, N)
        scores = scores + (q * self.k_proj.bias.unflatten(0, (self.heads, -1))).sum(-1, keepdim=True)
        seen = torch.softmax(scores, dim=-1) @ tokens  # (B, heads, C)
        return self.c_proj(torch.einsum("bhc,hdc->bhd", seen, values).flatten(1) + self.v_proj.bias)


class ModifiedResNet(nn.Module):
    """Mel in dB `(B, n_mels, T)` → `(B, out)`; CLIP's ResNet with three convolutions at the start, at any width.

    In eval mode, without gradients, the batch norms are folded into the convolutions.

    Args:
        n_mels, frames: size of the mel; "average" pooling takes other numbers of frames too.
        width: channels after the first three convolutions.
        blocks: bottlenecks of each stage; every stage after the first halves both axes and doubles the channels.
        pooling, heads: how cells become one vector.
        out: its size.
    """

    def __init__(
        self, n_mels: int, frames: int, width: int, blocks: Sequence[int], pooling: Pool, heads: int, out: int
    ) -> None:
        super().__init__()
        half = width // 2
        self.conv1, self.bn1 = nn.Conv2d(1, half, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(half)
        self.conv2, self.bn2 = nn.Conv2d(half, half, 3, padding=1, bias=False), nn.BatchNorm2d(half)
        self.conv3, self.bn3 = nn.Conv2d(half, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.stages, channels = len(blocks), width
        for stage, count in enumerate(blocks):
            planes, stride, layer = width * 2**stage, 1 if stage == 0 else 2, nn.Sequential()
            for i in range(count):
                layer.append(Bottleneck(channels, planes, stride if i == 0 else 1, reshapes=i == 0))
                channels = EXPANSION * planes
            self.add_module(f"layer{stage + 1}", layer)
        self.rows, self.columns = self._reduced(n_mels), self._reduced(frames)
        if self.rows < 1 or self.columns < 1:
            raise ModelError(f"a mel of {n_mels} x {frames}; {self.stages} stages need {self._shortest(1)} of each")
        self.pooling = pooling
        if pooling == "attention":
            self.attnpool = AttentionPool(self.rows * self.columns + 1, channels, heads, out)
        elif pooling == "average":
            self.final_linear = nn.Linear(channels, out)
        else:
            raise ModelError(f"pooling must be 'attention' or 'average', not {pooling!r}")
        self.dtype = torch.float32  # of the folded network
        self._folded = Derived[Folded]()

    def forward(self, mel: Tensor) -> Tensor:
        self._check(mel.shape[-1])
        quick = folds(self) or (self.dtype != torch.float32 and not self.training)
        weights = self._folded.of(tensors_of(self), self._fold) if quick else None
        x = mel.unsqueeze(1)  # (B, 1, F, T)
        if weights is not None or x.is_cuda:
            # The sizes mean the same; on CPUs these kernels need no reordering of so few channels. Not in training:
            # the CPU's batch statistics of this layout are too inexact for them (loss 1e-4, gradients 24 % off).
            x = x.contiguous(memory_format=torch.channels_last)
        for conv, bn in ((self.conv1, self.bn1), (self.conv2, self.bn2), (self.conv3, self.bn3)):
            x = _convolve(x, conv, bn, weights).relu_()  # F and T halved by the first
        x = nn.functional.avg_pool2d(x, 2)
        for stage in range(1, self.stages + 1):
            for block in self.get_submodule(f"layer{stage}").children():
                x = block(x, weights)
        x = x.float()  # (B, 32 width, rows, columns)
        return self.attnpool(x) if self.pooling == "attention" else self.final_linear(x.mean((2, 3)))

    def train(self, mode: bool = True) -> ModifiedResNet:
        self._folded.drop()
        super().train(mode)
        return self

    def _fold(self) -> Folded:
        pairs = [(self.conv1, self.bn1), (self.conv2, self.bn2), (self.conv3, self.bn3)]
        for module in self.modules():
            if isinstance(module, Bottleneck):
                pairs += module.pairs()
        weights: Folded = {}
        for conv, bn in pairs:
            # The first convolution reads decibels, of which bfloat16 would keep two digits.
            dtype = torch.float32 if conv is self.conv1 else self.dtype
            weight, bias = folded(conv, bn)
            weights[conv] = (weight.to(dtype, memory_format=torch.channels_last), bias.to(dtype))
        return weights

    def _reduced(self, length: int) -> int:
        """Cells that the stages leave of `length` rows or frames: the first convolution rounds up, the pools down."""
        return (length + 1) // 2 // 2**self.stages

    def _shortest(self, cells: int) -> int:
        return 2 * cells * 2**self.stages - 1

    def _check(self, frames: int) -> None:
        columns = self._reduced(frames)
        if self.pooling == "attention" and columns != self.columns:
            allowed = f"{self._shortest(self.columns)} to {self._shortest(self.columns + 1) - 1}"
            raise ModelError(f"{frames} mel frames; attention pooling was made for {allowed}: set audio_seconds")
        if columns < 1:
            raise ModelError(f"{frames} mel frames; the model takes {self._shortest(1)} or more: use longer windows")


@architecture("muscall")
class MusCALL(JointModel):
    """Contrastive text-audio model; the defaults are the published configuration.

    Args:
        sample_rate, n_fft, n_mels, f_min, f_max, top_db: mel front-end; the hop is half of `n_fft`. The published
            `f_max` lies above half the sample rate, so that the upper 12 of its 128 bands stay at the floor.
        audio_seconds: length of the windows; attention pooling has one position for each cell of such a window.
        width, blocks, pooling, heads, audio_dim: the `ModifiedResNet`; `audio_dim` is the size of what it gives.
        dim: size of the joint space.
        text: "transformer" or "clip" as published, another of `ohrwurm.models.text.KINDS`, or "none".
        text_dim: size of the text encoder's output; None is what the encoder has by itself.
        text_parameters: arguments of the text encoder's class.
        temperature: fixes it; None learns it, from 0.07 on (`logit_scale` = log 1/temperature).
        ssl_dim: size of the projection for audio self-supervision (published: 128); None has none.

    >>> small = {"audio_seconds": 2, "width": 4, "audio_dim": 8, "dim": 16, "text": "static", "text_dim": 8}
    >>> model = MusCALL(**small, text_parameters={"vocabulary": ["jazz", "slow"]}).eval()
    >>> model(torch.randn(2, 32000)).pooled.shape, model.encode_text(["slow jazz"]).shape
    (torch.Size([2, 16]), torch.Size([1, 16]))
    """

    textual_head: TextEncoder | None

    def __init__(
        self,
        sample_rate: int = 16000,
        n_fft: int = 1024,
        n_mels: int = 128,
        f_min: float = 0.0,
        f_max: float | None = 11025.0,
        top_db: float | None = 100.0,
        audio_seconds: float = 20.0,
        width: int = 16,
        blocks: Sequence[int] = PUBLISHED_BLOCKS,
        pooling: Pool = "attention",
        heads: int = 8,
        audio_dim: int = 256,
        dim: int = 512,
        text: str = "transformer",
        text_dim: int | None = None,
        text_parameters: Mapping[str, Any] | None = None,
        temperature: float | None = None,
        ssl_dim: int | None = None,
    ) -> None:
        super().__init__()
        hop = n_fft // 2
        self.temperature = temperature
        if temperature is None:
            self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        self.mel = MelSpectrogram(sample_rate, n_fft, hop, n_mels, f_min, f_max, normalized=True, top_db=top_db)
        frames = round(audio_seconds * sample_rate) // hop + 1
        self.audio_backbone = ModifiedResNet(n_mels, frames, width, blocks, pooling, heads, audio_dim)
        self.textual_head = text_encoder(text, text_dim, **(text_parameters or {}))
        if self.textual_head is not None:
            text_dim = self.textual_head.dim
        elif text_dim is None:
            raise ModelError("text='none' needs text_dim, the size of the vectors that project_text will get")
        self.audio_projection = nn.Linear(audio_dim, dim, bias=False)
        self.text_projection = nn.Linear(text_dim, dim, bias=False)
        self.audio_ssl = None if ssl_dim is None else _projector(audio_dim, ssl_dim)

    @property
    def text_encoder(self) -> TextEncoder | None:
        """The text side before its projection, under the name that all joint models have for it."""
        return self.textual_head

    @property
    def scale(self) -> Tensor:
        """What the loss multiplies cosines by: 1 / temperature."""
        if self.temperature is not None:
            return torch.tensor(1 / self.temperature, device=self.audio_projection.weight.device)
        return self.logit_scale.exp()

    def features(self, waveform: Tensor) -> Tensor:
        """Waveform `(B, samples)` → mel in dB `(B, n_mels, samples // hop + 1)`; what training may cache."""
        return self.mel(waveform)

    def encode_features(self, features: Tensor) -> Encoded:
        """Mel in dB → `pooled (B, dim)`, not normalised."""
        return Encoded(pooled=self.audio_projection(self.audio_backbone(features)))

    def forward(self, waveform: Tensor) -> Encoded:
        return self.encode_features(self.features(waveform))

    def project_text(self, vectors: Tensor) -> Tensor:
        """Text vectors `(n, text_dim)` of any encoder → `(n, dim)` in the joint space, not normalised."""
        return self.text_projection(vectors)

    def encode_text(self, texts: list[str]) -> Tensor:
        if self.textual_head is None:
            raise ModelError("this MusCALL was built with text='none': give text vectors to project_text instead")
        check_texts(texts)
        return self.project_text(self.textual_head(texts))

    def project_ssl(self, vectors: Tensor) -> Tensor:
        """Vectors `(B, audio_dim)` of `audio_backbone` → `(B, ssl_dim)`, what self-supervision compares."""
        if self.audio_ssl is None:
            raise ModelError("this MusCALL has no projection for self-supervision: build it with ssl_dim=128")
        return self.audio_ssl.get_submodule("simclr.projector")(vectors)

    @property
    def precisions(self) -> tuple[Precision, ...]:
        return ("fp32", "bf16") if has_bf16(self.audio_projection.weight.device) else ("fp32",)

    def lower(self, precision: Precision) -> None:
        """Let the audio network compute in `precision` from its second convolution up to the pooling."""
        super().lower(precision)
        if precision == "bf16":
            self.audio_backbone.dtype = torch.bfloat16
            self.audio_backbone._folded.drop()

    def from_published(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The state dict of an original MusCALL checkpoint in this class's form.

        The stored mel constants are compared with this model's: a checkpoint made with another front-end is refused.
        The second names that audio self-supervision gave the backbone have to hold the same values; its projector is
        dropped if this model has none. CLIP's position ids, which old versions stored, are dropped.
        """
        state = dict(state)
        for key in [key for key in state if key.startswith(ALIAS)]:
            name = "audio_backbone." + key.removeprefix(ALIAS)
            if name in state and not torch.equal(state[name], state.pop(key)):
                raise ModelError(f"the checkpoint's {key} and {name} differ; they are one tensor: it is damaged")
        for key, ours in self._constants().items():
            theirs = state.pop(key, None)
            if theirs is not None and (theirs.shape != ours.shape or (theirs.float() - ours).abs().max() > 1e-4):
                raise ModelError(
                    f"the checkpoint's {key} {tuple(theirs.shape)} is not this model's {tuple(ours.shape)}: "
                    "it was trained with another n_fft, n_mels, f_max or sample_rate. Set them in the card."
                )
        if self.audio_ssl is None:
            for key in ("audio_ssl.simclr.projector.0.weight", "audio_ssl.simclr.projector.2.weight"):
                state.pop(key, None)
        state.pop("textual_head.text_model.embeddings.position_ids", None)
        return state

    def to_published(self) -> dict[str, Tensor]:
        state = self.state_dict() | self._constants()
        if self.audio_ssl is not None:
            for key in [key for key in state if key.startswith("audio_backbone.")]:
                state[ALIAS + key.removeprefix("audio_backbone.")] = state[key]
        return state

    def _constants(self) -> dict[str, Tensor]:
        prefix = "audio_backbone.spec."
        return {f"{prefix}spectrogram.window": self.mel.window, f"{prefix}mel_scale.fb": self.mel.bank}


def _projector(dim: int, out: int) -> nn.Module:
    layers = nn.Sequential(nn.Linear(dim, dim, bias=False), nn.ReLU(), nn.Linear(dim, out, bias=False))
    return nn.ModuleDict({"simclr": nn.ModuleDict({"projector": layers})})


register_card(
    ModelCard(
        name="muscall",
        architecture="muscall",
        sample_rate=16000,
        window=20.0,
        hop=20.0,
        dim=512,
        good_for=("words", "sound"),
        joint=True,
        description="Text-to-music retrieval by contrastive learning on captions: a narrow ResNet over the mel, and a "
        "causal Transformer over CLIP's tokens. Its authors published no weights: train it, or bring a checkpoint of "
        "their code with load(name, weights='best_model.pth.tar').",
        features={"n_fft": 1024, "hop": 512, "n_mels": 128, "f_max": 11025, "normalized": True, "top_db": 100},
        published={
            "place": "centre",
            "short": "pad",
            "note": "MusCALL's evaluation: the 20 s in the middle; shorter tracks with zeros at their end.",
        },
        agreement={
            "bf16": {"cosine": 0.9995, "measured": "random weights (the golden ones), 16 windows of tones and noise"}
        },
        licence="no weights are published (code: GPL-3.0)",
        paper="Manco et al., Contrastive audio-language learning for music, ISMIR 2022",
        source="https://github.com/ilaria-manco/muscall (code; no weights are published)",
        weights={"wrapper": "state_dict"},
    )
)
