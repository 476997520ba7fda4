"""Many files → one output file, whatever interrupts it.

Finished files are kept in `OUTPUT.parts/`, beside the output, which appears complete and at once when all are done; the
parts are then taken away. Kill the job at any moment: run again, it goes on and loses at most the batch in hand. The
output is the same, byte for byte, as that of a run that nothing interrupted, and does not depend on workers, on the
order in which files are finished, or, on a CPU, on the batch size. Running it again when the output is there embeds
what is new or changed, and tries again what failed.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ohrwurm.audio.isolation import Decoder, Limits
from ohrwurm.audio.windows import Protocol
from ohrwurm.embedding.files import shared_lock, try_file
from ohrwurm.embedding.output import (
    EmbeddingTable,
    Lazy,
    Unusable,
    checked_suffix,
    read_embeddings,
    write_embeddings,
)
from ohrwurm.embedding.parts import Key, Part, Parts
from ohrwurm.embedding.protocol import under
from ohrwurm.embedding.workers import run
from ohrwurm.errors import AudioError, DataError
from ohrwurm.locks import holding
from ohrwurm.models.base import AudioEncoder, ModelCard, check_cast

BATCH_FILES = 16
BATCH_BYTES = 64 * 2**20  # of frames
BATCH_SECONDS = 10.0  # a kill costs no more than this and the files then at work


@dataclass(frozen=True)
class Report:
    """What one run did.

    Attributes:
        out: the output file.
        provenance, dim: of the vectors.
        files: how many were named.
        embedded: of them, now.
        reused: of them, done by an earlier run.
        errors: those that could not be used.
        audio_seconds: of the files embedded now.
        seconds: the run took.
    """

    out: str
    provenance: str
    dim: int
    files: int
    embedded: int
    reused: int
    errors: tuple[Unusable, ...]
    audio_seconds: float
    seconds: float


def embed_to_file(
    out: str | Path,
    tracks: Iterable[str | Path | tuple[str, str | Path]],
    model: AudioEncoder,
    *,
    frames: bool = False,
    protocol: Protocol | None = None,
    batch_size: int = 8,
    workers: int | None = None,
    limits: Limits | None = None,
    errors: Sequence[Unusable] = (),
    sample_rates: Mapping[str, int] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Embed files into one output file.

    Args:
        out: a `.npz`, `.parquet` or `.safetensors` file (`ohrwurm.embedding.output` describes them). If it exists, it
            holds vectors of the same provenance, and unchanged files keep theirs.
        tracks: files, or pairs of a track id and a file; without one the id is the path.
        model: a loaded encoder.
        frames: keep the frames of each file as well.
        protocol: "published" for the windows of the model's paper.
        batch_size: windows per call of the model on an accelerator; on a CPU it is always one.
        workers: files at a time; by default one a core.
        limits: time, memory and size that decoding one file may take.
        errors: what was found to be unusable before, to be listed too.
        sample_rates: path → Hz of `.npy` files, which do not say theirs. Where it alone changes, `out` has to be new.
        progress: called with the number of files done and their total.

    Raises:
        DataError: an unknown ending; the output or its parts are of another model, layer, protocol or precision; two
            tracks of one id; another run writes the same output; or the disk refused.
        ModelError: the model has no published windowing, or no frames.

    >>> import soundfile, tempfile
    >>> from ohrwurm.embedding import read_embeddings
    >>> from ohrwurm.models.registry import load
    >>> folder = Path(tempfile.mkdtemp())
    >>> soundfile.write(folder / "noise.wav", np.random.default_rng(0).uniform(-0.5, 0.5, 32000), 16000)
    >>> report = embed_to_file(folder / "out.npz", [("noise", folder / "noise.wav")], load("mel-statistics"))
    >>> table = read_embeddings(folder / "out.npz")
    >>> report.embedded, table.track_ids, table.vectors.shape
    (1, ('noise',), (1, 192))
    """
    began = time.monotonic()
    out = Path(out)
    checked_suffix(out)
    check_cast(model)
    card = under(model.card, protocol)
    named = _named(tracks)
    folder = out.with_name(f"{out.name}.parts")
    with _disk(out):
        folder.mkdir(parents=True, exist_ok=True)
    with holding(folder / ".lock") as mine:
        if not mine:
            raise DataError(f"{out}: another run is writing it. Wait for it, then run again.")
        with _nothing_left(folder):
            before = _before(out, card, frames)
            with _disk(out):
                parts = Parts(folder, _identity(card, frames))
            keys, unusable = _keys(named)
            kept = {} if before is None else _kept(before)
            waiting = list(dict.fromkeys(key for key in keys.values() if key not in parts and key not in kept))
            reused = sum(key in kept or (key in parts and not parts[key].reason) for key in keys.values())
            rates = {os.path.abspath(path): rate for path, rate in (sample_rates or {}).items()}
            seconds = _embed(waiting, parts, model, frames, protocol, batch_size, workers, limits, rates, progress)
            table = _table(card, named, keys, parts, before, kept, [*errors, *unusable], frames)
            if before is None or not _same(before, table):
                with _disk(out):
                    write_embeddings(out, table)
            done = Report(
                out=str(out),
                provenance=card.provenance,
                dim=card.dim,
                files=len(named) + len(errors),
                embedded=len(table) - reused,
                reused=reused,
                errors=table.errors,
                audio_seconds=seconds,
                seconds=time.monotonic() - began,
            )
            parts.remove()
    return done


