"""Triplets of two modalities whose negatives are drawn by how near and how alike in their labels the candidates are.

Source: Doh et al., "Toward universal text-to-music retrieval", 2023, after Won et al., "Multimodal metric learning for
tag-based music retrieval", 2021 (distance-weighted sampling).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


@torch.no_grad()
def label_aware_weights(anchors: Tensor, candidates: Tensor, labels: Tensor) -> Tensor:
    """How probable (not normalised) candidate j is as anchor i's negative: `(n, n)`, zero where it is no negative.

    `w = (cos + 1) / 2 / m`, where m is how many of the anchor's labels the candidate lacks: the nearer and the more
    alike, the harder and the likelier. One that has all of the anchor's labels, as the anchor's own other view does,
    is no negative.

    Args:
        anchors, candidates: `(n, dim)`, of any length; row i of both belongs to item i.
        labels: `(n, labels)`, 0 or 1: all of an item's labels, also where its text names a part of them.

    >>> labels = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    >>> label_aware_weights(torch.eye(3), torch.eye(3), labels)
    tensor([[0.0000, 0.5000, 0.2500],
            [0.0000, 0.0000, 0.5000],
            [0.5000, 0.5000, 0.0000]])
    """
    cosine = functional.normalize(anchors, dim=-1) @ functional.normalize(candidates, dim=-1).T
    labels = labels.to(cosine)
    lacking = labels.sum(1)[:, None] - labels @ labels.T
    share = torch.where(lacking > 0, 1 / lacking.clamp(min=1), 0.0)
    return (cosine + 1) / 2 * share


@torch.no_grad()
def draw(weights: Tensor, uniform: Tensor) -> Tensor:
    """One column a row, with probability proportional to its weight; -1 for a row without any.

    Args:
        weights: `(n, m)`, not negative.
        uniform: `(n,)`, random numbers in [0, 1).

    >>> draw(torch.tensor([[0.0, 1.0, 3.0], [0.0, 0.0, 0.0]]), torch.tensor([0.3, 0.9]))
    tensor([ 2, -1])
    """
    cumulative = weights.cumsum(1)
    total = cumulative[:, -1:]
    # In float64, where a number below 1 times the sum stays below the sum.
    sought = uniform.to(weights.device, torch.float64)[:, None] * total.double()
    found = torch.searchsorted(cumulative.double(), sought, right=True)[:, 0]
    return torch.where(total[:, 0] > 0, found.clamp(max=weights.shape[1] - 1), -1)


def label_aware_triplet_loss(
    audio: Tensor,
    text: Tensor,
    labels: Tensor,
    *,
    margin: float = 0.4,
    uniform: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Mean of `relu(margin - cos(anchor, positive) + cos(anchor, negative))`, of both directions.

    Each audio has a text as negative and each text an audio, drawn by `label_aware_weights`. An item that all others
    of the batch could stand for has no negative and is left out; without any negative the loss is 0.

    Args:
        audio, text: `(n, dim)`, of any length; row i of both belongs to item i.
        labels: `(n, labels)`, 0 or 1.
        margin: of cosines (published: 0.4).
        uniform: `(2, n)`, random numbers in [0, 1): for the audio anchors, then for the text anchors.
        generator: source of the random numbers where none are given; torch's global one unless given.

    >>> vectors, labels = torch.eye(3), torch.eye(3)
    >>> label_aware_triplet_loss(vectors, vectors, labels).item()
    0.0
    >>> label_aware_triplet_loss(vectors, vectors, torch.ones(3, 2)).item()
    0.0
    """
    if uniform is None:
        device = generator.device if generator is not None else audio.device
        uniform = torch.rand(2, len(audio), generator=generator, dtype=torch.float64, device=device)
    audio, text = functional.normalize(audio, dim=-1), functional.normalize(text, dim=-1)
    directions = [
        _hinges(anchor, other, draw(label_aware_weights(anchor, other, labels), numbers), margin)
        for anchor, other, numbers in ((audio, text, uniform[0]), (text, audio, uniform[1]))
    ]
    return torch.stack(directions).mean()


def _hinges(anchor: Tensor, other: Tensor, negative: Tensor, margin: float) -> Tensor:
    hinge = torch.relu(margin - (anchor * other).sum(-1) + (anchor * other[negative]).sum(-1))
    there = negative >= 0
    return (hinge * there).sum() / there.sum().clamp(min=1)
