"""One at a time: a lock that the operating system frees when the process ends, however it ends."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_held: set[str] = set()  # POSIX record locks do not exclude threads of one process; this set does
_held_guard = threading.Lock()


@contextmanager
def holding(file: Path) -> Iterator[bool]:
    """Hold the lock that is `file` (made if need be); yields False where another thread or process holds it.

    >>> import tempfile
    >>> lock = Path(tempfile.mkdtemp()) / ".lock"
    >>> with holding(lock) as mine, holding(lock) as again:
    ...     mine, again
    (True, False)
    """
    key = str(file.resolve())
    with _held_guard:
        free = key not in _held
        if free:
            _held.add(key)
    if not free:
        yield False
        return
    try:
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            yield _try_lock(handle)
        finally:
            os.close(handle)  # frees the lock
    finally:
        with _held_guard:
            _held.discard(key)


if sys.platform == "win32":
    import msvcrt

    def _try_lock(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(handle: int) -> bool:
        # lockf, not flock: a forked child (an orphaned decoder) does not inherit a record lock.
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
