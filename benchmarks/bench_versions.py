"""Latency of a version query with `ohrwurm-alignment`: all tracks aligned, the shortlist, and vectors alone.

The collection holds random vectors and sequences; what is found is the business of `ohrwurm evaluate versions`. The
time of a query that is in the collection, so that nothing is decoded or embedded.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from timing import interleaved

from ohrwurm.collection import versions as searching
from ohrwurm.collection.queries import Queries
from ohrwurm.collection.records import Space, Track
from ohrwurm.collection.store import Store
from ohrwurm.collection.tables import Vectors
from ohrwurm.models import registry

MODELS = ("ohrwurm-versions", "ohrwurm-alignment")
CHUNK = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"CPU milliseconds of a query, {arguments.threads} thread(s), shortlist of {searching.SHORTLIST}")
    columns = ("tracks", "vectors alone", "shortlist", "all aligned", "all / shortlist", "a pair (ms)")
    print("".join(f"{name:>17}" for name in columns))
    for n in arguments.tracks:
        with tempfile.TemporaryDirectory() as folder:
            print("".join(f"{cell:>17}" for cell in measure(n, Path(folder), arguments.repeats)), flush=True)


def measure(n: int, folder: Path, repeats: int) -> list[str]:
    """One row of the table."""
    store = fill(n, folder / "collection")
    queries = Queries(store, {})
    song = f"{n // 2:032x}"
    shortlist = searching.SHORTLIST

    def ask(model: str, at_most: int) -> None:
        searching.SHORTLIST = at_most
        searching.versions(queries, song, model=model)

    vectors, some, everything = interleaved(
        [lambda: ask(MODELS[0], shortlist), lambda: ask(MODELS[1], shortlist), lambda: ask(MODELS[1], n)], repeats
    )
    searching.SHORTLIST = shortlist
    times = [f"{seconds * 1000:.0f}" for seconds in (vectors, some, everything)]
    return [f"{n:,}", *times, f"{everything / some:.1f}", f"{everything / n * 1000:.2f}"]


def fill(n: int, folder: Path) -> Store:
    """A collection of n tracks with random vectors of both models."""
    rng = np.random.default_rng(0)
    cards = [registry.card(name) for name in MODELS]
    spaces = [Space(c.name, c.provenance, c.name, c.to_json()) for c in cards]
    store = Store.create(folder)
    store.activate(spaces)
    for first in range(0, n, CHUNK):
        ids = range(first, min(first + CHUNK, n))
        made = []
        for space in spaces:
            vectors = rng.standard_normal((len(ids), space.dim)).astype(np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            rows = [
                Vectors(f"{i:032x}", v, v[None], np.zeros(1), np.ones(1)) for i, v in zip(ids, vectors, strict=True)
            ]
            made.append((space, space.provenance, rows))
        store.put(vectors=made, tracks=[Track(f"/m/{i}.mp3", f"{i:032x}", f"{i}") for i in ids])
    store.compact()
    return store


if __name__ == "__main__":
    main()
