"""Model × recordings → report: which tasks there are, and how one is run.

A task is the object `TASK` of a module that `registry.MODULES` names; nothing else has to be edited for a new one.
"""

from __future__ import annotations

import dataclasses
import importlib
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

from ohrwurm.data import benchmarks
from ohrwurm.data.corpus import is_rendered
from ohrwurm.data.sources import labels_of, manifest_of
from ohrwurm.data.tracks import Manifest
from ohrwurm.embedding.protocol import for_task, under
from ohrwurm.errors import DataError, ModelError
from ohrwurm.evaluation.registry import MODULES
from ohrwurm.evaluation.report import RENDERED, Report, data_hash, report
from ohrwurm.evaluation.soundness import findings
from ohrwurm.evaluation.task import Job, Progress, Protocol, Recordings, Task, settings, windowed
from ohrwurm.folders import cache_folder
from ohrwurm.models import devices
from ohrwurm.models.base import AudioEncoder, Precision

__all__ = ["MODULES", "Recordings", "evaluate", "find", "recordings_of", "run", "serving"]


def find(name: str) -> Task[Any]:
    """A task by name.

    Raises:
        DataError: there is none of that name.

    >>> find("versions").model
    'ohrwurm-alignment'
    """
    if name not in MODULES:
        raise DataError(f"no task named {name!r}. Known: {', '.join(MODULES)}.")
    found = importlib.import_module(MODULES[name]).TASK
    assert isinstance(found, Task)
    return found


def evaluate(
    task: str,
    model: str | Path | AudioEncoder | None = None,
    data: str | Path | Manifest | Recordings | None = None,
    *,
    root: str | Path | None = None,
    weights: str | Path | None = None,
    layer: int | None = None,
    precision: Precision | Literal["auto"] = "fp32",
    device: str = "cpu",
    protocol: Protocol | None = None,
    cache: bool = True,
    workers: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    **options: Any,
) -> Report:
    """Measure a model on recordings whose truth is known; `ohrwurm.evaluate`, and what `ohrwurm evaluate` runs.

    Args:
        task: its name, see `ohrwurm evaluate --help`.
        model: as `ohrwurm.load` takes it, or a loaded encoder; by default the house model for the task. Tasks that
            measure something else than encoders have names of their own (`Task.load`).
        data: name of a benchmark (``emotify``, ``magnatagatune/pons``), a manifest, its file, or a folder (where that
            is called like a benchmark, as a Path); by default the first benchmark for the task.
        root: the folder of data sets; by default what OHRWURM_DATA names.
        weights, layer, precision, device: as for `ohrwurm.load`; of a loaded encoder `device` is where heads train.
        protocol: "published" or "corrected", where the task has both.
        cache: keep vectors, so that the next evaluation is immediate.
        workers: files at a time; by default one a core.
        seed: of splits, draws and resampling.
        progress: called with the number of files done and their total.
        **options: the task's own.

    Raises:
        DataError: no such task, option or benchmark; the recordings do not hold what the task needs, or none is usable.
        ModelError: the model is unknown or cannot do the task.

    >>> import numpy as np, soundfile, tempfile
    >>> from ohrwurm.data.tracks import Track
    >>> folder, noise = Path(tempfile.mkdtemp()), np.random.default_rng(0)
    >>> for name in "abc":
    ...     soundfile.write(folder / f"{name}.wav", noise.uniform(-0.5, 0.5, 8000), 16000)
    >>> tracks = [Track(name, str(folder / f"{name}.wav"), work_id=work) for name, work in zip("abc", "xxy")]
    >>> found = evaluate("versions", "mel-statistics", Manifest(tracks), cache=False)
    >>> found.outcome.counts["queries"], found.outcome.figures["MAP"].chance
    (2, 0.75)
    """
    chosen, device = find(task), str(devices.device(device))
    if model is None or isinstance(model, (str, Path)):
        changes = {} if layer is None else {"layer": layer}
        measured = load(chosen, model, weights=weights, precision=precision, device=device, **changes)
    elif weights is not None or layer is not None or precision != "fp32":
        raise ModelError(f"{model.card.name} is loaded already: weights, layer and precision go to ohrwurm.load")
    else:
        measured = model
    if chosen.source is not None:
        recordings = chosen.source(options_of(chosen, options))
    else:
        recordings = recordings_of(data, task, root)
    kept = cache_folder() if cache else None
    return run(
        task, measured, recordings, protocol=protocol, cache=kept, workers=workers, seed=seed, device=device,
        progress=progress, **options,
    )  # fmt: skip


