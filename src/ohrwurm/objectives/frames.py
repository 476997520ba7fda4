"""Losses of heads that say something of every frame: each output for itself, over the frames whose truth is known.

Sources: Yuan et al., "MARBLE", NeurIPS 2023; Foscarin, Schlüter, Widmer, "Beat this!", ISMIR 2024 (positive weight).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

IGNORED = -1  # target of what is not known


def frame_loss(logits: Tensor, targets: Tensor, positive_weight: float = 1.0) -> tuple[Tensor, Tensor]:
    """The summed loss of an output, and how many targets were known; their quotient is the mean.

    Args:
        logits: `(..., n)`.
        targets: `(...)` whole numbers, of `n` classes that exclude one another (cross-entropy); or `(..., n)` floats
            between 0 and 1, each yes or no for itself (binary cross-entropy). `IGNORED` does not count.
        positive_weight: of what is 1, in binary cross-entropy.

    >>> loss, known = frame_loss(torch.zeros(2, 3, 4), torch.tensor([[0, 1, -1], [3, -1, -1]]))
    >>> round(float(loss / known), 4), int(known)
    (1.3863, 3)
    >>> loss, known = frame_loss(torch.zeros(1, 2, 2), torch.tensor([[[1.0, -1.0], [0.0, 0.5]]]))
    >>> round(float(loss / known), 4), int(known)
    (0.6931, 3)
    """
    logits = logits.float()
    if not targets.is_floating_point():
        flat = targets.flatten()
        loss = functional.cross_entropy(logits.flatten(0, -2), flat, ignore_index=IGNORED, reduction="sum")
        return loss, (flat != IGNORED).sum().float()
    known = (targets >= 0).float()
    weight = None if positive_weight == 1 else torch.tensor(positive_weight, device=logits.device)
    each = functional.binary_cross_entropy_with_logits(
        logits, targets.clamp(min=0), reduction="none", pos_weight=weight
    )
    return (each * known).sum(), known.sum()
