"""Metric learning over works: triplets mined in the batch, and proxies that stand for a work each.

Papers: MOVE (Yesiler, Serrà, Gómez 2020, "Accurate and scalable version identification using
musically-motivated embeddings") for the triplet loss, Re-MOVE (2020, "Less is more: faster and better music version
identification with embedding distillation") for the proxies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Mining = Literal["random", "hard-random", "hard", "all-positives"]
ROUNDS = 3  # of "all-positives": works have four versions in a batch


def squared_distances(x: Tensor, y: Tensor | None = None) -> Tensor:
    """Squared Euclidean distances `(n, m)` between rows `(n, dim)` and `(m, dim)`, divided by `dim`.

    Dividing makes a margin mean the same for any embedding size. Rounding errors below zero are cut off.

    >>> squared_distances(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]]))
    tensor([[12.5000]])
    """
    y = x if y is None else y
    squared = x.square().sum(1)[:, None] + y.square().sum(1)[None] - 2 * x @ y.T + 1e-12
    return squared.clamp(min=0.0) / x.shape[1]


def triplet_loss(
    embedding: Tensor,
    labels: Tensor,
    *,
    margin: float = 1.0,
    mining: Mining = "hard",
    uniform: Sequence[Tensor] | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Mean of `relu(d_pos + margin - d_neg)` over triplets mined in the batch; every item is an anchor once.

    The minings, by the name of what they do:

    * ``random``: a random positive and a random negative.
    * ``hard-random``: a random positive; a random negative among those nearer than it, if any, else among all.
      (MOVE's code calls it semi-hard; it is not the textbook's.)
    * ``hard``: the farthest positive and the nearest negative.
    * ``all-positives``: each of the first three positives in turn, negatives as in ``hard-random``.

    An anchor without a positive or without a negative in the batch is left out; a batch without any triplet has loss 0.

    Args:
        embedding: `(batch, dim)`.
        labels: `(batch,)`, equal where two items are versions of one work.
        margin: of distances as `squared_distances` gives them (divided by `dim`).
        uniform: numbers in [0, 1), `(batch, batch)` each, in the order of use, in place of random ones: for the
            positives (not in ``all-positives``), then for the negatives of each round.
        generator: source of the random numbers; torch's global one unless given.
    """
    distance = squared_distances(embedding)
    labels = labels.reshape(-1)
    same = labels[:, None] == labels[None]
    positive = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    draws = iter(uniform) if uniform is not None else None

    def draw() -> Tensor:
        if draws is not None:
            return next(draws).to(distance)
        return torch.rand(distance.shape, generator=generator, dtype=distance.dtype, device=distance.device)

    d, p, n = distance.detach(), positive.to(distance), (~same).to(distance)
    pairs: list[tuple[Tensor, Tensor, Tensor]] = []  # index of positive, of negative, and whether there is a positive
    if mining == "hard":
        farthest = (d * p).argmax(1)
        nearest = d.masked_fill(same, torch.inf).argmin(1)
        pairs.append((farthest, nearest, positive.any(1)))
    elif mining in ("random", "hard-random"):
        chosen = (p + draw()).argmax(1)
        pairs.append((chosen, _negatives(d, n, chosen, draw(), nearer=mining == "hard-random"), positive.any(1)))
    elif mining == "all-positives":
        remaining = p.clone()
        for _ in range(ROUNDS):
            chosen = remaining.argmax(1)  # the first that remains
            there = remaining.any(1)
            remaining.scatter_(1, chosen[:, None], 0.0)
            pairs.append((chosen, _negatives(d, n, chosen, draw(), nearer=True), there))
    else:
        raise ValueError(f"no mining {mining!r}; there are random, hard-random, hard, all-positives")

    rows = torch.arange(len(labels), device=labels.device)
    hinge = torch.cat([torch.relu(distance[rows, i] + margin - distance[rows, j]) for i, j, _ in pairs])
    valid = torch.cat([there & (~same).any(1) for _, _, there in pairs])
    return (hinge * valid).sum() / valid.sum().clamp(min=1)


