"""Random crops of a manifest's recordings, all of one length: what tasks on raw waveforms train on."""

from __future__ import annotations

import logging

import numpy as np

from ohrwurm.audio.augment import crop_start
from ohrwurm.data.recordings import open_recordings
from ohrwurm.data.splits import train_and_validation
from ohrwurm.data.tracks import Track
from ohrwurm.errors import DataError, RecipeError

log = logging.getLogger(__name__)


class Crops:
    """The recordings that are long enough for a crop, and which of them train, validate and test.

    Args:
        data: a manifest, or a pack.
        sample_rate: of the crops, in Hz.
        samples: of a crop.
        batch_size: of training, which needs that many tracks.

    Attributes:
        training, validation, test: numbers of tracks.
        too_short: paths of the recordings left out.

    Raises:
        RecipeError: no `data`. DataError: no readable recording, too few of them, or all too short.
    """

    def __init__(self, data: str, sample_rate: int, samples: int, batch_size: int) -> None:
        if not data:
            raise RecipeError("what to train on? give a manifest or a pack: --data MANIFEST")
        self.recordings = open_recordings(data, sample_rate)
        self.samples = samples
        tracks = self.recordings.tracks
        enough = np.flatnonzero(self.recordings.lengths >= samples).tolist()
        self.too_short = [tracks[i].path for i in sorted(set(range(len(tracks))) - set(enough))]
        seconds = samples / sample_rate
        if not enough:
            raise DataError(f"{data}: all {len(tracks)} recordings are shorter than a crop of {seconds:.3g} s")
        if self.too_short:
            log.warning(
                "left out: %d recordings shorter than a crop of %.3g s, e.g. %s",
                len(self.too_short), seconds, self.too_short[0],
            )  # fmt: skip
        train, validation = train_and_validation([tracks[i] for i in enough])
        self.training, self.validation = [enough[i] for i in train], [enough[i] for i in validation]
        self.test = [i for i in enough if tracks[i].split == "test"]
        if batch_size > len(self.training):
            raise DataError(
                f"{data}: {len(self.training)} training tracks are fewer than a batch of {batch_size}. "
                f"Set task.batch_size={len(self.training)} or lower."
            )

    def track(self, row: int) -> Track:
        """The track of a number."""
        return self.recordings.tracks[row]

    def random(self, row: int, draw: np.random.Generator) -> np.ndarray:
        """A crop `(samples,)` from anywhere in the recording."""
        return self.at(row, crop_start(int(self.recordings.lengths[row]), self.samples, draw))

    def at(self, row: int, start: int) -> np.ndarray:
        """The crop from sample `start` on."""
        return self.recordings.read(row, start, self.samples)

    def halves(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """A crop from the middle of the first half, and one from the middle of the second: apart where it is two crops
        long, overlapping where it is shorter."""
        length = int(self.recordings.lengths[row])
        first = max(0, length // 2 - self.samples) // 2
        return self.at(row, first), self.at(row, length - self.samples - first)
