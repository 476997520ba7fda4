"""One writer at a time to a collection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ohrwurm.errors import CollectionError
from ohrwurm.locks import holding


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
    with holding(folder / ".lock") as mine:
        if not mine:
            raise CollectionError(f"{folder}: another run is writing to this collection. Wait for it, then run again.")
        yield
