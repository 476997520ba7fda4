"""Key scores are mir_eval's and the published ones."""

from __future__ import annotations

import math

import mir_eval
import numpy as np
import pytest

from ohrwurm.errors import DataError
from ohrwurm.evaluation.metrics import key
from ohrwurm.events import TONICS

SHARPS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


def test_every_pair_of_keys_scores_as_published(golden) -> None:
    g = golden("tune/mirex_key_table")
    assert [key.parse(name) for name in g["labels"]] == list(range(24))
    reference, estimate = np.divmod(np.arange(24 * 24), 24)
    np.testing.assert_array_equal(key.weighted_scores(reference, estimate).reshape(24, 24), g["score_ref_row_est_col"])


def test_every_pair_of_keys_scores_as_in_mir_eval() -> None:
    for r, reference in enumerate(key.NAMES):
        for e, estimate in enumerate(key.NAMES):
            assert key.weighted_scores([r], [e])[0] == mir_eval.key.weighted_score(reference, estimate)


def test_descending_fifths_score_both_ways_and_change_nothing_else() -> None:
    reference, estimate = np.divmod(np.arange(24 * 24), 24)
    plain = key.weighted_scores(reference, estimate)
    both = key.weighted_scores(reference, estimate, descending_fifths=True)
    changed = np.flatnonzero(both != plain)
    np.testing.assert_array_equal(both, np.maximum(plain, key.weighted_scores(estimate, reference)))
    assert len(changed) == 24
    assert key.weighted_scores(["C"], ["F"], descending_fifths=True) == 0.5


def test_names_are_read_whatever_their_spelling() -> None:
    for tonic, sharp in enumerate(SHARPS):
        for minor, modes in enumerate((("", " major", "M", ":maj", " Maj"), ("m", " minor", ":min", " Minor"))):
            for mode in modes:
                assert key.parse(sharp + mode) == key.parse(TONICS[tonic] + mode) == tonic + 12 * minor
    assert key.parse("Ebb minor") == key.parse("D minor")


@pytest.mark.parametrize("name", ["", "H major", "C dorian", "unknown", "X"])
def test_what_is_not_a_key_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="not a key"):
        key.evaluate(["C"], [name])


def test_wrong_input_is_refused() -> None:
    with pytest.raises(DataError, match="24 is not a key"):
        key.evaluate([0], [24])
    with pytest.raises(DataError, match="nan"):
        key.evaluate([0], [math.nan])
    with pytest.raises(DataError, match="one key a track"):
        key.evaluate([0, 1], [0])


def test_metrics_are_shares_and_do_not_depend_on_the_order_of_tracks() -> None:
    rng = np.random.default_rng(0)
    reference, estimate, order = rng.integers(24, size=200), rng.integers(24, size=200), rng.permutation(200)
    found = key.evaluate(reference, estimate)
    assert key.evaluate(reference[order], estimate[order]) == pytest.approx(found)
    assert found["accuracy"] == np.mean(reference == estimate)
    assert sum(v for name, v in found.items() if name != "weighted score") == pytest.approx(1)
    assert found["weighted score"] == pytest.approx(key.weighted_scores(reference, estimate).mean())


def test_chance_is_the_mean_over_all_keys() -> None:
    every = key.weighted_scores(*np.divmod(np.arange(576), 24))
    assert key.chance(["A minor"])["weighted score"] == pytest.approx(every.mean())
    assert key.chance([0])["accuracy"] == pytest.approx(1 / 24)


def test_nothing_is_not_a_number() -> None:
    for found in (key.evaluate([], []), key.chance([])):
        assert all(math.isnan(v) for v in found.values())
    assert key.evaluate([], []).keys() == key.evaluate([0], [0]).keys()
