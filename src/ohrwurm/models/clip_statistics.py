"""jukemir's two simple representations: how chroma and MFCCs of a clip are spread, and how they move.

    clip ─peak-normalise─▶ chroma (12) or MFCC (20) ─0th, 1st, 2nd difference over time─▶ mean and deviation of each

What a trained representation has to beat: in its tables MFCCs tell tags and genres fairly well and keys not at all,
chroma the other way round. Nothing is learned. Features are librosa's.

Source: Castellon, Donahue and Liang, "Codified audio language modeling learns useful representations for music
information retrieval", 2021.
"""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ohrwurm.errors import ModelError
from ohrwurm.models.base import AudioEncoder, Encoded, ModelCard
from ohrwurm.models.registry import architecture, register_card

SAMPLE_RATE = 22050
HOP = 512
SIZES = {"chroma": 12, "mfcc": 20}


@architecture("clip-statistics")
class ClipStatistics(AudioEncoder):
    """Mean and deviation (population) of the features and of their first and second difference over time.

    Order: mean and deviation of the features, of the first difference, of the second; `dim` = 6 x features. Gain does
    not matter; silence gives the vector of silence.

    Args:
        features: "chroma" (12, of a constant-Q transform) or "mfcc" (20).

    >>> from ohrwurm.models.registry import load
    >>> load("mfcc-statistics").card.dim, load("chroma-statistics").card.dim
    (120, 72)
    """

    def __init__(self, features: Literal["chroma", "mfcc"] = "mfcc") -> None:
        super().__init__()
        if features not in SIZES:
            raise ModelError(f"features must be one of {', '.join(SIZES)}, not {features!r}")
        self.features = features

    def forward(self, waveform: Tensor) -> Encoded:
        rows = [statistics(self._features(x)) for x in waveform.detach().float().cpu().numpy()]
        return Encoded(pooled=torch.from_numpy(np.stack(rows)).to(waveform.device))

    def _features(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """`(samples,)` → `(features, frames)`."""
        import librosa

        peak = float(np.abs(x).max(initial=0.0))
        x = x / peak if peak > 0 else x
        with warnings.catch_warnings():
            # Of a clip too short for the lowest filters, and of silence, which has no tuning.
            warnings.filterwarnings("ignore", category=UserWarning, module="librosa")
            if self.features == "chroma":
                return librosa.feature.chroma_cqt(y=x, sr=SAMPLE_RATE, hop_length=HOP, n_chroma=12)
            return librosa.feature.mfcc(y=x, sr=SAMPLE_RATE, hop_length=HOP, n_mfcc=20)


def statistics(features: NDArray[np.floating]) -> NDArray[np.float32]:
    """`(features, frames)` → mean and population deviation of the 0th, 1st and 2nd difference over time.

    >>> statistics(np.array([[0.0, 1.0, 4.0]])).tolist()[::2]  # means of x, x' and x''
    [1.6666666269302368, 2.0, 2.0]
    """
    parts = []
    for order in range(3):
        moved = np.diff(features, n=order, axis=1)
        parts += [moved.mean(1), moved.std(1)]
    return np.concatenate(parts).astype(np.float32)


for _features, _what in (("chroma", "harmony"), ("mfcc", "timbre")):
    register_card(
        ModelCard(
            name=f"{_features}-statistics",
            architecture="clip-statistics",
            parameters={"features": _features},
            sample_rate=SAMPLE_RATE,
            window=30.0,
            hop=30.0,
            minimum=1.0,
            dim=6 * SIZES[_features],
            good_for=("sound",),
            description=f"Baseline without learning: {_what}, as mean, spread and movement of {_features} over a clip.",
            published={
                "place": "whole",
                "pooling": "mean",
                "note": "jukemir takes whole clips, as they are; the rate at which it reads them is not stated, "
                "librosa's default is taken",
            },
            paper="Castellon, Donahue, Liang, Codified audio language modeling, ISMIR 2021 (its simple baselines)",
            source="this project",
            features={"learned": False, "hop": HOP},
        )
    )
