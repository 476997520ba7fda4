"""The audio of a manifest's tracks at one rate, read crop by crop: from the files as they are, or from a pack.

Training reads short crops at random places of long recordings; nothing is decoded that is not asked for.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from ohrwurm.atomic import write_text
from ohrwurm.audio.arrays import SUFFIX, ArrayReader
from ohrwurm.audio.files import load, probe, resample, stream
from ohrwurm.data.sources import manifest_of, refuse_training
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import AudioError, DataError
from ohrwurm.folders import cache_folder

log = logging.getLogger(__name__)
MARGIN = 0.05  # seconds read on both sides of a crop, so that resampling has no edge within it


class Recordings(Protocol):
    """Audio by number. Both kinds give the same crop for the same place, up to 16-bit rounding of a pack.

    Attributes:
        tracks: in the order of the manifest, without those that cannot be read.
        sample_rate: in Hz, of all crops.
        lengths: samples of each at that rate.
        failed: (path, reason) of those left out.
    """

    tracks: list[Track]
    sample_rate: int
    lengths: np.ndarray
    failed: list[tuple[str, str]]

    def read(self, index: int, start: int, samples: int) -> np.ndarray:
        """Float32 `(samples,)` mono from sample `start` on, zeros past the end."""
        ...


def open_recordings(source: str | Path, sample_rate: int, split: str | None = None) -> Recordings:
    """The recordings of a pack (`ohrwurm data pack`), or of whatever `ohrwurm.data.sources.manifest_of` takes: a
    manifest, a data set as published, a folder of audio. Of one split or all.

    Raises:
        DataError: no such source, one that no weights are ever trained on, a pack of another rate, or no recording
            that can be read.
    """
    from ohrwurm.data.packs import Pack, is_pack

    source = Path(source)
    refuse_training(source)
    if is_pack(source):
        found: Recordings = Pack(source, split)
        if found.sample_rate != sample_rate:
            raise DataError(f"{source}: packed at {found.sample_rate} Hz, {sample_rate} Hz is needed; pack it again")
    else:
        found = Files(manifest_of(source), sample_rate, split)
    if not found.tracks:
        reason = f"none of {len(found.failed)} can be read, e.g. {': '.join(found.failed[0])}" if found.failed else ""
        raise DataError(f"{source}: no recording{f' of split {split}' if split else ''}. {reason}".strip())
    return found


def open_joined(sources: Sequence[str | Path], sample_rate: int) -> Recordings:
    """The recordings of several sources, as `open_recordings` takes them, in their order.

    Raises:
        DataError: what that raises; or a track_id that two of them have.
    """
    parts = [open_recordings(source, sample_rate) for source in sources]
    return parts[0] if len(parts) == 1 else Joined(parts)


class Joined:
    """Several recordings as one; see `open_joined`."""

    def __init__(self, parts: Sequence[Recordings]) -> None:
        self.sample_rate = parts[0].sample_rate
        self.tracks = list(Manifest(track for part in parts for track in part.tracks))
        self.lengths = np.concatenate([part.lengths for part in parts])
        self.failed = [failure for part in parts for failure in part.failed]
        self._places = [(part, index) for part in parts for index in range(len(part.tracks))]

    def read(self, index: int, start: int, samples: int) -> np.ndarray:
        part, own = self._places[index]
        return part.read(own, start, samples)


class Files:
    """Crops read by seeking in the files themselves, whatever their format and rate.

    A `.npy` file holds `(samples,)` or `(channels, samples)`, as some published data sets do, as floats or as integers
    of the full range of their type; its rate is the track's annotation `sample_rate`.

    >>> import soundfile, tempfile
    >>> file = tempfile.mkdtemp() + "/tone.wav"
    >>> soundfile.write(file, np.full(8000, 0.5), 8000)
    >>> recordings = Files(Manifest([Track("a", file)]), 8000)
    >>> recordings.lengths.tolist(), recordings.read(0, 7998, 4).tolist()
    ([8000], [0.5, 0.5, 0.0, 0.0])
    """

    def __init__(self, manifest: Manifest, sample_rate: int, split: str | None = None) -> None:
        tracks = [t for t in manifest if split is None or t.split == split]
        known = lengths_of(tracks)
        self.failed = [(path, entry) for path, entry in known.items() if isinstance(entry, str)]
        self.tracks = [t for t in tracks if not isinstance(known[t.path], str)]
        self.sample_rate = sample_rate
        facts = [fact for t in self.tracks if isinstance(fact := known[t.path], Length)]
        self.lengths = np.array([int(fact.samples * sample_rate / fact.rate) for fact in facts], np.int64)
        self._rates = [fact.rate for fact in facts]
        for path, reason in self.failed[:5]:
            log.warning("left out: %s: %s", path, reason)
        if len(self.failed) > 5:
            log.warning("left out: %d more", len(self.failed) - 5)

    def read(self, index: int, start: int, samples: int) -> np.ndarray:
        path, native = self.tracks[index].path, self._rates[index]
        if native == self.sample_rate:
            return fitted(_segment(path, native, start, start + samples), samples)
        # Begin where a sample of one rate coincides with one of the other, so that both resamplings share a grid.
        common = math.gcd(native, self.sample_rate)
        ours, theirs = self.sample_rate // common, native // common
        periods = max(0, start - round(MARGIN * self.sample_rate)) // ours
        end = math.ceil((start + samples) / self.sample_rate * native) + round(MARGIN * native)
        piece = resample(_segment(path, native, periods * theirs, end), native, self.sample_rate)
        return fitted(piece[start - periods * ours :], samples)


def fitted(x: np.ndarray, samples: int) -> np.ndarray:
    """The first `samples` of x as float32, zeros after its end.

    >>> fitted(np.ones(2), 3).tolist()
    [1.0, 1.0, 0.0]
    """
    out = np.zeros(samples, np.float32)
    out[: min(samples, len(x))] = x[:samples]
    return out


def _segment(path: str, rate: int, begin: int, end: int) -> np.ndarray:
    if path.endswith(SUFFIX):
        return ArrayReader(path, rate).segment(begin, end).mean(0)
    return load(path, start=begin / rate, duration=(end - begin) / rate)[0]


def whole_array(track: Track, sample_rate: int) -> np.ndarray:
    """All of a track that is a `.npy` file, `(samples,)` mono at `sample_rate`.

    Raises:
        AudioError: no array of audio, or without its rate.
    """
    length = _length(track)
    return resample(_segment(track.path, length.rate, 0, length.samples), length.rate, sample_rate)


def array_rate(track: Track) -> int | None:
    """The rate in Hz of a track that is a `.npy` file, from its manifest; None of other files, or where it is not said.

    >>> array_rate(Track("a", "a.npy", annotations={"sample_rate": "16000"})), array_rate(Track("b", "b.wav"))
    (16000, None)
    """
    said = str(track.annotations.get("sample_rate", ""))
    return int(said) if track.path.endswith(SUFFIX) and said.isdigit() else None


@dataclass(frozen=True)
class Length:
    """Samples of a file at its own rate."""

    samples: int
    rate: int


def lengths_of(tracks: Iterable[Track], workers: int = 8) -> dict[str, Length | str]:
    """Path → the file's length, or why it cannot be read; asked once per file (kept by path, size and time)."""
    by_path = {track.path: track for track in tracks}
    store = cache_folder() / "lengths.json"
    try:
        kept: dict[str, list[int]] = json.loads(store.read_text())
    except (OSError, ValueError):
        kept = {}
    new: dict[str, list[int]] = {}

    def one(track: Track) -> tuple[str, Length | str]:
        try:
            status = Path(track.path).stat()
        except OSError:
            return track.path, "missing"
        key = f"{track.path}|{status.st_size}|{status.st_mtime_ns}|{track.annotations.get('sample_rate', '')}"
        if key in kept:
            return track.path, Length(*kept[key])
        try:
            length = _length(track)
        except AudioError as error:
            return track.path, error.reason + (f" ({error.detail})" if error.detail else "")
        if length.samples <= 0:
            return track.path, "empty"
        new[key] = [length.samples, length.rate]
        return track.path, length

    with ThreadPoolExecutor(workers) as pool:
        found = dict(pool.map(one, by_path.values()))
    if new:
        write_text(store, json.dumps({**kept, **new}))
    return found


def _length(track: Track) -> Length:
    if track.path.endswith(SUFFIX):
        info = ArrayReader(track.path, array_rate(track)).info
        return Length(info.samples or 0, info.sample_rate)
    info = probe(track.path)
    if info.duration is None:  # the header does not say: count
        return Length(sum(piece.shape[-1] for piece in stream(track.path)), info.sample_rate)
    return Length(round(info.duration * info.sample_rate), info.sample_rate)
