"""Which parameters of an encoder and its heads learn at which rate: groups for an optimiser.

Sources: Won et al. 2024 (a lower rate for the foundation model than for the head); Clark et al., "ELECTRA",
ICLR 2020 (a rate that decays layer by layer, from the top to the input).
"""

from __future__ import annotations

import re
from typing import Any

from torch import nn

from ohrwurm.errors import RecipeError

LAYER = re.compile(r"(?:^|\.)layers\.(\d+)\.")


def layer_groups(
    encoder: nn.Module, heads: nn.Module, *, encoder_lr: float, lr: float, weight_decay: float, layer_decay: float = 1.0
) -> list[dict[str, Any]]:
    """Groups of what learns, each with its rate; norms and biases are not decayed.

    Args:
        layer_decay: what the rate is multiplied by from each layer of the encoder to the one below it; below the lowest
            is what comes before it.

    Raises:
        RecipeError: a `layer_decay` for an encoder without layers.

    >>> encoder = nn.ModuleDict({"conv": nn.Linear(1, 1), "layers": nn.ModuleList([nn.Linear(1, 1), nn.Linear(1, 1)])})
    >>> groups = layer_groups(encoder, nn.Linear(1, 1), encoder_lr=1, lr=10, weight_decay=0.1, layer_decay=0.5)
    >>> sorted({group["lr"] for group in groups})
    [0.25, 0.5, 1.0, 10]
    """
    numbers = [int(found[1]) for name, _ in encoder.named_parameters() if (found := LAYER.search(name))]
    if layer_decay != 1 and not numbers:
        raise RecipeError(f"layer_decay={layer_decay}: the encoder has no layers that are one above the other; take 1")
    depth = max(numbers, default=-1) + 1
    made: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in encoder.named_parameters():
        found = LAYER.search(name)
        above = name.rpartition(".")[0].endswith("layer_norm") and not found  # the norm of the last layer's states
        number = depth if above else int(found[1]) + 1 if found else 0
        rate = encoder_lr * layer_decay ** (depth - number)
        if parameter.requires_grad:
            made.setdefault((rate, parameter.ndim >= 2), []).append(parameter)
    groups = [*made.items(), *(
        ((lr, decayed), [p for p in heads.parameters() if p.requires_grad and (p.ndim >= 2) == decayed])
        for decayed in (True, False)
    )]  # fmt: skip
    return [
        {"params": parameters, "lr": rate, "weight_decay": weight_decay if decayed else 0.0}
        for (rate, decayed), parameters in groups if parameters
    ]  # fmt: skip
