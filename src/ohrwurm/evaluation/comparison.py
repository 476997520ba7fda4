"""Reports on the same data: which differences are more than luck, item by item.

Every report is compared with the first. A difference is tested on the queries, tracks or labels that both have
(`evaluation.paired`), and Holm's correction covers all tests of the comparison. What makes two reports less comparable
(other data, another protocol, other settings) is told; reports of different tasks, or without anything in common, are
refused.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ohrwurm.errors import DataError
from ohrwurm.evaluation.paired import Paired, Statistic, holm, paired
from ohrwurm.evaluation.report import Items, Report

LOWER_IS_BETTER = ("MedR", "MR1", "MAE", "RMSE")  # how names of such metrics begin
MEDIANS = ("MedR",)


@dataclass(frozen=True)
class Difference:
    """One metric of two reports.

    Attributes:
        metric: its name.
        first, second: which reports, counted from 0.
        what: single values were paired by: ``queries``, ``tracks``, ``captions`` or ``labels``.
        found: values over the common items, interval and p-value.
        p: of `found`, corrected for all tests of the comparison (Holm).
    """

    metric: str
    first: int
    second: int
    what: str
    found: Paired
    p: float

    @property
    def verdict(self) -> str:
        """``better``, ``worse`` or ``no difference shown``: of the second, at 5 % after the correction."""
        if not self.p < 0.05:
            return "no difference shown"
        return "better" if (self.found.difference > 0) != lower_is_better(self.metric) else "worse"


@dataclass(frozen=True)
class Comparison:
    """Reports side by side.

    Attributes:
        reports: one or more, the first the one that others are compared with.
        names: of the models, made different where two are of one name.
        differences: of each other report from the first, metric by metric.
        warnings: what makes the reports less comparable.
    """

    reports: tuple[Report, ...]
    names: tuple[str, ...]
    differences: tuple[Difference, ...]
    warnings: tuple[str, ...]

    @property
    def metrics(self) -> list[str]:
        """All metrics that any report has, in the order of the reports."""
        return list(dict.fromkeys(m for r in self.reports for m in r.outcome.figures))

    def to_json(self) -> str:
        """For programs: figures, differences and warnings; numbers that are none become null."""
        plain = {
            "task": self.reports[0].task,
            "data": self.reports[0].data,
            "models": [
                {
                    "name": name, "model": r.model, "weights": r.weights, "provenance": r.provenance,
                    "figures": {m: _finite(dataclasses.asdict(f)) for m, f in r.outcome.figures.items()},
                    "published": _finite(r.outcome.published), "published as": r.outcome.published_as,
                }
                for name, r in zip(self.names, self.reports, strict=True)
            ],
            "differences": [
                {
                    "metric": d.metric, "model": self.names[d.second], "against": self.names[d.first],
                    "paired by": d.what, **_finite(dataclasses.asdict(d.found)),
                    **_finite({"difference": d.found.difference, "p (Holm)": d.p}), "verdict": d.verdict,
                }
                for d in self.differences
            ],
            "warnings": list(self.warnings),
        }  # fmt: skip
        return json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def compare(
    reports: Sequence[Report | str | Path], *, names: Sequence[str] = (), samples: int = 9999, seed: int = 0
) -> Comparison:
    """Compare reports of one task on the same data, all with the first; one report alone is only set out.

    Args:
        reports: of `ohrwurm.evaluate`, or their JSON files.
        names: of the models, one each; by default those in the reports, with the file's name where two are equal.
        samples, seed: of the bootstrap and of the tests.

    Raises:
        DataError: no report, a file that is none, reports of different tasks or without common items.

    >>> from ohrwurm.evaluation.report import Figure, Outcome
    >>> def one(model, values):
    ...     items = Items.of("queries", "abcdefgh", {"MRR": values})
    ...     figure = Figure(float(np.mean(values)), 0.0, 1.0, 0.1)
    ...     outcome = Outcome("each asks", "over queries", {"MRR": figure}, {"queries": 8}, items=(items,))
    ...     return Report("versions", "set", "", "", "", model, "", model, outcome, {}, {})
    >>> found = compare([one("old", [0.1] * 8), one("new", [0.9] * 8)]).differences[0]
    >>> round(found.found.difference, 2), round(found.p, 4), found.verdict
    (0.8, 0.0078, 'better')
    """
    files = [None if isinstance(r, Report) else Path(r) for r in reports]
    read = tuple(r if isinstance(r, Report) else load(r) for r in reports)
    if not read:
        raise DataError("no report to compare; write some with `ohrwurm evaluate TASK --out FILE`")
    tasks = list(dict.fromkeys(r.task for r in read))
    if len(tasks) > 1:
        raise DataError(f"reports of different tasks cannot be compared: {', '.join(tasks)}")
    labels = tuple(names) or _names(read, files)
    if len(labels) != len(read):
        raise DataError(f"{len(read)} reports but {len(labels)} names")
    warnings, found = [], []
    for i in range(1, len(read)):
        warnings += list(_differing(read[0], read[i], labels[0], labels[i]))
        tested, told = _differences(read[0], read[i], labels[0], labels[i], samples, seed)
        found += [Difference(m, 0, i, what, p, math.nan) for m, what, p in tested]
        warnings += told
    adjusted = holm([d.found.p for d in found])
    differences = tuple(dataclasses.replace(d, p=float(p)) for d, p in zip(found, adjusted, strict=True))
    return Comparison(read, labels, differences, tuple(dict.fromkeys(warnings)))


def load(file: str | Path) -> Report:
    """The report in a file.

    Raises:
        DataError: the file cannot be read, or holds no report.
    """
    try:
        return Report.from_json(Path(file).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: cannot be read ({error})") from error
    except DataError as error:
        raise DataError(f"{file}: {error}") from error


def lower_is_better(metric: str) -> bool:
    """Whether a metric falls when a model improves.

    >>> lower_is_better("MedR (audio to text)"), lower_is_better("MAP")
    (True, False)
    """
    return metric.startswith(LOWER_IS_BETTER)


def statistic_of(metric: str) -> Statistic:
    """How a metric's value comes from those of its items."""
    return "median" if metric.startswith(MEDIANS) else "mean"


