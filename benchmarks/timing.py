"""How the benchmarks time things against each other: in turns, in one process, by CPU time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def interleaved(functions: list[Callable[[], object]], repeats: int) -> list[float]:
    """Median CPU seconds of each function, called in turns after one call to warm up.

    In turns, so that whatever else the machine does falls on all of them.
    """
    taken: list[list[float]] = [[] for _ in functions]
    for function in functions:
        function()
    for _ in range(repeats):
        for function, times in zip(functions, taken, strict=True):
            began = time.process_time()
            function()
            times.append(time.process_time() - began)
    return [statistics.median(times) for times in taken]
