"""Makes `cases.py` importable, and the golden folders fixtures."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cases import Golden, golden


@pytest.fixture(scope="session")
def ttmr_golden() -> Golden:
    return golden("ttmr_muscall")


@pytest.fixture(scope="session")
def move_golden() -> Golden:
    return golden("remove")
