"""All benchmarks as a table: for the command line, for programs, and for docs/benchmarks.md."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ohrwurm.data.archives import lying
from ohrwurm.data.benchmarks import NAMES, find
from ohrwurm.data.benchmarks.base import AudioForm, Benchmark, Variant


def entries(names: Sequence[str] = NAMES, root: str | Path | None = None) -> list[dict[str, Any]]:
    """What is known of benchmarks, as JSON can hold it.

    Args:
        root: where to look whether a set is there; by default what OHRWURM_DATA names.
    """
    return [_entry(find(name), root) for name in names]


def _entry(benchmark: Benchmark, root: str | Path | None) -> dict[str, Any]:
    return {
        "name": benchmark.name,
        "title": benchmark.title,
        "citation": benchmark.citation,
        "licence": benchmark.licence,
        "caveats": benchmark.caveats,
        "advice": benchmark.advice,
        "evaluation_only": benchmark.evaluation_only,
        "variants": {
            name: {
                "about": variant.about,
                "tasks": list(variant.tasks),
                "counts": dict(variant.counts),
                "labels": None if callable(variant.labels) else len(variant.labels),
                "caveats": variant.caveats,
            }
            for name, variant in benchmark.variants.items()
        },
        "layouts": [{"title": layout.title, "marks": list(layout.marks)} for layout in benchmark.layouts],
        "audio": [named(form) for form in benchmark.audio],
        "remotes": [
            {
                "url": r.url,
                "name": r.name,
                "size": r.size,
                "sha256": r.sha256,
                "md5": r.md5,
                "sha1": r.sha1,
                "about": r.about,
            }
            for r in benchmark.remotes
        ],
        "there": there(benchmark, root),
    }


def there(benchmark: Benchmark, root: str | Path | None = None) -> list[str]:
    """Under which names the set lies in the folder of data sets, as published or prepared; nothing is opened."""
    base = Path(root or os.environ.get("OHRWURM_DATA") or "").expanduser()
    if not (root or os.environ.get("OHRWURM_DATA")) or not base.is_dir():
        return []
    names = dict.fromkeys(
        (benchmark.folder or benchmark.name, benchmark.name, *(f"{benchmark.name}-{v}" for v in benchmark.variants))
    )
    return [found.name for name in names if (found := lying(base, name)) is not None]


def named(form: AudioForm) -> str:
    """A form in the words of `ohrwurm data prepare --audio`, and whose it is.

    >>> named(AudioForm(16000, "npy", source="TTMR")), named(AudioForm(None, "wav"))
    ('npy:16000 (TTMR)', 'wav')
    """
    rate = f":{form.sample_rate}" if form.sample_rate else ""
    return f"{form.format}{rate}{'' if form.mono else ', all channels'}{f' ({form.source})' if form.source else ''}"


def counted(variant: Variant) -> str:
    """
    >>> counted(Variant("", (), {"train": 18706, "validation": 1825, "test": 5329}))
    '18,706 / 1,825 / 5,329'
    >>> counted(Variant("", (), {"": 1000})), counted(Variant("", (), {"test": 604})), counted(Variant("", (), {}))
    ('1,000', '604 test', 'as the files say')
    """
    given = [(split, variant.counts[split]) for split in ("train", "validation", "test", "") if split in variant.counts]
    if [split for split, _ in given] == ["train", "validation", "test"]:
        return " / ".join(f"{n:,}" for _, n in given)
    return ", ".join(f"{n:,} {split}".strip() for split, n in given) or "as the files say"


def markdown(names: Sequence[str] = NAMES) -> str:
    """The table of docs/benchmarks.md: a row a variant, the default one of a benchmark first."""
    lines = [
        "| `name/variant` | what | tracks (train / validation / test) | labels | tasks | fetched | audio |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in names:
        benchmark = find(name)
        for number, (key, variant) in enumerate(benchmark.variants.items()):
            labels = "from its files" if callable(variant.labels) else str(len(variant.labels) or "")
            cells = (
                f"`{name}/{key}`",
                f"{benchmark.title} {variant.about}" if not number else variant.about,
                counted(variant),
                labels,
                ", ".join(variant.tasks),
                _fetched(benchmark) if not number else "",
                "; ".join(map(named, benchmark.audio)) if not number else "",
            )
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _fetched(benchmark: Benchmark) -> str:
    if not benchmark.remotes:
        return "no"
    audio = any(r.unpack or r.name.endswith((".zip", ".tar", ".gz", ".001", ".mp3")) for r in benchmark.remotes)
    return f"{len(benchmark.remotes)} files" if audio else f"{len(benchmark.remotes)} tables"
