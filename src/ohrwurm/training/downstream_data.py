"""Annotated tracks for heads: which train and measure, their crops with targets, augmented, as batches."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ohrwurm.audio.augment import Chain
from ohrwurm.audio.augment_pitch import shift_pitch
from ohrwurm.audio.augment_spectrum import disturbed, transposed
from ohrwurm.data.recordings import Recordings, open_joined
from ohrwurm.data.splits import train_and_validation
from ohrwurm.data.tracks import Track
from ohrwurm.errors import DataError, RecipeError
from ohrwurm.models.frame_heads import HeadSpec
from ohrwurm.training.annotated_crops import left_out, read_annotations, targets, vocabulary
from ohrwurm.training.kept_features import Crops
from ohrwurm.training.task import generator

log = logging.getLogger(__name__)
NAMED = 5  # examples in a message
SHORTEST = 1.0  # seconds of a track that is used
DISTURBANCES = ("level", "curve", "noise_floor", "mask")


def sources(data: str | Sequence[str] | None) -> list[str]:
    """Manifests, folders or packs: a list, or one text with commas between them.

    >>> sources("a.csv, b.csv"), sources(["a,b.csv"])
    (['a.csv', 'b.csv'], ['a,b.csv'])
    """
    if not data:
        return []
    if not isinstance(data, str):
        return [str(source) for source in data]
    return [data] if Path(data).exists() else [part.strip() for part in data.split(",") if part.strip()]


class AnnotatedTracks:
    """The tracks that some head can learn from, and which of them train, validate and test.

    Args:
        data: as `sources` takes it.
        sample_rate: of the audio.
        tasks: of the heads.

    Attributes:
        annotations: of each track, in the order of the recordings.
        failed: annotations that could not be read: track id → why. Such a track counts in other heads' losses.

    Raises:
        RecipeError: no `data`. DataError: a head without an annotated training or validation track.
    """

    def __init__(self, data: str | Sequence[str] | None, sample_rate: int, tasks: Sequence[str]) -> None:
        found = sources(data)
        if not found:
            raise RecipeError("what to train on? give a manifest with annotations: --data MANIFEST")
        self.name = ", ".join(Path(source).name for source in found)
        self.recordings: Recordings = open_joined(found, sample_rate)
        tracks, lengths = self.recordings.tracks, self.recordings.lengths
        self.annotations, self.failed = read_annotations(tracks, tasks)
        for name, reason in list(self.failed.items())[:NAMED]:
            log.warning("annotation left out: %s: %s", name, reason)
        if len(self.failed) > NAMED:
            log.warning("annotations left out: of %d more tracks", len(self.failed) - NAMED)
        used = [
            i for i, known in enumerate(self.annotations)
            if lengths[i] >= SHORTEST * sample_rate and any(known.knows(task) for task in tasks)
        ]  # fmt: skip
        if not used:
            reason = f" ({next(iter(self.failed.values()))})" if self.failed else ""
            raise DataError(
                f"{self.name}: no track has an annotation of {', '.join(tasks)}{reason}. Name its files in columns "
                "beats, chords, sections, key, or give tags"
            )
        train, validation = train_and_validation([tracks[i] for i in used])
        self.training, self.validation = [used[i] for i in train], [used[i] for i in validation]
        self.test = [i for i in used if tracks[i].split == "test"]
        for task in tasks:
            counts = {name: self.count(task, rows) for name, rows in self.parts.items()}
            for name in ("training", "validation"):
                if not counts[name]:
                    raise DataError(
                        f"{self.name}: no {name} track has an annotation of {task}; leave the head out, or annotate "
                        "some (the column split says which tracks validate)"
                    )
            log.info("%s: annotated are %s", task, ", ".join(f"{n} {name} tracks" for name, n in counts.items()))

    @property
    def parts(self) -> dict[str, list[int]]:
        """Numbers of tracks by part."""
        return {"training": self.training, "validation": self.validation, "test": self.test}

    def count(self, task: str, rows: Sequence[int]) -> int:
        """How many of these tracks know something of a task."""
        return sum(self.annotations[row].knows(task) for row in rows)

    def track(self, row: int) -> Track:
        """The track of a number."""
        return self.recordings.tracks[row]

    def seconds(self, row: int) -> float:
        """Its length."""
        return float(self.recordings.lengths[row]) / self.recordings.sample_rate

    def tags(self, most: int) -> tuple[str, ...]:
        """The most frequent tags of the training tracks.

        Raises:
            DataError: there are less than two.
        """
        counts = Counter(tag for row in self.training for tag in sorted(self.annotations[row].tags or ()))
        found = tuple(tag for tag, _ in counts.most_common(most or None))
        if len(found) < 2:
            raise DataError(f"{self.name}: {len(found)} tags; a head for tags takes two or more")
        return found

    def tell_left_out(self, spec: HeadSpec) -> None:
        """Check a head's classes, and log which labels of the training tracks are none of them."""
        if spec.task == "chords":
            vocabulary(spec)
        if spec.task not in ("chords", "sections"):
            return
        labels, share = left_out(spec, (self.annotations[row] for row in self.training))
        if labels:
            named = ", ".join(f"{label} ({seconds:.0f} s)" for label, seconds in labels.most_common(NAMED))
            log.warning(
                "%s: %.1f %% of the annotated time is none of the %d classes and does not count: %d labels, %s%s",
                spec.task, 100 * share, len(spec.classes), len(labels), named, ", ..." if len(labels) > NAMED else "",
            )  # fmt: skip


