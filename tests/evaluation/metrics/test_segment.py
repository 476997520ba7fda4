"""Segment metrics are mir_eval's; accuracy is time-exact; empty annotations are defined."""

from __future__ import annotations

import math

import mir_eval
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohrwurm.errors import DataError
from ohrwurm.evaluation.metrics import segment

FULL = {
    "HR.5P": "Precision@0.5", "HR.5R": "Recall@0.5", "HR.5F": "F-measure@0.5",
    "HR3P": "Precision@3.0", "HR3R": "Recall@3.0", "HR3F": "F-measure@3.0",
    "PWP": "Pairwise Precision", "PWR": "Pairwise Recall", "PWF": "Pairwise F-measure",
    "So": "NCE Over", "Su": "NCE Under", "Sf": "NCE F-measure",
}  # fmt: skip


def random_sections(rng: np.random.Generator, end: float) -> tuple[np.ndarray, list[str]]:
    inner = np.unique(rng.integers(1, int(end * 2), size=rng.integers(0, 8)) / 2)
    edges = np.concatenate([[0.0], inner, [end]])
    return np.stack([edges[:-1], edges[1:]], 1), [str(c) for c in rng.choice(list("abcd"), len(edges) - 1)]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([20.0, 30.0, 41.0]), st.booleans())
@pytest.mark.filterwarnings("ignore")  # sklearn's and mir_eval's own, about single labels and empty boundaries
def test_equals_mir_eval(seed: int, end: float, trim: bool) -> None:
    rng = np.random.default_rng(seed)
    reference, estimate = random_sections(rng, 30.0), random_sections(rng, end)
    if 30.0 in estimate[0][:, 0]:
        return  # mir_eval makes a section of no length of it and refuses that
    found = segment.evaluate(*reference, *estimate, trim=trim)
    expected = mir_eval.segment.evaluate(reference[0], list(reference[1]), estimate[0], list(estimate[1]), trim=trim)
    for ours, theirs in FULL.items():
        if math.isnan(found[ours]):
            assert trim
            assert len(reference[1]) == 1
        else:
            assert found[ours] == pytest.approx(expected[theirs]), ours


def test_accuracy_is_the_share_of_annotated_time() -> None:
    found = segment.evaluate([[2, 10], [12, 20]], ["a", "b"], [[0, 9.5], [9.5, 14], [14, 30]], ["a", "c", "b"])
    assert found["ACC"] == pytest.approx((7.5 + 6) / 16)


def test_an_estimate_may_change_where_the_reference_ends() -> None:
    found = segment.evaluate([[0, 20]], ["a"], [[0, 20], [20, 25]], ["a", "b"])
    assert found == segment.evaluate([[0, 20]], ["a"], [[0, 20]], ["a"])


def test_a_rounded_end_is_no_boundary() -> None:
    reference = [[0, 10], [10, 20]], ["a", "b"]
    exact, rounded = (segment.evaluate(*reference, [[0, 10], [10, end]], ["a", "b"]) for end in (20, 19.9995))
    assert rounded == exact


@pytest.mark.filterwarnings("error")
def test_empty_annotations_are_defined() -> None:
    assert all(math.isnan(v) for v in segment.evaluate([], [], [[0, 1]], ["a"]).values())
    found = segment.evaluate([[0, 10], [10, 20]], ["a", "b"], [], [])
    assert found["ACC"] == 0.0
    assert found["HR.5R"] == pytest.approx(2 / 3)  # the ends of the track
    assert segment.evaluate([[0, 10], [10, 20]], ["a", "b"], [], [], trim=True)["HR.5F"] == 0.0
    assert math.isnan(segment.evaluate([[0, 20]], ["a"], [[0, 20]], ["a"], trim=True)["HR.5F"])


@pytest.mark.parametrize(
    ("intervals", "labels", "message"),
    [([[0, 1]], ["a", "b"], "2"), ([[1, 1]], ["a"], "does not last"), ([[-1, 1]], ["a"], "not before 0"),
     ([[0, math.inf]], ["a"], "finite"), ([[5, 6], [0, 1]], ["a", "b"], "interval 1 begins"), ([0, 1], ["a"], "n, 2")],
)  # fmt: skip
def test_wrong_sections_are_refused(intervals: list, labels: list[str], message: str) -> None:
    with pytest.raises(DataError, match=f"reference: .*{message}"):
        segment.evaluate(intervals, labels, [[0, 1]], ["a"])
