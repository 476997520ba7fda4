"""A student learns from a teacher: to point where it points, or to keep the distances it keeps."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ohrwurm.objectives.metric import squared_distances


def cosine_distillation(student: Tensor, teacher: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean of 1 - cosine between matching rows, 0 (same direction) to 2 (opposite).

    Args:
        student, teacher: `(batch, dim)`, of one dimension.
        weights: `(batch,)`, how much each row counts; equal unless given.

    >>> float(cosine_distillation(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]])))
    1.0
    """
    loss = 1 - functional.cosine_similarity(student, teacher, dim=-1)
    if weights is None:
        return loss.mean()
    return (loss * weights).sum() / weights.sum()


def distance_distillation(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean difference between the student's and the teacher's distances, over all pairs of different items.

    Distances are `squared_distances`, each divided by its own dimension, so the two may differ in size. A batch of
    fewer than two items has loss 0.

    Args:
        student: `(batch, dim)`.
        teacher: `(batch, teacher dim)`; no gradient flows to it.

    Source: Yesiler, Serrà, Gómez, "Less is more: faster and better music version identification with embedding
    distillation", 2020 (there "distance-based"); after the relational distillation of Park et al., 2019.
    """
    count = len(student)
    difference = (squared_distances(student) - squared_distances(teacher.detach())).abs()
    others = ~torch.eye(count, dtype=torch.bool, device=student.device)
    return (difference * others).sum() / max(1, count * (count - 1))


def cluster_distillation(student: Tensor, labels: Tensor, centroids: Tensor, projection: Tensor) -> Tensor:
    """Davies-Bouldin index of the student's works around the teacher's centroids: tight clusters, far apart.

    Over the works k of the batch, with t_k the projected centroid and a_k the summed distance of the work's items to
    it, divided by the size of the batch (not of the work, as published):

        mean_k max_{l != k} (a_k + a_l) / distance(t_k, t_l)

    Distances are `squared_distances`. A batch of one work has loss 0.

    Args:
        student: `(batch, dim)`.
        labels: `(batch,)`, the row of `centroids` that each item belongs to.
        centroids: `(works, teacher dim)`, the mean of the teacher's embeddings of each work.
        projection: `(dim, teacher dim)`, learned.

    Source: Yesiler, Serrà, Gómez, "Less is more", 2020 (there "cluster-based"); Davies and Bouldin, 1979.
    """
    works, which = labels.reshape(-1).unique(return_inverse=True)
    targets = centroids[works] @ projection.T  # (K, dim)
    member = functional.one_hot(which, len(works)).to(student)  # (batch, K)
    spread = (squared_distances(student, targets) * member).sum(0) / len(student)  # (K,)
    itself = torch.eye(len(works), dtype=torch.bool, device=student.device)
    apart = squared_distances(targets).masked_fill(itself, 1.0)  # not 0: its gradient would be infinite
    ratio = ((spread[:, None] + spread) / apart).masked_fill(itself, 0.0)
    return ratio.amax(1).mean()
