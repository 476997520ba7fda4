"""What an evaluation returns: figures that never stand without their interval, chance level, counts and provenance."""

from __future__ import annotations

import dataclasses
import json
import math
import platform
from dataclasses import dataclass, field
from typing import Any

from ohrwurm import __version__
from ohrwurm.models.base import ModelCard


@dataclass(frozen=True)
class Figure:
    """One metric: its value, the ends of its 95 % interval, and what a random model gets."""

    value: float
    low: float
    high: float
    chance: float


@dataclass(frozen=True)
class Outcome:
    """What a protocol found.

    Attributes:
        protocol: how it was measured, in one sentence.
        interval: what the 95 % intervals were drawn over, and how often.
        figures: metric → figure, the main one first.
        counts: what the figures rest on, e.g. ``recordings`` and ``queries``.
        details: figures of single classes or queries, as the protocol names them.
        seed: of the resampling and of any split.
    """

    protocol: str
    interval: str
    figures: dict[str, Figure]
    counts: dict[str, int]
    details: dict[str, Any] = field(default_factory=dict)
    seed: int = 0


@dataclass(frozen=True)
class Report:
    """An outcome with everything needed to judge and to repeat it.

    Attributes:
        task: ``versions``, ``probe`` or ``described``.
        data: name of the benchmark, or the manifest's path.
        citation, licence, caveats: of the data, as its benchmark states them.
        model, weights, provenance: name of the model, SHA-256 of its weights (empty: it has none), and the identity of
            the vectors it makes.
        failures: path → reason of every recording that was left out.
        software: versions of what computed it.
    """

    task: str
    data: str
    citation: str
    licence: str
    caveats: str
    model: str
    weights: str
    provenance: str
    outcome: Outcome
    failures: dict[str, str]
    software: dict[str, str]

    def to_json(self) -> str:
        """The report as JSON; figures that are not numbers become null."""
        return json.dumps(_plain(dataclasses.asdict(self)), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def report(
    task: str,
    card: ModelCard,
    outcome: Outcome,
    *,
    data: str,
    citation: str = "",
    licence: str = "",
    caveats: str = "",
    failures: dict[str, str] | None = None,
) -> Report:
    """A report on the model of `card`, stamped with the versions of the software that runs."""
    import numpy
    import sklearn
    import torch

    return Report(
        task=task,
        data=data,
        citation=citation,
        licence=licence,
        caveats=caveats,
        model=card.name,
        weights=card.sha256,
        provenance=card.provenance,
        outcome=outcome,
        failures=dict(failures or {}),
        software={
            "ohrwurm": __version__,
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "numpy": numpy.__version__,
            "scikit-learn": sklearn.__version__,
        },
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
