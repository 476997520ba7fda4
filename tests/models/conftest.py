"""Makes `cases.py` importable, and the golden folders fixtures."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cases import Golden, golden


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What was downloaded on this machine is neither read nor written by tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OHRWURM_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("OHRWURM_MIRROR", raising=False)
        yield


@pytest.fixture(scope="session")
def ttmr_golden() -> Golden:
    return golden("ttmr_muscall")


@pytest.fixture(scope="session")
def move_golden() -> Golden:
    return golden("remove")
