"""Embedding many files on this machine: decoders in child processes, models in one place, one writer.

Every worker thread owns one isolated decoder and pulls files from a shared list; while one waits for its decoder, the
others compute (torch leaves Python's lock while it does). All share the same models, whose `forward` keeps no state.
Results pass a bounded queue to
the caller, who commits them, so that memory does not grow with the number of files.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ohrwurm.audio.isolation import Decoder, Limits
from ohrwurm.collection.plan import Work, failure_of
from ohrwurm.collection.records import Failure
from ohrwurm.embedding import FileEmbedding, embed_file
from ohrwurm.errors import AudioError, ModelError, OhrwurmError

if TYPE_CHECKING:
    from ohrwurm.models.base import AudioEncoder


@dataclass(frozen=True)
class Done:
    """The outcome of one work unit: an embedding for each of its models, or one failure for each of its files."""

    work: Work
    embeddings: tuple[FileEmbedding, ...] = ()
    failures: tuple[Failure, ...] = ()


def default_workers() -> int:
    """Cores this process may use, at most 8 (beyond that the models need a GPU or several machines)."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(8, allowed))


def run_local(
    works: Sequence[Work],
    models: dict[str, AudioEncoder],
    *,
    workers: int | None = None,
    limits: Limits | None = None,
    batch_size: int = 8,
) -> Generator[Done, None, None]:
    """Embed `works`, yielding each outcome as it comes (not in order).

    A file that fails is an outcome like any other. Closing the generator, or an exception in the caller (Ctrl-C),
    stops the workers and their decoders.

    Args:
        models: name → model, loaded once, used by all workers.
        workers: files at a time; vectors do not depend on it.

    Raises:
        OhrwurmError: not about one file (e.g. no decoder starts).
    """
    count = max(1, min(workers or default_workers(), len(works)))
    waiting: queue.SimpleQueue[Work] = queue.SimpleQueue()
    for work in works:
        waiting.put(work)
    results: queue.Queue[Done | BaseException] = queue.Queue(maxsize=2 * count)
    stop = threading.Event()

    def deliver(result: Done | BaseException) -> None:
        while not stop.is_set():
            try:
                results.put(result, timeout=0.1)
                return
            except queue.Full:
                continue

    def worker() -> None:
        try:
            with Decoder(limits=limits or Limits()) as decoder:
                while not stop.is_set():
                    try:
                        work = waiting.get_nowait()
                    except queue.Empty:
                        return
                    deliver(embed_work(work, models, decoder, batch_size))
        except BaseException as error:  # handed to the caller's thread, which raises it
            deliver(error)

    threads = [threading.Thread(target=worker, daemon=True, name=f"embed-{i}") for i in range(count)]
    with torch_threads(1):
        for thread in threads:
            thread.start()
        try:
            for _ in range(len(works)):
                result = results.get()
                if isinstance(result, BaseException):
                    raise result
                yield result
        finally:
            stop.set()
            for thread in threads:
                thread.join(timeout=5)


def embed_work(work: Work, models: dict[str, AudioEncoder], decoder: Decoder, batch_size: int = 8) -> Done:
    """Decode one file once and embed it with the models it lacks; what goes wrong with the file becomes a failure."""
    try:
        chosen = [models[name] for name in work.models]
        embeddings = embed_file(work.path, chosen, decoder=decoder, batch_size=batch_size)
        return Done(work, tuple(embeddings))
    except AudioError as error:
        return failed(work, error.reason, error.detail)
    except ModelError as error:  # not a number, or not the promised shape; the other files may do
        return failed(work, "model", str(error))
    except OhrwurmError:
        raise
    except MemoryError:
        return failed(work, "memory", "not enough memory for the model")
    except Exception as error:  # a model that stumbles over one file must not cost the others
        return failed(work, "model", f"{type(error).__name__}: {error}"[:500])


def failed(work: Work, reason: str, detail: str) -> Done:
    """The outcome of a work unit whose content failed: every copy of it is listed."""
    return Done(work, failures=tuple(failure_of(file, reason, detail) for file in work.files))


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
