"""Golden files and the seeded inputs that belong to them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="session")
def golden() -> Callable[[str], Any]:
    """Reads `tests/golden/NAME.npz`."""
    return lambda name: np.load(GOLDEN / f"{name}.npz")


@pytest.fixture(scope="session")
def fill() -> ModuleType:
    """Seeded inputs of the text-music golden files."""
    return _fill("ttmr_muscall")


@pytest.fixture(scope="session")
def move_inputs() -> ModuleType:
    """Seeded inputs of the version identification golden files."""
    return _fill("remove")


def _fill(folder: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"golden_fill_{folder}", GOLDEN / folder / "fill.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
