"""Vectors kept in one file: what was saved is found again, of the same model and files alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ohrwurm.errors import DataError
from ohrwurm.evaluation.vector_store import VALUES, VectorStore

NAMES = ["a", "b", "c"]


def test_what_was_saved_is_there_again(tmp_path: Path) -> None:
    store = VectorStore.open(tmp_path, "model:1", NAMES, 2)
    store.put(0, [1.0, 2.0])
    store.save()
    store.put(2, [5.0, 6.0])  # killed before it is saved: done again, and nothing else
    again = VectorStore.open(tmp_path, "model:1", NAMES, 2)
    assert again.done.tolist() == [True, False, False]
    assert again.values[0].tolist() == [1.0, 2.0]


def test_other_models_and_other_files_are_never_answered(tmp_path: Path) -> None:
    store = VectorStore.open(tmp_path, "model:1", NAMES, 2)
    store.put(0, [1.0, 2.0])
    store.save()
    for identity, names, dim in (("model:2", NAMES, 2), ("model:1", ["b", "a", "c"], 2), ("model:1", NAMES, 3)):
        assert not VectorStore.open(tmp_path, identity, names, dim).done.any()


def test_faults_are_named(tmp_path: Path) -> None:
    store = VectorStore.open(tmp_path, "model:1", NAMES, 2)
    with pytest.raises(DataError, match="vector 1 holds NaN"):
        store.put(1, [np.nan, 0.0])
    assert not store.done.any()
    torn = store.folder / VALUES
    torn.write_bytes(torn.read_bytes()[:40])
    with pytest.raises(DataError, match=r"not readable .* Remove it"):
        VectorStore.open(tmp_path, "model:1", NAMES, 2)
