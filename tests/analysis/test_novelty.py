"""Sections without a head: the same as by the matrix of all frames by all frames, in memory of a few vectors."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from ohrwurm.analysis.novelty import Novelty, novelty, sections_by_novelty, standardized


def test_novelty_is_what_the_checkerboard_on_the_similarity_matrix_gives() -> None:
    x = np.random.default_rng(0).normal(size=(60, 5))
    half = 7
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    offsets = np.arange(-half, half) + 0.5
    edge = np.sign(offsets) * np.exp(-2.0 * (offsets / half) ** 2)
    board = np.outer(edge, edge)
    padded = np.pad(unit @ unit.T, half, mode="edge")
    wanted = [(padded[i : i + 2 * half, i : i + 2 * half] * board).sum() for i in range(len(x))]
    np.testing.assert_allclose(novelty(x, half), np.array(wanted) / np.abs(board).sum(), atol=1e-12)


def test_three_hours_take_no_matrix_of_frames_by_frames() -> None:
    x = np.random.default_rng(0).normal(size=(3 * 3600 * 2, 16))
    tracemalloc.start()
    found = sections_by_novelty(x, 2.0, 3 * 3600.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) > 100
    assert found.intervals[-1, 1] == 3 * 3600
    assert peak < len(x) ** 2 / 4  # bytes; most of it are the libraries that are loaded here


def test_one_sound_is_one_section() -> None:
    x = np.ones((200, 4))
    assert sections_by_novelty(x, 2.0, 100.0).labels == ("A",)
    assert sections_by_novelty(standardized(x), 2.0, 100.0).labels == ("A",)


@pytest.mark.parametrize("seconds", [0.0, 0.3, 15.0])
def test_a_short_recording_is_one_section(seconds: float) -> None:
    found = sections_by_novelty(np.zeros((round(2 * seconds), 3)), 2.0, seconds)
    assert found.intervals.tolist() == ([[0.0, seconds]] if seconds else [])


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="impossible"):
        Novelty(kernel=0)
