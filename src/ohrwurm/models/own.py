"""A model of one's own: a class named as `package.module:Class`, found in the working folder or installed.

    class Encoder(torch.nn.Module):
        sample_rate = 16000                  # Hz; the one attribute that is needed
        window, hop = 10.0, 5.0              # seconds; 10 and as much as `window` unless stated
        weights = "encoder.safetensors"      # beside the module's file; read unless `load` is given others

        def forward(self, waveform):         # (batch, samples) in [-1, 1] → (batch, dim)
            ...

An `AudioEncoder` is taken as it is, any other `torch.nn.Module` is wrapped. Other fields of a card (`minimum`,
`pooling`, `good_for`, `description`, `licence`, ...) may stand in the class too, or a whole `card`; with a method
`encode_text(texts)` it is a joint model. Vectors of another version of the file, or of other weights, are never mixed
up with these: both are part of their provenance.

Naming a class runs its module's code. Nothing but such a name does: neither weights nor model folders hold code.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import importlib
import inspect
import os
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from ohrwurm.errors import CardError, ModelError
from ohrwurm.models.base import AudioEncoder, Encoded, JointModel, ModelCard

_NAME = re.compile(r"(?:(?P<folder>.+):)?(?P<module>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):(?P<kind>[A-Za-z_]\w*)")
_FIELDS = {f.name for f in dataclasses.fields(ModelCard)} - {"name", "architecture", "version", "sha256", "parameters"}
ARCHITECTURE = "own"


class Wrapped(AudioEncoder):
    """Any network of (batch, samples) → (batch, dim) as an encoder.

    >>> Wrapped(nn.Linear(8, 2))(torch.zeros(3, 8)).pooled.shape
    torch.Size([3, 2])
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, waveform: Tensor) -> Encoded:
        found = self.module(waveform)
        return found if isinstance(found, Encoded) else Encoded(pooled=found)


class WrappedJoint(Wrapped, JointModel):
    """The same with texts."""

    def encode_text(self, texts: list[str]) -> Tensor:
        encode: Any = self.module.encode_text
        vectors: Tensor = encode(texts)
        return vectors


def named(name: str | Path) -> bool:
    """Whether a name is that of a class.

    >>> named("my_models.audio:Encoder"), named("hf:org/name"), named("musicfm-msd"), named("/srv:my_models:Encoder")
    (True, False, False, True)
    """
    return not str(name).startswith("hf:") and _NAME.fullmatch(str(name)) is not None


def located(name: str) -> str:
    """The name as it is found whatever the working folder, which then stands before it.

    Raises:
        ModelError: there is no such class.
    """
    found = _NAME.fullmatch(name)
    assert found is not None
    if found["folder"]:
        return name
    file = Path(inspect.getfile(_class(name))).resolve()
    here = Path.cwd().resolve()
    return f"{here}:{name}" if file.is_relative_to(here) else name


def make(name: str, weights: str | Path | None = None, changes: dict[str, Any] | None = None) -> AudioEncoder:
    """A model of the class, in eval mode, with its card.

    Args:
        weights: `.safetensors` or a checkpoint of tensors; by default what the class' attribute `weights` names.
        changes: fields of the card to replace; ``parameters`` are the arguments of the class.

    Raises:
        ModelError: there is no such class, it cannot be made, says too little of itself, or the weights do not fit.
    """
    kind, given = _class(name), dict(changes or {})
    arguments = given.pop("parameters", {})
    try:
        network = kind(**arguments)
    except Exception as error:  # of code that is not ours, anything
        raise ModelError(
            f"{name}: cannot be made ({type(error).__name__}: {error}). Its arguments need defaults, or give them: "
            f"load({name!r}, parameters={{...}})."
        ) from error
    assert isinstance(network, nn.Module)
    model = network if isinstance(network, AudioEncoder) else _wrapped(network)
    file = _weights(kind, weights)
    if file is not None:
        from ohrwurm.models.convert import read_weights

        if not file.is_file():
            raise ModelError(f"{name}: no weights at {file}")
        read_weights(network, file)
    said = _card(name, network, given)
    source = Path(inspect.getfile(kind))
    model.card = dataclasses.replace(
        said,
        version=hashlib.sha256(source.read_bytes()).hexdigest()[:12],
        sha256=_sha256(file) if file is not None else identity(network),
        parameters=arguments,
    )
    return model.eval()


