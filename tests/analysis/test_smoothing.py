"""Smoothing finds the best sequence of all that keep the least duration."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohrwurm.analysis.smoothing import best_classes, change_matrix, runs
from ohrwurm.errors import DataError


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 8), st.integers(1, 4))
def test_the_best_sequence_is_the_best_of_all(seed: int, frames: int, shortest: int) -> None:
    rng = np.random.default_rng(seed)
    x = np.log(rng.dirichlet(np.ones(3), frames))
    change = change_matrix(3, 2.5, rng.random((3, 3)) + 0.1)
    best, highest = None, -np.inf
    for sequence in product(range(3), repeat=frames):
        found = runs(np.array(sequence))
        if np.diff(found, axis=1).min() < min(shortest, frames):
            continue
        score = x[np.arange(frames), sequence].sum() + change[sequence[:-1], sequence[1:]].sum()
        if score > highest:
            best, highest = sequence, score
    assert best_classes(x, change, shortest=shortest).tolist() == list(best or ())


def test_a_wrong_frame_is_passed_over_and_a_change_is_not() -> None:
    x = np.full((40, 4), 0.05)
    x[:20, 0], x[20:, 3] = 0.85, 0.85
    x[7] = [0.05, 0.85, 0.05, 0.05]
    found = best_classes(np.log(x), change_matrix(4, 30.0))
    assert found.tolist() == [0] * 20 + [3] * 20


def test_any_length_and_one_class() -> None:
    assert len(best_classes(np.zeros((0, 3)), change_matrix(3, 5.0))) == 0
    assert best_classes(np.zeros((4, 1)), change_matrix(1, 5.0), shortest=9).tolist() == [0] * 4
    with pytest.raises(DataError, match="do not fit"):
        best_classes(np.zeros((4, 2)), change_matrix(3, 5.0))


def test_changes_are_probabilities() -> None:
    change = np.exp(change_matrix(5, 8.0, np.random.default_rng(0).random((5, 5))))
    assert change.sum(1) == pytest.approx(np.ones(5))
    assert change.diagonal() == pytest.approx(np.full(5, 7 / 8))
