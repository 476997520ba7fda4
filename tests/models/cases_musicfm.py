"""MusicFM's published checkpoint layout, at the golden files' reduced sizes (full size: `test_musicfm.py`, slow)."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch
from cases import Case, golden
from torch import Tensor

from ohrwurm.audio.spectral import htk_mel_bank
from ohrwurm.models.base import AudioEncoder
from ohrwurm.models.musicfm import MusicFM

GOLDEN = golden("musicfm")
MSD = {"mean": 6.768444971712967, "std": 18.417922652295623}
SIZES: dict[str, dict[str, Any]] = {
    "tiny_a": {"channels": 32, "dim": 64, "depth": 2, "heads": 16, "ffn": 4096},
    "tiny_b": {"channels": 32, "dim": 64, "depth": 2, "heads": 4, "ffn": 256},
    "full": {},
}


def checkpoint(size: str) -> dict[str, Tensor]:
    """A published checkpoint with the golden weights: every key of the list, counters as float32, as published."""
    shapes = json.loads((GOLDEN.folder / "keys.json").read_text())[size]
    constants = {
        "preprocessor_melspec_2048.mel_stft.spectrogram.window": torch.hann_window(2048),
        "preprocessor_melspec_2048.mel_stft.mel_scale.fb": htk_mel_bank(2048, 24000, 128, 0.0, 12000.0),
        "conformer.embed_positions.inv_freq": frequencies(*shapes["conformer.embed_positions.inv_freq"]),
    }
    state = {}
    for key, shape in shapes.items():
        filled = GOLDEN.make.fill_tensor(key, shape)
        state[key] = torch.from_numpy(filled) if filled is not None else constants.get(key, torch.zeros(shape)).clone()
    return state


def frequencies(count: int) -> Tensor:
    """Rotary frequencies of a head of 2 x `count` numbers: 10000^(-i / count)."""
    return torch.tensor([10000 ** (-i / count) for i in range(count)])


def filled(size: str, **parameters: Any) -> MusicFM:
    """The model with the golden weights, in eval mode."""
    model = MusicFM(MSD, **SIZES[size], **parameters).eval()
    model.load_state_dict(model.from_published(checkpoint(size)))
    return model


def audio(seed: int, expected: dict[str, Any], batch: int = 1) -> Tensor:
    return torch.from_numpy(GOLDEN.make.make_audio(seed, int(expected["n_samples"]), batch))


def numbers(model: AudioEncoder) -> list[tuple[np.ndarray, np.ndarray]]:
    """The frames of the layer that the card names, of a whole and of an odd number of frames."""
    pairs = []
    for name, seed, batch in (("tiny_a_hidden", 1002, 2), ("tiny_a_hidden_odd", 1003, 1)):
        expected = GOLDEN[name]
        frames = model(audio(seed, expected, batch)).frames
        assert frames is not None
        pairs.append((frames.numpy(), expected[f"hidden_{model.layer}"]))
    return pairs


def case(layer: int) -> Case:
    changes = {"parameters": {"stats": MSD, **SIZES["tiny_a"]}, "layer": layer}
    return Case(lambda: checkpoint("tiny_a"), numbers, tolerance=5e-6, changes=changes)


CASES = {"musicfm-msd": case(2), "musicfm-fma": case(1)}
