"""One run in several processes: how many there are, decisions made together, and taking turns.

The same command runs alone, under `torchrun` and as a SLURM job step; what differs is read from the environment that
those set for each process.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning import Trainer


def launched() -> tuple[int, int] | None:
    """(processes a node, nodes) where a launcher has started us several times, else None.

    >>> launched() is None
    True
    """
    if "LOCAL_WORLD_SIZE" in os.environ:  # torchrun
        local = int(os.environ["LOCAL_WORLD_SIZE"])
        return local, int(os.environ.get("WORLD_SIZE", local)) // local
    if "SLURM_PROCID" in os.environ and int(os.environ.get("SLURM_NTASKS", 1)) > 1:
        nodes = int(os.environ.get("SLURM_NNODES", 1))
        return int(os.environ["SLURM_NTASKS"]) // nodes, nodes
    return None


def rank() -> int:
    """This process's number in the run, before and after Lightning has set it up."""
    for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK"):
        if name in os.environ and (name != "SLURM_PROCID" or launched()):
            return int(os.environ[name])
    return 0


def any_says(trainer: Trainer, flag: bool) -> bool:
    """Whether one of the processes says so: what makes all of them stop at the same step."""
    if trainer.world_size == 1:
        return flag
    return trainer.strategy.reduce_boolean_decision(flag, all=False)


def of_first(trainer: Trainer, value: Any) -> Any:
    """The first process's value, in all of them."""
    return value if trainer.world_size == 1 else trainer.strategy.broadcast(value)


@contextmanager
def in_turn(file: Path) -> Iterator[None]:
    """One process at a time, so that what the first one makes the others find made (not on Windows: all at once)."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
