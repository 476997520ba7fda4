"""What a version encoder sees of a song: pitch-class profiles for MOVE, waveforms for any other network."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ohrwurm.audio.augment import crop_start
from ohrwurm.audio.augment_profile import ProfileAugment
from ohrwurm.audio.windows import Windowing, plan
from ohrwurm.data.recordings import open_recordings
from ohrwurm.data.tracks import Track
from ohrwurm.data.version_features import ProfileSet, holds_profiles, open_profiles
from ohrwurm.errors import DataError, RecipeError
from ohrwurm.models.base import AudioEncoder
from ohrwurm.models.version_encoder import VersionEncoder
from ohrwurm.training.kept import place_of
from ohrwurm.training.pitch_features import DEFAULT, extracted, extractor, extractor_of, profiles_folder


class Songs(Protocol):
    """Songs by number, as one kind of network takes them.

    Attributes:
        tracks: in order, with works and splits.
        parts: the part of the data set that each belongs to; see `ProfileSet`.
        failed: numbers of those that cannot be used, known after `prepare`.
    """

    tracks: list[Track]
    parts: list[str]
    failed: set[int]

    def to_make(self, cache: Path) -> str:
        """What `prepare` would have to make that takes long, in words; empty if nothing."""
        ...

    def prepare(self, cache: Path, workers: int) -> None:
        """Make what training reads, once."""
        ...

    def view(self, row: int, draw: np.random.Generator) -> np.ndarray:
        """A random, augmented excerpt of a song, of the size that all have."""
        ...

    def encode(self, encoder: Any, views: Tensor) -> Tensor:
        """Vectors `(B, dim)` of a batch of views."""
        ...

    def vector(self, encoder: Any, row: int) -> Tensor:
        """The vector `(dim,)` of a whole song."""
        ...


def open_songs(
    data: str, encoder: AudioEncoder, *, pitch: str, patch: int, augment: ProfileAugment, window: float
) -> ProfileSongs | WaveformSongs:
    """The songs of `data` as `encoder` takes them.

    Args:
        data: a manifest or pack of audio, or for MOVE a folder or manifest of profiles.
        encoder: a `VersionEncoder`, or any other.
        pitch: name of the extractor; empty for what the profiles say, or pitchnet.
        patch, augment: frames of a view of a profile, and what is done to the song before it is cut.
        window: seconds of a view of a waveform.

    Raises:
        RecipeError: no `data`. DataError: no such data, or profiles of another extractor, or for another network.
    """
    if not data:
        raise RecipeError("what to train on? give a manifest with work_id, or a folder of profiles: --data MANIFEST")
    if isinstance(encoder, VersionEncoder):
        return ProfileSongs(data, pitch, patch, augment)
    if holds_profiles(data):
        raise DataError(
            f"{data} holds profiles, and {type(encoder).__name__} takes waveforms: give a manifest of audio"
        )
    return WaveformSongs(data, encoder.card.sample_rate, window)


class ProfileSongs:
    """Profiles `(12, T)`, from files or extracted from audio; a view is a patch `(23, frames)`."""

    def __init__(self, data: str, pitch: str, patch: int, augment: ProfileAugment) -> None:
        self.patch, self.augment = patch, augment
        self.failed: set[int] = set()
        self.profiles: ProfileSet | None = None
        self.given = holds_profiles(data)  # and no audio with them
        if self.given:
            self.profiles = open_profiles(data)
            self.extractor = extractor_of(self.profiles, pitch, data)
            self.tracks, self.parts = self.profiles.tracks, self.profiles.parts
        else:
            self.extractor = extractor(pitch or DEFAULT)
            self.recordings = open_recordings(data, self.extractor.sample_rate)
            self.tracks = self.recordings.tracks
            self.parts = [""] * len(self.tracks)

    def to_make(self, cache: Path) -> str:
        if self.given:
            return ""
        folder = profiles_folder(cache, self.extractor)
        missing = sum(not place_of(folder, track).is_file() for track in self.tracks)
        return f"extracts the {self.extractor.name} profiles of {missing} recordings" if missing else ""

    def prepare(self, cache: Path, workers: int) -> None:
        if not self.given:
            self.profiles, self.failed = extracted(self.recordings, self.extractor, cache, workers)

    def profile(self, row: int) -> np.ndarray:
        """The profile of a song, `(12, T)`."""
        assert self.profiles is not None, "prepare comes first"
        return self.profiles.read(row)

    def view(self, row: int, draw: np.random.Generator) -> np.ndarray:
        profile = self.profile(row)
        return self.augment(profile.shape[1], draw).crop(profile, self.patch, draw)

    def encode(self, encoder: VersionEncoder, views: Tensor) -> Tensor:
        return encoder.move(views[:, None])  # (B, 1, 23, patch): what is rolled is no tiling any more

    def vector(self, encoder: VersionEncoder, row: int) -> Tensor:
        profile = torch.from_numpy(self.profile(row).astype(np.float32))
        return encoder.encode_features(profile[None].to(encoder.move.lin1.weight.device)).pooled[0].float()


class WaveformSongs:
    """Audio at the rate of the network; a view is a crop `(samples,)`, a song's vector the mean over its windows."""

    def __init__(self, data: str, sample_rate: int, window: float) -> None:
        self.recordings = open_recordings(data, sample_rate)
        self.samples = round(window * sample_rate)
        self.tracks = self.recordings.tracks
        self.parts = [""] * len(self.tracks)
        self.failed: set[int] = set()

    def to_make(self, cache: Path) -> str:
        return ""

    def prepare(self, cache: Path, workers: int) -> None:
        """Nothing: crops are read as they are needed."""

    def view(self, row: int, draw: np.random.Generator) -> np.ndarray:
        start = crop_start(int(self.recordings.lengths[row]), self.samples, draw)
        return self.recordings.read(row, start, self.samples)

    def encode(self, encoder: AudioEncoder, views: Tensor) -> Tensor:
        return encoder(views).pooled

    def vector(self, encoder: AudioEncoder, row: int) -> Tensor:
        windows = plan(int(self.recordings.lengths[row]), Windowing(self.samples, self.samples))
        place = next(encoder.parameters()).device
        pooled = [
            encoder(torch.from_numpy(self.recordings.read(row, w.start, self.samples))[None].to(place))
            .pooled[0]
            .float()
            for w in windows
        ]
        weight = torch.tensor([float(w.valid) for w in windows], device=place)
        return (torch.stack(pooled) * weight[:, None]).sum(0) / weight.sum()
