"""Emotify: excerpts in four genres, with the emotions that listeners felt."""

from __future__ import annotations

from pathlib import Path

from ohrwurm.data.benchmarks.base import Benchmark, Layout, Variant, one_of, rows
from ohrwurm.data.tracks import Manifest, Track

GENRES = ("classical", "electronic", "pop", "rock")


def read(folder: Path, variant: str) -> Manifest:
    """`manifest.csv` with `file, genre`; the genre becomes the track's tag."""
    return Manifest(
        [
            Track(
                track_id=f"emotify/{row['file'].rsplit('.', 1)[0]}",
                path=str(folder / row["file"]),
                split="test",
                tags=(one_of(row, "genre", GENRES, folder),),
            )
            for row in rows(folder, ("file", "genre"))
        ]
    )


BENCHMARK = Benchmark(
    name="emotify",
    folder="emotify_half",
    title="200 excerpts of 30 s, 50 each of classical, electronic, pop and rock.",
    citation="Aljanaki, Wiering, Veltkamp: Studying emotion induced by music through a crowdsourcing game, 2016",
    licence="CC-BY-NC-SA; evaluation only",
    caveats="Half of the 400 published excerpts. Artists are not stated, so one may be on both sides of a split.",
    layouts=(Layout("a table and its excerpts", ("manifest.csv:file,genre,track_id",), read),),
    variants={"genre": Variant("The genre of each excerpt.", ("probe",), {"test": 200}, labels=GENRES)},
)
