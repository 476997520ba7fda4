"""Contrastive losses between two views of the same items, in batch order."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

LARGEST_SCALE = 100.0


def clip_logits(audio: Tensor, text: Tensor, logit_scale: Tensor, largest: float = LARGEST_SCALE) -> Tensor:
    """Scaled cosines `(batch, batch)`, audio in rows.

    The multiplier `exp(logit_scale)` is held at or below `largest`; the parameter itself is not, and receives no
    gradient while it is above.

    Args:
        audio, text: `(batch, dim)`, of any length.
        logit_scale: the learned logarithm of the multiplier, of one element.
    """
    scale = logit_scale.exp().clamp(max=largest)
    return scale * (functional.normalize(audio, dim=-1) @ functional.normalize(text, dim=-1).T)


def clip_loss(audio: Tensor, text: Tensor, logit_scale: Tensor, largest: float = LARGEST_SCALE) -> Tensor:
    """Symmetric cross-entropy of CLIP: each item's other view against those of all other items of the batch.

    Args:
        audio, text: `(batch, dim)`; row i of both belongs to item i.
        logit_scale: the learned logarithm of the inverse temperature (TTMR: starts at log(1 / 0.2)).
        largest: upper bound of the multiplier.

    Returns:
        The mean of both directions' losses, a scalar.

    Source: Radford et al., "Learning transferable visual models from natural language supervision", 2021, figure 3;
    for music Doh et al., "Toward universal text-to-music retrieval", 2023.

    >>> vectors = torch.eye(4)
    >>> round(float(clip_loss(vectors, vectors, torch.tensor(4.0))), 4)
    0.0
    """
    logits = clip_logits(audio, text, logit_scale, largest)
    targets = torch.arange(len(logits), device=logits.device)
    return (functional.cross_entropy(logits, targets) + functional.cross_entropy(logits.T, targets)) / 2


def in_batch_accuracy(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Shares of rows, and of columns, whose largest entry lies on the diagonal (for logging).

    >>> in_batch_accuracy(torch.tensor([[2.0, 1.0], [3.0, 1.5]]))
    (tensor(0.5000), tensor(0.5000))
    """
    targets = torch.arange(len(logits), device=logits.device)
    rows = (logits.argmax(1) == targets).float().mean()
    columns = (logits.argmax(0) == targets).float().mean()
    return rows, columns
