"""Two reports are compared item by item: what is luck is not called a difference, and what cannot be paired is told."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ohrwurm.errors import DataError
from ohrwurm.evaluation.comparison import compare, load
from ohrwurm.evaluation.confidence import bootstrap
from ohrwurm.evaluation.paired import holm, paired
from ohrwurm.evaluation.report import Figure, Items, Outcome, Report


def reported(model: str, values: dict[str, Any], ids: Any = None, groups: Any = None, **more: Any) -> Report:
    """A report whose figures are the means (MedR: the median) of the values given."""
    count = len(next(iter(values.values())))
    items = Items.of("queries", range(count) if ids is None else ids, values, groups)
    figures = {
        name: Figure(float((np.nanmedian if name == "MedR" else np.nanmean)(v)), 0.0, 1.0, 0.1)
        for name, v in values.items()
    }
    outcome = Outcome("each asks", "over queries", figures, {"queries": count}, items=(items,))
    changed = {name: more.pop(name) for name in ("protocol", "seed") if name in more}
    outcome = dataclasses.replace(outcome, **changed)
    given: dict[str, Any] = {"task": "versions", "data": "set", "data_hash": "1f"} | more
    return Report(
        given.pop("task"), given.pop("data"), "", "", "", model, "", f"{model}-1", outcome, {}, {}, **given
    )  # fmt: skip


# The statistics -------------------------------------------------------------------------------------------------------


def test_the_test_is_fishers_exact_one_with_few_pairs() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random(9), rng.random(9) + 0.3
    sums = [abs(np.dot(signs, b - a)) for signs in itertools.product((1, -1), repeat=9)]
    expected = np.mean(np.array(sums) >= abs((b - a).sum()) - 1e-12)
    assert paired(a, b).p == pytest.approx(expected)


def test_items_of_one_group_are_flipped_together() -> None:
    a, b = np.zeros(12), np.repeat([0.2, 0.1, 0.4, 0.3], 3)
    groups = np.repeat(list("abcd"), 3).tolist()
    found = paired(a, b, groups=groups)
    assert (found.items, found.groups) == (12, 4)
    assert found.p == pytest.approx(2 / 16)  # four works cannot say more, however many queries they have
    assert paired(a, b).p < 0.001


def test_the_interval_is_that_of_the_difference() -> None:
    rng = np.random.default_rng(1)
    a = rng.random(60)
    b = a + 0.1 + 0.05 * rng.normal(size=60)
    groups = np.repeat(np.arange(20), 3).astype(str).tolist()
    found = paired(a, b, groups=groups)
    low, high = bootstrap(b - a, groups=groups, samples=9999)
    assert (found.low, found.high) == (pytest.approx(low, abs=2e-3), pytest.approx(high, abs=2e-3))
    apart = bootstrap(b), bootstrap(a)
    assert found.high - found.low < (apart[0][1] - apart[0][0]) / 3  # pairs know more than two intervals side by side


def test_medians_are_compared_as_medians() -> None:
    rng = np.random.default_rng(2)
    a = rng.integers(1, 50, 40).astype(float)
    b = np.maximum(1, a - 8)
    found = paired(a, b, statistic="median", samples=999)
    assert found.difference == np.median(b) - np.median(a)
    assert found.low <= found.difference <= found.high < 0
    grouped = paired(a, b, groups=[str(i // 2) for i in range(40)], statistic="median", samples=999)
    assert grouped.difference == found.difference
    assert grouped.groups == 20


def test_equal_models_are_told_apart_as_often_as_the_level_says() -> None:
    rng, alarms, inside = np.random.default_rng(3), 0, 0
    for _ in range(100):
        hard = rng.random(30)
        a, b = hard + rng.normal(size=30), hard + rng.normal(size=30)
        found = paired(a, b, samples=499)
        alarms += found.p < 0.05
        inside += found.low <= 0 <= found.high
    assert alarms <= 12  # of 100 at 5 %; 13 or more has a probability of 0.001
    assert inside >= 86


def test_pairs_with_a_missing_value_do_not_count() -> None:
    found = paired([0.1, math.nan, 0.3, 0.2], [0.2, 0.9, math.nan, 0.4])
    assert (found.items, found.first, found.second) == (2, pytest.approx(0.15), pytest.approx(0.3))
    assert math.isnan(paired([math.nan], [1.0]).p)
    assert math.isnan(paired([0.5], [1.0]).p)  # a single pair
    with pytest.raises(ValueError, match="2 values are to be paired with 1"):
        paired([1, 2], [1])


def test_holm_is_the_step_down_of_bonferroni() -> None:
    assert holm([0.005, 0.011, 0.02, 0.04]).tolist() == pytest.approx([0.02, 0.033, 0.04, 0.04])
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]
    assert np.isnan(holm([math.nan, 0.04])).tolist() == [True, False]
    assert holm([math.nan, 0.04])[1] == 0.04


# The comparison -------------------------------------------------------------------------------------------------------


def test_items_are_paired_by_id_whatever_their_order() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.random(50), rng.random(50)
    ids, order = [f"q{i}" for i in range(50)], rng.permutation(50)
    plain = compare([reported("a", {"MAP": a}, ids), reported("b", {"MAP": b}, ids)])
    mixed = compare([reported("a", {"MAP": a}, ids), reported("b", {"MAP": b[order]}, [ids[i] for i in order])])
    assert mixed.differences == plain.differences
    assert plain.differences[0].found.difference == pytest.approx(b.mean() - a.mean())
    assert plain.warnings == ()


def test_better_is_higher_but_for_ranks() -> None:
    low, high = np.full(20, 2.0), np.full(20, 5.0)
    found = compare([reported("a", {"MAP": low, "MR1": low}), reported("b", {"MAP": high, "MR1": high})])
    assert {d.metric: d.verdict for d in found.differences} == {"MAP": "better", "MR1": "worse"}


def test_all_tests_of_a_comparison_are_corrected_together() -> None:
    rng = np.random.default_rng(5)
    a = {m: rng.random(40) for m in ("MAP", "MRR", "Top-1")}
    others = [reported(n, {m: v + 0.15 * rng.normal(size=40) + 0.05 for m, v in a.items()}) for n in ("b", "c")]
    found = compare([reported("a", a), *others])
    raw = [d.found.p for d in found.differences]
    assert len(raw) == 6
    assert [d.p for d in found.differences] == pytest.approx(holm(raw).tolist())
    assert {(d.first, d.second) for d in found.differences} == {(0, 1), (0, 2)}


def test_what_makes_reports_less_comparable_is_told() -> None:
    a, values = reported("a", {"MAP": np.linspace(0, 1, 20)}), {"MAP": np.linspace(0, 1, 20)}
    for changed, message in (
        ({"data_hash": "2e"}, "not measured on the same data"),
        ({"data_hash": "", "data": "other"}, "is not recorded"),
        ({"protocol": "otherwise"}, "different protocols"),
        ({"settings": {"chunks": 8}}, "chunks None against 8"),
        ({"seed": 1}, "different seeds"),
    ):
        told = compare([a, reported("b", values, **changed)]).warnings
        assert len(told) == 1, changed
        assert message in told[0]
    fewer = reported("b", {"MAP": np.linspace(0, 1, 15)}, ids=range(5, 20))
    found = compare([a, fewer])
    assert "share 15 queries of 20 and 15" in found.warnings[0]
    assert found.differences[0].found.first == pytest.approx(np.linspace(0, 1, 20)[5:].mean())  # the common ones


def test_figures_that_are_no_mean_of_their_items_are_not_tested() -> None:
    a, b = (reported(n, {"R2": np.linspace(0, 1, 20)}) for n in "ab")
    b = dataclasses.replace(b, outcome=dataclasses.replace(b.outcome, figures={"R2": Figure(-3.0, 0, 1, 0)}))
    found = compare([a, b])
    assert found.differences == ()
    assert "no test of these" in found.warnings[0]


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    a = reported("a", {"MAP": np.ones(3)})
    with pytest.raises(DataError, match="no report to compare"):
        compare([])
    assert compare([a]).differences == ()
    with pytest.raises(DataError, match="different tasks"):
        compare([a, reported("b", {"MAP": np.ones(3)}, task="probe")])
    with pytest.raises(DataError, match="no queries in common"):
        compare([a, reported("b", {"MAP": np.ones(3)}, ids="xyz", data_hash="2e")])
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(DataError, match=r"x\.json: not a report"):
        load(tmp_path / "x.json")
    with pytest.raises(DataError, match=r"y\.json: cannot be read"):
        load(tmp_path / "y.json")


def test_reports_of_one_model_are_told_apart_by_their_files(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / f"{name}.json").write_text(reported("m", {"MAP": np.ones(4)}).to_json())
    found = compare([tmp_path / "old.json", tmp_path / "new.json"])
    assert found.names == ("m (old)", "m (new)")
    assert "the same model" in found.warnings[0]


def test_a_report_comes_back_from_its_json() -> None:
    made = reported("m", {"MAP": [0.5, math.nan, 1.0]}, groups=list("aab"), settings={"chunks": 3})
    made = dataclasses.replace(
        made, outcome=dataclasses.replace(made.outcome, published={"MR1": 3.5}, published_as="theirs", warnings=("w",))
    )
    back = Report.from_json(made.to_json())
    assert back.to_json() == made.to_json()
    assert math.isnan(back.outcome.items[0].values["MAP"][1])
    assert (back.outcome.published, back.outcome.warnings, back.settings) == ({"MR1": 3.5}, ("w",), {"chunks": 3})
    with pytest.raises(DataError, match="'a' stands twice"):
        Items.of("queries", "aba", {"MAP": [1, 2, 3]})
    with pytest.raises(DataError, match="3 ids"):
        Items.of("queries", "abc", {"MAP": [1, 2]})


def test_json_holds_no_number_that_is_none() -> None:
    a, b = reported("a", {"MAP": [1.0]}), reported("b", {"MAP": [0.5]})
    (row,) = json.loads(compare([a, b]).to_json())["differences"]
    assert (row["p"], row["difference"], row["verdict"]) == (None, -0.5, "no difference shown")
