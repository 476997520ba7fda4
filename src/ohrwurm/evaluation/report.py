"""What an evaluation returns: figures that never stand without their interval, chance level, counts and provenance.

A report also keeps what each single query, track or label got (`Items`): its intervals can be drawn again from them,
and two reports on the same data are compared pair by pair (`evaluation.comparison`).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import platform
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ohrwurm import __version__
from ohrwurm.data.tracks import Track
from ohrwurm.errors import DataError
from ohrwurm.evaluation.machine import machine
from ohrwurm.models.base import ModelCard


@dataclass(frozen=True)
class Figure:
    """One metric: its value, the ends of its 95 % interval, and what a random model gets."""

    value: float
    low: float
    high: float
    chance: float


@dataclass(frozen=True)
class Items:
    """What single queries, tracks, captions or labels got.

    Attributes:
        what: they are: ``queries``, ``tracks``, ``captions`` or ``labels``.
        ids: one each, none twice; the same in every report on the same data, whatever the model and the order.
        values: metric → one value an id, under the metric's name in the figures; NaN: does not count.
        groups: what is drawn as one piece, e.g. the work of each query; empty: each item on its own.

    Raises:
        DataError: an id stands twice, or the lengths differ.
    """

    what: str
    ids: tuple[str, ...]
    values: dict[str, tuple[float, ...]]
    groups: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(set(self.ids)) != len(self.ids):
            double = Counter(self.ids).most_common(1)[0][0]
            raise DataError(f"{self.what}: the id {double!r} stands twice; a result belongs to one of them")
        lengths = {len(v) for v in self.values.values()} | ({len(self.groups)} if self.groups else set())
        if lengths - {len(self.ids)}:
            raise DataError(f"{self.what}: {len(self.ids)} ids, but values or groups of length {sorted(lengths)}")

    @classmethod
    def of(
        cls, what: str, ids: Iterable[Any], values: Mapping[str, ArrayLike], groups: Iterable[Any] | None = None
    ) -> Items:
        """From arrays, one value an id.

        >>> Items.of("queries", ["a", "b"], {"MRR": np.array([1.0, 0.5])}).values
        {'MRR': (1.0, 0.5)}
        """
        return cls(
            what=what,
            ids=tuple(str(i) for i in ids),
            values={name: tuple(np.asarray(v, np.float64).tolist()) for name, v in values.items()},
            groups=() if groups is None else tuple(str(g) for g in groups),
        )


@dataclass(frozen=True)
class Outcome:
    """What a protocol found.

    Attributes:
        protocol: how it was measured, in one sentence.
        interval: what the 95 % intervals were drawn over, and how often.
        figures: metric → figure, the main one first, by the corrected protocol.
        counts: what the figures rest on, e.g. ``recordings`` and ``queries``.
        details: figures of single classes or queries, as the protocol names them.
        seed: of the resampling and of any split.
        published: the numbers exactly as the published protocol computes them, quirks included.
        published_as: the name of that protocol and what it does otherwise, in one sentence.
        items: what single queries, tracks or labels got.
        warnings: what a reader of the figures has to know, e.g. that a split shares recordings with another.
    """

    protocol: str
    interval: str
    figures: dict[str, Figure]
    counts: dict[str, int]
    details: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    published: dict[str, float] = field(default_factory=dict)
    published_as: str = ""
    items: tuple[Items, ...] = ()
    warnings: tuple[str, ...] = ()


RENDERED = "Rendered"  # what the caveats of synthesised music begin with


@dataclass(frozen=True)
class Report:
    """An outcome with everything needed to judge and to repeat it.

    Attributes:
        task: name of the task, e.g. ``versions``.
        data: name of the benchmark, or the manifest's path.
        citation, licence, caveats: of the data, as its benchmark states them.
        model, weights, provenance: name of the model, SHA-256 of its weights (empty: it has none), and the identity of
            the vectors it makes.
        failures: path → reason of every recording that was left out.
        software: versions of what computed it.
        card: SHA-256 of the model's card without its measured results (which reports like this one add).
        data_hash: of ids, labels and file contents, see `data_hash`; empty where it is not known.
        machine: what it ran on.
        settings: what the task was asked to do, beyond model, data and seed.
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
    card: str = ""
    data_hash: str = ""
    machine: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """The report as JSON; figures that are not numbers become null."""
        return _json(_plain(dataclasses.asdict(self))) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Report:
        """A report read back; null becomes NaN, and fields of a later version are ignored.

        Raises:
            DataError: not the JSON of a report.

        >>> outcome = Outcome("p", "i", {"MAP": Figure(0.5, 0.4, float("nan"), 0.1)}, {"queries": 7})
        >>> made = Report("versions", "d", "", "", "", "m", "", "v", outcome, {}, {})
        >>> Report.from_json(made.to_json()).outcome.figures["MAP"].value
        0.5
        """
        try:
            values = _known(cls, json.loads(text))
            outcome = _known(Outcome, values["outcome"])
            outcome["figures"] = {n: Figure(**_numbers(f)) for n, f in outcome["figures"].items()}
            outcome["published"] = _numbers(outcome.get("published", {}))
            outcome["warnings"] = tuple(outcome.get("warnings", ()))
            outcome["items"] = tuple(_items(_known(Items, i)) for i in outcome.get("items", ()))
            return cls(**values | {"outcome": Outcome(**outcome)})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            what = f"{type(error).__name__}: {error}"
            raise DataError(f"not a report of `ohrwurm evaluate --out FILE` ({what})") from error


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
    data_hash: str = "",
    settings: Mapping[str, Any] | None = None,
    device: str = "cpu",
) -> Report:
    """A report on the model of `card`, stamped with the machine and the versions of the software that runs."""
    import scipy
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
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "scikit-learn": sklearn.__version__,
        },
        card=hashlib.sha256(dataclasses.replace(card, results=()).to_json().encode()).hexdigest(),
        data_hash=data_hash,
        machine=machine(device),
        settings=dict(settings or {}),
    )


