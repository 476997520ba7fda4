"""The statistics that MusicFM's input is normalised by, of one's own music."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from torch import Tensor

from ohrwurm.audio.spectral import MelSpectrogram
from ohrwurm.data.recordings import Recordings
from ohrwurm.data.statistics import Measured, feature_moments
from ohrwurm.models.musicfm import FEATURE, HOP, N_FFT, SAMPLE_RATE

MINIMUM = N_FFT // 2 + 1  # samples that can be reflected at their ends


def mel_statistics(
    recordings: Recordings,
    rows: Sequence[int],
    cache: Path,
    *,
    n_mels: int = 128,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Measured:
    """Moments of the mel decibels that MusicFM hears in these recordings; see `feature_moments`."""
    mel = MelSpectrogram(SAMPLE_RATE, N_FFT, HOP, n_mels)

    def decibels(piece: Tensor) -> Tensor:
        return mel(piece)[..., :-1]  # the model drops the last frame, too

    return feature_moments(
        recordings, rows, decibels, cache / "statistics", identity=f"{FEATURE}-{n_mels}", minimum=MINIMUM,
        workers=workers, progress=progress,
    )  # fmt: skip
