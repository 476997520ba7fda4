"""Name → model; the only way to make a model by name.

Two tables: *architectures* (a builder that takes keyword parameters) and *cards* (a named set of parameters with its
input contract). A new family adds one file that fills both; `FAMILIES` lists the files so that nothing is imported
before it is needed.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from ohrwurm.checksums import sha256
from ohrwurm.errors import ModelError
from ohrwurm.folders import cache_folder, run_folder
from ohrwurm.models import devices, own
from ohrwurm.models.base import AudioEncoder, ModelCard, Pooling, Precision

FAMILIES = (
    "baselines",
    "clip_statistics",
    "ttmr",
    "ttmr_fine_tuned",
    "version_encoder",
    "alignment",
    "pitchnet",
    "crema",
    "muscall",
    "musicfm",
    "samplecnn",
    "tune",
    "tune_hybrid",
    "headed",
)
WEIGHTS = Path(__file__).parents[1] / "weights"
AGREEMENT = 0.999  # least cosine to fp32 of a precision that "auto" may take

_builders: dict[str, Callable[..., AudioEncoder]] = {}
_cards: dict[str, ModelCard] = {}
_families_loaded = False


def architecture(name: str) -> Callable[[Callable[..., AudioEncoder]], Callable[..., AudioEncoder]]:
    """Register a builder (a class or function called with a card's `parameters`) under an architecture name."""

    def register(builder: Callable[..., AudioEncoder]) -> Callable[..., AudioEncoder]:
        if name in _builders:
            raise ModelError(f"architecture {name!r} is registered twice")
        _builders[name] = builder
        return builder

    return register


def register_card(card: ModelCard) -> ModelCard:
    """Make `card.name` known to `load`."""
    if card.name in _cards:
        raise ModelError(f"model {card.name!r} is registered twice")
    _cards[card.name] = card
    return card


def _load_families() -> None:
    global _families_loaded
    if not _families_loaded:
        _families_loaded = True
        for family in FAMILIES:
            importlib.import_module(f"ohrwurm.models.{family}")


def bundled() -> list[str]:
    """Names of the models whose weights ship with the package."""
    return sorted(p.parent.name for p in WEIGHTS.glob("*/config.json"))


def names() -> list[str]:
    """All names that `load` knows without a path."""
    _load_families()
    return sorted(set(_cards) | set(bundled()))


def card(name: str | Path) -> ModelCard:
    """The card of a registered model, of a model folder or of a training run, without building it.

    A class of one's own (`ohrwurm.models.own`) is built for it.
    """
    if own.named(name):
        return load(name).card
    folder = _folder(name)
    if folder is not None:
        return _card_in(folder)
    return registered(str(name))


def registered(name: str) -> ModelCard:
    """The card that a family registered, whatever was bundled, downloaded or converted under its name."""
    _load_families()
    if name not in _cards:
        near = difflib.get_close_matches(name.lower(), names(), n=3, cutoff=0.4)
        hint = f"Did you mean {' or '.join(near)}? " if near else ""
        raise ModelError(f"no model named {name!r}. {hint}`ohrwurm models list` shows all; or give a model folder.")
    return _cards[name]


def _card_in(folder: Path) -> ModelCard:
    file = folder / "config.json"
    try:
        return ModelCard.from_json(file.read_text(encoding="utf-8"))
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelError(f"{file}: not a model card ({error}). Is {folder} a model folder?") from error


def cached(name: str) -> Path:
    """Where the model folder of a published model goes once it is downloaded, or converted without another place."""
    return cache_folder() / "models" / name


def _folder(name: str | Path) -> Path | None:
    if str(name).startswith("hf:"):
        from ohrwurm.models import hub

        return hub.folder(str(name))
    for candidate in (Path(name), WEIGHTS / str(name), cached(str(name))):
        if (candidate / "config.json").is_file():
            return candidate
    return None if str(name) in names() else _of_run(name)


def _of_run(run: str | Path) -> Path | None:
    folder = run_folder(run)
    if folder is None:
        return None
    if not (folder / "model" / "config.json").is_file():
        raise ModelError(f"{folder}: this run has no model yet. Let it end: ohrwurm runs resume {run}")
    return folder / "model"


def located(name: str | Path) -> str:
    """A model as `load` takes it whatever the working directory: model folders and runs by their absolute path, a class
    of one's own with the folder that it is found in."""
    if own.named(name):
        return own.located(str(name))
    named = (Path(name) / "config.json").is_file()
    folder = Path(name) if named else None if str(name) in names() else _of_run(name)
    return str(name) if folder is None else os.path.abspath(folder)


def builder(card: ModelCard) -> Callable[..., AudioEncoder]:
    """The class or function that makes models of the card's architecture."""
    _load_families()
    if card.architecture not in _builders:
        raise ModelError(
            f"{card.name}: unknown architecture {card.architecture!r}. Known: {', '.join(sorted(_builders))}"
        )
    return _builders[card.architecture]


def build(card: ModelCard) -> AudioEncoder:
    """An untrained model as its card describes it, in eval mode."""
    make = builder(card)
    try:
        model = make(**card.parameters)
    except TypeError as error:
        raise ModelError(f"{card.name}: the card's parameters do not fit {card.architecture!r}: {error}") from error
    return _at_its_layer(model, card).eval()


def _at_its_layer(model: AudioEncoder, card: ModelCard) -> AudioEncoder:
    if card.layer is not None:
        out = model.read_out(card.layer)
        card = dataclasses.replace(card, dim=out.dim, frame_rate=out.frame_rate)
    model.card = card
    return model


def load(
    name: str | Path,
    *,
    weights: str | Path | None = None,
    precision: Precision | Literal["auto"] = "fp32",
    device: str | torch.device = "cpu",
    **changes: Any,
) -> AudioEncoder:
    """Load a model by name, from a model folder or a training run, or by name with a weights file of one's own.

    A model that needs training is never returned untrained: that is `build`.

    Args:
        name: a name of `ohrwurm.models.registry.names()`; a folder with `config.json` and `model.safetensors`, or such
            a folder on the Hugging Face hub, `hf:org/name` or `hf:org/name@revision` (fetched once); a training run by
            its id (`ohrwurm runs list`) or folder; or a class of one's own, `package.module:Class`
            (`ohrwurm.models.own`).
        weights: a `.safetensors` file, or a published `.pth` / `.pt` checkpoint, to fill the model with.
        precision: what the network computes in; "auto" is the fastest that this device has and whose agreement with
            fp32, as measured on the card, is at least `AGREEMENT`.
        device: where the model goes; "auto" is the best there is (see `ohrwurm.models.devices`).
        **changes: fields of the card to replace (e.g. ``hop=1.0``, ``layer=7``); they become part of the provenance.

    Returns:
        The encoder in eval mode, its `card` attribute set.

    Raises:
        ModelError: unknown name, layer, precision or device, a card that makes no sense, no weights, or weights that
            do not fit; the message lists the keys.
        TransferError: a model on the hub that could not be fetched.

    >>> load("mel-statistics").card.good_for
    ('sound',)
    """
    if own.named(name):
        model = own.make(str(name), weights, changes)
        _check(model.card)
        own.check(_at_its_layer(model, model.card))
        return _placed(model, precision, device)
    folder = _folder(name)
    found = _card_in(folder) if folder is not None else card(name)
    if changes.keys() - {f.name for f in dataclasses.fields(ModelCard)}:
        unknown = ", ".join(sorted(changes.keys() - {f.name for f in dataclasses.fields(ModelCard)}))
        raise ModelError(f"{found.name}: a card has no field {unknown}")
    file = Path(weights) if weights is not None else (folder / "model.safetensors" if folder else None)
    if changes:
        found = dataclasses.replace(found, **changes)
    _check(found)
    if file is not None:
        from ohrwurm.models.convert import read_weights

        if not file.is_file():
            raise ModelError(f"{found.name}: no weights at {file}")
        model = build(dataclasses.replace(found, sha256=sha256(file)))
        read_weights(model, file)
        return _placed(model, precision, device)
    if found.features.get("learned", True):
        raise ModelError(
            f"{found.name}: its weights are not bundled. Get them from {found.source or 'its authors'} and give "
            f"the file: load({found.name!r}, weights={_file_name(found)!r})."
            + (f" Or fetch them once: ohrwurm models download {found.name}" if found.weights.get("url") else "")
        )
    return _placed(build(found), precision, device)


def _file_name(card: ModelCard) -> str:
    """What the published weights' file is called, where that is known."""
    return Path(card.weights.get("file") or card.weights.get("url") or "FILE").name


def _placed(model: AudioEncoder, precision: Precision | Literal["auto"], device: str | torch.device) -> AudioEncoder:
    model.to(devices.device(device))
    if precision == "auto":
        precision = fastest(model)
    if precision != "fp32":
        model.lower(precision)
    model.card = dataclasses.replace(model.card, precision=precision)
    return model


def _check(card: ModelCard) -> None:
    """Refuse a card, of a folder or of changes to one, whose windows make no sense."""
    numbers = {"sample_rate": card.sample_rate, "window": card.window, "hop": card.hop}
    if card.minimum is not None:
        numbers["minimum"] = card.minimum
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
            raise ModelError(f"{card.name}: {name} must be a number above 0, not {value!r}")
    for name, known in (("pooling", get_args(Pooling)), ("protocol", ("ohrwurm", "published"))):
        if getattr(card, name) not in known:
            raise ModelError(f"{card.name}: {name} is {', '.join(known)}, not {getattr(card, name)!r}")


def fastest(model: AudioEncoder) -> Precision:
    """The precision that "auto" takes: the first of bf16, fp16, int8 that the model has where it is and that agrees."""
    for precision in ("bf16", "fp16", "int8"):
        if precision in model.precisions and model.card.agreement.get(precision, {}).get("cosine", 0.0) >= AGREEMENT:
            return precision
    return "fp32"


def save(model: AudioEncoder, folder: str | Path, *, half: bool = False) -> Path:
    """Write a model folder: `config.json`, `model.safetensors`, `README.md`; loadable by `load(folder)`.

    Args:
        half: store what is learned in 16 bits, three decimal digits a number; loaded it is float32 again. Buffers, such
            as the statistics of batch norm, stay as they are.

    Raises:
        ModelError: the model was lowered, so that its weights are no longer what they were; or with `half`, a weight is
            too large for it.
    """
    from safetensors.torch import save_file

    from ohrwurm.atomic import replacing, write_text
    from ohrwurm.models.readme import readme

    if model.precision != "fp32":
        raise ModelError(
            f"{model.card.name}: is in {model.precision}. Save it as it is loaded, in fp32; "
            f"load(folder, precision={model.precision!r}) lowers it then."
        )
    state = {k: v.contiguous() for k, v in model.state_dict().items()}
    if half:
        state |= _halved(model, state)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / "model.safetensors") as temporary:
        save_file(state, temporary)
    final = dataclasses.replace(model.card, sha256=sha256(folder / "model.safetensors"))
    write_text(folder / "config.json", final.to_json())
    write_text(folder / "README.md", readme(final))
    return folder


def _halved(model: AudioEncoder, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The learned numbers of a state in 16 bits."""
    halved = {name: state[name].half() for name, _ in model.named_parameters() if name in state}
    for name, tensor in halved.items():
        if not torch.isfinite(tensor).all():
            raise ModelError(f"{model.card.name}: {name} does not fit into 16 bits; save it without half")
    return halved


def describe() -> str:
    """All cards as JSON (for `ohrwurm models list --json`)."""
    return json.dumps([dataclasses.asdict(card(n)) for n in names()], indent=2, ensure_ascii=False)
