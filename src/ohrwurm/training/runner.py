"""From a recipe to a model folder: prepare, train (resumable at any kill), report, export.

A run folder holds::

    config.yaml             the resolved recipe (itself a recipe)
    log.csv                 one row an epoch
    checkpoints/last.ckpt   to go on from
    checkpoints/best.ckpt   weights with the best monitor
    checkpoints/epoch-N.ckpt  states kept by `trainer.keep_every`
    tensorboard/            with `trainer.tensorboard`
    model/                  the exported model, loadable by `ohrwurm.load`
    report.json             final figures; written last: where it is, the run is complete
"""

from __future__ import annotations

import json
import logging
import os
import platform
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import lightning
import torch
import yaml
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.warnings import PossibleUserWarning

import ohrwurm
from ohrwurm.atomic import write_text
from ohrwurm.errors import RecipeError, TrainingError
from ohrwurm.folders import cache_folder
from ohrwurm.training import checkpoints
from ohrwurm.training.checkpoints import AtomicIO, Checkpoints
from ohrwurm.training.history import History
from ohrwurm.training.limits import Limits, StepSeeds, seed_global_generators
from ohrwurm.training.memory import keep_freed_memory
from ohrwurm.training.processes import in_turn, launched, rank
from ohrwurm.training.recipes import Recipe, TrainerSettings, resolve
from ohrwurm.training.signals import StopSignals
from ohrwurm.training.task import Task

log = logging.getLogger(__name__)

# Settings that a resumed run may change: they do not alter what a step does.
FREE_TO_CHANGE = {
    "max_epochs", "max_steps", "max_minutes", "validate_every", "save_every_minutes", "keep_every", "patience",
    "tensorboard", "accelerator",
}  # fmt: skip


def run(
    recipe: str | Path | Recipe,
    *,
    out: str | Path,
    overrides: Iterable[str] = (),
    cache: str | Path | None = None,
    workers: int | None = None,
    resume: bool = True,
) -> Path:
    """Train as a recipe says and export the best weights.

    Run again with the same `out`, it goes on where it was: on a CPU, to the same weights bit for bit. A complete run
    returns at once; with higher limits it is extended.

    Args:
        recipe: a recipe's name, its file, or one already resolved.
        out: the run's folder.
        overrides: ``key=value`` texts, e.g. ``task.lr=1e-3``.
        cache: folder for prepared examples, shared by runs; `cache_folder()` unless given.
        workers: processes for preparing and loading; the number of cores unless given.
        resume: False forgets an earlier run in `out`.

    Returns:
        The model folder, `out/model`.

    Raises:
        RecipeError: the recipe is unknown or has a wrong setting.
        TrainingError: `out` holds a run with other settings; the loss is not a number; the monitor is not logged.
        Interrupted: SIGTERM or SIGINT; the state is saved.
    """
    found = recipe if isinstance(recipe, Recipe) else resolve(recipe, overrides)
    out, model_folder = Path(out), Path(out) / "model"
    if not resume and rank() == 0:
        _forget(out)
    config = found.as_dict()
    same_limits = _check_same_run(out, config)
    if same_limits and (out / "report.json").is_file() and (model_folder / "config.json").is_file():
        log.info("%s: this run is complete; nothing to do", out)
        return model_folder
    if rank() == 0:
        (out / "report.json").unlink(missing_ok=True)
        write_text(out / "config.yaml", found.to_yaml())

    limits = Limits(found.trainer)
    with StopSignals(limits) as signals:
        task = prepared_task(found, Path(cache) if cache else cache_folder(), workers)
        task.out = out
        keeper = Checkpoints(out, config, found.trainer, limits)
        history = History(out, limits, found.trainer.tensorboard)
        # In this order: seeds before the step; limits, then the record, then the checkpoint that holds both.
        callbacks = [StepSeeds(found.seed), signals, limits, *_averaging(found.trainer), history, keeper]
        trainer = make_trainer(found.trainer, out, callbacks)
        _fit(trainer, task, out, limits)
        if not trainer.is_global_zero:
            return model_folder
        if found.trainer.strategy == "fsdp":  # that task is split over processes that end now
            task = prepared_task(found, Path(cache) if cache else cache_folder(), workers)
            task.out = out
        summary = _load_best(task, out)
        task.to(trainer.strategy.root_device).eval()
        with torch.no_grad():
            log.info("measuring the best weights (epoch %s)", summary["best_epoch"])
            results = task.report()
            task.export(model_folder)
    summary = {"recipe": found.name, "monitor": task.monitor, **summary, "versions": _versions(), "results": results}
    write_text(out / "report.json", json.dumps(summary, indent=2, ensure_ascii=False, default=float) + "\n")
    log.info("done: %s", model_folder)
    return model_folder


