"""Public sets of recordings with known truth, one file each; every reader returns the same `Manifest`.

A file defines one `Benchmark` named `BENCHMARK` and is listed in `NAMES`; nothing else has to be edited.
"""

from __future__ import annotations

import importlib
from pathlib import Path

from ohrwurm.data.benchmarks.base import AudioForm, Benchmark, Layout, Remote, Variant
from ohrwurm.errors import DataError

__all__ = ["NAMES", "AudioForm", "Benchmark", "Layout", "Remote", "Variant", "find", "is_name", "recognise", "serving"]

# Of several benchmarks for a task, the first is the default one.
NAMES = (
    "anthems",
    "emotify",
    "recordings",
    "asap",
    "audiocaption",
    "ballroom",
    "billboard",
    "covers80",
    "da_tacos",
    "ecals",
    "emomusic",
    "fma",
    "giantsteps",
    "gtzan",
    "gtzan_rhythm",
    "hainsworth",
    "harmonix",
    "isophonics",
    "kvt",
    "magnatagatune",
    "msd",
    "mtg_jamendo",
    "musiccaps",
    "openmic",
    "pop909",
    "re_move",
    "rwc_popular",
    "salami",
    "shs100k",
    "smc",
    "song_describer",
)


def find(name: str) -> Benchmark:
    """A benchmark by name; `name/variant` is the benchmark with that variant alone.

    Raises:
        DataError: there is none of that name.

    >>> find("anthems").tasks
    ('versions',)
    >>> find("anthems/half").default
    'half'
    """
    base, _, variant = name.partition("/")
    if base not in NAMES:
        raise DataError(f"no benchmark named {base!r}. Known: {', '.join(NAMES)}; or give a manifest of your own.")
    found = importlib.import_module(f"ohrwurm.data.benchmarks.{base}").BENCHMARK
    assert isinstance(found, Benchmark)
    return found.narrowed(variant) if variant else found


def is_name(text: str | Path) -> bool:
    """Whether `text` names a benchmark (`name` or `name/variant`), and nothing of that path is there.

    >>> is_name("emotify"), is_name("emotify.csv")
    (True, False)
    """
    return str(text).partition("/")[0] in NAMES and not Path(text).exists()


def serving(task: str) -> list[str]:
    """Names of the benchmarks that hold the truth for a task, the default one first.

    >>> serving("versions")[0]
    'anthems'
    """
    return [name for name in NAMES if task in find(name).tasks]


def recognise(folder: str | Path) -> tuple[Benchmark, Layout] | None:
    """The benchmark whose files lie in `folder`, and how they lie there; None if they are of none.

    Where several fit, the most specific one: that of most marks, of equals the first listed. A folder with another set
    below it, under that set's name, is a folder of sets and none itself, whatever else lies there.
    """
    every = [find(name) for name in NAMES]
    found = [(benchmark, layout) for benchmark in every if (layout := benchmark.layout_of(folder)) is not None]
    best = max(found, key=lambda pair: len(pair[1].marks), default=None)
    others = (b for b in every if best is not None and b.name != best[0].name)
    return None if any(b.layout_of(Path(folder) / (b.folder or b.name)) for b in others) else best