def check(model: AudioEncoder) -> None:
    """Try the model on a window of silence, and learn how long its vectors are.

    Raises:
        ModelError: it fails, or does not return `(batch, dim)` numbers.
    """
    card = model.card
    waveform = torch.zeros(2, round(card.window * card.sample_rate))
    try:
        with torch.inference_mode():
            found = model(waveform)
    except Exception as error:  # of code that is not ours, anything
        raise ModelError(
            f"{card.name}: fails on a window of {card.window:g} s at {card.sample_rate} Hz "
            f"({type(error).__name__}: {error})"
        ) from error
    pooled = found.pooled if isinstance(found, Encoded) else found
    if not isinstance(pooled, Tensor) or pooled.ndim != 2 or len(pooled) != 2:
        what = f"{tuple(pooled.shape)}" if isinstance(pooled, Tensor) else f"a {type(pooled).__name__}"
        raise CardError(f"{card.name}: returned {what} for 2 windows; forward must return (batch, dim), time pooled")
    if card.dim and card.dim != pooled.shape[1]:
        raise CardError(f"{card.name}: returned vectors of {pooled.shape[1]} numbers where its dim says {card.dim}")
    model.card = dataclasses.replace(card, dim=pooled.shape[1])


def _class(name: str) -> type[Any]:
    found = _NAME.fullmatch(name)
    assert found is not None
    folder = Path(found["folder"] or os.getcwd()).resolve()
    module = _imported(name, found["module"], folder)
    kind = getattr(module, found["kind"], None)
    if kind is None:
        there = [n for n, v in vars(module).items() if inspect.isclass(v) and issubclass(v, nn.Module)]
        near = difflib.get_close_matches(found["kind"], there, n=1) or there[:3]
        hint = f" It has {', '.join(near)}." if near else ""
        raise ModelError(f"{name}: {module.__file__} has no class {found['kind']}.{hint}")
    if not (inspect.isclass(kind) and issubclass(kind, nn.Module)):
        raise ModelError(f"{name}: is a {type(kind).__name__}, and a model is a class of torch.nn.Module")
    return kind


def _imported(name: str, module: str, folder: Path) -> ModuleType:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))  # for good: it may import its neighbours later
        importlib.invalidate_caches()
    before = sys.modules.get(module)
    there = folder / Path(*module.split("."))
    local = [file for file in (there.with_suffix(".py"), there / "__init__.py") if file.is_file()]
    if before is not None and local and Path(before.__file__ or "").resolve() != local[0]:
        raise ModelError(f"{name}: a module {module} was loaded from {before.__file__}; give {local[0]} another name")
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and (module == error.name or module.startswith(f"{error.name}.")):
            raise ModelError(
                f"{name}: no module {error.name} in {folder}, nor installed. Start in the folder that holds it, or "
                "install its package."
            ) from error
        raise ModelError(f"{name}: {module} needs the package {error.name}, which is not installed") from error
    except Exception as error:  # of code that is not ours, anything
        raise ModelError(f"{name}: importing {module} failed ({type(error).__name__}: {error})") from error


def _wrapped(network: nn.Module) -> AudioEncoder:
    return WrappedJoint(network) if callable(getattr(network, "encode_text", None)) else Wrapped(network)


def _weights(kind: type[Any], given: str | Path | None) -> Path | None:
    if given is not None:
        return Path(given)
    named = getattr(kind, "weights", None)
    return Path(inspect.getfile(kind)).resolve().parent / named if isinstance(named, str | Path) else None


def _card(name: str, network: nn.Module, changes: dict[str, Any]) -> ModelCard:
    """The network's own card, or one of what it says of itself, with `changes`."""
    unknown = changes.keys() - {f.name for f in dataclasses.fields(ModelCard)}
    if unknown:
        raise ModelError(f"{name}: a card has no field {', '.join(sorted(unknown))}")
    own = getattr(network, "card", None)
    if isinstance(own, ModelCard):
        return dataclasses.replace(own, **changes)
    found = _NAME.fullmatch(name)
    assert found is not None
    said: dict[str, Any] = {field: getattr(network, field) for field in _FIELDS if _is_said(network, field)} | changes
    if "sample_rate" not in said:
        raise ModelError(f"{name}: does not say its sample rate; give the class an attribute, sample_rate = 16000")
    joint = callable(getattr(network, "encode_text", None))
    window = said.setdefault("window", 10.0)
    said.setdefault("hop", window)
    said.setdefault("good_for", ("words", "sound") if joint else ("sound",))
    said.setdefault("description", (inspect.getdoc(type(network)) or "").partition("\n")[0])
    said.setdefault("licence", "not stated")
    rest: dict[str, Any] = {
        "name": f"{found['module']}.{found['kind']}",
        "dim": 0,
        "joint": joint,
        "architecture": ARCHITECTURE,
    }
    return ModelCard(**rest | said)


def _is_said(network: nn.Module, field: str) -> bool:
    """Whether an attribute of that name is meant for the card: neither a layer, nor a method, nor the weights' file."""
    value = getattr(network, field, None)
    if field == "weights" or value is None:
        return False
    return isinstance(value, bool | int | float | str | tuple | dict)


def identity(network: nn.Module) -> str:
    """SHA-256 of all tensors, of a network that was filled by nobody but itself; empty where it has none."""
    state = network.state_dict()
    total = hashlib.sha256()
    for key in sorted(state):
        total.update(key.encode() + b"\0")
        total.update(state[key].detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest() if state else ""


def _sha256(file: Path) -> str:
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
