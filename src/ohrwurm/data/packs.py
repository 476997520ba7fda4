"""Packs: a manifest's audio decoded once, mono, at one rate, 16 bits, in a few large files that crops are read from.

Decoding compressed audio again in each epoch can cost more than the training step; reading a pack costs a page of
memory. A pack is a folder::

    manifest.csv      the tracks that are in it, with all their columns
    pack.json         format, rate, benchmark, and for each track its shard, offset and samples; written last
    shard-0000.pcm    little-endian 16-bit samples, one recording after the other
    shard-0000.json   what is in a complete shard, and what failed
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ohrwurm.atomic import replacing, write_text
from ohrwurm.audio.isolation import Decoder, decoding
from ohrwurm.data.benchmarks.base import read_json
from ohrwurm.data.recordings import fitted, whole_array
from ohrwurm.data.sources import PACK
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import AudioError, DataError

FORMAT = 1
SCALE = 32767.0


@dataclass(frozen=True)
class Packed:
    """What packing made: how many tracks are in the pack, how many shards were new, and what failed."""

    tracks: int
    new_shards: int
    failed: list[tuple[str, str]]


def is_pack(folder: str | Path) -> bool:
    """Whether a folder is a complete pack."""
    return (Path(folder) / PACK).is_file()


class Pack:
    """The recordings of a pack, memory-mapped; see `ohrwurm.data.recordings.Recordings`.

    Raises:
        DataError: no complete pack, or a shard that is not as long as the index says.
    """

    def __init__(self, folder: str | Path, split: str | None = None) -> None:
        folder = Path(folder)
        if not is_pack(folder):
            raise DataError(f"{folder}: no complete pack; make it with `ohrwurm data pack MANIFEST --out {folder}`")
        index = read_json(folder / PACK, dict)
        if index["format"] != FORMAT:
            raise DataError(f"{folder}: a pack of format {index['format']}; this version reads {FORMAT}. Pack again.")
        places = {p["track_id"]: p for p in index["tracks"]}
        manifest = Manifest.read(folder / "manifest.csv")
        self.tracks: list[Track] = [t for t in manifest if split is None or t.split == split]
        self.sample_rate: int = index["sample_rate"]
        self.lengths = np.array([places[t.track_id]["samples"] for t in self.tracks], np.int64)
        self.failed = [(path, reason) for path, reason in index["failed"]]
        self._places = [(places[t.track_id]["shard"], places[t.track_id]["offset"]) for t in self.tracks]
        self._shards = [folder / name for name in index["shards"]]
        for shard, samples in zip(self._shards, index["shard_samples"], strict=True):
            if not shard.is_file() or shard.stat().st_size != 2 * samples:
                raise DataError(f"{shard}: missing or cut short; run the same `ohrwurm data pack` again")
        self._maps: dict[int, np.ndarray] = {}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_maps": {}}

    def read(self, index: int, start: int, samples: int) -> np.ndarray:
        shard, offset = self._places[index]
        if shard not in self._maps:
            self._maps[shard] = np.memmap(self._shards[shard], "<i2", mode="r")
        stop = offset + min(int(self.lengths[index]), start + samples)
        return fitted(self._maps[shard][offset + start : stop].astype(np.float32) / SCALE, samples)


def pack(
    manifest: Manifest,
    folder: str | Path,
    sample_rate: int,
    *,
    shard_hours: float = 2.0,
    benchmark: str = "",
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Packed:
    """Decode a manifest's audio into a pack. Killed, the same call goes on with the shard that was not complete.

    Args:
        manifest: what to pack; a recording that cannot be decoded is left out and listed.
        folder: for the pack.
        sample_rate: in Hz.
        shard_hours: tracks go into a new shard after this many hours of audio (230 MB at 16 kHz for 2 hours).
        benchmark: the name of the one that the manifest is of; some never train, and their packs neither.
        workers: decoding processes.
        progress: told (tracks done, tracks in all).

    Raises:
        DataError: the folder holds a pack of other tracks or another rate, or nothing could be decoded.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    groups = _groups(manifest.tracks, sample_rate, shard_hours)
    _claim(folder, manifest, sample_rate, shard_hours)
    new = done = 0
    for number, group in enumerate(groups):
        if not (folder / f"{_name(number)}.json").is_file():
            _write_shard(folder, number, group, sample_rate, workers)
            new += 1
        done += len(group)
        if progress:
            progress(done, len(manifest))
    entries = [json.loads((folder / f"{_name(n)}.json").read_text(encoding="utf-8")) for n in range(len(groups))]
    tracks = [{**t, "shard": n} for n, entry in enumerate(entries) for t in entry["tracks"]]
    failed = [(path, reason) for entry in entries for path, reason in entry["failed"]]
    if not tracks:
        raise DataError(f"{folder}: none of {len(manifest)} recordings could be decoded, e.g. {': '.join(failed[0])}")
    inside = {t["track_id"] for t in tracks}
    Manifest(t for t in manifest if t.track_id in inside).write(folder / "manifest.csv")
    index = {
        "format": FORMAT,
        "sample_rate": sample_rate,
        "benchmark": benchmark,
        "shards": [f"{_name(n)}.pcm" for n in range(len(groups))],
        "shard_samples": [entry["samples"] for entry in entries],
        "tracks": tracks,
        "failed": failed,
    }
    write_text(folder / PACK, json.dumps(index))
    return Packed(len(tracks), new, failed)


