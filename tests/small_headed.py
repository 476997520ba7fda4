"""A small encoder with a head for every task, of random weights: for tests that need a model to hear with."""

from __future__ import annotations

from typing import Any

import torch

from ohrwurm.models import registry
from ohrwurm.models.base import AudioEncoder, ModelCard
from ohrwurm.models.frame_heads import HeadSpec
from ohrwurm.models.headed import HeadedEncoder

TAGS = ("piano", "guitar", "drums")
SPECS = (
    HeadSpec("beats", hidden=16),
    HeadSpec("chords", hidden=16),
    HeadSpec("sections", hidden=16),
    HeadSpec("key", hidden=None),
    HeadSpec("tags", classes=TAGS, hidden=None),
)


def small_encoder(seed: int = 0, **parameters: Any) -> AudioEncoder:
    """A MusicFM of 2 layers and 32 dimensions in eval mode: 25 tokens a second at 24 kHz, windows up to 30 s."""
    sizes = {"channels": 8, "dim": 32, "depth": 2, "heads": 2, "ffn": 64, "codes": 16}
    card = ModelCard(
        "small-musicfm", "musicfm", 24000, 30.0, 30.0, 32, ("sound",), "A small encoder.", minimum=0.05,
        layer=2, frame_rate=25.0, source="a test",
        parameters={"stats": {"mean": 6.8, "std": 18.4}, **sizes, **parameters},
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return registry.build(card)


def small_headed(
    specs: tuple[HeadSpec, ...] = SPECS, *, name: str = "small-headed", window: float = 6.0, seed: int = 0, **other: Any
) -> HeadedEncoder:
    """That encoder with untrained heads, in eval mode; `other` as in `HeadedEncoder.around`."""
    encoder = small_encoder(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed + 1)
        return HeadedEncoder.around(encoder, specs, name=name, window=window, **other)
