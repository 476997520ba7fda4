"""SampleCNN and all sizes of TUNe, as checkpoints of the contrastive training module with the golden weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from cases import Case, golden
from torch import Tensor

from ohrwurm.models.base import AudioEncoder
from ohrwurm.models.tune_variants import VARIANTS

TUNE = golden("tune")
TOLERANCE = 1e-6  # absolute, as the golden README states it
# The others differ in numbers alone, and are heavier: they are walked in `make test-all`.
QUICK = {"samplecnn", "tune-vanilla-xs", "tune-3-cont", "tune-5-tail", "tune-plus", "tune-hybrid-defrosted"}
# Card → name in the golden files. The frozen hybrid is the network of the other.
PUBLISHED = {"samplecnn": "SampleCNN"} | {
    row.name: row.published.replace("HybridFrozen", "HybridDefrosted") for row in VARIANTS
}


@cache
def shapes(published: str, head: int = 50, width: int | None = None) -> dict[str, tuple[int, ...]]:
    """Published key → shape of a bare encoder, its head (none if 0) of `width` inputs if that is another layer's."""
    listed = json.loads((TUNE.folder / "state_dict_keys.json").read_text())[published]["keys"]
    found = {key: tuple(shape) for key, shape in listed.items() if head or not key.startswith("fc.")}
    return found | ({"fc.weight": (head, width)} if width else {})


def filled(keys: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """The golden weights of these names."""
    values = TUNE.make.fill_state_dict(keys)
    return {key: torch.as_tensor(values[key]) if key in values else torch.tensor(0) for key in keys}


def lightning(published: str) -> dict[str, Tensor]:
    """A checkpoint of the training module: the encoder twice, without its head, and the projector."""
    encoder = filled(shapes(published, head=0))
    size = json.loads((TUNE.folder / "state_dict_keys.json").read_text())[published]["keys"]["fc.weight"][1]
    projector = filled({"projector.0.weight": (size, size), "projector.2.weight": (64, size)})
    twice = {f"{prefix}{key}": value for prefix in ("encoder.", "model.encoder.") for key, value in encoder.items()}
    return twice | {f"model.{key}": value for key, value in projector.items()}


def signals() -> Tensor:
    """The two golden waveforms, `(2, 59049)`."""
    return torch.from_numpy(np.stack([TUNE.make.audio(int(seed)) for seed in TUNE["encoders"]["audio_seeds"]]))


def _case(name: str, published: str) -> Case:
    expected = TUNE["encoders"][f"{published}/h"]

    def numbers(model: AudioEncoder) -> list[tuple[np.ndarray, np.ndarray]]:
        return [(model(signals()).pooled.numpy(), expected)]

    tolerance = TOLERANCE / float(np.abs(expected).max())
    return Case(_checkpoint(published), numbers, tolerance=tolerance, slow=name not in QUICK)


def _checkpoint(published: str) -> Callable[[], dict[str, Tensor]]:
    return lambda: lightning(published)


CASES = {name: _case(name, published) for name, published in PUBLISHED.items()}