def data_hash(tracks: Iterable[Track], contents: Mapping[str, str] | None = None) -> str:
    """SHA-256 of what was measured on: ids, splits, labels and, where known, what is in the files.

    Neither the order of the tracks nor the place of their files has a part in it (nor an annotation that is a place).

    Args:
        contents: track id → hash of its file; tracks that are not in it count without.

    >>> a, b = Track("a", "/x/a.wav", tags=("jazz",)), Track("b", "/x/b.wav")
    >>> data_hash([a, b]) == data_hash([b, dataclasses.replace(a, path="/y/a.wav")])
    True
    >>> data_hash([a, b]) == data_hash([a, b], {"a": "1f"})
    False
    """
    known, total = contents or {}, hashlib.sha256()
    for track in sorted(tracks, key=lambda t: t.track_id):
        row = dataclasses.asdict(track) | {"path": "", "content": known.get(track.track_id, "")}
        row["tags"] = sorted(track.tags)
        row["annotations"] = {n: v for n, v in track.annotations.items() if not os.path.isabs(str(v))}
        total.update(json.dumps(_plain(row), sort_keys=True, ensure_ascii=False, default=str).encode() + b"\n")
    return total.hexdigest()


def _known(cls: type, values: dict[str, Any]) -> dict[str, Any]:
    return {f.name: values[f.name] for f in dataclasses.fields(cls) if f.name in values}


def _numbers(values: dict[str, float | None]) -> dict[str, float]:
    return {name: math.nan if v is None else float(v) for name, v in values.items()}


def _items(values: dict[str, Any]) -> Items:
    got = {n: tuple(math.nan if x is None else float(x) for x in v) for n, v in values["values"].items()}
    return Items(values["what"], tuple(values["ids"]), got, tuple(values.get("groups", ())))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _json(value: Any, indent: str = "") -> str:
    """Indented JSON in which a list of plain values stays on one line: fifteen thousand queries are no page each."""
    more = indent + "  "
    if isinstance(value, dict) and value:
        rows = (f"{more}{json.dumps(k, ensure_ascii=False)}: {_json(v, more)}" for k, v in value.items())
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(v, (dict, list)) for v in value):
        return "[\n" + ",\n".join(more + _json(v, more) for v in value) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
