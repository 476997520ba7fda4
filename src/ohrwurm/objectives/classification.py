"""Losses of labels: several at once (tags, pitch classes), some of them possibly unknown."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def binary_cross_entropy(logits: Tensor, targets: Tensor, known: Tensor | None = None) -> Tensor:
    """Mean binary cross-entropy of `sigmoid(logits)`, over the entries that are known.

    Args:
        logits: any shape.
        targets: the same shape, in [0, 1].
        known: the same shape, true where the target counts; all of them unless given. With none known the loss is 0.

    >>> logits, targets = torch.tensor([0.0, 9.0]), torch.tensor([1.0, 0.0])
    >>> binary_cross_entropy(logits, targets, known=torch.tensor([True, False]))
    tensor(0.6931)
    """
    if known is None:
        return functional.binary_cross_entropy_with_logits(logits, targets.to(logits))
    each = functional.binary_cross_entropy_with_logits(logits, targets.to(logits), reduction="none")
    return torch.where(known, each, 0.0).sum() / known.sum().clamp(min=1)
