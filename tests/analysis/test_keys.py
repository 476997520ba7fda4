"""Keys are numbered as evaluation numbers them; modulations are found, passing doubts are not."""

from __future__ import annotations

import numpy as np
import pytest

from ohrwurm.analysis.keys import LABELS, NO_KEY, global_key, key_curve, key_distances
from ohrwurm.errors import DataError
from ohrwurm.evaluation.metrics.key import NAMES


def shares_of(keys: list[int], share: float = 0.6, classes: int = 24) -> np.ndarray:
    x = np.full((len(keys), classes), (1 - share) / (classes - 1))
    x[np.arange(len(keys)), keys] = share
    return x


def test_keys_are_numbered_as_in_evaluation() -> None:
    assert LABELS[:24] == NAMES
    for key, name in enumerate(NAMES):
        assert global_key(shares_of([key] * 3)).label == name


def test_the_global_key_is_that_of_averaged_logits() -> None:
    logits = np.random.default_rng(0).normal(0, 2, (30, 24))
    x = np.exp(logits)
    x /= x.sum(1, keepdims=True)
    mean = np.exp(logits.mean(0))
    found = global_key(x)
    assert found.label == NAMES[int(mean.argmax())]
    assert found.confidence == pytest.approx((mean / mean.sum()).max(), abs=0.002)


def test_confidence_tells_the_sure_from_the_unsure() -> None:
    assert global_key(np.zeros((10, 24))).confidence == pytest.approx(1 / 24)
    assert global_key(shares_of([0, 1, 2, 3, 4, 5] * 4)).confidence < global_key(shares_of([0] * 24)).confidence
    assert global_key(shares_of([24] * 9, classes=25)).label == NO_KEY
    nothing = global_key(np.zeros((0, 24)))
    assert (nothing.label, nothing.confidence) == (NO_KEY, 0.0)


def test_modulations_are_found_and_doubts_are_not() -> None:
    keys = [0] * 40 + [7] * 2 + [0] * 20 + [2] * 40  # C, a bar's worth of G, C, up a tone
    found = key_curve(shares_of(keys), 0.5)
    assert found.labels == ("C major", "D major")
    assert found.intervals.tolist() == [[0, 124], [124, 204]]
    assert found.confidence is not None
    assert found.confidence[1] == pytest.approx(0.6)
    assert key_curve(shares_of([3] * 2), 0.5).labels == ("Eb major",)  # four seconds
    assert len(key_curve(np.zeros((0, 25)), 0.5)) == 0


def test_near_keys_are_nearer() -> None:
    distances = key_distances()
    assert np.array_equal(distances, distances.T)
    assert (distances[np.arange(24), np.arange(24)] == 0).all()
    assert distances[9, 21] == distances[9, 4] == 1  # A major: A minor, E major
    assert np.allclose(distances[:12, :12], [np.roll(distances[0, :12], k) for k in range(12)])
    with pytest.raises(DataError, match="24 or 25"):
        global_key(np.zeros((3, 23)))
