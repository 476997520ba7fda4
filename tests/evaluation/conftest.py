"""Golden files and their inputs."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # what several tests listen with
GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="session")
def golden() -> Callable[[str], Any]:
    """Reads `tests/golden/NAME.npz`."""
    return lambda name: np.load(GOLDEN / f"{name}.npz")


@pytest.fixture(scope="session")
def golden_json() -> Callable[[str], Any]:
    """Reads `tests/golden/NAME.json`."""
    return lambda name: json.loads((GOLDEN / f"{name}.json").read_text())


@pytest.fixture(scope="session")
def golden_fill() -> Callable[[str], ModuleType]:
    """The module `tests/golden/FOLDER/fill.py`, which makes the inputs again."""

    def load(folder: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"golden_fill_{folder}", GOLDEN / folder / "fill.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load
