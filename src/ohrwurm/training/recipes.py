"""Recipes: a training experiment as a short YAML file, composed from others, checked, with overrides.

A recipe has the sections ``description``, ``base`` (one or several recipes composed first, in order), ``task``
(``class`` and its keyword arguments), ``trainer`` (`TrainerSettings`) and ``seed``; it states only what it changes.

Finding, composing and listing read YAML alone; `resolve` imports the task's class and checks every value against its
signature.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml

from ohrwurm.errors import RecipeError

if TYPE_CHECKING:
    from ohrwurm.training.task import Task

FOLDER = Path(__file__).parents[1] / "recipes"
SECTIONS = ("description", "base", "task", "trainer", "seed")


@dataclass(frozen=True)
class TrainerSettings:
    """How long and on what to train. At least one limit is needed; the first one reached ends the run.

    Attributes:
        max_epochs, max_steps: limits in epochs and optimiser steps.
        max_minutes: limit in minutes of training and validation, all sessions of a resumed run together.
        precision: Lightning's name; on a CPU ``32`` or ``bf16-mixed``.
        accumulate: batches per optimiser step.
        clip: largest norm of the gradient; null for none.
        ema: decay of an exponential moving average of the weights, which is then what is validated and exported.
        validate_every: epochs between validations.
        save_every_minutes: a killed run loses at most this much.
        keep_every: epochs between checkpoints that are kept beside the best and the last; null for none.
        patience: validations without a better monitor after which the run ends; null for never.
        patience_resets: False counts all of them, not only those in a row, as TTMR's original does.
        min_delta: by how much the monitor has to be better.
        overfit_batch: train on the first batch alone, to see whether the model can learn at all.
        tensorboard: also write TensorBoard files into the run's folder (needs the package tensorboard).
        accelerator: ``auto``, ``cpu``, ``gpu``, ``mps``...
        devices, nodes: processes on each machine, and machines; under torchrun and SLURM theirs count.
        strategy: ``auto`` is ``ddp`` for several processes; ``fsdp`` splits parameters and optimiser over them.
        sync_batchnorm: batch norm over the joint batch of all processes.
    """

    max_epochs: int | None = None
    max_steps: int | None = None
    max_minutes: float | None = None
    precision: Literal["32", "64", "bf16", "bf16-mixed", "16-mixed"] = "32"
    accumulate: int = 1
    clip: float | None = None
    ema: float | None = None
    validate_every: int = 1
    save_every_minutes: float = 5.0
    keep_every: int | None = None
    patience: int | None = None
    patience_resets: bool = True
    min_delta: float = 0.0
    overfit_batch: bool = False
    tensorboard: bool = False
    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    strategy: Literal["auto", "ddp", "fsdp"] = "auto"
    sync_batchnorm: bool = False


@dataclass(frozen=True)
class Recipe:
    """A composed and checked recipe.

    Attributes:
        name: as asked for.
        task_class: the class to build.
        task: all its keyword arguments, defaults included.
        trainer: limits and precision.
        seed: of everything.
    """

    name: str
    description: str
    task_class: type[Task]
    task: dict[str, Any]
    trainer: TrainerSettings
    seed: int

    def build(self) -> Task:
        """The task (random weights from the global generators)."""
        return self.task_class(**self.task)

    def as_dict(self) -> dict[str, Any]:
        """The resolved configuration as plain values, itself a valid recipe."""
        return {
            "description": self.description,
            "seed": self.seed,
            "task": {"class": f"{self.task_class.__module__}.{self.task_class.__qualname__}", **_plain(self.task)},
            "trainer": dataclasses.asdict(self.trainer),
        }

    def to_yaml(self) -> str:
        """`as_dict` as YAML, the content of a run folder's `config.yaml`."""
        return yaml.safe_dump(self.as_dict(), sort_keys=False, allow_unicode=True, width=110)


def names() -> list[str]:
    """Names of the recipes that ship, e.g. ``ohrwurm/versions``."""
    return sorted(p.relative_to(FOLDER).with_suffix("").as_posix() for p in FOLDER.rglob("*.yaml"))


def find(name: str | Path, beside: Path | None = None) -> Path:
    """The file of a recipe: a path, a path relative to the folder `beside`, or a name of `names()`."""
    candidates = [Path(name), FOLDER / f"{name}.yaml"]
    if beside is not None:
        candidates = [beside / str(name), beside / f"{name}.yaml", *candidates]
    for candidate in candidates:
        if candidate.is_file() and candidate.suffix in {".yaml", ".yml"}:
            return candidate
    known = names()
    near = difflib.get_close_matches(str(name), known, n=3, cutoff=0.4)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(known) or 'none'}."
    raise RecipeError(f"no recipe {str(name)!r}. {hint} A file of your own is given by its path (.yaml).")


def compose(name: str | Path, overrides: Iterable[str] = (), *, _beside: Path | None = None,
            _inside: tuple[Path, ...] = ()) -> dict[str, Any]:  # fmt: skip
    """Read a recipe with its bases (later ones win, the recipe itself last) and apply ``key=value`` overrides.

    Mappings are merged key by key; everything else is replaced. No class is imported and no type is checked.

    Raises:
        RecipeError: unknown recipe, unreadable YAML, unknown section, bases in a circle, a malformed override.
    """
    path = find(name, _beside)
    if path.resolve() in _inside:
        circle = " -> ".join(p.name for p in (*_inside, path))
        raise RecipeError(f"{path}: its bases run in a circle: {circle}")
    own = _read(path)
    bases = own.pop("base", None) or []
    composed: dict[str, Any] = {}
    for base in [bases] if isinstance(bases, str) else bases:
        inherited = compose(base, _beside=path.parent, _inside=(*_inside, path.resolve()))
        inherited.pop("description", None)
        composed = _merged(composed, inherited)
    composed = _merged(composed, own)
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals or not key.strip():
            raise RecipeError(f"override {override!r} is not of the form key=value, e.g. trainer.max_epochs=2")
        composed = _merged(composed, _nested(key.strip().split("."), _value(value), override))
    _check_known(composed, SECTIONS, "section", str(path))
    return composed


