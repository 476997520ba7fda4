"""What a job has done so far, beside its output: shards of finished files, each complete or absent."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ohrwurm.atomic import replacing
from ohrwurm.errors import DataError

Key = tuple[str, int, int]  # path, size, time of change in nanoseconds


@dataclass(frozen=True)
class Part:
    """The outcome of one file: a vector and what belongs to it, or the reason why there is none."""

    key: Key
    vector: np.ndarray | None = None
    duration: float = 0.0
    flags: tuple[str, ...] = ()
    frames: np.ndarray | None = None
    frame_times: np.ndarray | None = None
    frame_rate: float | None = None
    reason: str = ""
    detail: str = ""


class Parts:
    """Shards in a folder, all of one identity (model, weights, layer, windows, precision; frames or not).

    Args:
        folder: made if need be. A shard that a power cut left unreadable is taken away.
        identity: what all vectors here have in common.

    Raises:
        DataError: the folder holds shards of another identity.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        self.folder = folder
        self.identity = identity
        self._index: dict[Key, tuple[Path, int, dict[str, Any]]] = {}
        self._open: dict[Path, Any] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for shard in sorted(folder.glob("*.safetensors")):
            if shard.name.startswith("."):  # half written when the job was killed
                shard.unlink()
                continue
            try:
                with safe_open(shard, "numpy") as tensors:
                    metadata = tensors.metadata()
            except (SafetensorError, OSError):
                shard.unlink()
                continue
            if metadata["identity"] != identity:
                raise DataError(
                    f"{folder} holds unfinished work of {metadata['identity']}, this run is {identity}. Finish it with "
                    "the options it was begun with, delete the folder, or write to another file."
                )
            self._enter(shard, json.loads(metadata["rows"]))

    def _enter(self, shard: Path, rows: list[dict[str, Any]]) -> None:
        for position, row in enumerate(rows):
            path, size, modified = row["key"]
            self._index[path, size, modified] = shard, position, row

    def __contains__(self, key: object) -> bool:
        return key in self._index

    def add(self, parts: Sequence[Part]) -> None:
        """Write finished files as one shard."""
        tensors: dict[str, np.ndarray] = {}
        rows: list[dict[str, Any]] = []
        vectors: list[np.ndarray] = []
        for part in parts:
            row: dict[str, Any] = {"key": part.key, "duration": part.duration, "flags": part.flags}
            row |= {"reason": part.reason, "detail": part.detail, "frame_rate": part.frame_rate}
            if part.vector is not None:
                row["vector"] = len(vectors)
                vectors.append(part.vector)
            if part.frames is not None and part.frame_times is not None:
                tensors[f"frames/{len(rows)}"] = np.ascontiguousarray(part.frames)
                tensors[f"frame_times/{len(rows)}"] = np.ascontiguousarray(part.frame_times)
            rows.append(row)
        tensors["vectors"] = np.stack(vectors) if vectors else np.zeros((0, 0), np.float32)
        names = json.dumps(rows)
        shard = self.folder / f"{hashlib.sha256(names.encode()).hexdigest()[:24]}.safetensors"
        with replacing(shard) as temporary:
            save_file(tensors, temporary, metadata={"identity": self.identity, "rows": names})
        self._enter(shard, json.loads(names))

    def __getitem__(self, key: Key) -> Part:
        """The outcome of a file, without its frames."""
        shard, _, row = self._index[key]
        vector = self._tensors(shard).get_slice("vectors")[row["vector"]] if "vector" in row else None
        rest = {name: row[name] for name in ("duration", "frame_rate", "reason", "detail")}
        return Part(key, vector, flags=tuple(row["flags"]), **rest)

    def array(self, key: Key, name: str) -> np.ndarray:
        """`frames` or `frame_times` of a file."""
        shard, position, _ = self._index[key]
        return self._tensors(shard).get_tensor(f"{name}/{position}")

    def _tensors(self, shard: Path) -> Any:
        """An open shard; files that follow one another in a job mostly share theirs."""
        if shard not in self._open:
            if len(self._open) >= 16:
                self._open.clear()
            self._open[shard] = safe_open(shard, "numpy")
        return self._open[shard]

    def remove(self) -> None:
        """Take the folder away: the output holds everything."""
        self._open.clear()
        shutil.rmtree(self.folder)
