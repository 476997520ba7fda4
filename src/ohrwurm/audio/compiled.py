"""Loops over samples as machine code: recursions that no array operation expresses, compiled by numba on first use."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

# Sums may be formed in another order and products contracted, for vector instructions. Unlike with plain `fastmath`,
# NaN and infinity stay what they are.
FAST = {"reassoc", "contract", "nsz", "arcp"}


def compiled(function: F) -> F:
    """`function`, compiled at its first call and kept on disk for the next process (half a second to two, once).

    It takes arrays and numbers only and calls nothing that is not NumPy. Importing this costs nothing: numba is loaded
    by the first call.

    >>> import numpy as np
    >>> @compiled
    ... def running_maximum(x):
    ...     for i in range(1, len(x)):
    ...         x[i] = max(x[i], x[i - 1])
    ...     return x
    >>> running_maximum(np.array([1.0, 3.0, 2.0])).tolist()
    [1.0, 3.0, 3.0]
    """

    @functools.cache
    def machine_code() -> Callable[..., Any]:
        import numba

        try:
            return numba.njit(function, cache=True, fastmath=FAST, nogil=True)
        except RuntimeError:  # nowhere to keep it: a read-only installation without a home, or code typed in
            return numba.njit(function, fastmath=FAST, nogil=True)

    @functools.wraps(function)
    def run(*arguments: Any) -> Any:
        return machine_code()(*arguments)

    return run  # type: ignore[return-value]