def _negatives(d: Tensor, n: Tensor, chosen: Tensor, noise: Tensor, nearer: bool) -> Tensor:
    """A random negative of each anchor; with `nearer`, one that is nearer than its chosen positive if there is any."""
    preference = 1 + (d < d.gather(1, chosen[:, None])).to(d) if nearer else torch.ones_like(d)
    return (n * preference + noise).argmax(1)


def normalized_softmax(embedding: Tensor, labels: Tensor, proxies: Tensor, *, temperature: float = 0.05) -> Tensor:
    """Cross-entropy of the cosines to one learned proxy per work, divided by `temperature`.

    Args:
        embedding: `(batch, dim)`.
        labels: `(batch,)`, the row of `proxies` that each item belongs to.
        proxies: `(works, dim)`, learned, initialised standard normal.

    Source: Zhai and Wu, "Classification is a strong baseline for deep metric learning", 2019.
    """
    cosine = functional.normalize(embedding, dim=-1) @ functional.normalize(proxies, dim=-1).T
    return functional.cross_entropy(cosine / temperature, labels.reshape(-1))


def proxy_nca(embedding: Tensor, labels: Tensor, proxies: Tensor) -> Tensor:
    """Neighbourhood component analysis against proxies: own proxy near, all others far.

    `-log(s_own / sum of s_other)` with `s = exp(-squared_distances)`; the own proxy is not in the sum.

    Args:
        embedding: `(batch, dim)`.
        labels: `(batch,)`, the row of `proxies` that each item belongs to.
        proxies: `(works, dim)`, learned, initialised standard normal.

    Source: Movshovitz-Attias et al., "No fuss distance metric learning using proxies", 2017.
    """
    tiny = 1e-8
    nearness = torch.exp(-squared_distances(embedding, proxies))
    own = functional.one_hot(labels.reshape(-1), len(proxies)).to(nearness)
    ratio = (nearness * own).sum(1) / ((nearness * (1 - own)).sum(1) + tiny)
    return -torch.log(ratio + tiny).mean()


def group_loss(embedding: Tensor, labels: Tensor, proxies: Tensor, *, songs: int = 4, rounds: int = 3) -> Tensor:
    """Items settle which work they belong to by listening to those they resemble; cross-entropy of what they settle on.

    Every item begins with probabilities over works, from its inner products with unit-length proxies; the first of
    each work, the anchor, with certainty. What similar items (Pearson correlation, negative ones cut off) begin with
    is an item's support; in each round its probabilities are multiplied by the support and normalised. The support is
    not computed again between the rounds, nor is the embedding normalised: as in the published code.

    Args:
        embedding: `(batch, dim)`, in blocks of `songs` items of one work, so that items 0, `songs`, ... are anchors.
        labels: `(batch,)`, the row of `proxies` that each item belongs to.
        proxies: `(works, dim)`, learned, initialised standard normal.
        songs: items of a block.
        rounds: of refinement.

    Raises:
        ValueError: the batch is not made of such blocks.

    Source: Elezi et al., "The group loss for deep metric learning", ECCV 2020, as used in Re-MOVE.
    """
    tiny = 1e-8
    labels = labels.reshape(-1)
    if songs < 2 or len(labels) % songs or bool((labels.view(-1, songs) != labels[::songs, None]).any()):
        raise ValueError(f"a batch of {len(labels)} items is not made of blocks of {songs} items with one label each")
    centred = functional.normalize(embedding - embedding.mean(1, keepdim=True), dim=1)
    anchor = torch.arange(len(labels), device=labels.device) % songs == 0
    silent = (anchor[:, None] & anchor) | torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    similarity = torch.relu(centred @ centred.T).masked_fill(silent, 0.0)
    own = functional.one_hot(labels, len(proxies)).to(embedding)
    prior = torch.softmax(embedding @ functional.normalize(proxies, dim=1).T, dim=1)
    belief = torch.where(anchor[:, None], own, prior)
    support = similarity @ belief
    for _ in range(rounds):
        belief = belief * support
        belief = belief / (belief.sum(1, keepdim=True) + tiny)
    return -torch.log((belief * own).sum(1)[~anchor] + tiny).mean()
