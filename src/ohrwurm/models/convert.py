"""Weights files → models: our safetensors, and the checkpoints as their authors published them.

    file ─unwrap, strip prefixes─▶ published names ─from_published─▶ our names ─strict─▶ model

What happened to every tensor on the way is a `Conversion`. Pickles are read by `ohrwurm.unpickle`, as data.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ohrwurm.checksums import sha256
from ohrwurm.errors import ModelError
from ohrwurm.models.lineage import Lineage
from ohrwurm.unpickle import read_pickle

PICKLES = (".pth", ".pt", ".ckpt", ".bin", ".tar")  # .tar: trainers that write "best_model.pth.tar"
KERAS = (".h5", ".hdf5", ".whl")  # .whl: the Python package that crema's weights were published in
WRAPPERS = ("state_dict", "model_state_dict", "model")  # names under which trainers store the weights
# Left by DataParallel, torch.compile and trainers. The later ones are names of parts, too: see `_unprefixed`.
PREFIXES = ("module.", "_orig_mod.", "model.", "encoder.", "net.", "network.", "backbone.")
ALWAYS_LEFT = PREFIXES[:3]
WEIGHT_NORM = (("weight_g", "parametrizations.weight.original0"), ("weight_v", "parametrizations.weight.original1"))


@dataclass(frozen=True)
class Conversion:
    """What became of every tensor of a published checkpoint. Published names are those in the file.

    Attributes:
        file: the checkpoint.
        mapped: (published name, our name) of each tensor that was taken as it is.
        derived: our name → published names, of tensors that were computed (a cast, a transposition, a sum).
        compared: published tensors that agree with what the model has: its own constants (a window, a mel bank), or
            the weights of another copy in the checkpoint.
        ignored: published name → why it is not needed.
        kept: ours that the checkpoint does not have and the model does not need from it.
    """

    file: str
    mapped: tuple[tuple[str, str], ...] = ()
    derived: dict[str, tuple[str, ...]] = field(default_factory=dict)
    compared: tuple[str, ...] = ()
    ignored: dict[str, str] = field(default_factory=dict)
    kept: tuple[str, ...] = ()

    def summary(self) -> str:
        """One line of counts.

        >>> Conversion("best.pth", mapped=(("module.a", "a"),), kept=("b",)).summary()
        'best.pth: 1 mapped (1 renamed), 1 kept'
        """
        renamed = sum(1 for theirs, ours in self.mapped if theirs != ours)
        counts = [f"{len(self.mapped)} mapped" + (f" ({renamed} renamed)" if renamed else "")]
        for what in ("derived", "compared", "ignored", "kept"):
            if getattr(self, what):
                counts.append(f"{len(getattr(self, what))} {what}")
        return f"{Path(self.file).name}: {', '.join(counts)}"

    def lines(self) -> list[str]:
        """Every tensor, one a line."""
        said = [f"mapped    {theirs} → {ours}" for theirs, ours in self.mapped]
        said += [f"derived   {' + '.join(theirs) or 'nothing'} → {ours}" for ours, theirs in self.derived.items()]
        said += [f"compared  {theirs}: agrees with what the model has" for theirs in self.compared]
        said += [f"ignored   {theirs}: {why}" for theirs, why in self.ignored.items()]
        return said + [f"kept      {ours}: not in the checkpoint, the model's own is kept" for ours in self.kept]


def read_weights(model: nn.Module, file: str | Path) -> Conversion:
    """Fill `model` with the weights of `file`, every one of them or none.

    Args:
        model: a model of `ohrwurm.models`; if it has `from_published(state)`, that turns the names of an original
            checkpoint into its own.
        file: `.safetensors`, a published `.pth` / `.pt` / `.ckpt` / `.bin` / `.pth.tar`, or Keras weights (`.h5`).

    Returns:
        What became of every tensor.

    Raises:
        ModelError: the file is missing or damaged, holds more than tensors, or does not fit; the message names
            missing, unexpected and wrongly shaped keys, and those with NaN (a training that diverged).

    Example:
        >>> import tempfile
        >>> from safetensors.torch import save_file
        >>> layer, path = nn.Linear(2, 1), Path(tempfile.mkdtemp()) / "model.safetensors"
        >>> save_file({"weight": torch.ones(1, 2), "bias": torch.zeros(1)}, path)
        >>> read_weights(layer, path).mapped
        (('bias', 'bias'), ('weight', 'weight'))
        >>> layer.weight.tolist()
        [[1.0, 1.0]]
    """
    file = Path(file)
    ours = model.state_dict()
    published = _published(file, model)
    state = published.tensors
    adapt: Any = getattr(model, "from_published", None)
    with Lineage(state) as lineage:
        # A safetensors file is ours, unless its names say that it is an author's own.
        if adapt is not None and not (file.suffix == ".safetensors" and state.keys() == ours.keys()):
            state = adapt(dict(state))
    _check(ours, state, file)
    report = _report(published, ours, state, lineage)
    model.load_state_dict(state)
    left = model.state_dict()  # an encoder may take off a part that the checkpoint does not have
    return dataclasses.replace(report, kept=tuple(name for name in report.kept if name in left))


def published_state(file: str | Path) -> dict[str, Tensor]:
    """The tensors of a published checkpoint by name, without the trainer's wrapping and prefixes."""
    return _published(Path(file)).tensors


