"""Where Ohrwurm keeps what can be made, or fetched, again: the cache, and training runs."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """`OHRWURM_CACHE`, or `ohrwurm` in the user's cache folder (XDG_CACHE_HOME, usually ~/.cache).

    >>> cache_folder().is_absolute()
    True
    """
    named = os.environ.get("OHRWURM_CACHE")
    return Path(named or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "ohrwurm").expanduser()


def runs_folder() -> Path:
    """Where training runs live unless told otherwise: `OHRWURM_RUNS`, or `runs` in the working folder."""
    return Path(os.environ.get("OHRWURM_RUNS") or "runs")


def run_folder(run: str | Path) -> Path | None:
    """The folder of a training run that is given by its id in `runs_folder`, or as a folder; None if there is none."""
    for folder in (Path(run), runs_folder() / run):
        if (folder / "config.yaml").is_file():
            return folder
    return None
