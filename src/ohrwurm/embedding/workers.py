"""Many files on this machine: decoders in child processes, the model in one place, results one by one.

Every worker thread owns one isolated decoder and pulls items from a shared list; while one waits for its decoder, the
others compute (torch leaves Python's lock while it does). Results pass a bounded queue to the caller, so that memory
does not grow with the number of files.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TypeVar

import torch

from ohrwurm.audio.isolation import Decoder, Limits

Item = TypeVar("Item")
Result = TypeVar("Result")


def default_workers() -> int:
    """Cores this process may use, at most 8 (beyond that the models need a GPU or several machines)."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(8, allowed))


def run(
    items: Sequence[Item],
    work: Callable[[Item, Decoder], Result],
    *,
    workers: int | None = None,
    limits: Limits | None = None,
) -> Generator[Result, None, None]:
    """Do `work(item, decoder)` for every item, yielding each result as it comes (not in order).

    Closing the generator, or an exception in the caller (Ctrl-C), stops the workers and their decoders. While it runs,
    torch uses one thread within an operation.

    Args:
        workers: items at a time; by default `default_workers()`.
        limits: of decoding one file.

    Raises:
        Exception: what `work` raises; it ends the run.
    """
    count = max(1, min(workers or default_workers(), len(items)))
    waiting: queue.SimpleQueue[Item] = queue.SimpleQueue()
    for item in items:
        waiting.put(item)
    results: queue.Queue[tuple[Result | None, BaseException | None]] = queue.Queue(maxsize=2 * count)
    stop = threading.Event()

    def deliver(result: Result | None, error: BaseException | None = None) -> None:
        while not stop.is_set():
            try:
                results.put((result, error), timeout=0.1)
                return
            except queue.Full:
                continue

    def worker() -> None:
        try:
            with Decoder(limits=limits or Limits()) as decoder:
                while not stop.is_set():
                    try:
                        item = waiting.get_nowait()
                    except queue.Empty:
                        return
                    deliver(work(item, decoder))
        except BaseException as error:  # handed to the caller's thread, which raises it
            deliver(None, error)

    threads = [threading.Thread(target=worker, daemon=True, name=f"embed-{i}") for i in range(count)]
    with torch_threads(1):
        for thread in threads:
            thread.start()
        try:
            for _ in range(len(items)):
                result, error = results.get()
                if error is not None:
                    raise error
                yield result  # type: ignore[misc]  # without an error it is a result
        finally:
            stop.set()
            for thread in threads:
                thread.join(timeout=5)


def in_order(numbered: Generator[tuple[int, Result], None, None]) -> Generator[Result, None, None]:
    """The results of a `run` over numbered items in the order of their numbers, each as soon as it is due.

    >>> list(in_order(pair for pair in [(1, "b"), (0, "a"), (2, "c")]))
    ['a', 'b', 'c']
    """
    early: dict[int, Result] = {}
    due = 0
    with closing(numbered):
        for number, result in numbered:
            early[number] = result
            while due in early:
                yield early.pop(due)
                due += 1


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch use `count` threads within one operation; workers already fill the cores, one file each.

    It also makes vectors the same for every number of workers: sums are not split differently.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