@dataclass(frozen=True)
class _Published:
    """A checkpoint's tensors by the names their authors gave them; `names` has those in the file."""

    file: str
    tensors: dict[str, Tensor]
    names: dict[str, str]
    left_out: dict[str, str] = field(default_factory=dict)


def _published(file: Path, model: nn.Module | None = None) -> _Published:
    if not file.is_file():
        raise ModelError(f"{file}: no such weights file. Check the path.")
    left_out: dict[str, str] = {}
    if file.suffix == ".safetensors":
        try:
            state = dict(load_file(file))
        except SafetensorError as error:
            raise ModelError(f"{file}: not a complete safetensors file ({error}). Copy it again.") from error
    elif file.suffix in PICKLES:
        content = _unwrapped(read_pickle(file, mapped=True), file)
        # detach: two names of one tensor become two tensors (of the same memory) that can be told apart.
        state = {str(k): v.detach() for k, v in content.items() if isinstance(v, Tensor)}
        left_out = {str(k): f"a {type(v).__name__}, no tensor" for k, v in content.items() if not isinstance(v, Tensor)}
    elif file.suffix in KERAS:
        from ohrwurm.models.crema_weights import keras_state

        state = keras_state(file)
    else:
        raise ModelError(f"{file}: weights are .safetensors, Keras .h5, or published {', '.join(PICKLES)} files")
    names = _unprefixed(list(state), model)
    names = _weight_norm(names, model)
    return _Published(str(file), {new: state[old] for new, old in names.items()}, names, left_out)


def _unwrapped(content: Any, file: Path) -> Mapping[Any, Any]:
    """The state dict in what a trainer saved."""
    while isinstance(content, Mapping) and not any(isinstance(value, Tensor) for value in content.values()):
        within = [name for name, value in content.items() if isinstance(value, Mapping) and _holds_tensors(value)]
        named = [name for name in WRAPPERS if name in within] or [n for n in within if "optim" not in str(n)]
        if not named:
            break
        if len(named) > 1 and named[0] not in WRAPPERS:
            raise ModelError(
                f"{file}: holds several sets of weights ({', '.join(map(str, named))}). Save the one that is meant."
            )
        content = content[named[0]]
    if not isinstance(content, Mapping) or not any(isinstance(value, Tensor) for value in content.values()):
        raise ModelError(f"{file}: holds no state dict (a {type(content).__name__}). Is it a model's checkpoint?")
    return content


def _holds_tensors(content: Mapping[Any, Any]) -> bool:
    return any(
        isinstance(value, Tensor) or (isinstance(value, Mapping) and _holds_tensors(value))
        for value in content.values()
    )


def _expected(model: nn.Module | None) -> Collection[str]:
    """The names of the published layout, and ours."""
    if model is None:
        return ()
    published: Any = getattr(model, "to_published", dict)
    return {*model.state_dict(), *published()}


def _unprefixed(keys: list[str], model: nn.Module | None) -> dict[str, str]:
    """Name without a wrapper's prefix → name in the file. Stripped only where every key carries it.

    A prefix that could be the name of a part is stripped only if we know the model, and it has no part of that name.
    """
    names = {key: key for key in keys}
    expected = None
    while keys:
        prefix = next((p for p in PREFIXES if all(key.startswith(p) and key != p for key in names)), None)
        if prefix is None:
            break
        if expected is None:
            expected = _expected(model)
        if any(key.startswith(prefix) for key in expected) or (not expected and prefix not in ALWAYS_LEFT):
            break
        names = {new.removeprefix(prefix): old for new, old in names.items()}
    return names


def _weight_norm(names: dict[str, str], model: nn.Module | None) -> dict[str, str]:
    """Weight norm under the name that the model expects: `weight_g`, or torch's newer `parametrizations`."""
    found = [key for key in names for pair in WEIGHT_NORM if key.endswith(pair)]
    if not found:
        return names
    expected = _expected(model)
    renamed = {}
    for key, original in names.items():
        for pair in WEIGHT_NORM:
            for old, new in (pair, pair[::-1]):
                other = key.removesuffix(old) + new
                if key.endswith(old) and key not in expected and other in expected:
                    key = other
                    break
        renamed[key] = original
    return renamed


