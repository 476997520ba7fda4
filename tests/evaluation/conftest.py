"""Golden files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="session")
def golden() -> Callable[[str], Any]:
    """Reads `tests/golden/NAME.npz`."""
    return lambda name: np.load(GOLDEN / f"{name}.npz")