def resolve(name: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """Compose a recipe and check every value against the signature of its task's class and `TrainerSettings`.

    Raises:
        RecipeError: what `compose` raises; a missing or unknown class; an unknown or mistyped setting (near misses
            are named); no limit.
    """
    composed = compose(name, overrides)
    settings = composed.get("task") or {}
    if not isinstance(settings, dict) or "class" not in settings:
        raise RecipeError(f"recipe {name}: no task.class, e.g. ohrwurm.training.tasks.versions.VersionTask")
    task_class = _task_class(str(settings["class"]))
    settings = {k: v for k, v in settings.items() if k != "class"}
    task = _typed(task_class, settings, "task", str(name))
    limits = composed.get("trainer") or {}
    if isinstance(limits, dict) and isinstance(limits.get("precision"), int):
        limits = {**limits, "precision": str(limits["precision"])}  # YAML reads precision=32 as a number
    trainer = TrainerSettings(**_typed(TrainerSettings, limits, "trainer", str(name)))
    if trainer.max_epochs is None and trainer.max_steps is None and trainer.max_minutes is None:
        raise RecipeError(f"recipe {name}: no limit; set trainer.max_epochs, trainer.max_steps or trainer.max_minutes")
    positive = ("max_epochs", "max_steps", "max_minutes", "accumulate", "validate_every", "save_every_minutes", "clip",
                "keep_every", "patience", "devices", "nodes")  # fmt: skip
    for key in positive:
        value = getattr(trainer, key)
        if value is not None and value <= 0:
            raise RecipeError(f"recipe {name}: trainer.{key} must be above 0, not {value}")
    if trainer.ema is not None and not 0 < trainer.ema < 1:
        raise RecipeError(f"recipe {name}: trainer.ema must lie between 0 and 1, not {trainer.ema}")
    seed = composed.get("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise RecipeError(f"recipe {name}: seed must be a whole number from 0, not {seed!r}")
    return Recipe(str(name), str(composed.get("description", "")).strip(), task_class, task, trainer, seed)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not readable as YAML: {error}") from error
    if not isinstance(content, dict):
        raise RecipeError(f"{path}: a recipe is a mapping with the sections {', '.join(SECTIONS)}")
    _check_known(content, SECTIONS, "section", str(path))
    return content


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merged(merged[key], value) if both else value
    return merged


def _nested(keys: list[str], value: Any, override: str) -> dict[str, Any]:
    if not all(keys):
        raise RecipeError(f"override {override!r}: empty part in the key")
    for key in reversed(keys):
        value = {key: value}
    return value


def _value(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def _check_known(given: Iterable[str], known: Iterable[str], what: str, where: str) -> None:
    known = list(known)
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=3, cutoff=0.5)
            hint = f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(known)}."
            raise RecipeError(f"{where}: unknown {what} {key!r}. {hint}")


def _task_class(dotted: str) -> type[Task]:
    from ohrwurm.training.task import Task

    module_name, _, class_name = dotted.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except (ImportError, ValueError) as error:
        raise RecipeError(f"task.class {dotted!r}: cannot import {module_name!r} ({error})") from error
    found = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, Task)):
        tasks = [n for n, c in vars(module).items() if isinstance(c, type) and issubclass(c, Task) and c is not Task]
        raise RecipeError(f"task.class {dotted!r} is not a Task. In {module_name}: {', '.join(tasks) or 'none'}.")
    return found


def _typed(cls: type, settings: Any, section: str, where: str) -> dict[str, Any]:
    """`settings` converted to the types of `cls.__init__`, with its defaults filled in."""
    import jsonargparse

    if not isinstance(settings, dict):
        raise RecipeError(f"recipe {where}: section {section} must be a mapping, not {settings!r}")
    known = _parameters(cls)
    if section == "task":
        _check_known(settings, ["class", *(p.name for p in known)], f"setting of {cls.__name__}", f"recipe {where}")
    else:
        _check_known(settings, [p.name for p in known], f"setting of {section}", f"recipe {where}")
    missing = [p.name for p in known if p.default is p.empty and p.name not in settings]
    if missing:
        raise RecipeError(f"recipe {where}: {section} needs {', '.join(f'{section}.{m}' for m in missing)}")
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(cls, section)
    try:
        parsed = parser.parse_object({section: settings})
    except Exception as error:  # jsonargparse raises ArgumentError, or what a type's own constructor raises
        raise RecipeError(f"recipe {where}: {' '.join(str(error).split())}") from error
    found = parsed[section]
    return dict(found.as_dict()) if hasattr(found, "as_dict") else dict(found or {})


def _parameters(cls: type) -> list[inspect.Parameter]:
    """What `cls` is made with; where its `__init__` passes ``**settings`` on, those of the classes above it, too."""
    found: dict[str, inspect.Parameter] = {}
    for kind in cls.__mro__:
        if "__init__" in vars(kind):
            own = list(inspect.signature(kind.__init__).parameters.values())[1:]  # type: ignore[misc]
            for parameter in own:
                if parameter.kind is not parameter.VAR_KEYWORD:
                    found.setdefault(parameter.name, parameter)
            if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in own):
                break
    return list(found.values())


def _plain(value: Any) -> Any:
    """`value` as YAML can hold it."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(v) for v in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)
