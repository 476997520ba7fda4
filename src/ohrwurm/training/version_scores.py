"""How well vectors find the versions of a work, while a model is trained: metrics, and the threshold for its card."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from ohrwurm.evaluation.metrics import versions as metrics
from ohrwurm.models.base import ModelCard

Comparison = Literal["cosine", "euclidean", "pearson"]
ROWS = 1024  # of a matrix of similarities at a time
THRESHOLD_FROM = 4000  # most recordings whose pairs a threshold is chosen from
PRECISION = 0.95  # of the pairs above it


def comparison_of(card: ModelCard) -> Comparison:
    """How a model's vectors are compared, as its card says."""
    return "euclidean" if card.comparison == "euclidean" else "pearson" if card.comparison == "pearson" else "cosine"


def similarities(vectors: Tensor, comparison: Comparison = "cosine") -> Tensor:
    """Similarities `(n, n)` of all pairs of vectors `(n, dim)`, higher is nearer, as a version encoder compares them.

    ``cosine``; ``euclidean``: 1 / (1 + squared distance / dim); ``pearson``: the correlation of two vectors, which is
    the cosine of what is left of them without their means.

    >>> similarities(torch.tensor([[0.0, 0.0], [1.0, 1.0]]), "euclidean")
    tensor([[1.0000, 0.5000],
            [0.5000, 1.0000]])
    """
    x = vectors.float()
    if comparison == "pearson":
        x = x - x.mean(1, keepdim=True)
    if comparison != "euclidean":
        x = nn.functional.normalize(x, dim=-1)
        return torch.cat([rows @ x.T for rows in x.split(ROWS)])
    length = x.square().sum(1)
    squared = [x[i : i + ROWS] @ x.T * -2 + length[i : i + ROWS, None] + length for i in range(0, len(x), ROWS)]
    return 1 / (1 + torch.cat(squared).clamp_(min=0.0) / x.shape[1])


def score(vectors: Tensor, labels: np.ndarray, comparison: Comparison = "cosine") -> dict[str, float]:
    """Version identification metrics of all recordings against all; `labels (n,)` name their works."""
    return metrics.evaluate(metrics.Compared(vectors.float().cpu().numpy(), comparison), labels)


def threshold(vectors: Tensor, labels: np.ndarray, comparison: Comparison = "cosine") -> float:
    """Lowest similarity above which nineteen of twenty pairs are versions: a card's `version_threshold`.

    Precision, not F1, because groups are shown unasked: in a collection nearly all pairs are strangers.

    >>> threshold(torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]]), np.array([0, 0, 1])) > 0.9
    True
    """
    if len(vectors) > THRESHOLD_FROM:  # whole works, so that pairs are left
        kept = np.isin(labels, np.unique(labels)[: THRESHOLD_FROM * len(np.unique(labels)) // len(labels)])
        vectors, labels = vectors[torch.from_numpy(kept)], labels[kept]
    return threshold_of(similarities(vectors, comparison), labels)


def threshold_of(similar: Tensor, labels: np.ndarray) -> float:
    """`threshold` of similarities `(n, n)` that are the same both ways."""
    upper = torch.triu_indices(len(labels), len(labels), 1)
    near = similar.cpu()[upper[0], upper[1]]
    works = torch.from_numpy(np.unique(labels, return_inverse=True)[1])
    order = near.argsort(descending=True)
    same = (works[upper[0]] == works[upper[1]])[order].float()
    precision = same.cumsum(0) / torch.arange(1, len(same) + 1)
    right = torch.nonzero(precision >= PRECISION).flatten()
    return float(near[order[right[-1] if len(right) else 0]])
