"""Robustness: how far an embedding, and what is found with it, moves when recordings are coded, cut or noisy.

Every recording is degraded in one way at one strength (`evaluation.degradations`), written as a file and embedded like
any other. Its vector is then held against the clean ones of all recordings:

* ``cosine``: with its own clean vector (for models that compare otherwise: their own similarity);
* ``R@1``: whether the nearest clean vector is its own, equal ones in expectation;
* ``overlap@10``: how many of the ten nearest other recordings are the ten that the clean vector has;
* ``words overlap@10``, for models that know words and recordings with captions or tags: how many of a text's ten best
  recordings stay when all recordings are degraded.

Vectors are kept one by one under model, content and condition: killed anywhere, the same command goes on.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ohrwurm.audio.files import probe
from ohrwurm.audio.isolation import Decoder, decoding
from ohrwurm.data.tracks import Track
from ohrwurm.embedding import embed
from ohrwurm.embedding.workers import default_workers
from ohrwurm.errors import AudioError, DataError
from ohrwurm.evaluation.confidence import bootstrap
from ohrwurm.evaluation.degradations import KINDS, Condition, conditions
from ohrwurm.evaluation.protocols.described import similarities
from ohrwurm.evaluation.report import Figure, Items, Outcome
from ohrwurm.evaluation.task import Job, Recordings, Task, option
from ohrwurm.evaluation.vectors import Rows, collect, folder_of
from ohrwurm.models.base import AudioEncoder, JointModel

NEAREST = 10
BLOCK = 1024  # queries compared with all clean vectors at a time
FILES = 16  # degraded at a time, for each worker; they lie on disk until they are embedded
TEXTS = 200  # of those that the recordings carry


@dataclass(frozen=True)
class Options:
    """What is done to the recordings, and to how many."""

    degradations: tuple[str, ...] = option(
        (), f"Only these, as NAME or NAME=STRENGTH: {', '.join(KINDS)}. By default all.", metavar="NAME[=STRENGTH]"
    )
    tracks: int = option(0, "So many recordings, drawn by the seed; 0 for all.", min=0)


def degraded(job: Job[Options], tracks: Sequence[Track], change: Condition, clean: dict[str, str]) -> Rows:
    """Vectors of tracks under one condition; `rows` are places in `tracks`.

    Args:
        clean: path → hash of the file's content, from which noise is drawn.
    """
    workers = job.workers or default_workers()

    def make(files: list[Path], contents: list[str]) -> list[NDArray[np.float32] | AudioError]:
        with tempfile.TemporaryDirectory(prefix="ohrwurm-") as folder:
            items = [(file, content, Path(folder) / str(i)) for i, (file, content) in
                     enumerate(zip(files, contents, strict=True))]  # fmt: skip
            made = list(decoding(items, lambda decoder, item: _write(decoder, item, change, job.seed), workers))
            written = [m for m in made if not isinstance(m, AudioError)]
            vectors = iter(embed(written, job.model, workers=workers) if written else ())
            found: list[NDArray[np.float32] | AudioError] = []
            for file, one in zip(files, made, strict=True):
                if isinstance(one, AudioError):
                    found.append(one)
                    continue
                vector = next(vectors)
                if isinstance(vector, AudioError):  # speaks of the degraded file, which nobody has seen
                    vector = AudioError(file, vector.reason, f"{change.title}: {vector.detail}")
                found.append(vector if isinstance(vector, AudioError) else vector.vector)
            return found

    folder = None if job.cache is None else folder_of(job.cache, "degraded", job.model)
    return collect(
        [t.path for t in tracks], make, (job.model.card.dim,), folder=folder, size=FILES * workers,
        name=f"-{change.name}={change.strength:g}-{job.seed}", progress=None,
    )  # fmt: skip


def _write(decoder: Decoder, item: tuple[Path, str, Path], change: Condition, seed: int) -> Path | AudioError:
    file, content, target = item
    try:
        rate = probe(file).sample_rate
        with closing(decoder.stream(file, [rate])) as blocks:
            x = np.concatenate([b[rate] for b in blocks])
        draw = hashlib.blake2b(f"{content} {change.title}".encode(), digest_size=8).digest()
        rng = np.random.default_rng([seed, int.from_bytes(draw)])
        return change.write(x, rate, target, rng)
    except AudioError as error:
        return error
    except DataError as error:
        return AudioError(file, "too-short", str(error))


def against(
    model: AudioEncoder, changed: NDArray[np.float32], own: NDArray[np.int64], clean: NDArray[np.float32]
) -> dict[str, NDArray[np.float64]]:
    """What happened to each degraded vector `(m, dim)`, among clean ones `(n, dim)`; `own (m,)` is its own clean row.

    >>> from ohrwurm.models.registry import load
    >>> rows = np.eye(12, 80, dtype=np.float32)
    >>> found = against(load("mel-statistics"), rows[:2], np.array([0, 5]), rows)
    >>> found["R@1"].tolist(), found["cosine"].round(6).tolist()
    ([1.0, 0.0], [1.0, 0.0])
    """
    found: dict[str, list[NDArray[np.float64]]] = {"cosine": [], "R@1": [], f"overlap@{NEAREST}": []}
    for start in range(0, len(changed), BLOCK):
        mine = own[start : start + BLOCK]
        near = _similarity(model, changed[start : start + BLOCK], clean)
        before = _similarity(model, clean[mine], clean)
        row = np.arange(len(mine))
        right = near[row, mine]
        higher, equal = (near > right[:, None]).sum(1), (near == right[:, None]).sum(1)
        found["cosine"].append(right.astype(np.float64))
        found["R@1"].append(np.where(higher == 0, 1.0 / equal, 0.0))
        near[row, mine], before[row, mine] = -np.inf, -np.inf  # neighbours are other recordings
        found[f"overlap@{NEAREST}"].append(overlap(near, before))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def overlap(one: NDArray[np.floating], other: NDArray[np.floating], size: int = NEAREST) -> NDArray[np.float64]:
    """Share of the `size` highest of each row `(m, n)` that are among the highest of the other's row.

    Of equal scores the first come first; of fewer than `size` columns (beside oneself) as many as there are count.

    >>> overlap(np.array([[3, 2, 1, 0]]), np.array([[3, 0, 2, 1]]), 2).tolist()
    [0.5]
    """
    known = int(np.isfinite(one).sum(1).min(initial=one.shape[1]))
    count = min(size, known)
    if count == 0:
        return np.full(len(one), np.nan)
    best = (np.argsort(-x, 1, kind="stable")[:, :count] for x in (one, other))
    marks = []
    for places in best:
        mark = np.zeros(one.shape, bool)
        np.put_along_axis(mark, places, True, 1)
        marks.append(mark)
    return (marks[0] & marks[1]).sum(1) / count


def run(job: Job[Options]) -> Outcome:
    """The task: clean vectors once, then one condition after the other."""
    tracks = job.test()
    if job.options.tracks and job.options.tracks < len(tracks):
        chosen = np.sort(np.random.default_rng(job.seed).permutation(len(tracks))[: job.options.tracks])
        tracks = [tracks[i] for i in chosen]
    wanted, tell, job.progress = conditions(job.options.degradations), job.progress, None
    clean = job.vectors(tracks)
    kept = [tracks[row] for row in clean.rows]
    if len(kept) < 2:
        raise DataError("robustness needs two recordings at least: one is always nearest to itself")
    contents = {t.path: c for t, c in zip(kept, clean.contents, strict=True)}
    texts = _texts(job.model, kept)
    ranked = similarities(job.model, clean.values, texts) if texts else None  # type: ignore[arg-type]

    tracks_got: dict[str, NDArray[np.float64]] = {}
    texts_got: dict[str, NDArray[np.float64]] = {}
    rows: list[dict[str, float | str]] = []
    for done, change in enumerate(wanted):
        if tell is not None:
            tell(done, len(wanted))
        try:
            made = degraded(job, kept, change, contents)
        except DataError as error:  # none of the recordings: all are too short, say
            job.warn(f"{change.title}: could not be measured ({error})")
            continue
        for failure in made.failures:
            job.failures[f"{failure.path} ({change.title})"] = failure.reason + f" ({failure.detail})"
        own = np.array(made.rows)
        values = np.stack(made.values)
        for name, got in against(job.model, values, own, clean.values).items():
            full = np.full(len(kept), np.nan)
            full[own] = got
            tracks_got[f"{name} ({change.title})"] = full
        if ranked is not None and len(own) > NEAREST:
            now = similarities(job.model, values, texts)  # type: ignore[arg-type]
            texts_got[f"words overlap@{NEAREST} ({change.title})"] = overlap(now, ranked[:, own])
        rows.append({"degradation": change.name, "strength": change.strength, "unit": KINDS[change.name].unit})
    if tell is not None:
        tell(len(wanted), len(wanted))
    return _outcome(job, kept, clean.values, tracks_got, texts, texts_got, rows)


def _outcome(
    job: Job[Options],
    tracks: Sequence[Track],
    clean: NDArray[np.float32],
    tracks_got: dict[str, NDArray[np.float64]],
    texts: Sequence[str],
    texts_got: dict[str, NDArray[np.float64]],
    rows: list[dict[str, float | str]],
) -> Outcome:
    count, near = len(tracks), min(NEAREST, len(tracks) - 1)
    chance = {"cosine": _stranger(job.model, clean), "R@1": 1 / count, f"overlap@{NEAREST}": near / (count - 1),
              f"words overlap@{NEAREST}": NEAREST / count}  # fmt: skip
    all_got = tracks_got | texts_got
    figures = {
        name: Figure(float(np.nanmean(v)), *bootstrap(v, seed=job.seed), chance[name.partition(" (")[0]])
        for name, v in all_got.items()
    }
    items = [Items.of("tracks", [t.track_id for t in tracks], tracks_got)]
    if texts_got:
        items.append(Items.of("queries", texts, texts_got))
    return Outcome(
        protocol="each recording is degraded, and its vector held against the clean vectors of all recordings",
        interval="95 % bootstrap over recordings (of words: over texts), 2000 samples",
        figures=figures,
        counts={"recordings": count, "conditions": len(rows), "texts": len(texts)},
        details={"conditions": rows},
        seed=job.seed,
        items=tuple(items),
    )


def _similarity(
    model: AudioEncoder, queries: NDArray[np.float32], candidates: NDArray[np.float32]
) -> NDArray[np.float32]:
    if model.card.comparison == "cosine":
        a, b = (x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12) for x in (queries, candidates))
        return a @ b.T
    held = torch.from_numpy(candidates)
    with torch.inference_mode():
        return torch.stack([model.similarity(q, held) for q in torch.from_numpy(queries)]).numpy()


def _stranger(model: AudioEncoder, clean: NDArray[np.float32]) -> float:
    """Mean similarity of two different recordings, over the first thousand or so."""
    some = clean[:BLOCK]
    near = _similarity(model, some, some).astype(np.float64)
    return float((near.sum() - np.trace(near)) / (len(some) * (len(some) - 1)))


def _texts(model: AudioEncoder, tracks: Sequence[Track]) -> list[str]:
    """Different captions of the recordings, else their tags, in order of first use; none for models without words."""
    if not isinstance(model, JointModel):
        return []
    captions = dict.fromkeys(t.caption for t in tracks if t.caption)
    return list(captions or dict.fromkeys(tag for t in tracks for tag in t.tags))[:TEXTS]


def check(model: AudioEncoder, recordings: Recordings, options: Options) -> None:
    """Refuse degradations that there are not."""
    conditions(options.degradations)


TASK = Task(
    name="robustness",
    about="How far do vectors, and what is found with them, move when recordings are coded, noisy, shifted or cut?",
    needs="paths; captions or tags for retrieval by words.",
    example="ohrwurm evaluate robustness --model ohrwurm-text --benchmark recordings --out robustness.json",
    model="ohrwurm-text",
    run=run,
    check=check,
    options=Options,
    truth=None,
    details=(
        "MP3, Opus and Vorbis at several bit rates, gain, white and pink noise, pitch, tempo, crops and resampling; "
        "for each the cosine to the clean vector, whether the nearest clean recording is still itself (R@1), and how "
        "many of its ten neighbours stay. A picture: ohrwurm report robustness.json --out robustness.png"
    ),
)
