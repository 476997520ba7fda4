"""Keeping freed memory in the process, for training on a CPU under Linux."""

from __future__ import annotations

import ctypes
import sys

TRIM_THRESHOLD, MMAP_MAX = -1, -4  # of mallopt(3)


def keep_freed_memory() -> bool:
    """Let the C library hand freed memory out again instead of giving it back to the kernel; whether it does.

    A training step on long waveforms frees activations of tens of megabytes each, and without this asks the kernel for
    them again, zeroed page by page, in the next: a third to a half of a step's CPU time. The process keeps its peak
    (about a fifth more) until it ends. Only glibc has it; elsewhere nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(MMAP_MAX, 0)) and bool(mallopt(TRIM_THRESHOLD, -1))