def items_of(report: Report, metric: str) -> Items | None:
    """The items that hold single values of a metric; None where the report has none."""
    return next((i for i in report.outcome.items if metric in i.values), None)


def changes(comparison: Comparison) -> list[tuple[str, float, float]]:
    """Of the first difference: (id, value before, value after) of all items that both have, the largest gain first."""
    d = comparison.differences[0]
    ours, theirs = (items_of(comparison.reports[k], d.metric) for k in (d.first, d.second))
    assert ours is not None
    assert theirs is not None
    after = dict(zip(theirs.ids, theirs.values[d.metric], strict=True))
    pairs = [(i, v, after[i]) for i, v in zip(ours.ids, ours.values[d.metric], strict=True) if i in after]
    return sorted((p for p in pairs if not math.isnan(p[2] - p[1])), key=lambda p: p[1] - p[2])


def _differences(
    a: Report, b: Report, name_a: str, name_b: str, samples: int, seed: int
) -> tuple[list[tuple[str, str, Paired]], list[str]]:
    """Tests of all metrics that both have, as (metric, what was paired, result), and what could not be tested."""
    tested: list[tuple[str, str, Paired]] = []
    told: list[str] = []
    lacking: list[str] = []
    for metric in (m for m in a.outcome.figures if m in b.outcome.figures):
        ours, theirs = items_of(a, metric), items_of(b, metric)
        if ours is None or theirs is None or not (_adds_up(a, ours, metric) and _adds_up(b, theirs, metric)):
            lacking.append(metric)
            continue
        place = {i: k for k, i in enumerate(theirs.ids)}
        common = [k for k, i in enumerate(ours.ids) if i in place]
        if not common:
            raise DataError(
                f"{name_a} and {name_b} have no {ours.what} in common, so there is nothing to pair: they were measured "
                f"on other data ({a.data}, {b.data})"
            )
        if len(common) < max(len(ours.ids), len(theirs.ids)):
            told.append(
                f"{name_a} and {name_b} share {len(common)} {ours.what} of {len(ours.ids)} and {len(theirs.ids)}; "
                "differences are over these alone"
            )
        first = np.array(ours.values[metric])[common]
        second = np.array(theirs.values[metric])[[place[ours.ids[k]] for k in common]]
        groups = [ours.groups[k] for k in common] if ours.groups else ()
        found = paired(first, second, groups=groups, statistic=statistic_of(metric), samples=samples, seed=seed)
        tested.append((metric, ours.what, found))
    if lacking:
        told.append(f"{name_a} and {name_b}: no values of single items for {', '.join(lacking)}, so no test of these")
    return tested, told


def _adds_up(report: Report, items: Items, metric: str) -> bool:
    """Whether the figure is the mean or median of its items; of another kind of figure their difference says little."""
    values = np.array(items.values[metric])
    if np.isnan(values).all():
        return False
    middle = float((np.nanmedian if statistic_of(metric) == "median" else np.nanmean)(values))
    return math.isclose(middle, report.outcome.figures[metric].value, rel_tol=1e-5, abs_tol=1e-6)


def _differing(a: Report, b: Report, name_a: str, name_b: str) -> Iterator[str]:
    both = f"{name_a} and {name_b}"
    if a.data_hash and b.data_hash:
        if a.data_hash != b.data_hash:
            yield f"{both} were not measured on the same data: ids, labels or files differ ({a.data}, {b.data})"
    elif a.data != b.data:
        yield f"{both} name different data ({a.data}, {b.data}), and whether the files are the same is not recorded"
    if a.outcome.protocol != b.outcome.protocol:
        yield f"{both} were measured by different protocols: {a.outcome.protocol!r} against {b.outcome.protocol!r}"
    other = sorted(n for n in a.settings.keys() | b.settings.keys() if a.settings.get(n) != b.settings.get(n))
    if other:
        yield f"{both} were measured with other settings: " + ", ".join(
            f"{n} {a.settings.get(n)!r} against {b.settings.get(n)!r}" for n in other
        )
    if a.provenance == b.provenance:
        yield f"{both} are the same model with the same windows"
    if a.failures.keys() != b.failures.keys():
        yield f"{both} left out different recordings: {len(a.failures)} and {len(b.failures)}"
    if a.outcome.seed != b.outcome.seed:
        yield f"{both} were measured with different seeds ({a.outcome.seed}, {b.outcome.seed}): splits may differ"


def _names(reports: Sequence[Report], files: Sequence[Path | None]) -> tuple[str, ...]:
    names = [r.model for r in reports]
    for i, (report, file) in enumerate(zip(reports, files, strict=True)):
        if [r.model for r in reports].count(report.model) > 1:
            names[i] = f"{report.model} ({file.stem if file is not None else i + 1})"
    if len(set(names)) < len(names):
        names = [f"{name} #{i + 1}" for i, name in enumerate(names)]
    return tuple(names)


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    return {n: None if isinstance(v, float) and not math.isfinite(v) else v for n, v in values.items()}