def prepared_task(recipe: Recipe, cache: Path, workers: int | None) -> Task:
    """The recipe's task with its seed and its examples; of several processes the first one makes those."""
    seed_global_generators(recipe.seed)
    task = recipe.build()
    task.seed, task.cache, task.workers = recipe.seed, cache, (os.cpu_count() or 1) if workers is None else workers
    task.overfit_batch = recipe.trainer.overfit_batch
    cache.mkdir(parents=True, exist_ok=True)
    parameters = sum(p.numel() for p in task.parameters() if p.requires_grad)
    log.info("%s: %s, %.2f M trainable parameters", recipe.name, type(task).__name__, parameters / 1e6)
    if launched():
        with in_turn(cache / f"prepare-{recipe.name.replace('/', '-')}.lock"):
            task.prepare(cache, task.workers)
    else:
        task.prepare(cache, task.workers)
    return task


def make_trainer(settings: TrainerSettings, out: Path, callbacks: list[Callback], **more: Any) -> lightning.Trainer:
    """Lightning's Trainer as a recipe wants it, without what we do ourselves (loggers, checkpoints, samplers)."""
    # Lightning's own start-up lines and hints are about its conveniences; ours replace them.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    devices, nodes = launched() or (settings.devices, settings.nodes)
    _check_precision(settings)
    bar = sys.stderr.isatty()
    return lightning.Trainer(
        accelerator=settings.accelerator,
        devices=devices,
        num_nodes=nodes,
        strategy=_strategy(settings, devices * nodes),
        sync_batchnorm=settings.sync_batchnorm,
        precision=settings.precision,
        max_epochs=settings.max_epochs or -1,
        accumulate_grad_batches=settings.accumulate,
        gradient_clip_val=settings.clip,
        check_val_every_n_epoch=settings.validate_every,
        reload_dataloaders_every_n_epochs=1,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        default_root_dir=out,
        logger=False,
        enable_progress_bar=bar,
        enable_model_summary=False,
        callbacks=[*callbacks, *_progress_bar(bar)],
        plugins=[AtomicIO()],
        **more,
    )


def _check_precision(settings: TrainerSettings) -> None:
    # Lightning would warn and compute in bfloat16 on a CPU, or fail in the first step on Apple's GPU.
    if settings.precision == "16-mixed" and (
        settings.accelerator not in ("auto", "gpu", "cuda") or not torch.cuda.is_available()
    ):
        raise RecipeError(
            "trainer.precision=16-mixed scales gradients, which needs a CUDA GPU; here take bf16-mixed or 32"
        )


def _strategy(settings: TrainerSettings, processes: int) -> Any:
    if settings.strategy == "fsdp":
        from ohrwurm.training.sharding import FullySharded, check_sharding

        check_sharding(settings)
        return FullySharded(processes)
    return "ddp" if processes > 1 or settings.strategy == "ddp" else "auto"


def _progress_bar(wanted: bool) -> list[Callback]:
    if not wanted:
        return []
    from lightning.pytorch.callbacks import RichProgressBar

    return [RichProgressBar(console_kwargs={"stderr": True})]  # stdout is for the model folder's path


