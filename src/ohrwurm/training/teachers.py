"""A trained model that a version encoder learns from: asked for the views the student sees, or once a recording."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from ohrwurm.errors import DataError, RecipeError
from ohrwurm.evaluation.vectors import track_vectors
from ohrwurm.models import registry
from ohrwurm.models.version_encoder import VersionEncoder
from ohrwurm.training.kept import make_kept, place_of
from ohrwurm.training.pitch_features import takes_profiles_of
from ohrwurm.training.version_scores import Comparison, comparison_of
from ohrwurm.training.version_songs import ProfileSongs, Songs, WaveformSongs

log = logging.getLogger(__name__)
View = Literal["auto", "patch", "recording"]


class Teacher:
    """Any audio encoder of the registry, in eval mode, as a source of vectors whose distances a student learns.

    Vectors that are compared by cosine are brought to the length root of dim, so that their squared distances divided
    by dim, 2 - 2 cosine, are of the size of MOVE's, whose coordinates have unit variance. The others stay as they are.

    Args:
        name: of the model, or a model folder.
        weights: a checkpoint for it (published ones, too); its own unless given.
        songs: that it is asked about.
        view: ``patch``, the student's augmented views; ``recording``, one vector a recording, made once and kept;
            ``auto``, the former where it can take them.

    Raises:
        RecipeError: no teacher, or one that cannot take the student's views although it shall.
        DataError: it would need audio, and the data is profiles of another extractor.
        ModelError: its weights are not here.
    """

    def __init__(self, name: str, weights: str, songs: Songs, view: View = "auto") -> None:
        if not name:
            raise RecipeError("who teaches? give task.teacher=NAME (`ohrwurm models list`) or a model folder")
        self.model: Any = registry.load(name, weights=weights or None).requires_grad_(False)
        self.name, self.songs = name, songs
        self.dim: int = self.model.move.dim if isinstance(self.model, VersionEncoder) else self.model.card.dim
        self.on_profiles = (
            isinstance(songs, ProfileSongs)
            and isinstance(self.model, VersionEncoder)
            and takes_profiles_of(self.model, songs.extractor)
        )
        can = self.on_profiles or self._takes_waveforms_of(songs)
        if view == "patch" and not can:
            raise RecipeError(f"{name} cannot take what the student sees; task.view=recording asks it once a recording")
        self.view = "patch" if can and view != "recording" else "recording"
        if isinstance(songs, ProfileSongs) and not self.on_profiles and songs.given:
            raise DataError(
                f"{name} takes audio, or profiles of another extractor, and the data is profiles of "
                f"{songs.extractor.name}: give a manifest of audio, or a teacher trained on these"
            )
        self._vectors: dict[int, np.ndarray] = {}
        self._folder: Path | None = None

    def _takes_waveforms_of(self, songs: Songs) -> bool:
        if not isinstance(songs, WaveformSongs):
            return False
        card = self.model.card
        seconds, shortest = songs.samples / songs.recordings.sample_rate, card.minimum or card.window
        return card.sample_rate == songs.recordings.sample_rate and shortest <= seconds <= card.window

    @property
    def comparison(self) -> Comparison:
        """How its vectors are compared."""
        return comparison_of(self.model.card)

    def to(self, device: torch.device) -> None:
        """Go where the student is."""
        self.model.to(device)

    @torch.no_grad()
    def of_views(self, views: Tensor) -> Tensor:
        """Vectors `(B, dim)` of the views that the student sees."""
        return self._sized(self.songs.encode(self.model.eval(), views).float())

    def prepare(self, rows: Sequence[int], cache: Path, workers: int) -> set[int]:
        """Make and keep one vector for each of these songs; gives back those of which none could be made."""
        tracks = [self.songs.tracks[row] for row in rows]
        if not self.on_profiles:
            found = track_vectors([t.path for t in tracks], self.model, cache=cache, workers=max(1, workers))
            for failure in found.failures:
                log.warning("the teacher cannot use %s", failure)
            self._vectors |= {rows[i]: vector for i, vector in zip(found.rows, found.values, strict=True)}
            return set(rows) - self._vectors.keys()
        assert isinstance(self.songs, ProfileSongs)
        name = f"{self.model.card.provenance}-{self.songs.extractor.identity}"
        self._folder = cache / "teachers" / re.sub(r"[^\w.-]+", "-", name)

        @torch.inference_mode()
        def make(i: int) -> np.ndarray:
            return self.songs.vector(self.model, rows[i]).cpu().numpy()

        failed = make_kept(self._folder, tracks, make, workers, f"{self.name} vectors")
        return {rows[i] for i in failed}

    def of_songs(self, rows: Sequence[int]) -> Tensor:
        """Vectors `(n, dim)` of whole songs that `prepare` was given."""
        return self._sized(torch.from_numpy(np.stack([self._vector(row) for row in rows])))

    def _vector(self, row: int) -> np.ndarray:
        if self._folder is None:
            return self._vectors[row]
        return np.load(place_of(self._folder, self.songs.tracks[row]), allow_pickle=False)

    def _sized(self, vectors: Tensor) -> Tensor:
        if self.comparison == "euclidean":
            return vectors
        return nn.functional.normalize(vectors, dim=-1) * self.dim**0.5
