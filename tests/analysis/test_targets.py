"""Targets and decoding are each other's opposite; pooling is torch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ohrwurm.analysis.beats import beats_from_peaks
from ohrwurm.analysis.targets import (
    IGNORED,
    boundary_targets,
    event_targets,
    label_targets,
    pooled,
    pooled_classes,
)
from ohrwurm.errors import DataError
from ohrwurm.events import Spans


@pytest.mark.parametrize("rate", [25.0, 50.0, 43.07])
def test_targets_of_beats_give_the_beats_back(rate: float) -> None:
    times = np.cumsum(np.random.default_rng(0).uniform(0.3, 1.0, 50))
    frames = int(times[-1] * rate) + 5
    found = beats_from_peaks(event_targets(times, frames, rate), rate)
    assert len(found) == len(times)
    assert found.times == pytest.approx(times, abs=0.5 / rate + 1e-6)


def test_crops_see_only_their_own_events() -> None:
    times = np.array([0.99, 1.0, 1.995, 2.0])
    assert event_targets(times, 10, 10, start=1.0, neighbours=()).tolist() == [1] + [0] * 9
    widened = event_targets(times, 10, 10, start=1.0)
    assert widened.tolist() == [1, 0.5, 0.25, 0, 0, 0, 0, 0, 0.25, 0.5]


def test_near_events_do_not_lower_each_other() -> None:
    assert event_targets(np.array([0.04, 0.06]), 6, 50).tolist() == [0.25, 0.5, 1, 1, 0.5, 0.25]


def test_boundaries_are_wide_and_reach_into_the_crop() -> None:
    found = boundary_targets(np.array([0.0, 9.75, 30.0]), 80, 8.0, start=10.0)
    assert found[:3].tolist() == [1, 1, 1]
    assert found[3:].sum() == 0
    assert boundary_targets(np.zeros(0), 5, 8.0).sum() == 0


def test_labels_are_those_at_the_time_of_the_frame() -> None:
    spans = Spans(np.array([[0.0, 0.3], [0.3, 0.5], [0.75, 1.0]]), ("a", "b", "a"))
    found = label_targets(spans, {"a": 0, "b": 1}.__getitem__, 9, 10.0)
    assert found.tolist() == [0, 0, 0, 1, 1, IGNORED, IGNORED, IGNORED, 0]
    assert label_targets(spans, {"a": 0, "b": 1}.__getitem__, 3, 10.0, start=0.2).tolist() == [0, 1, 1]
    assert label_targets(Spans(np.zeros((0, 2)), ()), int, 2, 1.0).tolist() == [IGNORED, IGNORED]


@pytest.mark.parametrize("given, wanted", [(150, 300), (300, 192), (300, 6), (7, 5), (5, 7), (1, 3), (4, 4)])
def test_pooling_is_that_of_torch(given: int, wanted: int) -> None:
    x = np.random.default_rng(0).random((given, 3))
    torch_does = torch.nn.functional.adaptive_avg_pool1d(torch.from_numpy(x.T)[None], wanted)[0].T.numpy()
    assert pooled(x, wanted) == pytest.approx(torch_does, abs=1e-12)


def test_classes_there_and_back() -> None:
    classes = np.repeat([4, IGNORED, 2, 0], [3, 2, 4, 1])
    assert np.array_equal(pooled_classes(np.repeat(classes, 3), len(classes)), classes)
    assert np.array_equal(pooled_classes(classes, 3 * len(classes)), np.repeat(classes, 3))
    assert pooled_classes(np.full(5, IGNORED), 2).tolist() == [IGNORED, IGNORED]


def test_nothing_cannot_be_pooled() -> None:
    with pytest.raises(DataError, match="0 frames"):
        pooled(np.zeros((0, 2)), 4)
    with pytest.raises(DataError, match="to 0"):
        pooled_classes(np.zeros(3, np.int64), 0)
