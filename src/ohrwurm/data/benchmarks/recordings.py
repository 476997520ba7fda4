"""Free recordings of many kinds, a few of which are described in words."""

from __future__ import annotations

from pathlib import Path

from ohrwurm.data.benchmarks.base import Benchmark, Layout, Variant, rows
from ohrwurm.data.tracks import Manifest, Track


def read(folder: Path, variant: str) -> Manifest:
    """`manifest.csv` with `file, description, licence`; the description, where there is one, becomes the caption."""
    return Manifest(
        [
            Track(
                track_id=f"recordings/{row['file'].rsplit('.', 1)[0]}",
                path=str(folder / row["file"]),
                split="test",
                caption=row["description"].strip(),
                annotations={"licence": row["licence"]},
            )
            for row in rows(folder, ("file", "description", "licence"))
        ]
    )


BENCHMARK = Benchmark(
    name="recordings",
    folder="audio",
    title="232 excerpts of 30 s: game music, classical, folk, rock, jazz; nine are described.",
    citation="librosa example recordings and the soundtracks of free games; the table names each source",
    licence="one a recording: CC0, CC-BY, CC-BY-SA, GPL, four CC-BY-NC",
    caveats="Nine queries, of which two are animals: read the ranks, not the averages.",
    layouts=(Layout("a table and its recordings", ("manifest.csv:file,collection,description,licence",), read),),
    variants={"described": Variant("All recordings, nine with a description.", ("described",), {"test": 232})},
)
