"""TTMR's Transformer over the tokens of its CNN: pre-norm, a learned CLS token and learned positions, no final norm.

The module and parameter names are those of the published checkpoints.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ohrwurm.errors import ModelError
from ohrwurm.models.ttmr_cnn import Frontend


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
