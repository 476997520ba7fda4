"""Where the crops of a training with annotations come from: audio, kept spectrograms, or kept hidden states.

    none       decode and transform each crop when it is asked for: nothing on disk
    features   the decibels of a MusicFM's front-end of whole tracks, in 8 bits; crops are cut anywhere
    states     the hidden states of a frozen encoder, of fixed windows, in half precision: probes take minutes

What is kept lies in one file a track, named by the content of the audio, in a folder named by what made it: another
manifest with the same audio finds it, a killed run goes on.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch

from ohrwurm.atomic import write_text
from ohrwurm.audio.augment import crop_start
from ohrwurm.audio.augment_spectrum import decode_decibels, encode_decibels
from ohrwurm.audio.windows import Windowing, plan
from ohrwurm.checksums import content_hash
from ohrwurm.data.recordings import Recordings
from ohrwurm.data.tracks import Track
from ohrwurm.errors import RecipeError
from ohrwurm.models import own
from ohrwurm.models.headed import HeadedEncoder
from ohrwurm.models.musicfm import HOP, SAMPLE_RATE, MusicFM
from ohrwurm.training.kept import key_of, make_kept

log = logging.getLogger(__name__)
Keep = Literal["none", "features", "states"]
BLOCK, MARGIN = 6000, 100  # front-end frames: a minute at a time, and a second around it that windows reach into
NETWORK = ("stats", "channels", "dim", "depth", "heads", "ffn", "kernel", "dropout", "codes", "code_dim", "codebooks",
           "convolution", "first_channels")  # parameters of a MusicFM that do not change its decibels  # fmt: skip


class Crops(Protocol):
    """Crops of tracks by number.

    Attributes:
        name: what a crop is, in the batch: ``audio``, ``features`` or ``states``.
    """

    name: str

    def prepare(self, cache: Path, rows: Sequence[int], workers: int) -> dict[int, str]:
        """Make what is to be kept of these tracks; those that failed, with the reason."""
        ...

    def missing(self, cache: Path, rows: Sequence[int]) -> list[int]:
        """The tracks of which something is still to be made."""
        ...

    def somewhere(self, row: int, draw: np.random.Generator) -> float:
        """Where a random crop starts, in seconds."""
        ...

    def places(self, row: int, most: int) -> list[float]:
        """Where the crops to measure on start: side by side, at most so many, evenly over the track."""
        ...

    def read(self, row: int, start: float) -> np.ndarray:
        """The crop; what lies past the end of the track is silence."""
        ...


class AudioCrops:
    """Crops `(samples,)` of the waveform, cut anywhere."""

    name = "audio"

    def __init__(self, recordings: Recordings, window: float) -> None:
        self.recordings, self.rate = recordings, recordings.sample_rate
        self.samples = round(window * self.rate)

    def prepare(self, cache: Path, rows: Sequence[int], workers: int) -> dict[int, str]:
        return {}

    def missing(self, cache: Path, rows: Sequence[int]) -> list[int]:
        return []

    def somewhere(self, row: int, draw: np.random.Generator) -> float:
        return crop_start(int(self.recordings.lengths[row]), self.samples, draw) / self.rate

    def places(self, row: int, most: int) -> list[float]:
        return side_by_side(int(self.recordings.lengths[row]), self.samples, most, self.rate)

    def read(self, row: int, start: float) -> np.ndarray:
        return self.recordings.read(row, round(start * self.rate), self.samples)


class FeatureCrops:
    """Crops `(bands, frames)` of the decibels of a MusicFM's front-end, cut at any of its frames.

    They differ from what the model computes of the crop's audio by 8 bits (0.31 dB), and at both ends, where it has to
    mirror the audio and the whole track goes on.

    Raises:
        RecipeError: the encoder has no such front-end.
    """

    name = "features"

    def __init__(self, recordings: Recordings, window: float, encoder: Any) -> None:
        if not isinstance(encoder, MusicFM):
            raise RecipeError(
                f"keep=features keeps the spectrograms of a musicfm; {encoder.card.name} takes keep=none (with a pack "
                "of the audio: ohrwurm data pack) or, frozen, keep=states"
            )
        self.recordings, self.encoder, self.rate = recordings, encoder, SAMPLE_RATE / HOP
        self.frames = round(window * SAMPLE_RATE) // HOP
        self.files: dict[int, Path] = {}

    @property
    def identity(self) -> str:
        """What decides the decibels: the architecture, its front-end and their code."""
        parameters = {k: v for k, v in self.encoder.card.parameters.items() if k not in NETWORK}
        return f"decibels|{self.encoder.card.architecture}|{self.encoder.card.front_end}|{sorted(parameters.items())}"

    def prepare(self, cache: Path, rows: Sequence[int], workers: int) -> dict[int, str]:
        return _prepare(self, cache, rows, workers, "spectrograms")

    def missing(self, cache: Path, rows: Sequence[int]) -> list[int]:
        return _missing(self, cache, rows)

    @torch.inference_mode()
    def make(self, row: int) -> np.ndarray:
        """The decibels of a whole track in 8 bits, `(frames, bands)`."""
        samples = int(self.recordings.lengths[row])
        count = samples // HOP
        parts = []
        for first in range(0, count, BLOCK):
            last = min(first + BLOCK, count)
            begin, end = max(0, first - MARGIN) * HOP, min(samples, (last + MARGIN) * HOP)
            audio = torch.from_numpy(self.recordings.read(row, begin, end - begin))
            skipped = first - begin // HOP
            parts.append(self.encoder.decibels(audio[None])[0, :, skipped : skipped + last - first].numpy())
        joined = np.concatenate(parts, axis=1) if parts else np.zeros((self.encoder.bands, 0), np.float32)
        return encode_decibels(np.ascontiguousarray(joined.T))

    def _count(self, row: int) -> int:
        return int(self.recordings.lengths[row]) // HOP

    def somewhere(self, row: int, draw: np.random.Generator) -> float:
        return crop_start(self._count(row), self.frames, draw) / self.rate

    def places(self, row: int, most: int) -> list[float]:
        return side_by_side(self._count(row), self.frames, most, self.rate)

    def read(self, row: int, start: float) -> np.ndarray:
        first = round(start * self.rate)
        codes = np.load(self.files[row], mmap_mode="r")[first : first + self.frames]
        whole = np.zeros((self.frames, codes.shape[1]), np.uint8)  # code 0: silence
        whole[: len(codes)] = codes
        return np.ascontiguousarray(decode_decibels(whole).T)


class StateCrops:
    """The hidden states `(states, L, D)` of a frozen encoder, of windows `hop` seconds apart.

    Args:
        wanted: which states are kept; None for all.
    """

    name = "states"

    def __init__(
        self, recordings: Recordings, window: float, hop: float, model: HeadedEncoder, wanted: Sequence[int] | None
    ) -> None:
        self.recordings, self.model, self.rate = recordings, model, recordings.sample_rate
        self.windowing = Windowing(round(window * self.rate), round(hop * self.rate))
        self.wanted = wanted
        self.files: dict[int, Path] = {}

    @property
    def identity(self) -> str:
        """What decides the states: the encoder with its weights, the windows, and which states."""
        encoder = self.model.encoder
        parameters = sorted((k, str(v)) for k, v in encoder.card.parameters.items())
        facts = (own.identity(encoder), encoder.card.front_end, parameters, self.windowing, self.wanted)
        return f"states|{facts}"

    def prepare(self, cache: Path, rows: Sequence[int], workers: int) -> dict[int, str]:
        if torch.cuda.is_available():
            self.model.cuda()
            workers = 1
        failed = _prepare(self, cache, rows, workers, "hidden states")
        self.model.cpu()
        return failed

    def missing(self, cache: Path, rows: Sequence[int]) -> list[int]:
        return _missing(self, cache, rows)

    @torch.inference_mode()
    def make(self, row: int) -> np.ndarray:
        """The states of all windows of a track in half precision, `(windows, states, L, D)`."""
        device = next((p.device for p in self.model.parameters()), torch.device("cpu"))
        made = []
        for window in self._windows(row):
            audio = torch.from_numpy(self.recordings.read(row, window.start, self.windowing.window)).to(device)
            states = self.model.states(self.model.features(audio[None]))
            chosen = states if self.wanted is None else [states[i] for i in self.wanted]
            made.append(torch.cat(chosen).half().cpu().numpy())
        return np.stack(made)

    def _windows(self, row: int) -> list[Any]:
        return plan(int(self.recordings.lengths[row]), self.windowing)

    def somewhere(self, row: int, draw: np.random.Generator) -> float:
        windows = self._windows(row)
        return float(windows[int(draw.integers(len(windows)))].start / self.rate)

    def places(self, row: int, most: int) -> list[float]:
        windows = self._windows(row)
        apart = max(1, self.windowing.window // self.windowing.hop)
        return evenly([w.start / self.rate for w in windows[::apart]], most)

    def read(self, row: int, start: float) -> np.ndarray:
        starts = [window.start for window in self._windows(row)]
        return np.load(self.files[row], mmap_mode="r")[starts.index(round(start * self.rate))].astype(np.float32)


def side_by_side(length: int, size: int, most: int, rate: float) -> list[float]:
    """Where in a track the windows to measure on start, in seconds: one after the other, the last up to the end.

    >>> side_by_side(30, 12, 9, 1.0), side_by_side(30, 12, 2, 1.0), side_by_side(5, 12, 9, 1.0)
    ([0.0, 12.0, 18.0], [0.0, 18.0], [0.0])
    """
    return evenly([window.start / rate for window in plan(max(length, 1), Windowing(size, size))], most)


def evenly(places: list[float], most: int) -> list[float]:
    """At most so many of them, the first and the last among them; of one, the middle one."""
    if len(places) <= most:
        return places
    if most == 1:
        return [places[len(places) // 2]]
    return [places[i] for i in np.unique(np.linspace(0, len(places) - 1, most).round().astype(int))]


def _prepare(crops: Any, cache: Path, rows: Sequence[int], workers: int, what: str) -> dict[int, str]:
    """Make what is missing, and tell `crops` where all of it lies."""
    crops.files = _files(crops, cache, rows)
    tracks = [crops.recordings.tracks[row] for row in rows]
    places = [crops.files[row] for row in rows]
    failed = make_kept(_folder(crops, cache), tracks, lambda i: crops.make(rows[i]), workers, what, places)
    return {rows[i]: reason for i, reason in failed.items()}


def _missing(crops: Any, cache: Path, rows: Sequence[int]) -> list[int]:
    return [row for row, file in _files(crops, cache, rows).items() if not file.is_file()]


def _folder(crops: Any, cache: Path) -> Path:
    return cache / "downstream" / hashlib.sha256(crops.identity.encode()).hexdigest()[:24]


def _files(crops: Any, cache: Path, rows: Sequence[int]) -> dict[int, Path]:
    folder, tracks = _folder(crops, cache), [crops.recordings.tracks[row] for row in rows]
    keys = zip(rows, _contents(cache, tracks), strict=True)
    return {row: folder / key[:2] / f"{key}.npy" for row, key in keys}


def _contents(cache: Path, tracks: Sequence[Track]) -> list[str]:
    """The hash of each track's audio file; what is hashed once is known by place, size and time of change.

    Of a track in a pack whose file is gone, its name.
    """
    store = cache / "downstream" / "contents.json"
    try:
        known: dict[str, str] = json.loads(store.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    new = {}
    for track in tracks:
        key = key_of(track)
        if key not in known and Path(track.path).is_file():
            new[key] = content_hash(track.path)
    if new:
        known |= new
        write_text(store, json.dumps(known))
    return [known.get(key, key) for key in map(key_of, tracks)]
