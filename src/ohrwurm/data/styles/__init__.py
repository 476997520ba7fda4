"""Arrangement styles as data: who plays which figures, how fast, and the words that describe the result."""

from __future__ import annotations

from ohrwurm.data.styles import classical, electronic, jazz, popular, traditional
from ohrwurm.data.styles.base import Layer, Style

__all__ = ["BY_NAME", "STYLES", "Layer", "Style"]

STYLES: tuple[Style, ...] = (
    *classical.STYLES, *jazz.STYLES, *popular.STYLES, *electronic.STYLES, *traditional.STYLES
)  # fmt: skip
BY_NAME: dict[str, Style] = {style.name: style for style in STYLES}
assert len(BY_NAME) == len(STYLES)