def _named(tracks: Iterable[str | Path | tuple[str, str | Path]]) -> dict[str, str]:
    """Track id → absolute path."""
    named: dict[str, str] = {}
    for track in tracks:
        name, path = track if isinstance(track, tuple) else (None, track)
        absolute = os.path.abspath(path)
        if name is not None and named.get(name, absolute) != absolute:
            raise DataError(f"track_id {name!r} names {named[name]} and {absolute}; make the ids unique")
        named[absolute if name is None else name] = absolute
    return named


def _identity(card: ModelCard, frames: bool) -> str:
    return card.provenance + (" with frames" if frames else "")


def _before(out: Path, card: ModelCard, frames: bool) -> EmbeddingTable | None:
    """What an earlier run wrote."""
    if not out.exists():
        return None
    table = read_embeddings(out)
    there, here = _identity(table.card, table.frames is not None), _identity(card, frames)
    if there != here:
        other = _differences(table.card, card)
        raise DataError(
            f"{out} holds vectors of {there}, this run is {here}{f' ({other})' if other else ''}. "
            "Write to another file, or remove it."
        )
    return table


def _differences(there: ModelCard, here: ModelCard) -> str:
    """In what two cards of one model differ, of what a run chooses."""
    said = [
        f"{name} {getattr(there, name)} there, {getattr(here, name)} here"
        for name in ("layer", "precision", "protocol", "window", "hop", "pooling")
        if getattr(there, name) != getattr(here, name)
    ]
    return "; ".join([*said, *(["other weights"] if there.sha256 != here.sha256 else [])])


def _keys(named: dict[str, str]) -> tuple[dict[str, Key], list[Unusable]]:
    """What each track's file is now; or why it cannot be used."""
    keys: dict[str, Key] = {}
    unusable = []
    for name, path in named.items():
        try:
            path.encode()
            stat = os.stat(path)
            keys[name] = path, stat.st_size, stat.st_mtime_ns
        except UnicodeEncodeError:
            unusable.append(Unusable(_shown(name), _shown(path), "name", "the file name is not UTF-8; rename the file"))
        except OSError as error:
            reason = "missing" if isinstance(error, FileNotFoundError) else "unreadable"
            unusable.append(Unusable(name, path, reason, error.strerror or str(error)))
    return keys, unusable


def _shown(text: str) -> str:
    return os.fsencode(text).decode("utf-8", "backslashreplace")


def _kept(table: EmbeddingTable) -> dict[Key, int]:
    files = zip(table.paths, table.sizes.tolist(), table.modified.tolist(), strict=True)
    return {key: row for row, key in enumerate(files)}


