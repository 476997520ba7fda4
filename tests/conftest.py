"""Makes `servers.py` and `small_headed.py` importable, and a small model that hears fixtures; one thread a process, as
`make test` has it, for whoever runs pytest plainly.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ohrwurm.models.headed import HeadedEncoder

# Before torch is imported, and for the processes that tests start: sums over several threads round otherwise, and
# threads of two processes on two cores wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def headed() -> HeadedEncoder:
    """An untrained model with a head for every task; see `small_headed` for others."""
    from small_headed import small_headed

    return small_headed()


@pytest.fixture(scope="session")
def headed_folder(headed: HeadedEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its model folder."""
    from ohrwurm.models import registry

    return registry.save(headed, tmp_path_factory.mktemp("headed") / "small-headed")
