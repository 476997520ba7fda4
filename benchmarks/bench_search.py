"""Latency of exact search at 1k / 10k / 100k tracks, against a plain matrix product in memory, and of a text query.

The store is a LanceDB folder on disk; every search reads it (through the file cache). What it is compared with holds
all vectors in memory, knows no metadata and keeps nothing: the least that any exact search must cost.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ohrwurm.collection.ranking import best_by_cosine
from ohrwurm.collection.records import Facts, Space, Track
from ohrwurm.collection.store import Store
from ohrwurm.collection.tables import Vectors
from ohrwurm.events import TONICS
from ohrwurm.models import registry

DIM = 128
WINDOWS = 20  # a song of 3:20 at a window every 10 s
CHUNK = 5000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("-k", type=int, default=10)
    arguments = parser.parse_args()
    print(f"exact search, {DIM} dimensions, k = {arguments.k}, median of {arguments.repeats}, in milliseconds")
    print("matrix product: numpy, vectors in memory | nearest: store, vectors only | search: store, with metadata")
    print("and best position | filtered: search among the tenth of the tracks of one year | heard: among a hundredth,")
    print("by tempo and key; all tracks are analysed\n")
    columns = ("tracks", "matrix product", "nearest", "search", "filtered", "heard", "search / product", "fill (s)")
    print("".join(f"{name:>18}" for name in columns))
    for n in arguments.tracks:
        with tempfile.TemporaryDirectory() as folder:
            print(
                "".join(f"{cell:>18}" for cell in measure(n, Path(folder), arguments.repeats, arguments.k)), flush=True
            )
    print()
    text_queries(arguments.repeats)


def measure(n: int, folder: Path, repeats: int, k: int) -> list[str]:
    """One row of the table."""
    rng = np.random.default_rng(0)
    began = time.perf_counter()
    store, space, matrix = fill(n, folder / "collection", rng)
    filled = time.perf_counter() - began
    queries = rng.standard_normal((repeats, DIM)).astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)

    def product(query: np.ndarray) -> list[str]:
        scores = matrix @ query
        best = np.argpartition(-scores, k)[:k]
        return [f"{i:032x}" for i in best[np.argsort(-scores[best])]]

    for query in queries[:3]:  # both must find the same
        assert [c[:12] for c in product(query)] == [r.id for r in best_by_cosine(store, space, query, k)]
    plain = median(product, queries)
    nearest = median(lambda q: store.nearest(space, q, k), queries)
    search = median(lambda q: best_by_cosine(store, space, q, k), queries)
    filtered = median(lambda q: best_by_cosine(store, space, q, k, where="year = 1999"), queries)
    where = "bpm BETWEEN 100 AND 110 AND key = 'D minor'"
    heard = median(lambda q: best_by_cosine(store, space, q, k, where=where), queries)
    times = [f"{x * 1000:.2f}" for x in (plain, nearest, search, filtered, heard)]
    return [f"{n:,}", *times, f"{search / plain:.1f}", f"{filled:.1f}"]


def fill(n: int, folder: Path, rng: np.random.Generator) -> tuple[Store, Space, np.ndarray]:
    """A collection of n tracks with random vectors."""
    card = dataclasses.replace(registry.card("mel-statistics"), name="random", dim=DIM)
    space = Space("random", card.provenance, "random", card.to_json())
    store = Store.create(folder)
    store.activate([space])
    matrix = rng.standard_normal((n, DIM)).astype(np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    starts, valid = np.arange(WINDOWS) * 10.0, np.full(WINDOWS, 10.0)
    for first in range(0, n, CHUNK):
        ids = range(first, min(first + CHUNK, n))
        noise = rng.standard_normal((len(ids), WINDOWS, DIM)).astype(np.float32)
        rows = [Vectors(f"{i:032x}", matrix[i], matrix[i] + noise[i - first], starts, valid) for i in ids]
        tracks = [
            Track(f"/m/{i}.mp3", r.content, f"{i}", year=1999 + i % 10, analysis=analysis(i))
            for i, r in zip(ids, rows, strict=True)
        ]
        store.put(vectors=[(space, space.provenance, rows)], tracks=tracks)
    store.compact()
    return store, space, matrix


def analysis(i: int) -> Facts:
    """What is found in a song: one of ten keys, one of a hundred tempi."""
    tonic = TONICS[i // 100 % 10]
    return Facts(
        "random:0", "beats chords key sections tags", key=f"{tonic} minor", tonic=tonic, mode="minor",
        key_confidence=0.8, bpm=60.0 + i % 100, bpm_confidence=0.9, metre=4, tempo_stability=0.9, beats=400,
        downbeats=100, chords="D:min A:min G:maj C:maj F:maj E:7", sections=6,
        form="intro verse chorus verse chorus outro", tags="piano, slow", remarks="",
    )  # fmt: skip


def text_queries(repeats: int) -> None:
    """From words to a query vector, for each bundled model that understands words."""
    import torch

    from ohrwurm.models.base import JointModel

    texts = ["slow solo piano", "drum and bass", "a choir singing in a church", "ragtime", "zydeco accordion"]
    joint = [name for name in registry.bundled() if registry.card(name).joint]
    if not joint:
        print("text queries: no model that understands words is bundled; nothing measured")
    for name in joint:
        began = time.perf_counter()
        model = registry.load(name)
        loaded = time.perf_counter() - began
        assert isinstance(model, JointModel)

        def encode(text: str, model: JointModel = model) -> torch.Tensor:
            with torch.inference_mode():
                return model.encode_text([text])

        first = median(encode, texts[:1])
        warm = median(encode, (texts * repeats)[: max(repeats, len(texts))])
        print(
            f"text query, {name}: {warm * 1000:.2f} ms to the vector (first {first * 1000:.1f}, loading {loaded:.2f} s)"
        )


def median(function: Callable, queries: object) -> float:
    """Median seconds of `function` over queries; the first call, which warms caches, is not counted."""
    seconds = []
    for query in queries:  # type: ignore[attr-defined]
        began = time.perf_counter()
        function(query)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[1:] or seconds)


if __name__ == "__main__":
    main()
