"""Embedding the files of a collection on this machine: work units in, outcomes out, one writer.

The workers are those of `ohrwurm.embedding.workers`. All share the same models, whose `forward` keeps no state. Results
come to the caller, who commits them.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ohrwurm.audio.isolation import Decoder, Limits
from ohrwurm.collection.plan import Work, failure_of
from ohrwurm.collection.records import Failure
from ohrwurm.embedding import FileEmbedding, shared_lock, try_file
from ohrwurm.embedding.workers import run
from ohrwurm.errors import AudioError

if TYPE_CHECKING:
    from ohrwurm.models.base import AudioEncoder


@dataclass(frozen=True)
class Done:
    """The outcome of one work unit: an embedding for each of its models, or one failure for each of its files."""

    work: Work
    embeddings: tuple[FileEmbedding, ...] = ()
    failures: tuple[Failure, ...] = ()


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
    lock = next((lock for lock in map(shared_lock, models.values()) if lock is not None), None)

    def work(unit: Work, decoder: Decoder) -> Done:
        chosen = [models[name] for name in unit.models]
        found = try_file(unit.path, chosen, decoder=decoder, batch_size=batch_size, lock=lock)
        if isinstance(found, AudioError):
            return Done(unit, failures=tuple(failure_of(file, found.reason, found.detail) for file in unit.files))
        return Done(unit, tuple(found))

    return run(works, work, workers=workers, limits=limits)
