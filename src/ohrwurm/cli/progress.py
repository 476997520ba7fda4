"""The progress bar of commands that work through a known number of things."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(doing: str, quiet: bool, in_bytes: bool = False) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on standard error, labelled `doing`, with time left; nothing where standard error is no terminal.

    Yields a function of (done, total), or None where nothing is to be shown. `in_bytes` counts bytes, with their rate;
    a total of 0 is one that is not known.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )  # fmt: skip

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    counts = (DownloadColumn(), TransferSpeedColumn()) if in_bytes else (MofNCompleteColumn(),)
    columns = (TextColumn(doing), BarColumn(), *counts, TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)
