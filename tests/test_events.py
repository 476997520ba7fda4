"""What cannot be beats, spans or a key is refused, with what is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from ohrwurm.events import Beats, Key, Spans


@pytest.mark.parametrize(
    "times, positions, message",
    [
        ([0.0, 1.0], [1], "positions"),
        ([[0.0, 1.0]], [[1, 2]], "times"),
        ([0.0, 1.0, 1.0], [1, 2, 3], "beat 2"),
        ([0.0, np.nan], [1, 2], "finite"),
        ([0.0], [-1], "position"),
        ([0.0], [1.5], "position"),
    ],
)
def test_impossible_beats_are_refused(times: list[float], positions: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Beats(np.array(times), np.array(positions))


@pytest.mark.parametrize(
    "intervals, labels, message",
    [
        ([[0, 1]], ("A", "B"), "labels"),
        ([[0, 1, 2]], ("A",), "intervals"),
        ([[1, 1]], ("A",), "does not last"),
        ([[0, 2], [1, 3]], ("A", "B"), "span 1"),
        ([[0, np.inf]], ("A",), "finite"),
    ],
)
def test_impossible_spans_are_refused(intervals: list[list[float]], labels: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Spans(np.array(intervals), labels)


def test_confidence_is_one_share_each() -> None:
    with pytest.raises(ValueError, match="confidence"):
        Beats(np.array([0.0]), np.array([1]), np.array([1.5]))
    with pytest.raises(ValueError, match="confidence"):
        Spans(np.array([[0, 1]]), ("A",), np.array([0.5, 0.5]))
    with pytest.raises(ValueError, match="confidence"):
        Key("C major", float("nan"))


def test_nothing_found_is_a_value() -> None:
    beats, spans = Beats(np.zeros(0), np.zeros(0, np.int64)), Spans(np.zeros((0, 2)), ())
    assert (len(beats), len(beats.downbeats), len(spans), spans.intervals.shape) == (0, 0, 0, (0, 2))
