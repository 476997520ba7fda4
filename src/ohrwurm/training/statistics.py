"""The statistics that MusicFM's input is normalised by, of one's own music."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from torch import Tensor

from ohrwurm.data.recordings import Recordings
from ohrwurm.data.statistics import Measured, feature_moments
from ohrwurm.models.musicfm import FEATURE, N_FFT, FrontEnd, spectrogram

MINIMUM = N_FFT // 2 + 1  # samples that can be reflected at their ends; what is shorter is padded


def mel_statistics(
    recordings: Recordings,
    rows: Sequence[int],
    cache: Path,
    *,
    n_mels: int = 128,
    front_end: FrontEnd = "mel",
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Measured:
    """Moments of the decibels that MusicFM hears in these recordings; see `feature_moments`."""
    hear = spectrogram(front_end, n_mels)

    def decibels(piece: Tensor) -> Tensor:
        return hear(piece)[..., :-1]  # the model drops the last frame, too

    identity = f"{FEATURE}-{n_mels}" if front_end == "mel" else front_end
    return feature_moments(
        recordings, rows, decibels, cache / "statistics", identity=identity, minimum=MINIMUM, workers=workers,
        progress=progress,
    )  # fmt: skip
