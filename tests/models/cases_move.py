"""MOVE and Re-MOVE against the published code, through the version encoder that takes pitch classes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from cases import Case, golden
from torch import Tensor

from ohrwurm.models.base import AudioEncoder
from ohrwurm.models.version_encoder import VersionEncoder


def published_shapes(dim: int, sum_method: int = 4, final_activation: int = 3) -> dict[str, tuple[int, ...]]:
    """Every key of a published checkpoint and its shape, in the published order; choices by the original's numbers."""
    last = 512 if sum_method in (3, 4) else 256
    shapes: dict[str, tuple[int, ...]] = {"autopool_p": ()}
    shapes |= {f"prelu{i}.weight": (1,) for i in range(1, 6)}
    shapes |= {"conv1.weight": (256, 1, 12, 180), "conv1.bias": (256,)}
    for i, out in ((2, 256), (3, 256), (4, 256), (5, last)):
        shapes |= {f"conv{i}.weight": (out, 256, 1, 5), f"conv{i}.bias": (out,)}
    if final_activation == 3:
        shapes |= {"lin_bn.running_mean": (dim,), "lin_bn.running_var": (dim,), "lin_bn.num_batches_tracked": ()}
    shapes |= {"lin1.weight": (dim, 256)}
    return shapes if final_activation == 3 else shapes | {"lin1.bias": (dim,)}


def checkpoint(dim: int, sum_method: int = 4, final_activation: int = 3) -> dict[str, Tensor]:
    """A published checkpoint with the golden weights."""
    make = golden("remove").make
    shapes = published_shapes(dim, sum_method, final_activation)
    return {
        key: torch.tensor(0) if key.endswith("tracked") else torch.as_tensor(make.fill_array(key, shape))
        for key, shape in shapes.items()
    }


def _case(dim: int, name: str) -> Case:
    return Case(checkpoint=lambda: checkpoint(dim), numbers=_numbers(name), tolerance=1e-5)


def _numbers(name: str) -> Callable[[AudioEncoder], list[tuple[np.ndarray, np.ndarray]]]:
    def pairs(model: AudioEncoder) -> list[tuple[np.ndarray, np.ndarray]]:
        assert isinstance(model, VersionEncoder)
        source = golden("remove")
        file, compared = source[name], []
        for frames in file["Ts"]:
            pcp = source.make.pcp23(int(file[f"T{frames}_seed"]), int(frames))
            vector = model.encode_features(torch.from_numpy(pcp[:, :12])).pooled[0].numpy()
            compared.append((vector[:512], file[f"T{frames}_emb32"]))  # the first 512 dimensions are on file, and
            compared.append((np.linalg.norm(vector), file[f"T{frames}_norm32"]))  # the length of all of them
        return compared

    return pairs


CASES = {
    "move-16000": _case(16000, "move_emb16000"),
    "move-4000": _case(4000, "move_emb4000"),
    "re-move-256": _case(256, "move_emb256"),
}
