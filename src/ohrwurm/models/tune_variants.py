"""The sizes in which TUNe was published: one row each, the numbers of the one network in `ohrwurm.models.tune`.

*Contractive + n* adds n deeper levels, *expansive - n* leaves out the last n steps up and the first n blocks of the
tail, *tail + n* adds n blocks to it. *Free* sizes keep c = 28 instead of the number of parameters. TUNe is `Tune5Tail`,
TUNe+ is `TunePlus`. The sizes of the vector, `Tune5Tail32` to `Tune5Tail1024`, have the links of TUNe+ in spite of
their names, as published.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Any, Literal

from ohrwurm.errors import ModelError


@dataclass(frozen=True)
class Variant:
    """One published size.

    Attributes:
        published: name of its class in the original code.
        bf16: cosine of its vectors in bf16 to those in fp32, as `benchmarks/bench_waveform_encoders.py` measures it.
        width: channels c of level 1; level l has c 2^(l - 1).
        depth: D, levels of the contracting path.
        top: E, the level that the expanding path climbs back to.
        tail: channels of the tail's blocks, at levels E + 1, E + 2, ...
        links: whether the tail also reads what the expanding path (and the bottleneck) had at its level.
        samplecnn: of a hybrid, whether the SampleCNN that takes the place of the tail is "trained" or "frozen".
    """

    published: str
    bf16: float
    width: int
    depth: int
    top: int
    tail: tuple[int, ...] = ()
    links: bool = False
    samplecnn: Literal["trained", "frozen"] | None = None

    @property
    def name(self) -> str:
        """Lower case, with hyphens.

        >>> variant("Tune5TailXL").name, variant("TuneHybridFrozen").name
        ('tune-5-tail-xl', 'tune-hybrid-frozen')
        """
        return "-".join(re.findall(r"[A-Z]{2,}|[A-Z][a-z]+|[0-9]+", self.published)).lower()

    @property
    def parameters(self) -> dict[str, Any]:
        """Arguments of `Tune`, or of `TuneHybrid`."""
        if self.samplecnn is not None:
            return {"width": self.width, "depth": self.depth, "frozen": self.samplecnn == "frozen"}
        tail = list(self.tail)
        return {"width": self.width, "depth": self.depth, "top": self.top, "tail": tail, "links": self.links}


VARIANTS = (
    Variant("TuneVanilla", 0.9999, 34, 5, 1, (68, 136, 272, 512)),
    Variant("TuneVanillaFree", 0.9999, 28, 5, 1, (56, 112, 224, 512)),
    Variant("TuneVanillaXS", 0.9999, 11, 5, 1, (22, 44, 88, 512)),
    Variant("Tune1Cont", 0.9999, 18, 6, 1, (36, 72, 144, 512)),
    Variant("Tune1ContFree", 0.9998, 28, 6, 1, (56, 112, 224, 512)),
    Variant("Tune2Cont", 0.9999, 9, 7, 1, (18, 36, 72, 512)),
    Variant("Tune2ContFree", 0.9999, 28, 7, 1, (56, 112, 224, 512)),
    Variant("Tune3Cont", 0.9999, 4, 8, 1, (8, 16, 32, 512)),
    Variant("Tune3ContFree", 0.9998, 28, 8, 1, (56, 112, 224, 512)),
    Variant("Tune1Expa", 0.9999, 34, 5, 2, (136, 272, 512)),
    Variant("Tune1ExpaFree", 0.9999, 28, 5, 2, (112, 224, 512)),
    Variant("Tune2Expa", 0.9999, 35, 5, 3, (280, 512)),
    Variant("Tune2ExpaFree", 0.9999, 28, 5, 3, (224, 512)),
    Variant("Tune3Expa", 0.9999, 38, 5, 4, (512,)),
    Variant("Tune3ExpaFree", 0.9999, 28, 5, 4, (512,)),
    Variant("Tune1Tail", 0.9998, 28, 5, 1, (56, 112, 224, 448, 512)),
    Variant("Tune2Tail", 0.9998, 19, 5, 1, (38, 76, 152, 304, 608, 512)),
    Variant("Tune3Tail", 0.9996, 15, 5, 1, (30, 60, 120, 240, 480, 480, 512)),
    Variant("Tune4Tail", 0.9989, 13, 5, 1, (26, 52, 104, 208, 416, 416, 416, 512)),
    Variant("Tune5Tail", 0.9970, 11, 5, 1, (22, 44, 88, 176, 352, 352, 352, 352, 512)),
    Variant("Tune2TailFree", 0.9998, 28, 5, 1, (56, 112, 224, 448, 512, 512)),
    Variant("Tune3TailFree", 0.9996, 28, 5, 1, (56, 112, 224, 448, 512, 512, 512)),
    Variant("Tune4TailFree", 0.9991, 28, 5, 1, (56, 112, 224, 448, 512, 512, 512, 512)),
    Variant("Tune5TailFree", 0.9970, 28, 5, 1, (56, 112, 224, 448, 512, 512, 512, 512, 512)),
    Variant("Tune5TailXL", 0.9971, 19, 5, 1, (38, 76, 152, 304, 512, 512, 512, 512, 512)),
    Variant("TunePlus", 0.9978, 11, 5, 1, (22, 44, 88, 176, 352, 352, 352, 352, 512), links=True),
    Variant("TunePlusFree", 0.9977, 28, 5, 1, (56, 112, 224, 448, 512, 512, 512, 512, 512), links=True),
    Variant("TunePlusXL", 0.9978, 34, 5, 1, (68, 136, 272, 512, 512, 512, 512, 512, 512), links=True),
    Variant("Tune5Tail32", 0.9980, 11, 5, 1, (22, 44, 32, 32, 32, 32, 32, 32, 32), links=True),
    Variant("Tune5Tail64", 0.9974, 11, 5, 1, (22, 44, 64, 64, 64, 64, 64, 64, 64), links=True),
    Variant("Tune5Tail128", 0.9972, 11, 5, 1, (22, 44, 88, 128, 128, 128, 128, 128, 128), links=True),
    Variant("Tune5Tail256", 0.9977, 11, 5, 1, (22, 44, 88, 256, 256, 256, 256, 256, 256), links=True),
    Variant("Tune5Tail1024", 0.9980, 11, 5, 1, (22, 44, 88, 176, 352, 704, 1024, 1024, 1024), links=True),
    Variant("TuneHybridDefrosted", 0.9959, 10, 5, 1, samplecnn="trained"),
    Variant("TuneHybridFrozen", 0.9959, 10, 5, 1, samplecnn="frozen"),
)


def variant(name: str) -> Variant:
    """The variant of a name, ours or the original code's.

    Raises:
        ModelError: there is none; the message names the nearest.

    >>> variant("tune-plus") is variant("TunePlus")
    True
    >>> variant("tune-6-tail")
    Traceback (most recent call last):
        ...
    ohrwurm.errors.ModelError: no TUNe variant 'tune-6-tail'; the nearest are tune-5-tail, tune-4-tail, tune-3-tail
    """
    known = {row.name: row for row in VARIANTS}
    named = known | {row.published: row for row in VARIANTS}
    if name not in named:
        nearest = difflib.get_close_matches(name, known, cutoff=0.0)
        raise ModelError(f"no TUNe variant {name!r}; the nearest are {', '.join(nearest)}")
    return named[name]
