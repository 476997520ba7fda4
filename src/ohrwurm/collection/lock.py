"""One writer at a time: a lock that the operating system frees when the process ends, however it ends."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ohrwurm.errors import CollectionError

_held: set[str] = set()  # POSIX record locks do not exclude threads of one process; this set does
_held_guard = threading.Lock()


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Hold the writer lock of a collection folder.

    Raises:
        CollectionError: another run writes to the collection.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with writing(folder):
    ...     (folder / ".lock").is_file()
    True
    """
    key = str(folder.resolve())
    busy = CollectionError(f"{folder}: another run is writing to this collection. Wait for it, then run again.")
    with _held_guard:
        if key in _held:
            raise busy
        _held.add(key)
    try:
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if not _try_lock(handle):
                raise busy
            yield
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