class Augment:
    """How a training crop is changed, and by how many semitones its labels turn.

    Args:
        settings: ``transpose``: n semitones, uniform in -(n - 1) .. n; ``level``, ``curve``, ``noise_floor``, ``mask``
            as in `audio.augment_spectrum.disturbed`, for kept features.
        chain: for audio.
        features: whether crops are decibels; else audio.
        bands_per_semitone: of the features, None where a transposition is no shift of bands.

    Raises:
        RecipeError: an unknown setting, or one that these crops cannot be changed by.
    """

    def __init__(
        self, settings: Mapping[str, float], chain: Chain | None, kind: str, bands_per_semitone: int | None
    ) -> None:
        unknown = [name for name in settings if name not in ("transpose", *DISTURBANCES)]
        if unknown:
            raise RecipeError(f"augment.{unknown[0]}: there are transpose, {', '.join(DISTURBANCES)}")
        self.transpose = int(settings.get("transpose", 0))
        self.disturbance = {name: float(settings[name]) for name in DISTURBANCES if settings.get(name)}
        self.chain, self.kind, self.bands = chain, kind, bands_per_semitone
        if kind == "states" and (self.transpose or self.disturbance or chain):
            raise RecipeError("keep=states: kept states cannot be augmented; leave augment and augmentations out")
        if kind == "features" and chain:
            raise RecipeError("keep=features: augmentations are for audio (keep=none); spectrograms take augment")
        if kind == "features" and self.transpose and bands_per_semitone is None:
            raise RecipeError(
                "augment.transpose: on kept features it takes a model with front_end=log-frequency; on a mel axis a "
                "transposition is no shift. Set augment.transpose=0, or keep=none"
            )
        if kind == "audio" and self.disturbance:
            raise RecipeError(
                f"augment.{next(iter(self.disturbance))}: is for kept features (keep=features); audio takes "
                "augmentations"
            )

    def __call__(self, x: np.ndarray, sample_rate: int, draw: np.random.Generator) -> tuple[np.ndarray, int]:
        """The crop as it is heard now, and by how many semitones it is higher."""
        shift = int(draw.integers(1 - self.transpose, self.transpose + 1)) if self.transpose else 0
        if self.kind == "audio":
            x = shift_pitch(x, sample_rate, 100 * shift) if shift else x
            return (self.chain(x, sample_rate, draw) if self.chain else x), shift
        if shift and self.bands:
            x = transposed(x, shift * self.bands)
        if self.disturbance:
            quiet = {"level": 0.0, "curve": 0.0, "noise_floor": 0.0, "mask": 0.0}
            x = disturbed(x, draw, **{**quiet, **self.disturbance})
        return x, shift


class CropBatches:
    """Makes batches of crops with targets.

    Args:
        tracks: and their annotations.
        crops: where crops come from.
        specs: of the heads.
        frames: task → how many frames its head gives of a crop.
        window: seconds.
        normalise: mean and deviation of decibels; None for crops that are none.
        augment: of training crops.
    """

    def __init__(
        self,
        tracks: AnnotatedTracks,
        crops: Crops,
        specs: Sequence[HeadSpec],
        frames: Mapping[str, int],
        window: float,
        normalise: tuple[float, float] | None,
        augment: Augment,
    ) -> None:
        self.tracks, self.crops, self.specs, self.frames, self.window = tracks, crops, specs, frames, window
        self.normalise, self.augment = normalise, augment

    def random(self, row: int, crop: int, *numbers: int) -> dict[str, Any]:
        """A random crop of a track, augmented; a function of all the numbers."""
        draw = generator(*numbers, row, crop)
        start = self.crops.somewhere(row, draw)
        x, shift = self.augment(self.crops.read(row, start), self.tracks.recordings.sample_rate, draw)
        return self._item(row, start, x, shift)

    def fixed(self, row: int, start: float) -> dict[str, Any]:
        """A crop as it is."""
        return self._item(row, start, self.crops.read(row, start), 0)

    def _item(self, row: int, start: float, x: np.ndarray, shift: int) -> dict[str, Any]:
        if self.normalise is not None:
            x = (x - np.float32(self.normalise[0])) / np.float32(self.normalise[1])
        known, left = self.tracks.annotations[row], self.tracks.seconds(row) - start
        said = {
            spec.task: targets(spec, known, start, self.frames[spec.task], valid=left, shift=shift)
            for spec in self.specs
        }
        return {self.crops.name: x, "targets": said, "name": self.tracks.track(row).track_id}

    def together(self, items: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Items as a batch: the crops `(B, ...)`, targets by task and output `(B, ...)`, and the tracks' names."""

        def stacked(arrays: Sequence[np.ndarray]) -> Tensor:
            return torch.from_numpy(np.stack(arrays))

        first = items[0]["targets"]
        said = {
            task: {name: stacked([item["targets"][task][name] for item in items]) for name in outputs}
            for task, outputs in first.items()
        }
        name = self.crops.name
        return {name: stacked([item[name] for item in items]), "targets": said, "names": [i["name"] for i in items]}


def measured_places(tracks: AnnotatedTracks, crops: Crops, rows: Sequence[int], most: int) -> list[tuple[int, float]]:
    """(track, start) of the crops to measure on: the same always."""
    return [(row, start) for row in rows for start in crops.places(row, most)]
