"""The Conformer of MusicFM: macaron feed-forward, rotary self-attention, convolution; layers on demand.

    x += FFN(LN x) / 2;  x += Attention(LN x);  x += Convolution(LN x);  x += FFN(LN x) / 2;  x = LN x

The rotation comes before the projections to queries and keys, as in the published network, which mixes the rotated
slices: positions are in effect absolute. The sum `x` and all norms are float32 in every precision; the layers between
compute in the type of their weights. Module names are those of the published checkpoints.

Source: Gulati et al., "Conformer: convolution-augmented Transformer for speech recognition", 2020; Won, Hung, Le, "A
foundation model for music informatics", ICASSP 2024.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ohrwurm.errors import ModelError
from ohrwurm.models.folding import folded, folds
from ohrwurm.models.int8 import Int8Linear


class FeedForward(nn.Module):
    """Linear, SiLU, Linear: (B, L, D) → (B, L, D)."""

    def __init__(self, dim: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.intermediate_dense = nn.Linear(dim, hidden)
        self.output_dense = nn.Linear(hidden, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        hidden = nn.functional.silu(self.intermediate_dense(x))
        return self.dropout(self.output_dense(self.dropout(hidden)))


class Attention(nn.Module):
    """Multi-head self-attention: (B, L, D), and the same rotated, → (B, L, D). No mask: every position counts."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.linear_q = nn.Linear(dim, dim)
        self.linear_k = nn.Linear(dim, dim)
        self.linear_v = nn.Linear(dim, dim)
        self.linear_out = nn.Linear(dim, dim)

    def forward(self, x: Tensor, rotated: Tensor) -> Tensor:
        q, k, v = (
            linear(y).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, heads, L, D / heads)
            for linear, y in ((self.linear_q, rotated), (self.linear_k, rotated), (self.linear_v, x))
        )
        dropout = self.dropout if self.training else 0.0
        out = nn.functional.scaled_dot_product_attention(q, k, v, dropout_p=dropout)
        return self.linear_out(out.transpose(1, 2).flatten(2))


