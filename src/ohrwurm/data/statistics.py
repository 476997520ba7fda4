"""One pass over the audio of a corpus for the mean and deviation of its features: resumable, kept, in any order."""

from __future__ import annotations

import hashlib
import json
import logging
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ohrwurm.atomic import write_text
from ohrwurm.audio.statistics import Moments
from ohrwurm.data.recordings import Recordings
from ohrwurm.data.tracks import Track
from ohrwurm.errors import AudioError, DataError

log = logging.getLogger(__name__)
SECONDS = 30.0  # of audio at a time
TOGETHER = 16  # tracks in a part of the work


@dataclass(frozen=True)
class Measured:
    """What a pass found: moments of all features, of how many hours, and the (path, reason) of each failure."""

    moments: Moments
    hours: float
    failed: list[tuple[str, str]]


def feature_moments(
    recordings: Recordings,
    rows: Sequence[int],
    features: Callable[[Tensor], Tensor],
    folder: Path,
    *,
    identity: str,
    minimum: int = 1,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Measured:
    """Moments of the `features` of these recordings, 30 s at a time.

    Tracks are measured some at a time; each such part is a file in `folder`, complete or absent, so that a killed pass
    goes on where it was, and processes that work on the same corpus share what they find. The parts are put together
    in the order of `rows`, whoever measured them: the result is the same to the last digit.

    Args:
        recordings: of the corpus.
        rows: their numbers.
        features: waveform `(1, samples)` → features of any shape; called in several threads.
        folder: for the parts.
        identity: of the features: what was measured under another one is not used.
        minimum: samples of the shortest piece that `features` takes; a shorter rest of a track is left out.
        workers: threads.
        progress: told (tracks done, tracks in all).

    Raises:
        DataError: nothing could be measured.
    """
    groups = [rows[i : i + TOGETHER] for i in range(0, len(rows), TOGETHER)]
    samples = round(SECONDS * recordings.sample_rate)
    folder.mkdir(parents=True, exist_ok=True)

    def one(row: int) -> dict[str, Any]:
        moments, length = Moments(), int(recordings.lengths[row])
        try:
            for start in range(0, length, samples):
                if (count := min(samples, length - start)) >= minimum:
                    piece = torch.from_numpy(recordings.read(row, start, count))[None]
                    with torch.inference_mode():
                        moments += Moments.of(features(piece))
        except AudioError as error:
            return {"path": recordings.tracks[row].path, "failed": error.reason}
        return {"moments": [moments.count, moments.mean, moments.squares], "samples": length}

    found: list[dict[str, Any]] = []
    with ThreadPoolExecutor(workers) as pool:
        for group in groups:
            marks = [_mark(recordings.tracks[row], int(recordings.lengths[row])) for row in group]
            text = json.dumps([identity, recordings.sample_rate, minimum, marks])
            file = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:20]}.json"
            if not file.is_file():
                write_text(file, json.dumps(list(pool.map(one, group))))
            found += json.loads(file.read_text(encoding="utf-8"))
            if progress:
                progress(len(found), len(rows))
    total = Moments()
    for entry in found:
        total += Moments(*entry.get("moments", ()))
    failed = [(entry["path"], entry["failed"]) for entry in found if "failed" in entry]
    if not total.count:
        reason = f", e.g. {': '.join(failed[0])}" if failed else ": they are too short"
        raise DataError(f"none of {len(rows)} recordings could be measured{reason}")
    return Measured(total, sum(entry.get("samples", 0) for entry in found) / recordings.sample_rate / 3600, failed)


def sample_of(tracks: Sequence[Track], rows: Sequence[int], most: int | None) -> list[int]:
    """At most so many of these rows, chosen by a hash of the tracks' names: the same ones whatever else is there.

    >>> tracks = [Track(str(i), f"{i}.wav") for i in range(9)]
    >>> sample_of(tracks, range(9), 2) == sample_of(tracks, range(9), 2), len(sample_of(tracks, range(9), None))
    (True, 9)
    """
    if most is None or len(rows) <= most:
        return list(rows)
    return sorted(sorted(rows, key=lambda row: (zlib.crc32(tracks[row].track_id.encode()), row))[:most])


def _mark(track: Track, length: int) -> list[Any]:
    """What changes when a recording does. A pack's file may be gone: what was packed counts."""
    try:
        status = Path(track.path).stat()
    except OSError:
        return [track.path, length]
    return [track.path, length, status.st_size, status.st_mtime_ns]
