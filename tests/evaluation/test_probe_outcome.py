"""Figures of the selected probe: the metrics' values, intervals that hold them, and what each track had a part in."""

from __future__ import annotations

import numpy as np
import pytest

from ohrwurm.evaluation.metrics import ensembles, key, regression
from ohrwurm.evaluation.protocols.probe_outcome import Answers, outcome_of
from ohrwurm.evaluation.protocols.probe_scores import ProbeTask

NUMBERS = ProbeTask("mine", "regression", ("arousal", "valence"), "r2")
KEYS = ProbeTask("mine", "multiclass", key.NAMES, "score")


def numbers(count: int, noise: float, seed: int = 0) -> Answers:
    draw = np.random.default_rng(seed)
    y = draw.normal(size=(count, 2)).astype(np.float32)
    return Answers(
        (y + noise * draw.normal(size=y.shape)).astype(np.float32), y, tuple(f"{seed}-{i}" for i in range(count))
    )


def test_numbers_have_the_r2_of_the_metric_and_shares_that_average_to_it() -> None:
    test = numbers(80, 0.5)
    found = outcome_of(NUMBERS, [test], [test])
    expected = regression.evaluate(test.y, test.outputs, NUMBERS.labels)
    (items,) = found.items
    for name, value in expected.items():
        figure = found.figures[name]
        assert figure.value == pytest.approx(value)
        assert figure.low < value < figure.high
        assert np.mean(items.values[name]) == pytest.approx(value)
    assert found.figures["R2"].chance == 0


def test_intervals_of_numbers_cover_what_they_should() -> None:
    """Of many draws from the same source about 95 in 100 intervals hold the long-run value."""
    many = numbers(100000, 0.7, 999)
    truth = regression.r2(many.y, many.outputs).mean()
    held = 0
    for seed in range(40):
        figure = outcome_of(NUMBERS, [numbers(60, 0.7, seed)], [numbers(2, 0.1)]).figures["R2"]
        held += figure.low <= truth <= figure.high
    assert 34 <= held <= 40


def test_each_fold_joins_the_clips_of_its_songs_as_its_own_validation_has_it() -> None:
    draw = np.random.default_rng(0)

    def clips(fold: int, songs: int, peak: bool) -> Answers:
        """Songs of three clips; with `peak` one clip alone knows the key, and loudly; else two agree."""
        y = draw.integers(24, size=songs)
        outputs = draw.normal(0, 0.1, size=(songs, 3, 24))
        for s in range(songs):
            wrong = (y[s] + 6) % 24
            outputs[s, :2, wrong if peak else y[s]] += 2
            outputs[s, 2, y[s] if peak else wrong] += 3 if peak else 1
        names = tuple(f"{fold}-song-{s}-{c}" for s in range(songs) for c in range(3))
        return Answers(outputs.reshape(-1, 24).astype(np.float32), np.repeat(y, 3), names)

    tests = [clips(0, 8, True), clips(1, 8, False)]
    found = outcome_of(KEYS, tests, [clips(2, 8, True), clips(3, 8, False)])
    assert found.details["clips joined by"] == ["max", "vote"]
    assert found.figures["weighted score"].value == 1.0
    assert found.counts == {"songs": 16, "clips": 48}
    assert len(found.items[0].ids) == 16
    swapped = outcome_of(KEYS, tests, [clips(3, 8, False), clips(2, 8, True)])
    assert swapped.figures["weighted score"].value <= 0.5
    assert set(ensembles.STRATEGIES) >= set(swapped.details["clips joined by"])


def test_tags_take_their_thresholds_from_validation() -> None:
    draw = np.random.default_rng(0)
    y = (draw.random((60, 3)) < 0.4).astype(np.float32)
    test = Answers((y * 4 - 3 + draw.normal(0, 0.1, y.shape)).astype(np.float32), y, tuple(map(str, range(60))))
    found = outcome_of(ProbeTask("mine", "multilabel", ("a", "b", "c"), "auc_roc"), [test], [test])
    assert found.figures["ROC-AUC"].value == 1.0
    assert found.figures["F1"].value == 1.0  # a cut at a half would find some too few: positives lie around sigmoid(1)
