"""Means over tracks leave out what is undefined and say on how many tracks they rest."""

from __future__ import annotations

import math

import pytest

from ohrwurm.errors import DataError
from ohrwurm.evaluation.metrics import corpus

TRACKS = [{"majmin": 0.5, "seg": 0.1}, {"majmin": math.nan, "seg": 0.3}, {"majmin": 1.0, "seg": 0.5}]


def test_weighted_and_plain_means() -> None:
    assert corpus.evaluate(TRACKS) == pytest.approx({"majmin": 0.75, "seg": 0.3})
    assert corpus.evaluate(TRACKS, [3, 5, 1]) == pytest.approx({"majmin": 0.625, "seg": 2.3 / 9})
    assert corpus.measured(TRACKS) == {"majmin": 2, "seg": 3}


def test_the_order_of_tracks_does_not_matter() -> None:
    assert corpus.evaluate(TRACKS[::-1], [1, 5, 3]) == pytest.approx(corpus.evaluate(TRACKS, [3, 5, 1]))


def test_nothing_is_not_a_number() -> None:
    assert corpus.evaluate([]) == {}
    assert math.isnan(corpus.evaluate([{"majmin": math.nan}])["majmin"])
    assert math.isnan(corpus.evaluate([{"majmin": 1.0}], [0.0])["majmin"])


def test_wrong_input_is_refused() -> None:
    with pytest.raises(DataError, match="track 1 and track 0 were measured differently: root"):
        corpus.evaluate([{"majmin": 1.0}, {"root": 1.0, "majmin": 1.0}])
    for weights in ([1.0], [1.0, -1.0, 1.0], [1.0, math.nan, 1.0]):
        with pytest.raises(DataError, match="weights"):
            corpus.evaluate(TRACKS, weights)
