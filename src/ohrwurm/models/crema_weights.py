"""Keras 2 weight files (HDF5) → tensors by name, without Keras: how the chord networks of crema were published.

`model.h5` is read from the file itself or out of crema's wheel or source zip. The pickles that lie beside it
(`model_spec.pkl`, `pump.pkl`) hold code and are never opened.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ohrwurm.errors import ModelError

if TYPE_CHECKING:
    import h5py

MEMBERS = ("models/chord/model.h5", "training/chords/resources/model.h5")  # in crema's wheel, in its source
LARGEST_MEMBER = 64 * 2**20  # bytes; the published files have about 6.4 million
GRU = ("kernel", "recurrent_kernel", "bias")
# A layer's weights by how many it has, in the order in which Keras 2 writes them.
ROLES = {
    2: ("kernel", "bias"),
    4: ("gamma", "beta", "moving_mean", "moving_variance"),
    6: tuple(f"{way}_gru_{{}}/{part}" for way in ("forward", "backward") for part in GRU),
}


def keras_state(file: str | Path) -> dict[str, Tensor]:
    """The weights of a published chord network, under the names `layer/weight:0`; an optimiser's state is left out.

    Weights are taken by their order within each layer, because their prefixes differ between versions of Keras.

    Args:
        file: `model.h5` (of a whole model or of weights alone), or crema's wheel or source zip with it inside.

    Returns:
        Name → float32 tensor, for `CremaPCP.from_published`.

    Raises:
        ModelError: h5py is not installed; the file is missing, damaged, or no Keras weight file.

    >>> keras_state("nowhere/model.h5")
    Traceback (most recent call last):
        ...
    ohrwurm.errors.ModelError: nowhere/model.h5: no such weights file. Check the path.
    """
    file = Path(file)
    if not file.is_file():
        raise ModelError(f"{file}: no such weights file. Check the path.")
    try:
        import h5py
    except ImportError as error:
        raise ModelError(
            f"{file}: reading Keras weights needs h5py. Install it: pip install 'ohrwurm[crema]'."
        ) from error
    try:
        with h5py.File(_opened(file), "r") as content:
            return dict(_weights(content, file))
    except (OSError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise ModelError(
            f"{file}: not a complete Keras weight file ({str(error) or type(error).__name__}). Copy it again."
        ) from error


def _opened(file: Path) -> Path | io.BytesIO:
    """The weight file, or its content where it lies in a zip."""
    if file.suffix not in (".whl", ".zip"):
        return file
    with zipfile.ZipFile(file) as archive:
        found = [entry for entry in archive.infolist() if entry.filename.endswith(MEMBERS)]
        if not found:
            raise ModelError(f"{file}: holds no {' or '.join(MEMBERS)}. Give the weight file model.h5 itself.")
        if found[0].file_size > LARGEST_MEMBER:
            raise ModelError(f"{file}: {found[0].filename} has {found[0].file_size} bytes, which no chord network has")
        return io.BytesIO(archive.read(found[0]))


def _weights(content: h5py.File, file: Path) -> Iterator[tuple[str, Tensor]]:
    root = content.get("model_weights", content)
    if "layer_names" not in root.attrs:
        raise ModelError(f"{file}: HDF5, but no Keras weight file (it has no layer_names)")
    for layer in _names(root.attrs["layer_names"]):
        written = _names(root[layer].attrs["weight_names"])
        if not written:
            continue
        if len(written) not in ROLES:
            raise ModelError(
                f"{file}: layer {layer} has {len(written)} weights; crema's have {', '.join(map(str, ROLES))}"
            )
        index = layer.rsplit("_", 1)[-1]
        for name, role in zip(written, ROLES[len(written)], strict=True):
            value = root[layer][name]
            if not hasattr(value, "dtype") or not np.issubdtype(value.dtype, np.floating):
                raise ModelError(f"{file}: {layer}/{name} is no array of floating point numbers")
            yield f"{layer}/{role.format(index)}:0", torch.from_numpy(np.asarray(value, dtype=np.float32))


def _names(attribute: Any) -> list[str]:
    """Names as text; Keras 2 wrote bytes."""
    return [name.decode("utf-8") if isinstance(name, bytes) else str(name) for name in attribute]
