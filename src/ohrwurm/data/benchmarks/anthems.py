"""National anthems: different recordings of the same tune, and single recordings that only stand in the way."""

from __future__ import annotations

from pathlib import Path

from ohrwurm.data.benchmarks.base import Benchmark, Layout, Variant, one_of, rows
from ohrwurm.data.tracks import Manifest, Track


def read(folder: Path, variant: str) -> Manifest:
    """`manifest.csv` with `file, work, status`: ``verified`` recordings share their work, ``single`` ones have none.

    A single recording becomes a work of its own, whatever its country: nobody has checked what it is a version of.
    """
    tracks = []
    for row in rows(folder, ("file", "work", "status")):
        single = one_of(row, "status", ("verified", "single"), folder) == "single"
        name = row["file"].rsplit(".", 1)[0]
        tracks.append(
            Track(
                track_id=f"anthems/{name}",
                path=str(folder / row["file"]),
                split="test",
                work_id=f"anthems/single/{name}" if single else f"anthems/{row['work']}",
            )
        )
    return Manifest(tracks)


BENCHMARK = Benchmark(
    name="anthems",
    folder="anthems_half",
    title="87 recordings of 29 national anthems among 86 other anthems, up to 45 s each.",
    citation="collected from public recordings of national anthems; most by military bands",
    licence="mostly public domain, not stated at the source; evaluation only, never redistributed",
    caveats="The works were checked by a chroma method, which flatters systems that compare chroma.",
    layouts=(Layout("a table and its recordings", ("manifest.csv:file,work,status",), read),),
    variants={"half": Variant("All recordings, to be tested on.", ("versions",), {"test": 173})},
)
