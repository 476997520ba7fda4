"""Recordings of other lengths, rates, channels and formats, and small models that are real networks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

sys.path.insert(0, str(Path(__file__).parent))

from small import Levels, SmallConvolution

from ohrwurm.models.base import ModelCard
from ohrwurm.models.registry import architecture, register_card

architecture("test-embedding-levels")(Levels)
register_card(
    ModelCard(
        "test-embedding-levels",
        "test-embedding-levels",
        sample_rate=8000,
        window=1.0,
        hop=0.5,
        minimum=0.05,
        dim=3,
        frame_rate=50.0,
        layer=1,
        good_for=("sound",),
        description="",
        features={"learned": False},
        published={"window": 0.5, "hop": 0.5, "remainder": "drop", "short": "refuse", "pooling": "mean"},
    )
)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """As many threads for one file as `ohrwurm.embed` uses for many: results compare bit for bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def songs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("songs")
    rng = np.random.default_rng(0)
    paths = []
    for i, (seconds, rate, channels, kind) in enumerate(
        [
            (7.3, 44100, 2, "flac"), (0.4, 16000, 1, "wav"), (4.0, 8000, 1, "wav"), (5.55, 22050, 2, "ogg"),
            (3.21, 48000, 1, "mp3"), (1.0, 8000, 1, "wav"), (6.01, 11025, 6, "wav"),
        ]
    ):  # fmt: skip
        t = np.arange(round(seconds * rate))[:, None] / rate
        x = 0.4 * np.sin(2 * np.pi * (200 + 70 * i) * t * (1 + t / 20)) + 0.05 * rng.standard_normal((len(t), channels))
        path = folder / f"song{i}.{kind}"
        soundfile.write(path, x, rate)
        paths.append(path)
    return paths


@pytest.fixture(scope="session")
def model() -> SmallConvolution:
    return SmallConvolution()