def _name(number: int) -> str:
    return f"shard-{number:04d}"


def _groups(tracks: Sequence[Track], sample_rate: int, hours: float) -> list[list[Track]]:
    """Consecutive tracks of about `hours` together; the same groups for the same manifest."""
    from ohrwurm.data.recordings import Length, lengths_of

    known = lengths_of(tracks)
    groups: list[list[Track]] = []
    seconds = 0.0
    for track in tracks:
        if not groups or seconds >= 3600 * hours:
            groups.append([])
            seconds = 0.0
        groups[-1].append(track)
        length = known[track.path]
        seconds += length.samples / length.rate if isinstance(length, Length) else 0.0
    return groups


def _claim(folder: Path, manifest: Manifest, sample_rate: int, hours: float) -> None:
    """Mark the folder with what is packed into it, or check that it is the same."""
    text = json.dumps([FORMAT, sample_rate, hours, [[t.track_id, t.path] for t in manifest]])
    file = folder / "plan.json"
    if not file.is_file():
        write_text(file, text)
    elif file.read_text(encoding="utf-8") != text:
        raise DataError(f"{folder} holds a pack of other tracks, rate or shards; give another folder, or remove it")


def _write_shard(folder: Path, number: int, tracks: list[Track], sample_rate: int, workers: int) -> None:
    """The samples first, then their index: where the index is, the shard is complete."""
    entries: list[dict[str, Any]] = []
    failed: list[tuple[str, str]] = []
    offset = 0
    with replacing(folder / f"{_name(number)}.pcm") as temporary, open(temporary, "wb") as out:
        for track, audio in zip(tracks, _decoded(tracks, sample_rate, workers), strict=True):
            if isinstance(audio, str):
                failed.append((track.path, audio))
                continue
            out.write(audio.tobytes())
            entries.append({"track_id": track.track_id, "offset": offset, "samples": len(audio)})
            offset += len(audio)
    content = {"samples": offset, "tracks": entries, "failed": failed}
    write_text(folder / f"{_name(number)}.json", json.dumps(content))


def _decoded(tracks: Sequence[Track], sample_rate: int, workers: int) -> Iterator[np.ndarray | str]:
    """16-bit samples of each track in order, or the reason why there are none."""

    def one(decoder: Decoder, track: Track) -> np.ndarray | str:
        try:
            if track.path.endswith(".npy"):
                return _sixteen_bits(whole_array(track, sample_rate))
            blocks = [_sixteen_bits(b[sample_rate]) for b in decoder.stream(track.path, [sample_rate])]
        except AudioError as error:
            return error.reason
        audio = np.concatenate(blocks) if blocks else np.zeros(0, "<i2")
        return audio if len(audio) else "empty"

    return decoding(tracks, one, workers)


def _sixteen_bits(x: np.ndarray) -> np.ndarray:
    return np.round(np.clip(x, -1.0, 1.0) * SCALE).astype("<i2")