class ConvolutionModule(nn.Module):
    """Pointwise, GLU, depthwise over time, batch norm, SiLU, pointwise: (B, L, D) → (B, L, D)."""

    def __init__(self, dim: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.layer_norm = nn.LayerNorm(dim)
        self.pointwise_conv1 = nn.Conv1d(dim, 2 * dim, 1, bias=False)
        self.depthwise_conv = nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=dim, bias=False)
        self.batch_norm = nn.BatchNorm1d(dim)
        self.pointwise_conv2 = nn.Conv1d(dim, dim, 1, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.pointwise_conv1.weight.squeeze(-1)
        x = nn.functional.glu(nn.functional.linear(self.layer_norm(x).to(weight.dtype), weight))
        x = x.transpose(1, 2)  # (B, D, L)
        if folds(self):
            kernels, bias = folded(self.depthwise_conv, self.batch_norm)
            # As an image one pixel high whose channels come last, so that nothing is transposed in memory.
            padding = (0, self.depthwise_conv.weight.shape[-1] // 2)
            image, kernels = x.unsqueeze(2), kernels.unsqueeze(2)
            x = nn.functional.conv2d(image, kernels, bias, padding=padding, groups=len(kernels)).squeeze(2)
        else:
            x = self.batch_norm(self.depthwise_conv(x))
        x = nn.functional.silu(x).transpose(1, 2)  # (B, L, D)
        return self.dropout(nn.functional.linear(x, self.pointwise_conv2.weight.squeeze(-1)))


class Layer(nn.Module):
    """One Conformer layer: (B, L, D) float32 → the same, normed."""

    def __init__(self, dim: int, heads: int, ffn: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.ffn1_layer_norm = nn.LayerNorm(dim)
        self.ffn1 = FeedForward(dim, ffn, dropout)
        self.self_attn_layer_norm = nn.LayerNorm(dim)
        self.self_attn = Attention(dim, heads, dropout)
        self.dropout = nn.Dropout(dropout)
        self.conv_module = ConvolutionModule(dim, kernel, dropout)
        self.ffn2_layer_norm = nn.LayerNorm(dim)
        self.ffn2 = FeedForward(dim, ffn, dropout)
        self.final_layer_norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        dtype = self.conv_module.pointwise_conv1.weight.dtype  # of all that is lowered
        x = x + 0.5 * self.ffn1(self.ffn1_layer_norm(x).to(dtype))
        y = self.self_attn_layer_norm(x)
        rotated = rotate(y, self.self_attn.heads, cosine, sine)
        x = x + self.dropout(self.self_attn(y.to(dtype), rotated.to(dtype)))
        x = x + self.conv_module(x)
        x = x + 0.5 * self.ffn2(self.ffn2_layer_norm(x).to(dtype))
        return self.final_layer_norm(x)


class Conformer(nn.Module):
    """Tokens `(B, L, dim)` → one state `(B, L, dim)` a layer.

    Args:
        dim: of the tokens; a multiple of twice `heads`.
        depth, heads, ffn: layers, attention heads, width of the feed-forward networks.
        kernel: tokens that the depthwise convolutions see, odd.
        dropout: everywhere, in training.
        base: of the geometric series of the rotary wavelengths.

    >>> tokens = torch.randn(2, 7, 16)
    >>> [tuple(state.shape) for state in Conformer(dim=16, depth=3, heads=2, ffn=32).states(tokens, upto=2)]
    [(2, 7, 16), (2, 7, 16), (2, 7, 16)]
    """

    def __init__(
        self,
        dim: int,
        depth: int,
        heads: int,
        ffn: int,
        kernel: int = 31,
        dropout: float = 0.1,
        base: float = 10000.0,
    ) -> None:
        super().__init__()
        if dim % (2 * heads):
            raise ModelError(f"dim {dim} is no multiple of twice the {heads} heads, which rotary positions need")
        if kernel % 2 == 0:
            raise ModelError(f"a kernel of {kernel} has no middle: give an odd one")
        self.dim, self.heads, self.base = dim, heads, base
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(Layer(dim, heads, ffn, kernel, dropout) for _ in range(depth))
        self.layer_norm = nn.LayerNorm(dim)

    def lower(self, dtype: torch.dtype, int8: bool = False) -> None:
        """Compute everything but norms and the sum in `dtype`, or where `int8`, linear layers in 8-bit integers."""
        for module in list(self.modules()):
            for name, child in module.named_children():
                if int8 and isinstance(child, nn.Linear):
                    setattr(module, name, Int8Linear(child))
                elif isinstance(child, nn.Linear | nn.Conv1d):
                    child.to(dtype)

    def states(self, x: Tensor, upto: int | None = None) -> Iterator[Tensor]:
        """State 0 (the tokens themselves) to state `upto` (default: all), each computed when it is asked for.

        The last layer's state, and only that, passes one more layer norm, as published.
        """
        x = self.dropout(x.float())
        yield x
        cosine, sine = rotary_table(x.shape[1], self.dim // self.heads, self.base, x.device)
        for i, layer in enumerate(self.layers[:upto], start=1):
            x = layer(x, cosine, sine)
            yield self.layer_norm(x) if i == len(self.layers) else x

    def forward(self, x: Tensor, layer: int | None = None) -> Tensor:
        """The state of `layer` (default: the last), doing no work past it."""
        for state in self.states(x, layer):
            x = state
        return x


def rotary_frequencies(width: int, base: float = 10000.0) -> Tensor:
    """Radians per position of the `width / 2` planes of a head: base^(-2 i / width), float32."""
    return base ** -(torch.arange(0, width, 2).float() / width)


def rotary_table(length: int, width: int, base: float, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines `(length, 1, width / 2)` of the angles position x frequency, float32 in every precision."""
    position = torch.arange(length, device=device, dtype=torch.float32)
    angle = torch.outer(position, rotary_frequencies(width, base).to(device))[:, None]
    return angle.cos(), angle.sin()


def rotate(x: Tensor, heads: int, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn each of the `heads` slices of `(B, L, D)`; plane i of a slice is its i-th and (i + width / 2)-th number.

    >>> cosine, sine = rotary_table(3, 4, 1.0, torch.device("cpu"))  # one radian a position in both planes
    >>> rotate(torch.tensor([1.0, 0.0, 0.0, 1.0]).expand(1, 3, 4), 1, cosine, sine)[0, 1]
    tensor([ 0.5403, -0.8415,  0.8415,  0.5403])
    """
    first, second = x.unflatten(-1, (heads, -1)).chunk(2, dim=-1)  # each (B, L, heads, width / 2)
    turned = torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)
    return turned.flatten(-2)
