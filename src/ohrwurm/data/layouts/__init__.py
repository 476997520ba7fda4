"""Data sets as published: a file for each defines one `Layout` named `LAYOUT`, and is listed in `NAMES`."""

from __future__ import annotations

import importlib

from ohrwurm.data.layouts.base import Layout

__all__ = ["NAMES", "Layout", "find"]

NAMES = ("ecals", "audiocaption", "magnatagatune", "msd", "gtzan")


def find(name: str) -> Layout:
    """The layout of a name in `NAMES`."""
    found = importlib.import_module(f"ohrwurm.data.layouts.{name}").LAYOUT
    assert isinstance(found, Layout)
    return found
