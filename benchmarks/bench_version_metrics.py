"""Version identification at the size of Da-TACOS: distances and metrics, against doing it the obvious way.

The obvious way is that of MOVE's and Re-MOVE's evaluation, written anew from its description: embeddings concatenated
one by one to a growing tensor, a label matrix made by two nested loops, the N x N squared distances, a full sort of
every row, and the metrics in matrices of that size. Its parts grow with the square of N (the sort a little faster), so
`--plain` may measure them with fewer songs; figures are then multiplied, and marked so.

Works are those of Da-TACOS: of 15,000 songs 13,000 are of works with 13, and 2,000 stand alone. Embeddings of 16,000
dimensions are made as MOVE makes them, a linear map and a batch norm of 256 values; `--full-rank` draws them all
independently instead, which no network of this kind does.

Every part runs in a process of its own, on one thread, the two sides in turns; CPU seconds without imports and without
making the data, and the peak memory of the process with both.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

BLOCK = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--songs", type=int, default=15_000)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--plain", type=int, default=5_000, help="songs of the obvious way's matrices")
    parser.add_argument("--grown", type=int, default=1_000, help="songs of its growing tensor and its loops")
    parser.add_argument("--full-rank", action="store_true")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--part", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        print(json.dumps(PARTS[arguments.part](arguments.songs, arguments.dim, arguments.full_rank)))
        return
    plain, grown = min(arguments.plain, arguments.songs), min(arguments.grown, arguments.songs)
    sizes = {"grown": grown, "loops": grown, "distances and metrics": plain, "store": arguments.songs}
    sizes["counted"] = arguments.songs
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in sizes}
    for _ in range(arguments.repeats):
        for name, songs in sizes.items():
            rows[name].append(_in_process(name, songs, arguments.dim, arguments.full_rank))
    middle = {name: sorted(r["seconds"] for r in found)[len(found) // 2] for name, found in rows.items()}
    scaled = {name: middle[name] * (arguments.songs / sizes[name]) ** 2 for name in ("grown", "loops")}
    scaled["distances and metrics"] = middle["distances and metrics"] * (arguments.songs / plain) ** 2
    print(f"{arguments.songs} songs, {arguments.dim} dimensions{', full rank' if arguments.full_rank else ''}; CPU s")
    for name, label in (
        ("grown", "obvious: collecting in a growing tensor"),
        ("loops", "obvious: label matrix by loops"),
        ("distances and metrics", "obvious: distances, sort, metrics"),
    ):
        note = "" if sizes[name] == arguments.songs else f"  ({middle[name]:.2f} with {sizes[name]} songs, x N²)"
        print(f"{label:<44}{scaled[name]:>10.1f}   peak {rows[name][0]['peak']:.2f} GB{note}")
    for name, label in (("store", "ours: collecting in a file"), ("counted", "ours: distances and metrics")):
        print(f"{label:<44}{middle[name]:>10.1f}   peak {rows[name][0]['peak']:.2f} GB")
    print(f"ratio of distances and metrics: {scaled['distances and metrics'] / middle['counted']:.1f}")
    print(f"ratio with collecting and labels: {sum(scaled.values()) / (middle['store'] + middle['counted']):.1f}")
    if plain == arguments.songs:
        ours, theirs = rows["counted"][0], rows["distances and metrics"][0]
        print("same figures:", ", ".join(f"{k} {ours[k]:.7g} / {theirs[k]:.7g}" for k in ("MAP", "MR1", "Top-10")))


def _in_process(part: str, songs: int, dim: int, full_rank: bool) -> dict[str, float]:
    command = [sys.executable, __file__, "--part", part, "--songs", str(songs), "--dim", str(dim)]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(
        command + ["--full-rank"] * full_rank, stdout=subprocess.PIPE, check=True, env={**os.environ, **threads}
    )
    return json.loads(done.stdout.splitlines()[-1])


def _works(songs: int) -> np.ndarray:
    versions = songs * 13 // 15 // 13 * 13
    works = np.concatenate([np.arange(versions) // 13, versions + np.arange(songs - versions)])
    return np.random.default_rng(1).permutation(works)


def _embeddings(songs: int, dim: int, full_rank: bool) -> np.ndarray:
    """Float32 `(songs, dim)`; songs of a work share a part."""
    rng = np.random.default_rng(0)
    works = np.unique(_works(songs), return_inverse=True)[1]
    inner = dim if full_rank else min(dim, 256)
    shared = rng.standard_normal((works.max() + 1, inner), dtype=np.float32)
    made = np.empty((songs, dim), np.float32)
    weight = rng.standard_normal((inner, 0 if inner == dim else dim), dtype=np.float32)
    for start in range(0, songs, BLOCK):
        rows = slice(start, start + BLOCK)
        hidden = 0.6 * shared[works[rows]] + rng.standard_normal((len(works[rows]), inner), dtype=np.float32)
        made[rows] = hidden if inner == dim else hidden @ weight
    if inner < dim:  # batch norm
        made -= made.mean(0)
        for start in range(0, dim, BLOCK):
            made[:, start : start + BLOCK] /= made[:, start : start + BLOCK].std(0)
    return made


def _timed(work: Callable[[], dict[str, float] | None]) -> dict[str, float]:
    began = time.process_time()
    found = work() or {}
    seconds = time.process_time() - began
    return {**found, "seconds": seconds, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}


def grown(songs: int, dim: int, full_rank: bool) -> dict[str, float]:
    """Obvious: one embedding after the other is appended."""
    import torch

    one = torch.randn(1, dim)

    def work() -> None:
        found = one
        for _ in range(songs - 1):
            found = torch.cat((found, one))

    return _timed(work)


def loops(songs: int, dim: int, full_rank: bool) -> dict[str, float]:
    """Obvious: who is a version of whom."""
    import torch

    works = _works(songs).tolist()

    def work() -> None:
        same = torch.zeros(songs, songs)
        for i in range(songs):
            for j in range(songs):
                if works[i] == works[j] and i != j:
                    same[i, j] = 1

    return _timed(work)


def obvious(songs: int, dim: int, full_rank: bool) -> dict[str, float]:
    """Obvious: distances, full sort, metrics, all as matrices."""
    import torch

    x = torch.from_numpy(_embeddings(songs, dim, full_rank))
    works = torch.from_numpy(_works(songs))
    same = (works[:, None] == works[None]).float().fill_diagonal_(0)

    def work() -> dict[str, float]:
        length = (x * x).sum(1)
        distances = (length[:, None] + length[None] - 2 * (x @ x.T) + 1e-12) / dim
        near = -distances
        near.fill_diagonal_(float("-inf"))
        order = torch.topk(near, songs, dim=1).indices
        found = torch.gather(same, 1, order)
        rank = torch.arange(1, songs + 1, dtype=torch.float32)
        precision = (found.cumsum(1) / rank * found).sum(1) / (same.sum(1) + 1e-10)
        first = (found - 1e-6 * (rank - 1)).argmax(1).float() + 1
        return {
            "MAP": precision[same.sum(1) > 0].mean().item(),
            "MR1": first.mean().item(),
            "Top-10": found[:, :10].sum().item(),
        }

    return _timed(work)


def store(songs: int, dim: int, full_rank: bool) -> dict[str, float]:
    """Ours: one embedding after the other into a file."""
    from ohrwurm.evaluation.vector_store import VectorStore

    one = np.random.default_rng(0).standard_normal(dim).astype(np.float32)
    names = [f"{i:032x}" for i in range(songs)]
    with tempfile.TemporaryDirectory() as folder:

        def work() -> None:
            kept = VectorStore.open(Path(folder) / "vectors", "bench", names, dim)
            for i in range(songs):
                kept.put(i, one)
            kept.save()

        return _timed(work)


def counted(songs: int, dim: int, full_rank: bool) -> dict[str, float]:
    """Ours: counting in blocks."""
    import torch

    from ohrwurm.evaluation.metrics import versions

    torch.set_num_threads(1)
    x, works = _embeddings(songs, dim, full_rank), _works(songs)
    return _timed(lambda: versions.evaluate(versions.Compared(x, "euclidean"), works, legacy=True))


PARTS = {"grown": grown, "loops": loops, "distances and metrics": obvious, "store": store, "counted": counted}

if __name__ == "__main__":
    main()
