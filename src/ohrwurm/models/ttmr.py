"""TTMR, "Toward Universal Text-to-Music Retrieval" (Doh, Won, Choi, Nam; ICASSP 2023): the contrastive model.

    waveform ─mel dB─▶ CNN (residual, max-pooled) ─tokens─▶ Transformer ─CLS─▶ LayerNorm, Linear ─▶ joint space
    text     ─BERT [CLS] or static word vectors──────────────────────────────▶ LayerNorm, Linear ─▶ joint space

The module and parameter names are those of the published checkpoints. A lighter model is the same class with other
numbers (`channels`, `n_mels`, `hop`, ...), not another class.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ohrwurm.audio.spectral import MelSpectrogram, Power
from ohrwurm.errors import ModelError
from ohrwurm.models.base import Encoded, JointModel, ModelCard, TextEncoder
from ohrwurm.models.registry import architecture, register_card
from ohrwurm.models.text import text_encoder

MixType = Literal["cf", "ft"]


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, then max pooling: (B, Cin, F, T) → (B, Cout, F // f, T // t)."""

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

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn_2(self.conv_2(torch.relu(self.bn_1(self.conv_1(x)))))
        shortcut = self.bn_3(self.conv_3(x)) if self.reshapes else x
        return self.pool(torch.relu(out + shortcut))


class Frontend(nn.Module):
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
        super().__init__()
        self.input_bn = nn.BatchNorm2d(1)
        self.depth = len(channels)
        for i, (before, after, pool) in enumerate(zip([1, *channels], channels, pools, strict=False), start=1):
            self.add_module(f"layer{i}", ResidualBlock(before, after, pool))
        self.mix_type = mix_type
        rows, self.shortest = n_mels, 1
        for frequency, time in pools:
            rows //= frequency
            self.shortest *= time
        self.fc = nn.Linear(channels[-1] * rows if mix_type == "cf" else channels[-1], attention_dim)

    def forward(self, mel: Tensor) -> Tensor:
        if mel.shape[-1] < self.shortest:
            raise ModelError(f"{mel.shape[-1]} mel frames; the model takes {self.shortest} or more: use longer windows")
        x = self.input_bn(mel.unsqueeze(1))  # (B, 1, F, T)
        for i in range(1, self.depth + 1):
            x = self.get_submodule(f"layer{i}")(x)  # (B, C, F', T')
        if self.mix_type == "cf":
            return self.fc(x.permute(0, 3, 1, 2).flatten(2))  # from (B, T', C F')
        return self.fc(x.flatten(2).transpose(1, 2))  # from (B, F' T', C)


