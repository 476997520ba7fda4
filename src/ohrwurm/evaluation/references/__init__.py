"""Published results as data: what the papers report, how it was measured, and what to know before one compares.

The tables are CSV files in this folder, the protocols stand in ``protocols.yaml``. Values are as printed; `certainty`
says where they come from:

* ``read``: in the paper, its supplement, or the results published with its code;
* ``computed``: from values that were read;
* ``memory``: remembered, not found in any source at hand; ``unsure``: remembered, and doubtful.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ohrwurm.errors import DataError
from ohrwurm.evaluation.report import Report

TABLES = ("ttmr", "self_supervised", "versions", "foundation")
CERTAINTIES = {
    "read": "",
    "computed": "computed from published values",
    "memory": "from memory, not checked against the paper",
    "unsure": "from memory, and doubtful",
}
UNITS = {"share": 1.0, "percent": 100.0, "rank": 1.0}
WHOLE = {"versions", "beats", "chords", "structure", "key"}  # tasks whose windows are no question of the protocol
# Tasks that ask the same of a model, by different means: rows of one family are set beside each other, with a warning.
FAMILIES = (
    {"probe", "linear", "ttmr-probe", "ttmr-finetune", "jukemir", "tagging", "genre", "key", ""},
    {"zero-shot", "tag-retrieval", "tagging"},
    {"retrieval", "described"},
)


@dataclass(frozen=True)
class Protocol:
    """How a figure was measured.

    Attributes:
        about: in one sentence.
        differs: from the corrected protocol of `ohrwurm evaluate`; empty where it does not.
        published: how `Outcome.published_as` begins in reports that compute the same number; empty: none does.
    """

    about: str
    differs: str = ""
    published: str = ""


@dataclass(frozen=True)
class Reference:
    """One published figure.

    Attributes:
        system, model: whose, and which of theirs.
        benchmark, variant, split: on what; the names are those of `ohrwurm data list` where they are known there.
        task: of `ohrwurm evaluate`; empty where it has none of that kind.
        metric: its name here; empty where Ohrwurm does not compute it as a corrected figure.
        published_metric: its name there.
        value: as printed; `unit`: ``share``, ``percent`` or ``rank``.
        protocol: name of an entry of `protocols`.
        source: paper and table.
        certainty: one of `CERTAINTIES`.
    """

    system: str
    model: str
    benchmark: str
    variant: str
    split: str
    task: str
    metric: str
    published_metric: str
    value: float
    unit: str
    protocol: str
    source: str
    certainty: str

    @property
    def figure(self) -> float:
        """The value in the unit of Ohrwurm's own figures: shares of 1, and ranks."""
        return self.value / UNITS[self.unit]


@dataclass(frozen=True)
class Beside:
    """A published figure set beside one of a report.

    Attributes:
        reference: the published one.
        metric: under which name the report has its own, and `own` its value.
        published: whether `own` is the report's number by the published protocol, not the corrected one.
        warnings: why the two do not quite compare.
    """

    reference: Reference
    metric: str
    own: float
    published: bool
    warnings: tuple[str, ...]


@cache
def references() -> tuple[Reference, ...]:
    """All of them.

    Raises:
        DataError: a table has a row that is not complete.

    >>> [r.figure for r in references() if r.model == "Jukebox" and r.published_metric == "ap"]
    [0.414]
    """
    found = []
    for name in TABLES:
        text = (files(__package__) / f"{name}.csv").read_text(encoding="utf-8")
        for number, row in enumerate(csv.DictReader(text.splitlines()), 2):
            try:
                found.append(Reference(**row | {"value": float(row["value"])}))  # type: ignore[arg-type]
            except (TypeError, ValueError, KeyError) as error:
                raise DataError(f"references/{name}.csv, row {number}: {error}") from error
    return tuple(found)


@cache
def protocols() -> dict[str, Protocol]:
    """How they were measured, by name."""
    import yaml

    text = (files(__package__) / "protocols.yaml").read_text(encoding="utf-8")
    return {name: Protocol(**values) for name, values in yaml.safe_load(text).items()}


def beside(report: Report) -> list[Beside]:
    """Published figures on the report's benchmark that can be set beside its own, those of the same task first."""
    name, _, variant = report.data.partition("/")
    found = []
    for reference in references():
        if reference.benchmark != name or not _related(reference.task, report.task):
            continue
        own = _own(report, reference)
        if own is not None:
            metric, value, published = own
            told = tuple(_warnings(report, reference, variant, published))
            found.append(Beside(reference, metric, value, published, told))
    return sorted(found, key=lambda b: b.reference.task != report.task)


def _own(report: Report, reference: Reference) -> tuple[str, float, bool] | None:
    """Name and value of the report's number, and whether it is one by the published protocol."""
    outcome, theirs = report.outcome, protocols()[reference.protocol].published
    same = bool(theirs) and outcome.published_as.startswith(theirs)
    if same and reference.published_metric in outcome.published:
        value = outcome.published[reference.published_metric]
        return reference.published_metric, value, True
    if reference.metric and reference.metric in outcome.figures:
        return reference.metric, outcome.figures[reference.metric].value, False
    return None


def _warnings(report: Report, reference: Reference, variant: str, published: bool) -> Iterator[str]:
    protocol = protocols()[reference.protocol]
    if reference.task and reference.task != report.task:
        yield f"measured otherwise: {protocol.about}"
    if reference.variant != variant:
        yield (
            f"on {reference.benchmark}, but " + (f"variant {reference.variant}" if reference.variant else "which split "
            "is not stated") + (f", not {variant}" if variant else ", and this report names none")
        )  # fmt: skip
    if protocol.differs and not published:
        yield protocol.differs
    if reference.task not in WHOLE and report.settings.get("protocol") != "published":
        yield "measured with Ohrwurm's windows, not with the paper's (--protocol published)"
    if CERTAINTIES[reference.certainty]:
        yield CERTAINTIES[reference.certainty]


def _related(one: str, other: str) -> bool:
    return one == other or any(one in family and other in family for family in FAMILIES)
