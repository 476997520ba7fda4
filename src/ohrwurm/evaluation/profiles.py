"""Vectors of songs that are given as pitch-class profiles, as Da-TACOS and the files of MOVE and Re-MOVE give them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ohrwurm.data.tracks import Track
from ohrwurm.data.version_features import ProfileSet, profiles_of
from ohrwurm.errors import DataError, ModelError
from ohrwurm.evaluation.vector_store import VectorStore
from ohrwurm.models.alignment import Alignment
from ohrwurm.models.base import AudioEncoder
from ohrwurm.models.version_encoder import VersionEncoder

TakesProfiles = VersionEncoder | Alignment
SAVED_EVERY = 64  # songs; a killed run loses at most so many


@dataclass(frozen=True)
class SongVectors:
    """Vectors of those songs that could be used.

    Attributes:
        rows: their numbers among the tracks, ascending; `values[i]` belongs to track `rows[i]`.
        values: float32 `(len(rows), dim)`; a memory map where all songs could be used.
        failures: track id → reason of the others.
        short: number of songs shorter than the network sees at once, which it filled up.
    """

    rows: tuple[int, ...]
    values: NDArray[np.float32]
    failures: dict[str, str]
    short: int


def takes_profiles(model: AudioEncoder) -> TakesProfiles:
    """The model, if it takes pitch classes.

    Raises:
        ModelError: it does not.
    """
    if not isinstance(model, TakesProfiles):
        raise ModelError(
            f"{model.card.name} takes waveforms, and these are pitch-class profiles: give it recordings, or take a "
            "model of versions (ohrwurm-alignment, ohrwurm-versions, move-16000, re-move-256, or one of your training)"
        )
    return model


def profile_vectors(
    model: AudioEncoder,
    tracks: Sequence[Track],
    folder: Path,
    *,
    refuse_short: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> SongVectors:
    """Embed whole songs, one by one; killed, the same call goes on.

    Args:
        tracks: lead to profiles, see `data.version_features`.
        folder: where vectors are kept, one file a model and list of songs.
        refuse_short: leave out songs shorter than the network sees at once (MOVE: 320 frames, 29.7 s), as the published
            evaluation cannot take them, in place of filling them up as the model's card says.
        progress: called with the number of songs done and their total.

    Raises:
        ModelError: the model takes no profiles. DataError: no song could be used.
    """
    encoder = takes_profiles(model)
    profiles, shortest = profiles_of(tracks), encoder.shortest
    place = next(t.device for t in (*encoder.parameters(), *encoder.buffers()))
    store = VectorStore.open(folder, _identity(encoder), [_name(track) for track in tracks], encoder.card.dim)
    lengths = np.load(_lengths(store)) if _lengths(store).is_file() else np.zeros(len(tracks), np.int64)
    failures: dict[str, str] = {}
    tell = progress or (lambda done, total: None)
    for row, track in enumerate(tracks):
        tell(row, len(tracks))
        if store.done[row]:
            continue
        try:
            vector, lengths[row] = _embedded(encoder, profiles, row, place, shortest if refuse_short else 0)
            store.put(row, vector)
        except DataError as error:
            failures[track.track_id] = str(error)
        if row % SAVED_EVERY == SAVED_EVERY - 1:
            _save(store, lengths)
    _save(store, lengths)
    tell(len(tracks), len(tracks))
    if refuse_short:  # some may be there from a run that did not
        for row in np.flatnonzero(store.done & (lengths < shortest)).tolist():
            failures[tracks[row].track_id] = _too_short(tracks[row], int(lengths[row]), shortest)
    rows = [i for i, t in enumerate(tracks) if store.done[i] and t.track_id not in failures]
    if not rows:
        first = f"; the first: {next(iter(failures.values()))}" if failures else ""
        raise DataError(f"none of {len(tracks)} songs could be used{first}")
    values = store.values if len(rows) == len(tracks) else store.values[rows]
    return SongVectors(tuple(rows), values, failures, int((lengths[rows] < shortest).sum()))


def _embedded(
    encoder: TakesProfiles, profiles: ProfileSet, row: int, place: torch.device, shortest: int
) -> tuple[NDArray[np.float32], int]:
    profile = profiles.read(row)
    if profile.shape[1] < shortest:
        raise DataError(_too_short(profiles.tracks[row], profile.shape[1], shortest))
    with torch.inference_mode():
        song = torch.from_numpy(np.ascontiguousarray(profile, np.float32))[None].to(place)
        return encoder.encode_features(song).pooled[0].float().cpu().numpy(), profile.shape[1]


def _too_short(track: Track, frames: int, shortest: int) -> str:
    return f"{track.track_id}: {frames} frames; the published evaluation takes no song under {shortest}"


def _lengths(store: VectorStore) -> Path:
    return store.folder / "frames.npy"


def _save(store: VectorStore, lengths: NDArray[np.int64]) -> None:
    from ohrwurm.atomic import replacing

    with replacing(_lengths(store)) as temporary:
        np.save(temporary, lengths, allow_pickle=False)
    store.save()


def _identity(encoder: TakesProfiles) -> str:
    """What a vector depends on: the network, its weights and how it computes; not how waveforms are cut."""
    card = encoder.card
    weights = card.sha256 or _digest_of(encoder)
    parts = json.dumps([card.architecture, dict(card.parameters), weights, encoder.precision], sort_keys=True)
    return f"{card.name}-{hashlib.sha256(parts.encode()).hexdigest()[:16]}"


def _digest_of(encoder: TakesProfiles) -> str:
    """Of weights that no file is known for."""
    digest = hashlib.sha256()
    for name, tensor in sorted(encoder.state_dict().items()):
        if not name.startswith("pitch."):  # which profiles do not go through
            digest.update(name.encode() + tensor.detach().cpu().numpy().tobytes())
    return digest.hexdigest()


def _name(track: Track) -> str:
    """Of a song, another one when its file changes."""
    try:
        found = Path(track.path).stat()
    except OSError:
        return f"{track.track_id} missing"
    return f"{track.track_id} {found.st_size} {found.st_mtime_ns}"
