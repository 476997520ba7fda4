"""Chord metrics are mir_eval's, and not a number where nothing can be compared."""

from __future__ import annotations

import math
import warnings

import mir_eval
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohrwurm.errors import DataError
from ohrwurm.evaluation.metrics import chord

CHORDS = ("N", "C:maj", "C:min", "G:7", "G:maj/3", "A:min7", "A:min", "F:maj7", "D:sus4", "B:dim", "X")


def random_chords(rng: np.random.Generator, start: float, end: float) -> tuple[np.ndarray, list[str]]:
    inner = np.unique(rng.integers(int(start * 4) + 1, int(end * 4), size=rng.integers(0, 9)) / 4)
    edges = np.concatenate([[start], inner, [end]])
    return np.stack([edges[:-1], edges[1:]], 1), [str(c) for c in rng.choice(CHORDS, len(edges) - 1)]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 2.0]), st.sampled_from([8.0, 10.0, 13.0]))
def test_equals_mir_eval(seed: int, start: float, end: float) -> None:
    rng = np.random.default_rng(seed)
    reference, estimate = random_chords(rng, 1.0, 10.0), random_chords(rng, start, end)
    if 10.0 in estimate[0][:, 0] or 1.0 in estimate[0][:, 1]:
        return  # mir_eval makes an interval of no length of it and refuses that
    found = chord.evaluate(*reference, *estimate)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that nothing was comparable, where we say NaN
        expected = mir_eval.chord.evaluate(reference[0], list(reference[1]), estimate[0], list(estimate[1]))
    assert found.keys() == expected.keys()
    for name, value in found.items():
        if math.isnan(value):
            assert expected[name] == 0
        else:
            assert value == pytest.approx(expected[name]), name


def test_an_estimate_may_change_where_the_reference_begins_or_ends() -> None:
    estimate = [[0, 1], [1, 3], [3, 5]], ["G", "C", "G"]
    assert chord.evaluate([[1, 3]], ["C"], *estimate) == chord.evaluate([[1, 3]], ["C"], [[1, 3]], ["C"])


def test_gaps_are_no_chord() -> None:
    apart = chord.evaluate([[0, 2], [3, 4]], ["C", "C"], [[0, 4]], ["C"])
    filled = chord.evaluate([[0, 2], [2, 3], [3, 4]], ["C", "N", "C"], [[0, 4]], ["C"])
    assert apart == pytest.approx(filled)
    assert apart["majmin"] == 0.75


def test_what_the_level_does_not_know_does_not_count() -> None:
    found = chord.evaluate([[0, 3], [3, 4]], ["C:sus4", "C:maj"], [[0, 4]], ["C:maj"])
    assert found["majmin"] == 1.0
    assert found["root"] == 1.0
    assert found["tetrads"] == 0.25
    alone = chord.evaluate([[0, 3]], ["C:sus4"], [[0, 3]], ["C:sus4"])
    assert math.isnan(alone["majmin"])
    assert alone["tetrads"] == 1.0


def test_empty_annotations_are_defined() -> None:
    assert all(math.isnan(v) for v in chord.evaluate([], [], [[0, 1]], ["C"]).values())
    assert chord.evaluate([[0, 1]], ["C"], [], [])["majmin"] == 0.0
    assert chord.evaluate([[0, 1]], ["N"], [], [])["majmin"] == 1.0
    assert chord.evaluate([[0, 1]], ["C"], [[5, 6]], ["C"])["majmin"] == 0.0


def test_arguments_are_left_as_they_are() -> None:
    labels = ["C"]
    chord.evaluate([[0, 2]], ["C"], [[0.5, 1]], labels)
    assert labels == ["C"]


def test_wrong_input_is_refused() -> None:
    with pytest.raises(DataError, match=r"estimate: 'H:maj'"):
        chord.evaluate([[0, 1]], ["C"], [[0, 1]], ["H:maj"])
    with pytest.raises(DataError, match="reference: interval 1 begins at 1 s"):
        chord.evaluate([[0, 2], [1, 3]], ["C", "G"], [[0, 3]], ["C"])