def run(
    task: str,
    model: AudioEncoder,
    recordings: Recordings,
    *,
    protocol: Protocol | None = None,
    cache: Path | None = None,
    workers: int | None = None,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
    **options: Any,
) -> Report:
    """Measure `model` on recordings.

    Args:
        task: one of `MODULES`.
        cache: folder in which vectors, and what long tasks have done so far, are kept; None keeps nothing.
        **options: the task's own.
        protocol, workers, seed, device, progress: as in `evaluate`.

    Raises:
        DataError, ModelError: as in `evaluate`.
    """
    chosen = find(task)
    given = options_of(chosen, options)
    protocol = chosen.protocols[0] if protocol is None else protocol
    if protocol not in chosen.protocols:
        raise DataError(f"{task}: has no protocol {protocol!r}, only {', '.join(chosen.protocols)}")
    if not len(recordings.manifest):
        raise DataError(f"{recordings.name}: holds no recording, so there is nothing to measure")
    chosen.check(model, recordings, given)  # before anything is embedded
    if protocol == "published":
        model = windowed(model, for_task(under(model.card, protocol), task).published)
    with ExitStack() as stack:
        job = Job(
            task, model, recordings, given, protocol=protocol, seed=seed, workers=workers, device=device, cache=cache,
            work=cache / "evaluations" if cache else Path(stack.enter_context(tempfile.TemporaryDirectory())),
            progress=progress,
        )  # fmt: skip
        outcome = chosen.run(job)
    tracks, found = job.tracks, job.contents
    warnings = findings(tracks, asked=job.asked, contents=found, failed=job.failures, counts=recordings.counts)
    counts = {
        **outcome.counts,
        "recordings left out": len(job.failures),
        "copies of another recording": len(found) - len(set(found.values())),
    }
    return report(
        task,
        job.model.card,  # which a task may have replaced by what it measured instead
        dataclasses.replace(outcome, counts=counts, warnings=(*outcome.warnings, *job.warnings, *warnings)),
        data=recordings.name,
        citation=recordings.citation,
        licence=recordings.licence,
        caveats=recordings.caveats,
        failures=job.failures,
        data_hash=data_hash(tracks, found),
        settings={"protocol": protocol, **settings(given)},
        device=device,
    )


def load(task: Task[Any], name: str | Path | None = None, **how: Any) -> Any:
    """The model that a task measures, by default its own default model.

    Args:
        name: as the task's `load`, or `ohrwurm.load`, takes it.
        **how: weights, layer, precision, device.

    Raises:
        ModelError: it is not known, or cannot do the task.

    >>> load(find("probe"), "mel-statistics").card.name
    'mel-statistics'
    """
    from ohrwurm.models.registry import load as load_encoder

    return (task.load or load_encoder)(name or task.model, **how)


def options_of(task: Task[Any], given: dict[str, Any]) -> Any:
    """The task's options from keywords.

    Raises:
        DataError: one it does not have, or one that it needs is missing.
    """
    fields = {f.name: f for f in dataclasses.fields(task.options)}
    unknown = ", ".join(sorted(given.keys() - fields.keys()))
    if unknown:
        raise DataError(f"{task.name}: no option {unknown}. It has: {', '.join(fields) or 'none of its own'}.")
    needed = [n for n, f in fields.items() if f.default is dataclasses.MISSING and n not in given]
    if needed:
        raise DataError(f"{task.name}: needs {', '.join(needed)}")
    return task.options(**given)


def recordings_of(
    data: str | Path | Manifest | Recordings | None, task: str, root: str | Path | None = None
) -> Recordings:
    """What is measured on: of a benchmark by name, of a manifest, of its file, of a folder.

    Args:
        data: see `evaluate`.
        task: whose truth is needed; it decides which benchmark is the default, and which variant of one.

    Raises:
        DataError: a benchmark without that truth, or nothing of that name.
    """
    if isinstance(data, Recordings):
        return data
    if isinstance(data, Manifest):
        return Recordings(data, "a manifest", caveats=_caveats(data))
    found = find(task)
    known = serving(found)
    if data is None:
        if not known:
            raise DataError(f"no benchmark holds the truth for {task}; give a manifest of your own")
        data = known[0]
    elif isinstance(data, Path) or Path(data).is_file() or (_unknown(data) and Path(data).exists()):
        mine = manifest_of(data)
        return Recordings(mine, str(data), caveats=_caveats(mine), labels=tuple(labels_of(data) or ()))
    benchmark = benchmarks.find(data)
    truth = None if found.truth is None else set(found.truth or (task,))
    fitting = [n for n, v in benchmark.variants.items() if truth is None or truth & set(v.tasks)]
    if not fitting:
        raise DataError(f"benchmark {data!r} holds no truth for {task}. These do: {', '.join(known)}.")
    name, variant = fitting[0], benchmark.variants[fitting[0]]
    several = len(benchmarks.find(benchmark.name).variants) > 1
    return Recordings(
        benchmark.read(root, name),
        f"{benchmark.name}/{name}" if several else benchmark.name,
        benchmark.citation,
        benchmark.licence,
        " ".join(filter(None, (benchmark.caveats, variant.caveats))),
        labels=tuple(benchmark.labels(root, name)),
        counts=variant.counts,
        benchmark=benchmark.name,
        variant=name,
    )


def _caveats(manifest: Manifest) -> str:
    return f"{RENDERED}: played by a synthesiser from scores." if is_rendered(manifest) else ""


def _unknown(name: str) -> bool:
    return name.partition("/")[0] not in benchmarks.NAMES


def serving(task: Task[Any]) -> list[str]:
    """Names of the benchmarks that a task can take, its default one first.

    >>> serving(find("versions"))[0]
    'anthems'
    """
    if task.truth is None:
        return list(benchmarks.NAMES)
    return list(dict.fromkeys(name for truth in task.truth or (task.name,) for name in benchmarks.serving(truth)))