def _report(
    published: _Published, ours: Mapping[str, Tensor], state: Mapping[str, Tensor], lineage: Lineage
) -> Conversion:
    theirs = {id(tensor): name for name, tensor in published.tensors.items()}
    mapped: dict[str, str] = {}  # our name → published name
    derived, kept = {}, []
    for name, tensor in sorted(state.items()):
        if id(tensor) in theirs:
            mapped[name] = theirs[id(tensor)]
        elif lineage.of(tensor):
            derived[name] = tuple(sorted(lineage.of(tensor)))
        elif _memory(tensor) == _memory(ours[name]):
            kept.append(name)
        else:
            derived[name] = ()
    used = {*mapped.values(), *(name for names in derived.values() for name in names)}
    memory = {_memory(published.tensors[name]): name for name in sorted(used)}
    compared, ignored = [], dict(published.left_out)
    for name, tensor in published.tensors.items():
        if name in used:
            continue
        if name in lineage.compared:
            compared.append(published.names[name])
        elif tensor.numel() and _memory(tensor) in memory:
            ignored[published.names[name]] = f"the same as {published.names[memory[_memory(tensor)]]}"
        else:
            ignored[published.names[name]] = "not needed"
    return Conversion(
        file=published.file,
        mapped=tuple((published.names[old], new) for new, old in mapped.items()),
        derived={new: tuple(published.names[old] for old in olds) for new, olds in derived.items()},
        compared=tuple(compared),
        ignored=ignored,
        kept=tuple(kept),
    )


def _memory(tensor: Tensor) -> tuple[Any, ...]:
    return tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype


def _check(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor], file: Path) -> None:
    shared = sorted(ours.keys() & theirs.keys())
    shapes = [
        f"{key} {tuple(theirs[key].shape)} instead of {tuple(ours[key].shape)}"
        for key in shared
        if theirs[key].shape != ours[key].shape
    ]
    kinds = [
        f"{key} {theirs[key].dtype} {theirs[key].layout} instead of {ours[key].dtype}"
        for key in shared
        if theirs[key].layout is not torch.strided or not _same_kind(key, ours[key], theirs[key])
    ]
    problems = [
        _examples("missing", sorted(ours.keys() - theirs.keys())),
        _examples("unexpected", sorted(theirs.keys() - ours.keys())),
        _examples("of another shape", shapes),
        _examples("of another kind", kinds),
        _examples("with NaN in them", [key for key in shared if not kinds and theirs[key].isnan().any()]),
    ]
    found = [problem for problem in problems if problem]
    if found:
        raise ModelError(
            f"{file}: the weights do not fit the model: {'; '.join(found)}. "
            "Is it the right model name, and do the card's parameters match the checkpoint?"
        )


def _same_kind(key: str, ours: Tensor, theirs: Tensor) -> bool:
    """Both whole numbers or both fractions; the counters of batch norm are counters however they were saved."""
    if theirs.is_complex() != ours.is_complex():
        return False
    return theirs.is_floating_point() == ours.is_floating_point() or key.endswith("num_batches_tracked")


def _examples(what: str, keys: Iterable[str], most: int = 4) -> str:
    keys = list(keys)
    if not keys:
        return ""
    more = f", and {len(keys) - most} more" if len(keys) > most else ""
    return f"{len(keys)} {what} ({', '.join(keys[:most])}{more})"


def check_target(folder: str | Path) -> Path:
    """`folder`, if a model folder may be put there: it is new, empty, or a model folder and nothing else.

    Raises:
        ModelError: there is something else in it, which would be lost.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ModelError(f"{folder}: a file stands where the model folder should go. Give another place.")
    if folder.is_dir():
        within = {entry.name for entry in folder.iterdir()}
        if within - {"config.json", "model.safetensors", "README.md"} or (within and "config.json" not in within):
            raise ModelError(f"{folder}: holds other files, which would be lost. Give a new folder.")
    return folder


def convert(
    file: str | Path, name: str, folder: str | Path, weights: Mapping[str, str] | None = None
) -> tuple[Path, Conversion]:
    """A published checkpoint → a model folder (`config.json`, `model.safetensors`, `README.md`).

    Args:
        file: the checkpoint, or a `.zip` / `.tar.gz` archive with one in it.
        name: the model whose weights they are: a registered name, or a model folder to take the card of.
        folder: where the model folder is put, complete or not at all.
        weights: entries for the card's `weights`; by default the checkpoint's name and SHA-256 are put there.

    Raises:
        ModelError: as `read_weights`.
    """
    from ohrwurm.atomic import replacing_folder
    from ohrwurm.models import registry
    from ohrwurm.models.packed import checkpoint_in

    file, folder = Path(file), check_target(folder)
    ours = name in registry.bundled() or (Path(name) / "config.json").is_file()
    card = registry.card(name) if ours else registry.registered(name)
    if not card.features.get("learned", True):
        raise ModelError(f"{name}: nothing is learned in this model, so that there are no weights to convert")
    where = dict(weights or {"file": file.name, "sha256": sha256(file) if file.is_file() else ""})
    member = card.weights.get("file", "")
    with nullcontext(file) if file.suffix in KERAS else checkpoint_in(file, member) as checkpoint:
        model = registry.build(dataclasses.replace(card, weights={**card.weights, **where}))
        report = read_weights(model, checkpoint)
        with replacing_folder(folder) as temporary:
            registry.save(model, temporary)
    return folder, report
