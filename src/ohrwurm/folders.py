"""Where Ohrwurm keeps what can be made, or fetched, again."""

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