def _embed(
    waiting: list[Key],
    parts: Parts,
    model: AudioEncoder,
    frames: bool,
    protocol: Protocol | None,
    batch_size: int,
    workers: int | None,
    limits: Limits | None,
    rates: Mapping[str, int],
    progress: Callable[[int, int], None] | None,
) -> float:
    """Embed files and keep them as parts, batch by batch; returns the seconds of audio embedded."""
    lock = shared_lock(model)

    def work(key: Key, decoder: Decoder) -> tuple[Part, float]:
        found = try_file(
            key[0], [model], native=rates.get(key[0]), decoder=decoder, batch_size=batch_size, lock=lock,
            protocol=protocol, frames=frames,
        )  # fmt: skip
        if isinstance(found, AudioError):
            return Part(key, reason=found.reason, detail=found.detail), 0.0
        (one,) = found
        part = Part(key, one.vector, one.duration, one.flags, one.frames, one.frame_times, one.frame_rate)
        return part, one.duration

    batch: list[Part] = []
    last, total, done = time.monotonic(), 0.0, 0

    def commit() -> None:
        nonlocal last
        if batch:
            with _disk(parts.folder):
                parts.add(batch)
            batch.clear()
        last = time.monotonic()

    if progress is not None and waiting:
        progress(0, len(waiting))
    with closing(run(waiting, work, workers=workers, limits=limits)) as results:
        try:
            for part, seconds in results:
                batch.append(part)
                total += seconds
                done += 1
                held = sum(p.frames.nbytes for p in batch if p.frames is not None)
                if len(batch) >= BATCH_FILES or held > BATCH_BYTES or time.monotonic() - last > BATCH_SECONDS:
                    commit()
                if progress is not None:
                    progress(done, len(waiting))
        finally:
            results.close()  # stops the workers before the last commit
            commit()
    return total


def _table(
    card: ModelCard,
    named: dict[str, str],
    keys: dict[str, Key],
    parts: Parts,
    before: EmbeddingTable | None,
    kept: dict[Key, int],
    unusable: list[Unusable],
    frames: bool,
) -> EmbeddingTable:
    """Everything in the order in which it was named; frames are read when they are written."""
    rows: list[tuple[str, Part]] = []
    order = {name: position for position, name in enumerate(named)}
    errors = list(unusable)
    for name, key in keys.items():
        if key in parts:
            part = parts[key]
            if part.reason:
                errors.append(Unusable(name, key[0], part.reason, part.detail))
                continue
        else:
            assert before is not None
            row = kept[key]
            part = Part(key, before.vectors[row], float(before.durations[row]), before.flags[row])
            part = dataclasses.replace(part, frame_rate=before.frame_rate)
        rows.append((name, part))

    def lazy(name: str) -> Lazy:
        def get(row: int) -> np.ndarray:
            key = rows[row][1].key
            if key in parts:
                return parts.array(key, name)
            source = None if before is None else getattr(before, name)
            assert source is not None
            array: np.ndarray = source[kept[key]]
            return array

        return Lazy(len(rows), get)

    return EmbeddingTable(
        card=card,
        track_ids=tuple(name for name, _ in rows),
        paths=tuple(part.key[0] for _, part in rows),
        sizes=np.array([part.key[1] for _, part in rows], np.int64),
        modified=np.array([part.key[2] for _, part in rows], np.int64),
        durations=np.array([part.duration for _, part in rows], np.float64),
        flags=tuple(part.flags for _, part in rows),
        vectors=np.array([part.vector for _, part in rows], np.float32).reshape(len(rows), card.dim),
        errors=tuple(sorted(errors, key=lambda error: (order.get(error.track_id, len(order)), error.path))),
        frames=lazy("frames") if frames else None,
        frame_times=lazy("frame_times") if frames else None,
        frame_rate=next((part.frame_rate for _, part in rows), None),
    )


def _same(before: EmbeddingTable, now: EmbeddingTable) -> bool:
    """Whether an output needs no writing: every row was kept, and no other is in it."""
    return (
        before.errors == now.errors
        and before.track_ids == now.track_ids
        and before.paths == now.paths
        and np.array_equal(before.sizes, now.sizes)
        and np.array_equal(before.modified, now.modified)
    )


@contextmanager
def _nothing_left(folder: Path) -> Iterator[None]:
    """Take the folder of the parts away again where an error comes before there is one."""
    try:
        yield
    except BaseException:
        if not any(folder.glob("*.safetensors")):
            shutil.rmtree(folder, ignore_errors=True)
        raise


@contextmanager
def _disk(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{place}: cannot be written ({error.strerror or error}). What was done is kept: run again when it can."
        ) from error
