"""MusCALL's text Transformer: CLIP's tokens, a causal pre-norm Transformer trained from scratch, the end token's state.

Parameter names are those of the published checkpoints.
"""

from __future__ import annotations

from torch import Tensor, nn

from ohrwurm.models.text import TokenTextEncoder, state_at_end


class CausalAttention(nn.Module):
    """Multi-head self-attention in which a token sees itself and what stands before it."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.to_qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.out_projection = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, dim = x.shape
        qkv = self.to_qkv(x).view(batch, length, 3, self.heads, dim // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, L, dim / heads)
        dropout = self.dropout if self.training else 0.0
        out = nn.functional.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=True)
        return self.out_projection(out.transpose(1, 2).reshape(batch, length, dim))


class FeedForward(nn.Module):
    """Linear, exact GELU, dropout, Linear."""

    def __init__(self, dim: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, dim))

    def forward(self, x: Tensor) -> Tensor:
        return self.mlp(x)


class Residual(nn.Module):
    """x + fn(LayerNorm(x))."""

    def __init__(self, dim: int, fn: nn.Module) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fn = fn

    def forward(self, x: Tensor) -> Tensor:
        return x + self.fn(self.norm(x))


class Transformer(nn.Module):
    """Pre-norm layers and a final norm."""

    def __init__(self, dim: int, layers: int, heads: int, ffn: int, dropout: float, attention_dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                Residual(dim, CausalAttention(dim, heads, attention_dropout)),
                Residual(dim, FeedForward(dim, ffn, dropout)),
            )
            for _ in range(layers)
        )
        self.norm_out = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return self.norm_out(x)


class CausalTextEncoder(TokenTextEncoder):
    """MusCALL's text head; the defaults are the published ones. The vector of a text is the state at its end token.

    The published code pads every text with zeros to `max_tokens`. Through the causal mask no state sees what comes
    after it, so that padding, here only to the longest text of a batch, changes nothing.

    Args:
        vocabulary: number of token ids.
        dim, layers, heads, ffn: the Transformer; `ffn` defaults to 4 x `dim`.
        max_tokens: positions; longer texts are cut.
        dropout: inside the feed-forward; `attention_dropout` on the attention weights.
        tokenizer: a folder with a tokeniser's files, or its name on the Hugging Face hub; loaded at the first text.
            Any tokeniser that closes a text with a token of its own will do (the published code took the largest id
            for it, which with BERT's tokeniser was any word).

    >>> import torch
    >>> encoder = CausalTextEncoder(vocabulary=50, dim=16, layers=1, heads=2).eval()
    >>> ids = torch.tensor([[48, 7, 49, 0], [48, 7, 8, 49]])
    >>> encoder.pool(encoder.encode_tokens(ids), ids).shape
    torch.Size([2, 16])
    """

    def __init__(
        self,
        vocabulary: int = 49408,
        dim: int = 512,
        layers: int = 4,
        heads: int = 8,
        ffn: int | None = None,
        max_tokens: int = 77,
        dropout: float = 0.2,
        attention_dropout: float = 0.2,
        tokenizer: str = "openai/clip-vit-base-patch32",
    ) -> None:
        super().__init__(tokenizer, max_tokens)
        self.dim = dim
        self.token_embedding = nn.Embedding(vocabulary, dim)
        self.position_embedding = nn.Embedding(max_tokens, dim)
        self.transformer = Transformer(dim, layers, heads, ffn or 4 * dim, dropout, attention_dropout)
        # In every published checkpoint, and never used: without gradient, so that nothing waits for one.
        self.ln_final = nn.LayerNorm(dim).requires_grad_(False)

    def encode_tokens(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """Token ids `(n, length)` → states after the final norm `(n, length, dim)`; causality makes a mask needless."""
        x = self.token_embedding(ids) + self.position_embedding.weight[: ids.shape[1]]
        return self.transformer(x)

    def pool(self, states: Tensor, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        return state_at_end(states, ids, mask)
