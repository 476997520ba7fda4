"""The 216 probes of jukemir: their settings, their names, and the order of their data.

Source: Castellon, Donahue and Liang, "Codified audio language modeling learns useful representations for music
information retrieval", 2021. Names and order of the settings are the published ones, because the published name of a
probe is a hash of them.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ohrwurm.errors import DataError

AXES: dict[str, tuple[Any, ...]] = {  # the grid is their product, the last running fastest
    "data_standardization": (False, True),
    "hidden_layer_sizes": ((), (512,)),
    "batch_size": (64, 256),
    "learning_rate": (1e-5, 1e-4, 1e-3),
    "dropout_p": (0.25, 0.5, 0.75),
    "l2_weight_decay": (None, 1e-4, 1e-3),
}


@dataclass(frozen=True)
class ProbeConfig:
    """Settings of one probe.

    Attributes:
        dataset, representation: what it probes; part of the published name.
        data_standardization: whether features get mean 0 and deviation 1 over the training split.
        hidden_layer_sizes: empty for a linear probe, or one hidden layer.
        batch_size: of a step, drawn anew for each; never more than the training split holds.
        learning_rate: of Adam.
        dropout_input: **without effect**, as published: the input is always dropped out.
        dropout_p: share dropped, of the input and of the hidden layer.
        l2_weight_decay: times the weights, added to the gradient.
        max_num_epochs: only None: published runs end by boredom.
        early_stopping_metric: only ``primary``, the main score of the task.
        early_stopping: only True.
        early_stopping_eval_frequency: steps between two looks at the validation split.
        early_stopping_boredom: so many looks without a strictly better score end the run.
        seed: of batches, first weights and dropout.

    >>> ProbeConfig("debug", "debug").uid
    '931d09133314c180443615815249a7415da09c86'
    """

    dataset: str
    representation: str
    data_standardization: bool = True
    hidden_layer_sizes: tuple[int, ...] = ()
    batch_size: int = 64
    learning_rate: float = 1e-3
    dropout_input: bool = True
    dropout_p: float = 0.5
    l2_weight_decay: float | None = None
    max_num_epochs: int | None = None
    early_stopping_metric: str = "primary"
    early_stopping: bool = True
    early_stopping_eval_frequency: int = 8
    early_stopping_boredom: int = 256
    seed: int = 0

    def __post_init__(self) -> None:
        if len(self.hidden_layer_sizes) > 1:
            raise DataError(f"a probe has one hidden layer at most, not {self.hidden_layer_sizes}")
        if self.max_num_epochs is not None or not self.early_stopping or self.early_stopping_metric != "primary":
            raise DataError("probes end by early stopping on 'primary' only, as every published one does")
        if not 0 <= self.dropout_p < 1:
            raise DataError(f"dropout_p must be at least 0 and below 1, not {self.dropout_p}")
        if min(self.batch_size, self.early_stopping_eval_frequency, self.early_stopping_boredom) < 1:
            raise DataError("batch_size, early_stopping_eval_frequency and early_stopping_boredom must be at least 1")

    @property
    def uid(self) -> str:
        """The published name: SHA-1 of the settings as JSON."""
        settings = asdict(self) | {"hidden_layer_sizes": list(self.hidden_layer_sizes)}
        return hashlib.sha1(json.dumps(settings, indent=2, sort_keys=True).encode()).hexdigest()


def grid(dataset: str, representation: str, **changes: Any) -> list[ProbeConfig]:
    """All 216 probes in the published order.

    Args:
        changes: to settings that the grid does not vary, e.g. `seed`.

    >>> probes = grid("gtzan_ff", "clmr")
    >>> len(probes), probes[0].learning_rate, probes[1].l2_weight_decay
    (216, 1e-05, 0.0001)
    """
    if varied := AXES.keys() & changes.keys():
        raise DataError(f"the grid varies {', '.join(sorted(varied))} itself; choose among its probes instead")
    base = ProbeConfig(dataset, representation, **changes)
    names = tuple(AXES)
    return [replace(base, **dict(zip(names, values, strict=True))) for values in itertools.product(*AXES.values())]


def published_order(ids: Sequence[str], seed: int = 0) -> list[int]:
    """Rows of one split in the order in which jukemir numbers them: ids sorted, then shuffled by Python's generator.

    >>> published_order(["b", "a", "c"])
    [1, 2, 0]
    """
    rows = sorted(range(len(ids)), key=lambda i: ids[i])
    random.Random(seed).shuffle(rows)
    return rows
