"""The two published chord networks of crema, with the golden weights under their Keras names."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
import torch
from cases import Case, golden
from torch import Tensor

from ohrwurm.models.base import AudioEncoder
from ohrwurm.models.crema import VARIANTS

GOLDEN_FILES = {"0.2": "crema_net", "0.1.0": "crema_net_010"}


def fill(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The golden weights of a Keras name (golden/remove/README.md, crema_net): fan-in is all but the last axis."""
    generator = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    x = generator.standard_normal(shape, dtype=np.float32)
    if len(shape) > 1:
        return x / np.float32(np.sqrt(np.prod(shape[:-1])))
    small = np.float32(0.02) * x
    if name.endswith("/gamma:0"):
        return 1 + small
    return 1 + np.abs(small) if name.endswith("/moving_variance:0") else small


def shapes(variant: str) -> dict[str, tuple[int, ...]]:
    """Published name → shape, in the order of the layers."""
    channels, filters = (2, 72) if variant == "0.2" else (1, 36)
    dense = {"chord_pitch": (256, 12), "chord_root": (256, 13), "chord_bass": (256, 13), "chord_tag": (294, 170)}
    kernels = {"conv2d_1": (5, 5, channels, 1), "conv2d_2": (1, 216, 1, filters), **dense}
    found = {f"{layer}/{part}:0": size for layer, k in kernels.items() for part, size in _with_bias(k).items()}
    norms = {1: channels, 2: 1, 3: filters, 4: 256, 5: 294} if variant == "0.2" else {1: channels}
    for i, size in norms.items():
        found |= {
            f"batch_normalization_{i}/{part}:0": (size,) for part in ("gamma", "beta", "moving_mean", "moving_variance")
        }
    for i, inputs in ((1, filters), (2, 256)):
        for way in ("forward", "backward"):
            gru = {"kernel": (inputs, 384), "recurrent_kernel": (128, 384), "bias": (384,)}
            found |= {f"bidirectional_{i}/{way}_gru_{i}/{part}:0": size for part, size in gru.items()}
    return found


def _with_bias(kernel: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    return {"kernel": kernel, "bias": kernel[-1:]}


def checkpoint(variant: str) -> Callable[[], dict[str, Tensor]]:
    return lambda: {name: torch.from_numpy(fill(name, shape)) for name, shape in shapes(variant).items()}


def numbers(variant: str) -> Callable[[AudioEncoder], list[tuple[np.ndarray, np.ndarray]]]:
    expected = golden("remove")[GOLDEN_FILES[variant]]

    def compare(model: AudioEncoder) -> list[tuple[np.ndarray, np.ndarray]]:
        pairs = []
        for frames in (60, 333):
            generator = np.random.Generator(np.random.PCG64(int(expected[f"T{frames}_seed"])))
            shape = (1, frames, 216, len(VARIANTS[variant].harmonics))
            chords = model.network(torch.from_numpy(generator.standard_normal(shape, dtype=np.float32)))  # type: ignore[operator]
            pairs += [
                (getattr(chords, n)[0].numpy(), expected[f"T{frames}_chord_{n}"]) for n in ("pitch", "root", "bass")
            ]
            tag = chords.tag[0].numpy()
            pairs += [(tag.max(-1), expected[f"T{frames}_chord_tag_max"])]
            pairs += [(tag.argmax(-1), expected[f"T{frames}_chord_tag_argmax"])]
        return pairs

    return compare


# The golden file is itself good to 1.2e-7 (Keras 3 against plain PyTorch).
CASES = {f"crema-pcp-{v}": Case(checkpoint(v), numbers(v), tolerance=2e-6) for v in VARIANTS}
