"""A smaller embedding out of a trained MOVE: pruning, and latent space reconfiguration.

Both are ways of Re-MOVE (Yesiler, Serrà, Gómez, "Less is more", ISMIR 2020) to shrink 16,000 dimensions to a few
hundred. The published pruning multiplies rows of the last layer by zero and keeps them: the model stays as large as it
was, and what it gives there is a constant. Here the rows go, so that file, vectors and distances shrink; among the
dimensions left nothing changes, and so no Euclidean distance does but by a constant factor. (Cosine does change: the
constants of masked dimensions, -mean / sqrt(variance + eps), turn vectors.)
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ohrwurm.models.move import MOVE

# Dimensions left after each training cycle of the published pruning of 16,000.
PUBLISHED_SIZES = (8000, 4000, 2048, 1024, 512, 256, 128)


def rows_kept(weight: Tensor, dim: int) -> Tensor:
    """The mask `(D,)` of the `dim` rows of `(D, channels)` with the largest mean absolute weight.

    >>> rows_kept(torch.tensor([[1.0, -1.0], [0.1, 0.2], [-3.0, 0.0]]), 2).tolist()
    [True, False, True]
    """
    if not 1 <= dim <= len(weight):
        raise ValueError(f"{dim} of {len(weight)} dimensions cannot be kept")
    keep = torch.ones(len(weight), dtype=torch.bool, device=weight.device)
    keep[weight.detach().abs().mean(1).topk(len(weight) - dim, largest=False).indices] = False
    return keep


@torch.no_grad()
def mask_rows(move: MOVE, keep: Tensor) -> None:
    """Set the dimensions that are not kept to zero, in place: after every step of a training with pruned rows."""
    move.lin1.weight.mul_(keep[:, None])


def prune(move: MOVE, keep: Tensor) -> MOVE:
    """A copy of `move` without the dimensions that the mask `keep (D,)` leaves out.

    >>> move = MOVE(dim=6, channels=4, kernel_time=20, convolutions=((3, 1),)).eval()
    >>> pcp, keep = torch.rand(1, 1, 23, 30), torch.tensor([True, False, False, True, True, False])
    >>> torch.allclose(prune(move, keep)(pcp), move(pcp)[:, keep])
    True
    """
    smaller = reconfigure(move, int(keep.sum()))
    head = ("lin1.weight", "lin1.bias", "lin_bn.running_mean", "lin_bn.running_var")
    smaller.load_state_dict({k: v[keep] if k in head else v for k, v in move.state_dict().items()})
    return smaller


def reconfigure(move: MOVE, dim: int) -> MOVE:
    """A copy of `move` whose last layer is new and gives `dim` dimensions: where latent space reconfiguration starts.

    Everything else keeps its weights; training moves the new layer fast, and the rest slowly or not at all.

    >>> reconfigure(MOVE(dim=64, channels=4), 8).dim
    8
    """
    smaller = copy.deepcopy(move)
    like = move.lin1.weight
    smaller.lin1 = nn.Linear(move.lin1.in_features, dim, bias=move.lin1.bias is not None).to(like)
    if move.activation == "batch-norm":
        smaller.lin_bn = nn.BatchNorm1d(dim, affine=False).to(like)
    return smaller.train(move.training)
