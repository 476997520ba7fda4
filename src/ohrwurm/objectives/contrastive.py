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


def content_weights(similarity: Tensor, sharpness: float = 0.01) -> Tensor:
    """How much each item of a batch weighs: more where its text resembles the other texts of the batch.

    Args:
        similarity: `(batch, batch)` between the texts, cosines of a sentence encoder; the diagonal is not used.
        sharpness: divides the shares of similarity before the exponential (0.01 as published).

    Returns:
        `(batch,)`, positive. Texts that resemble nothing, or each other negatively in sum (where the published formula
        divides by zero or turns around), weigh alike.

    Source: Manco, Benetos, Quinton, Fazekas, "Contrastive audio-language learning for music", ISMIR 2022, section 3.3.

    >>> content_weights(torch.tensor([[1.0, 0.0], [0.0, 1.0]])).tolist()
    [1.0, 1.0]
    """
    others = similarity - torch.diag(similarity.diagonal())
    resemblance = others.mean(dim=1)  # (B,)
    total = resemblance.sum()
    share = torch.where(total > 1e-8, resemblance / total, torch.zeros_like(resemblance))
    return (share / sharpness).exp()


def weighted_clip_loss(
    audio: Tensor, text: Tensor, logit_scale: Tensor, weights: Tensor, largest: float = torch.inf
) -> Tensor:
    """`clip_loss` in which item i counts `weights[i]`, in both directions: MusCALL's content-aware loss.

    Args:
        audio, text, logit_scale: as in `clip_loss`.
        weights: `(batch,)`, of `content_weights`.
        largest: upper bound of the multiplier (MusCALL clamps the parameter after each step instead).

    Source: as `content_weights`.

    >>> vectors = torch.eye(3)
    >>> scale = torch.tensor(1.0)
    >>> weighted = weighted_clip_loss(vectors, vectors, scale, torch.full((3,), 2.0))
    >>> bool(torch.isclose(weighted, clip_loss(vectors, vectors, scale)))
    True
    """
    logits = clip_logits(audio, text, logit_scale, largest)
    targets = torch.arange(len(logits), device=logits.device)
    directions = [functional.cross_entropy(x, targets, reduction="none") for x in (logits, logits.T)]
    return sum(((weights * each).sum() / weights.sum() for each in directions), torch.zeros(())) / 2


def nt_xent(first: Tensor, second: Tensor, temperature: float = 0.5) -> Tensor:
    """Two views of each item: every view has to find its partner among all others of the batch.

    Args:
        first, second: `(batch, dim)`; row i of both is a view of item i.
        temperature: divides the cosines.

    Returns:
        The mean over all 2 x batch views; 0 for a batch of one, which has nothing to be told from.

    Source: Chen, Kornblith, Norouzi, Hinton, "A simple framework for contrastive learning of visual representations",
    2020, equation 1; for music Spijkervet & Burgoyne, "Contrastive learning of musical representations", ISMIR 2021.

    >>> views = torch.eye(4)
    >>> bool(nt_xent(views, views) < nt_xent(views, views.roll(1, 0)))
    True
    """
    views = torch.cat([first, second])  # (2B, D)
    scaled = functional.normalize(views, dim=1, eps=1e-8)
    logits = scaled @ scaled.T / temperature
    count = len(views)
    logits = logits.masked_fill(torch.eye(count, dtype=torch.bool, device=logits.device), -torch.inf)
    partner = torch.arange(count, device=logits.device).roll(count // 2)
    return functional.cross_entropy(logits, partner)


def in_batch_accuracy(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Shares of rows, and of columns, whose largest entry lies on the diagonal (for logging).

    >>> in_batch_accuracy(torch.tensor([[2.0, 1.0], [3.0, 1.5]]))
    (tensor(0.5000), tensor(0.5000))
    """
    targets = torch.arange(len(logits), device=logits.device)
    rows = (logits.argmax(1) == targets).float().mean()
    columns = (logits.argmax(0) == targets).float().mean()
    return rows, columns
