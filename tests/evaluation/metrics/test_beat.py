"""Beat metrics are mir_eval's, and defined where it only warns."""

from __future__ import annotations

import math
import warnings

import mir_eval
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohrwurm.errors import DataError
from ohrwurm.evaluation.metrics import beat

FULL = {
    "CMLc": "Correct Metric Level Continuous", "CMLt": "Correct Metric Level Total",
    "AMLc": "Any Metric Level Continuous", "AMLt": "Any Metric Level Total",
}  # fmt: skip


@pytest.mark.filterwarnings("error")
@settings(max_examples=60, deadline=None)
@given(st.integers(2, 40), st.floats(0.3, 1.0), st.floats(0, 0.15), st.sampled_from([1, 2, 0.5]), st.integers(0, 999))
def test_equals_mir_eval(count: int, period: float, jitter: float, level: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    reference = 5.5 + period * np.arange(count)
    estimate = 5.5 + period / level * (np.arange(max(2, int(count * level))) + jitter)
    estimate = np.unique(np.abs(estimate + rng.normal(0, jitter * period, len(estimate))))
    if (estimate >= 5).sum() < 2:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy's in mir_eval; ours gives none
        expected = mir_eval.beat.evaluate(np.append(1.0, reference), estimate)
    found = beat.evaluate(np.append(1.0, reference), estimate)
    assert found.keys() == set(beat.NAMES)
    for name, value in found.items():
        assert value == pytest.approx(expected[FULL.get(name, name)]), name


def test_the_start_does_not_count_unless_asked() -> None:
    reference = np.arange(0, 20, 0.5)
    late = reference[reference >= 5]
    assert beat.evaluate(reference, late)["F-measure"] == 1.0
    assert beat.evaluate(reference, late, skip=0)["F-measure"] == pytest.approx(2 * 30 / 70)


def test_tolerance_is_that_of_the_f_measure() -> None:
    reference = np.arange(0, 20, 0.5)
    assert beat.evaluate(reference, reference + 0.1)["F-measure"] == 0.0
    assert beat.evaluate(reference, reference + 0.1, skip=0, tolerance=0.11)["F-measure"] == 1.0


@pytest.mark.parametrize("reference", [[], [2.0]])
def test_without_a_reference_beat_nothing_is_measured(reference: list[float]) -> None:
    assert all(math.isnan(v) for v in beat.evaluate(reference, [6.0, 7.0]).values())


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("count", [0, 1])
def test_nothing_or_one_found_is_defined(count: int) -> None:
    reference = np.arange(6, 20, 0.5)
    found = beat.evaluate(reference, reference[:count])
    assert found["F-measure"] == pytest.approx(2 * count / (len(reference) + count))
    assert [found[name] for name in beat.NAMES[2:]] == [0.0] * 7
    one = beat.evaluate([6.0], [6.0])
    assert (one["F-measure"], one["Cemgil"]) == (1.0, 1.0)
    assert all(math.isnan(one[name]) for name in beat.NAMES[2:])


@pytest.mark.parametrize(
    ("times", "message"),
    [([1.0, 1.0], "beat 1"), ([2.0, 1.0], "does not come after"), ([-1.0], "0 and 30,000"), ([math.nan], "finite"),
     ([40_000.0], "30,000"), ([[1.0]], "beats,")],
)  # fmt: skip
def test_wrong_times_are_refused(times: list, message: str) -> None:
    with pytest.raises(DataError, match=message):
        beat.evaluate(times, [1.0])
    with pytest.raises(DataError, match="estimate"):
        beat.evaluate([1.0], times)
