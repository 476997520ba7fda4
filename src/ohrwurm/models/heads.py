"""Small heads on an encoder's vectors: TTMR's linear and MLP probes, and the head of its fine-tuning.

They return logits. Parameter names are those of the published code.
"""

from __future__ import annotations

from torch import Tensor, nn


class ProbeHead(nn.Module):
    """A vector of a frozen encoder `(B, dim)` → logits `(B, classes)`: LayerNorm if asked for, dropout, then layers.

    The published evaluation leaves the LayerNorm out although the head was trained with it; its figures of probes with
    `norm` are such. `published_evaluation` gives those numbers.

    Args:
        dim: size of the vectors.
        classes: number of classes.
        hidden: width of the hidden layer (published MLP: 512); None is a linear probe.
        norm: a LayerNorm before all else.
        dropout: before the first layer.

    >>> import torch
    >>> ProbeHead(128, 50, hidden=512)(torch.zeros(2, 128)).shape
    torch.Size([2, 50])
    """

    def __init__(
        self, dim: int, classes: int, hidden: int | None = None, norm: bool = False, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.norm_layer = nn.LayerNorm(dim) if norm else None
        self.dropout = nn.Dropout(dropout)
        self.cls_head: nn.Module
        if hidden is None:
            self.cls_head = nn.Linear(dim, classes)
        else:
            self.cls_head = nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, classes))

    def forward(self, vectors: Tensor) -> Tensor:
        if self.norm_layer is not None:
            vectors = self.norm_layer(vectors)
        return self.published_evaluation(vectors)

    def published_evaluation(self, vectors: Tensor) -> Tensor:
        """Logits without the LayerNorm."""
        return self.cls_head(self.dropout(vectors))


class FineTuneHead(nn.Module):
    """The CLS state of an encoder that is trained along, `(B, dim)` → logits `(B, classes)`: LayerNorm, Linear.

    >>> import torch
    >>> FineTuneHead(256, 10)(torch.zeros(2, 256)).shape
    torch.Size([2, 10])
    """

    def __init__(self, dim: int, classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.cls_head = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, classes))

    def forward(self, cls: Tensor) -> Tensor:
        return self.cls_head(self.dropout(cls))
