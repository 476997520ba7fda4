"""Weights files → models: our safetensors, and the checkpoints as their authors published them.

A published checkpoint is a pickle; it is read here and nowhere else, with `weights_only=True`, so that tensors and
plain containers are all that can come out of it.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ohrwurm.errors import ModelError

PICKLES = (".pth", ".pt", ".ckpt", ".bin")
WRAPPERS = ("state_dict", "model_state_dict", "model")  # names under which trainers store the weights
PREFIXES = ("module.", "model.")  # left by DataParallel and by trainers


def read_weights(model: nn.Module, file: str | Path) -> None:
    """Fill `model` with the weights of `file`, every one of them or none.

    Args:
        model: a model of `ohrwurm.models`; if it has `from_published(state)`, that turns the names of an original
            checkpoint into its own.
        file: `.safetensors`, or a published `.pth` / `.pt` / `.ckpt` / `.bin`.

    Raises:
        ModelError: the file is missing or damaged, holds more than tensors, or does not fit; the message names
            missing, unexpected and wrongly shaped keys.

    Example:
        >>> import tempfile
        >>> from safetensors.torch import save_file
        >>> layer, path = nn.Linear(2, 1), Path(tempfile.mkdtemp()) / "model.safetensors"
        >>> save_file({"weight": torch.ones(1, 2), "bias": torch.zeros(1)}, path)
        >>> read_weights(layer, path)
        >>> layer.weight.tolist()
        [[1.0, 1.0]]
    """
    file = Path(file)
    if not file.is_file():
        raise ModelError(f"{file}: no such weights file. Check the path.")
    if file.suffix == ".safetensors":
        try:
            state = load_file(file)
        except SafetensorError as error:
            raise ModelError(f"{file}: not a complete safetensors file ({error}). Copy it again.") from error
    elif file.suffix in PICKLES:
        state = published_state(file)
        adapt = getattr(model, "from_published", None)
        if adapt is not None:
            state = adapt(state)
    else:
        raise ModelError(f"{file}: weights are .safetensors, or published {', '.join(PICKLES)} files")
    _check(model.state_dict(), state, file)
    model.load_state_dict(state)


def published_state(file: str | Path) -> dict[str, Tensor]:
    """The tensors of a published checkpoint by name, without the trainer's wrapping and prefixes."""
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, EOFError, RuntimeError, ValueError, OSError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(
            f"{file}: not readable as weights only ({first}). It may be damaged, or hold code, which is never run: "
            "ask its author for a plain state dict or safetensors."
        ) from error
    for name in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
            break
    if not isinstance(content, Mapping) or not any(isinstance(value, Tensor) for value in content.values()):
        raise ModelError(f"{file}: holds no state dict (a {type(content).__name__}). Is it a model's checkpoint?")
    return _without_prefixes({str(k): v for k, v in content.items() if isinstance(v, Tensor)})


def _without_prefixes(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Strip a wrapper's prefix, and only where every key carries it."""
    for prefix in PREFIXES:
        if all(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _check(ours: Mapping[str, Any], theirs: Mapping[str, Any], file: Path) -> None:
    shared = sorted(ours.keys() & theirs.keys())
    shapes = [
        f"{key} {tuple(theirs[key].shape)} instead of {tuple(ours[key].shape)}"
        for key in shared
        if theirs[key].shape != ours[key].shape
    ]
    problems = [
        _examples("missing", sorted(ours.keys() - theirs.keys())),
        _examples("unexpected", sorted(theirs.keys() - ours.keys())),
        _examples("of another shape", shapes),
    ]
    found = [problem for problem in problems if problem]
    if found:
        raise ModelError(
            f"{file}: the weights do not fit the model: {'; '.join(found)}. "
            "Is it the right model name, and do the card's parameters match the checkpoint?"
        )


def _examples(what: str, keys: Iterable[str], most: int = 4) -> str:
    keys = list(keys)
    if not keys:
        return ""
    more = f", and {len(keys) - most} more" if len(keys) > most else ""
    return f"{len(keys)} {what} ({', '.join(keys[:most])}{more})"
