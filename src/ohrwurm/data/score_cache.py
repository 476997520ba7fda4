"""Parsed scores kept as one NPZ file per source: notes as one array, the rest as JSON (no pickle)."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ohrwurm.atomic import replacing
from ohrwurm.data.score import Part, Score, Span
from ohrwurm.folders import cache_folder

VERSION = 2  # raise it when all readers or the format change
READERS = {
    "asap": 3,
    "openewld": 3,
}  # versions of single sources, whose readers changed since: the others need not be read again
log = logging.getLogger(__name__)


def cached(folder: Path, source: str, read: Callable[[Path], Iterator[Score]]) -> list[Score]:
    """The scores of `folder`, parsed by `read` once and read from the cache folder afterwards.

    The key is the names, sizes and times of its files, and the version; an unreadable cache file is made again.
    """
    path = cache_folder() / "scores" / f"{source}-{_fingerprint(folder, READERS.get(source, VERSION))}.npz"
    if path.is_file():
        try:
            return _unpack(path)
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s: cached scores unreadable (%s); reading the source again", path, error)
    scores = list(read(folder))
    arrays = _pack(scores)
    with replacing(path) as temporary, open(temporary, "wb") as handle:
        np.savez(handle, **arrays)
    return _unpack(path)


def _fingerprint(folder: Path, version: int) -> str:
    digest = hashlib.sha256(str(version).encode())
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            status = path.stat()
            digest.update(f"{path.relative_to(folder)}:{status.st_size}:{int(status.st_mtime)}".encode())
    return digest.hexdigest()[:16]


def _pack(scores: list[Score]) -> dict[str, Any]:
    floats: list[np.ndarray] = []
    position = 0

    def put(array: np.ndarray) -> list[int]:
        nonlocal position
        flat = np.asarray(array, dtype=np.float64).ravel()
        floats.append(flat)
        position += len(flat)
        return [position - len(flat), position]

    rows = [
        {
            "ids": [s.score_id, s.work_id, s.title, s.source, s.style],
            "melody": put(s.melody),
            "chords": s.chords,
            "beats": put(s.beats),
            "downbeats": put(s.downbeats),
            "keys": s.keys,
            "signatures": s.signatures,
            "metre": s.metre,
            "tempo": s.tempo,
            "tags": s.tags,
            "parts": [[p.program, p.is_drum, put(p.notes), p.gain, p.role] for p in s.parts],
            "seconds": s.seconds,
        }
        for s in scores
    ]
    return {
        "floats": np.concatenate(floats) if floats else np.zeros(0),
        "index": np.frombuffer(json.dumps(rows).encode(), dtype=np.uint8),
    }


def _unpack(path: Path) -> list[Score]:
    with np.load(path, allow_pickle=False) as archive:
        floats = archive["floats"]
        rows = json.loads(archive["index"].tobytes())

    def notes(place: list[int]) -> np.ndarray:
        return floats[place[0] : place[1]].reshape(-1, 4)

    scores = []
    for row in rows:
        score_id, work_id, title, source, style = row["ids"]
        scores.append(
            Score(
                score_id=score_id,
                work_id=work_id,
                title=title,
                source=source,
                melody=notes(row["melody"]),
                chords=tuple(Span(*c) for c in row["chords"]),
                beats=floats[slice(*row["beats"])],
                downbeats=floats[slice(*row["downbeats"])],
                keys=tuple(Span(*k) for k in row["keys"]),
                signatures=tuple(Span(*k) for k in row.get("signatures", ())),
                metre=(row["metre"][0], row["metre"][1]),
                tempo=row["tempo"],
                tags=tuple(row["tags"]),
                parts=tuple(Part(p[0], p[1], notes(p[2]), p[3], p[4]) for p in row["parts"]),
                style=style,
                seconds=row["seconds"],
            )
        )
    return scores
