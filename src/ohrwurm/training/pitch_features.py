"""The pitch extractor before MOVE: found by name, asked once for every recording, and put into the trained model."""

from __future__ import annotations

import copy
import dataclasses
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ohrwurm.audio.spectral import Chroma
from ohrwurm.data.recordings import Recordings
from ohrwurm.data.version_features import ProfileSet
from ohrwurm.errors import DataError, ModelError
from ohrwurm.models import registry
from ohrwurm.models.version_encoder import EXTRACTORS, VersionEncoder
from ohrwurm.training.kept import make_kept, place_of

log = logging.getLogger(__name__)
DEFAULT = "pitchnet"


@dataclass(frozen=True)
class PitchExtractor:
    """A model that makes pitch-class profiles; its weights are read when they are needed.

    Attributes:
        name: of the model, a model folder, or ``chroma``.
        kind: as `VersionEncoder` calls it.
        parameters: it is built with.
        identity: name and digest of what its profiles depend on; those of different identity are never mixed.
        sample_rate: of the waveforms it takes, in Hz.
    """

    name: str
    kind: str
    parameters: dict[str, Any]
    identity: str
    sample_rate: int

    def load(self) -> Any:
        """The model, ready.

        Raises:
            ModelError: its weights are not here; the message says how to get them.
        """
        return Chroma() if self.name == "chroma" else registry.load(self.name).requires_grad_(False)


def extractor(name: str) -> PitchExtractor:
    """The pitch extractor of this name.

    Raises:
        ModelError: there is no such model, or it extracts no pitch classes.

    >>> extractor("pitchnet").sample_rate, extractor("chroma").kind
    (22050, 'chroma')
    """
    if name == "chroma":
        return PitchExtractor(name, "chroma", {}, "chroma:1", Chroma().sample_rate)
    card = registry.card(name)
    builder = getattr(registry.builder(card), "__name__", "")
    kind = next((kind for kind, (_, made) in EXTRACTORS.items() if made == builder), None)
    if kind is None:
        raise ModelError(f"{name} extracts no pitch classes; chroma does, pitchnet, crema-pcp-0.1.0, crema-pcp-0.2")
    return PitchExtractor(name, kind, dict(card.parameters), card.provenance, card.sample_rate)


def extractor_of(profiles: ProfileSet, wanted: str, source: str) -> PitchExtractor:
    """What made these profiles: what they say, and else what is `wanted`, which may not contradict.

    Raises:
        DataError: they are of another extractor, or of another version of it.
    """
    noted = profiles.extractor
    name = noted.partition(":")[0]
    try:
        found = extractor(wanted or name or DEFAULT)
    except ModelError as error:
        if wanted or not noted:
            raise
        raise DataError(
            f"{source}: its profiles are of {noted}, which is no model here. Give its folder: task.pitch=FOLDER"
        ) from error
    its_name = found.identity.partition(":")[0]
    if noted and (its_name != name or (":" in noted and found.identity != noted)):
        raise DataError(
            f"{source}: its profiles are of {noted}, not of {found.identity}. Features of two extractors are never "
            "mixed: give task.pitch the extractor they were made with, or extract them again."
        )
    return found


def takes_profiles_of(encoder: VersionEncoder, made_by: PitchExtractor) -> bool:
    """Whether an encoder was trained behind this extractor, as far as its card says."""
    parameters = encoder.card.parameters
    pitch, settings = parameters.get("pitch", "pitchnet"), dict(parameters.get("pitch_parameters") or {})
    return pitch == "none" or (pitch == made_by.kind and settings == made_by.parameters)


def profiles_folder(cache: Path, made_by: PitchExtractor) -> Path:
    """Where the profiles of an extractor are kept."""
    return cache / "profiles" / re.sub(r"[^\w.-]+", "-", made_by.identity)


def extracted(
    recordings: Recordings, made_by: PitchExtractor, cache: Path, workers: int
) -> tuple[ProfileSet, set[int]]:
    """The profiles of recordings, each extracted once and kept under `cache`; and the numbers of those that failed.

    Raises:
        DataError: all failed. ModelError: the extractor's weights are not here.
    """
    folder, net = profiles_folder(cache, made_by), None
    places = [place_of(folder, track) for track in recordings.tracks]
    if not all(place.is_file() for place in places):
        net = made_by.load()

    def make(i: int) -> np.ndarray:
        assert net is not None
        audio = recordings.read(i, 0, int(recordings.lengths[i]))
        with torch.inference_mode():
            profile = net.profile(torch.from_numpy(audio)[None])[0].numpy()
        if not np.isfinite(profile).all():
            raise DataError(f"{recordings.tracks[i].path}: {made_by.name} gives no finite profile of it")
        return profile.astype(np.float16)

    failed = make_kept(folder, recordings.tracks, make, workers, f"{made_by.name} profiles")
    if len(failed) == len(places):
        raise DataError(f"no profile could be made, e.g. {next(iter(failed.values()))}")

    def read(i: int) -> np.ndarray:
        try:
            return np.load(places[i], allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{places[i]}: damaged ({error}). Remove it; it is made again.") from error

    return ProfileSet(recordings.tracks, read, made_by.identity), set(failed)


def with_pitch(encoder: VersionEncoder, made_by: PitchExtractor) -> VersionEncoder:
    """A copy of an encoder of profiles that takes waveforms, through the extractor it was trained behind.

    Where the extractor's weights are not here (cremaPCP's come with crema), the encoder goes on taking profiles; it
    can be attached later.
    """
    if made_by.name == "chroma":
        parameters = {**encoder.card.parameters, "pitch": "chroma", "pitch_parameters": {}}
        card = dataclasses.replace(encoder.card, parameters=parameters, sample_rate=made_by.sample_rate)
        whole = registry.build(card)
        assert isinstance(whole, VersionEncoder)
        whole.move.load_state_dict(encoder.move.state_dict())
        return whole
    whole = copy.deepcopy(encoder)
    try:
        whole.attach_pitch(made_by.load())
    except ModelError as error:
        log.warning(
            "the model takes pitch-class profiles, not audio, as its extractor is not here (%s); "
            "VersionEncoder.attach_pitch adds it", error,
        )  # fmt: skip
    return whole
