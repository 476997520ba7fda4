"""Options that several commands have, so that they are spelt and explained once."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Precision(StrEnum):
    """What a network computes in."""

    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"
    fp16 = "fp16"
    int8 = "int8"


DeviceOption = Annotated[
    str,
    typer.Option("--device", metavar="auto|cpu|cuda|mps", help="Where to compute; auto: cuda, else mps, else cpu."),
]
