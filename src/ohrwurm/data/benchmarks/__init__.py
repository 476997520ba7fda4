"""Public sets of recordings with known truth, one file each; every reader returns the same `Manifest`.

A file defines one `Benchmark` named `BENCHMARK` and is listed in `NAMES`; nothing else has to be edited.
"""

from __future__ import annotations

import importlib

from ohrwurm.data.benchmarks.base import Benchmark
from ohrwurm.errors import DataError

__all__ = ["NAMES", "Benchmark", "find", "serving"]

NAMES = ("anthems", "emotify", "recordings")


def find(name: str) -> Benchmark:
    """A benchmark by name.

    Raises:
        DataError: there is none of that name.

    >>> find("anthems").tasks
    ('versions',)
    """
    if name not in NAMES:
        raise DataError(f"no benchmark named {name!r}. Known: {', '.join(NAMES)}; or give a manifest of your own.")
    found = importlib.import_module(f"ohrwurm.data.benchmarks.{name}").BENCHMARK
    assert isinstance(found, Benchmark)
    return found


def serving(task: str) -> list[str]:
    """Names of the benchmarks that hold the truth for a task, the default one first.

    >>> serving("versions")
    ['anthems']
    """
    return [name for name in NAMES if task in find(name).tasks]
