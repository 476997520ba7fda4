"""Published learning rates, step by step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ohrwurm.training.schedules import cycling_cosine, warm_cosine_epochs

GOLDEN = Path(__file__).parents[1] / "golden" / "ttmr_muscall"


def test_ttmr_rate_equals_published() -> None:
    g = np.load(GOLDEN / "ttmr_schedule.npz")
    found = [warm_cosine_epochs(float(e), 100, 10, 5e-5, 1e-9) for e in g["epochs"]]
    np.testing.assert_allclose(found, g["lr"], rtol=1e-12)


def test_muscall_rate_equals_published() -> None:
    g = np.load(GOLDEN / "muscall_schedule.npz")
    period = 0.1 * int(int(g["dataset_size"]) / int(g["batch"])) * int(g["epochs"])
    found = [5e-5 * cycling_cosine(step, period) for step in range(len(g["lr"]))]
    # The original adds up ratios from step to step, and so collects rounding where the rate passes 0.
    np.testing.assert_allclose(found, g["lr"], rtol=1e-6, atol=1e-10)


def test_ttmr_patience_counts_all_worse_epochs() -> None:
    """The golden course of validation losses stops where `patience_resets: false, patience: 20` does."""
    g = np.load(GOLDEN / "ttmr_schedule.npz")
    best, waited, counts = np.inf, 0, []
    for loss in g["val_losses"]:
        if loss < best:
            best = loss
        elif loss > best + 1e-9:
            waited += 1
        counts.append(waited)
    np.testing.assert_array_equal(counts, g["counter"])
    assert counts.index(20) == pytest.approx(int(g["stop_epoch"]))