def _averaging(settings: TrainerSettings) -> list[Callback]:
    if settings.ema is None:
        return []
    from lightning.pytorch.callbacks import EMAWeightAveraging

    return [EMAWeightAveraging(decay=settings.ema, use_buffers=True)]


def _fit(trainer: lightning.Trainer, task: Task, out: Path, limits: Limits) -> None:
    state = checkpoints.last(out) if checkpoints.exists(checkpoints.last(out)) else None
    if state is not None:
        content = checkpoints.read(state)
        epochs, steps, seconds = _extent(content, limits)
        reached = limits.reached_by(epochs, steps, seconds)
        patience, waited = limits.settings.patience, content["callbacks"]["Checkpoints"]["waited"]
        if not reached and patience is not None and waited >= patience:
            reached = f"patience={patience}"
        log.info("%s: going on after %d epochs, %d steps, %.1f min", state, epochs, steps, seconds / 60)
        if reached:
            log.info("its limit %s is reached", reached)
            return
    if trainer.strategy.root_device.type == "cpu":
        keep_freed_memory()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PossibleUserWarning)
        warnings.filterwarnings("ignore", message=".*LeafSpec")  # Lightning 2.6 on torch 2.13
        trainer.fit(task, ckpt_path=state, weights_only=True if state else None)
    log.info("training ended: %s", limits.reached or f"max_epochs={limits.settings.max_epochs}")


def _extent(checkpoint: dict[str, Any], limits: Limits) -> tuple[int, int, float]:
    """Epochs, optimiser steps and seconds behind a `last.ckpt`."""
    epochs = checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"]
    limits.load_state_dict(checkpoint["callbacks"]["Limits"])
    return epochs, checkpoint["global_step"], limits.seconds


def _load_best(task: Task, out: Path) -> dict[str, Any]:
    weights = checkpoints.last(out)
    state = checkpoints.read(weights)
    keeper = state["callbacks"]["Checkpoints"]
    summary = {
        "best_score": keeper["best_score"],
        "best_epoch": keeper["best_epoch"],
        "epochs": len((out / "log.csv").read_text().splitlines()) - 1,  # one begun but ended by a limit included
        "steps": state["global_step"],
        "minutes": round(state["callbacks"]["Limits"]["seconds"] / 60, 2),
    }
    if checkpoints.best(out).is_file():
        weights = checkpoints.best(out)
        best = checkpoints.read(weights)
        summary["best_epoch"] = best["epoch"] + 1
        summary["best_score"] = best["ohrwurm"]["score"]
    else:
        log.warning("%s: no epoch was validated; exporting the last weights", out)
    checkpoints.load_weights(task, weights)
    return summary


def _check_same_run(out: Path, config: dict[str, Any]) -> bool:
    """Whether `out` holds a run of this very configuration; TrainingError if it holds another."""
    file = out / "config.yaml"
    if not file.is_file():
        return False
    earlier = yaml.safe_load(file.read_text(encoding="utf-8"))
    before, now = _flat(earlier), _flat(config)
    differing = sorted(k for k in before.keys() | now.keys() if before.get(k) != now.get(k) and k != "description")
    limits = {f"trainer.{k}" for k in FREE_TO_CHANGE}
    fixed = [k for k in differing if k not in limits]
    if fixed and checkpoints.exists(checkpoints.last(out)):
        lines = ", ".join(f"{k} was {before.get(k)!r}, now {now.get(k)!r}" for k in fixed)
        raise TrainingError(f"{out} holds a run with other settings: {lines}. Use another --out, or --restart.")
    return not differing


def _flat(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict) and value:
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _forget(out: Path) -> None:
    for file in (
        out / "report.json",
        checkpoints.last(out),
        checkpoints.best(out),
        out / "log.csv",
        out / "config.yaml",
    ):
        checkpoints.remove(file)


def _versions() -> dict[str, str]:
    return {
        "ohrwurm": ohrwurm.__version__,
        "torch": torch.__version__,
        "lightning": lightning.__version__,
        "python": platform.python_version(),
    }