class Attention(nn.Module):
    """Multi-head self-attention; no bias on q, k, v; no dropout on the attention weights."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.to_out = nn.Sequential(nn.Linear(dim, dim), nn.Dropout(dropout))

    def forward(self, x: Tensor) -> Tensor:
        batch, length, dim = x.shape
        qkv = self.to_qkv(x).view(batch, length, 3, self.heads, dim // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, L, dim / heads)
        out = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.to_out(out.transpose(1, 2).reshape(batch, length, dim))


class FeedForward(nn.Module):
    """Linear, exact GELU, Linear."""

    def __init__(self, dim: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(dim, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, dim), nn.Dropout(dropout)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class PreNorm(nn.Module):
    """x + fn(LayerNorm(x)); the two inner names are those of the published checkpoints."""

    def __init__(self, dim: int, fn: nn.Module) -> None:
        super().__init__()
        self.fn = nn.ModuleDict({"norm": nn.LayerNorm(dim), "fn": fn})

    def forward(self, x: Tensor) -> Tensor:
        return x + self.fn["fn"](self.fn["norm"](x))


class Transformer(nn.Module):
    """Pre-norm Transformer without a final norm."""

    def __init__(self, dim: int, layers: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(PreNorm(dim, Attention(dim, heads, dropout)), PreNorm(dim, FeedForward(dim, hidden, dropout)))
            for _ in range(layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class AudioTransformer(nn.Module):
    """Mel in dB `(B, n_mels, T)` → `(B, 1 + tokens, attention_dim)`, position 0 is the CLS token."""

    def __init__(
        self,
        frontend: Frontend,
        dim: int,
        layers: int,
        heads: int,
        hidden: int,
        max_tokens: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.pos_embedding = nn.Parameter(torch.randn(1, max_tokens + 1, dim))
        self.cls_token = nn.Parameter(torch.randn(dim))
        self.frontend = frontend
        self.dropout = nn.Dropout(dropout)
        self.transformer = Transformer(dim, layers, heads, hidden, dropout)

    def forward(self, mel: Tensor) -> Tensor:
        tokens = self.frontend(mel)  # (B, L, D)
        batch, length, _ = tokens.shape
        if length >= self.pos_embedding.shape[1]:
            limit = self.pos_embedding.shape[1] - 1
            raise ModelError(
                f"{mel.shape[-1]} mel frames make {length} tokens; the model takes {limit}: use shorter windows"
            )
        x = torch.cat([self.cls_token.expand(batch, 1, -1), tokens], dim=1)
        return self.transformer(self.dropout(x + self.pos_embedding[:, : length + 1]))


@architecture("ttmr")
class TTMR(JointModel):
    """Contrastive text-audio model. The defaults are the published model with BERT.

    Args:
        sample_rate, n_fft, hop, n_mels, power: mel front-end (`ohrwurm.audio.spectral.MelSpectrogram`).
        level: "absolute" takes decibels as they are (published); "peak" takes them relative to the loudest cell of
            the window, floored at -80 dB, so that the vector does not depend on the recording's gain.
        channels: output channels of the residual stages; `pools` their max pooling (frequency, time), 2 x 2 published.
        mix_type: how CNN cells become tokens, see `Frontend`.
        attention_dim, layers, heads, ffn, max_tokens, dropout: the Transformer; `ffn` defaults to 4 x `attention_dim`.
        dim: size of the joint space.
        text: one of `ohrwurm.models.text.KINDS`: "bert" and "glove" as published, "static" (word vectors held in the
            weights), ...; or "none" (`project_text` only).
        text_dim: size of the text encoder's output: 768 of BERT-base, 300 of the published GloVe vectors.
        text_parameters: arguments of the text encoder's class.
        temperature: initial temperature of the contrastive loss (`logit_scale` = log 1/temperature).

    >>> model = TTMR(channels=(8, 8, 8, 8), attention_dim=32, layers=1, dim=16, text="none", text_dim=8).eval()
    >>> encoded = model(torch.randn(2, 32000))
    >>> encoded.pooled.shape, encoded.frames.shape
    (torch.Size([2, 16]), torch.Size([2, 12, 32]))
    """

    text_encoder: TextEncoder | None

    def __init__(
        self,
        sample_rate: int = 16000,
        n_fft: int = 1024,
        hop: int = 160,
        n_mels: int = 128,
        f_min: float = 0.0,
        power: Power = "real-squared",
        level: Literal["absolute", "peak"] = "absolute",
        channels: Sequence[int] = (128, 128, 128, 128),
        pools: Sequence[Sequence[int]] | None = None,
        mix_type: MixType = "cf",
        attention_dim: int = 256,
        layers: int = 4,
        heads: int = 8,
        ffn: int | None = None,
        max_tokens: int = 512,
        dropout: float = 0.1,
        dim: int = 128,
        text: str = "bert",
        text_dim: int = 768,
        text_parameters: Mapping[str, Any] | None = None,
        temperature: float = 0.2,
    ) -> None:
        super().__init__()
        stage_pools = [(int(f), int(t)) for f, t in pools or [(2, 2)] * len(channels)]
        if len(stage_pools) != len(channels):
            raise ModelError(f"{len(channels)} channels but {len(stage_pools)} pools: give one pool a stage")
        if level not in ("absolute", "peak"):
            raise ModelError(f"level must be 'absolute' or 'peak', not {level!r}")
        self.level = level
        # One-element float64, as published; the loss multiplies by exp(logit_scale), clamped to 100.
        self.logit_scale = nn.Parameter(torch.tensor([math.log(1 / temperature)], dtype=torch.float64))
        self.mel = MelSpectrogram(sample_rate, n_fft, hop, n_mels, f_min, power=power)
        self.audio_encoder = AudioTransformer(
            Frontend(n_mels, channels, stage_pools, attention_dim, mix_type),
            attention_dim,
            layers,
            heads,
            ffn or 4 * attention_dim,
            max_tokens,
            dropout,
        )
        self.text_encoder = text_encoder(text, text_dim, **(text_parameters or {}))
        self.audio_projector = nn.Sequential(nn.LayerNorm(attention_dim), nn.Linear(attention_dim, dim, bias=False))
        self.text_projector = nn.Sequential(nn.LayerNorm(text_dim), nn.Linear(text_dim, dim, bias=False))

    def features(self, waveform: Tensor) -> Tensor:
        """Waveform `(B, samples)` → mel in dB `(B, n_mels, samples // hop + 1)`; what training may cache."""
        return self.mel(waveform)

    def encode_features(self, features: Tensor) -> Encoded:
        """Mel in dB → `pooled (B, dim)` not normalised, `frames (B, tokens, attention_dim)` before the projection."""
        if self.level == "peak":
            features = (features - features.amax(dim=(-2, -1), keepdim=True)).clamp(min=-80.0)
        tokens = self.audio_encoder(features)
        return Encoded(pooled=self.audio_projector(tokens[:, 0]), frames=tokens[:, 1:])

    def forward(self, waveform: Tensor) -> Encoded:
        return self.encode_features(self.features(waveform))

    def project_text(self, vectors: Tensor) -> Tensor:
        """Text vectors `(n, text_dim)` of any encoder → `(n, dim)` in the joint space, not normalised."""
        return self.text_projector(vectors)

    def encode_text(self, texts: list[str]) -> Tensor:
        if self.text_encoder is None:
            raise ModelError("this TTMR was built with text='none': give text vectors to project_text instead")
        return self.project_text(self.text_encoder(texts))

    def from_published(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The state dict of an original TTMR checkpoint in this class's form.

        The second name of `logit_scale` and BERT's position ids are dropped, a missing BERT pooler (never used) keeps
        its values, and the stored mel constants are compared with this model's: a checkpoint made with another
        front-end is refused.
        """
        state = dict(state)
        state.pop("head.logit_scale", None)
        state.pop("text_encoder.embeddings.position_ids", None)
        for key, value in self.state_dict().items():
            if key.startswith("text_encoder.pooler."):
                state.setdefault(key, value)
        for key, ours in (("spec_fn.window", self.mel.window), ("mel_scale.fb", self.mel.bank)):
            theirs = state.pop(f"audio_encoder.audio_representation.{key}", None)
            if theirs is not None and (theirs.shape != ours.shape or (theirs.float() - ours).abs().max() > 1e-4):
                raise ModelError(
                    f"the checkpoint's {key} {tuple(theirs.shape)} is not this model's {tuple(ours.shape)}: "
                    "it was trained with another n_fft, n_mels or sample_rate. Set them in the card."
                )
        return state


register_card(
    ModelCard(
        name="ttmr-contrastive-bert-stochastic",
        architecture="ttmr",
        sample_rate=16000,
        window=9.91,
        hop=9.91,
        dim=128,
        good_for=("words", "sound"),
        joint=True,
        description="Text-to-music retrieval by contrastive learning, with BERT over a random subset of the tags. "
        "Published weights are not bundled: load(name, weights='best.pth'). The paper's protocol embeds whole "
        "9.91 s windows and drops the remainder.",
        pooling="mean-then-l2",
        features={
            "n_fft": 1024,
            "hop": 160,
            "n_mels": 128,
            "power": "real-squared",
            "protocol": "remainder dropped",
        },
        frame_rate=6.25,
        licence="weights CC-BY-NC-4.0",
        paper="Doh et al., Toward Universal Text-to-Music Retrieval, ICASSP 2023",
        source="https://zenodo.org/record/7322135",
    )
)
