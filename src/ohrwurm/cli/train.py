"""`ohrwurm train`, `ohrwurm recipes` and `ohrwurm runs`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

INTERRUPTED = 75  # EX_TEMPFAIL of sysexits.h: batch systems know it as "run me again"

recipes_app = typer.Typer(help="The training recipes that ship.", no_args_is_help=True)
runs_app = typer.Typer(help="Training runs: which there are, how they stand.", no_args_is_help=True)


def train(
    recipe: Annotated[str, typer.Argument(help="Name (`ohrwurm recipes list`) or path of a recipe.")],
    settings: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Overrides, e.g. task.lr=1e-3 trainer.max_epochs=2."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder; an earlier run in it goes on.  [runs/ID]")] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder for prepared examples, shared by runs.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes for preparing and loading.  [all cores]")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(exists=True, help="What to train on, the recipe's task.data: a manifest, a pack, ...")
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Print the resolved recipe and stop.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check recipe and data, try a few steps, print the plan, and stop.")
    ] = False,
    overfit_batch: Annotated[
        bool, typer.Option("--overfit-batch", help="Train on the first batch alone: can the model learn at all?")
    ] = False,
    restart: Annotated[bool, typer.Option("--restart", help="Forget an earlier run in --out.")] = False,
) -> None:
    """Train a model: prepare its examples, fit, measure, export to OUT/model.

    Killed at any moment, the same command goes on where it was. SIGTERM and Ctrl-C save first (exit code 75). The same
    command works under torchrun and as a SLURM job step; trainer.devices=N starts N processes itself.

    Example: ohrwurm train ohrwurm/versions --data ~/scores --out runs/versions trainer.max_minutes=60
    """
    from ohrwurm.errors import Interrupted, OhrwurmError

    try:
        from ohrwurm.training.recipes import resolve

        wanted = [*(settings or ()), *(["trainer.overfit_batch=true"] if overfit_batch else [])]
        if data is not None:
            wanted.append(f"task.data={json.dumps(str(data.resolve()))}")
        resolved = resolve(recipe, wanted)
        if show:
            typer.echo(resolved.to_yaml(), nl=False)
            return
        if dry_run:
            from ohrwurm.training.plan import plan

            typer.echo(f"{resolved.name}: {resolved.task_class.__name__}, seed {resolved.seed}")
            for line in plan(resolved, cache, workers).lines():
                typer.echo(f"  {line}")
            typer.echo("The recipe is sound. Without --dry-run it trains.")
            return
        _log_to_stderr()
        from ohrwurm.folders import runs_folder
        from ohrwurm.training.runner import run
        from ohrwurm.training.runs import run_id

        if out is None:
            out = runs_folder() / run_id(resolved)
            typer.echo(f"run {out.name} in {out}", err=True)
        typer.echo(str(run(resolved, out=out, cache=cache, workers=workers, resume=not restart)))
    except Interrupted as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(INTERRUPTED) from error
    except OhrwurmError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error


@recipes_app.command("list")
def list_recipes(as_json: Annotated[bool, typer.Option("--json", help="Machine output.")] = False) -> None:
    """All recipes with the first line of their description. Example: ohrwurm recipes list"""
    from ohrwurm.training import recipes

    rows = [{"name": n, "description": str(recipes.compose(n).get("description", "")).strip()} for n in recipes.names()]
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    width = max((len(r["name"]) for r in rows), default=0)
    for row in rows:
        typer.echo(f"{row['name']:<{width}}  {(row['description'].splitlines() or [''])[0]}")


@recipes_app.command("show")
def show_recipe(name: Annotated[str, typer.Argument(help="Name or path of a recipe.")]) -> None:
    """A recipe with its bases merged, as YAML. Example: ohrwurm recipes show ohrwurm/versions"""
    import yaml

    from ohrwurm.errors import OhrwurmError
    from ohrwurm.training import recipes

    try:
        typer.echo(yaml.safe_dump(recipes.compose(name), sort_keys=False, allow_unicode=True, width=110), nl=False)
    except OhrwurmError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error


@runs_app.command("list")
def list_runs(
    folder: Annotated[Path | None, typer.Argument(help="Where the runs are.  [runs, or OHRWURM_RUNS]")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine output.")] = False,
) -> None:
    """All runs with their state. Example: ohrwurm runs list"""
    import dataclasses

    from ohrwurm.folders import runs_folder
    from ohrwurm.training.runs import found_in

    runs = found_in(folder or runs_folder())
    if as_json:
        typer.echo(json.dumps([{**dataclasses.asdict(r), "folder": str(r.folder)} for r in runs], indent=2))
        return
    if not runs:
        typer.echo(f"no runs in {folder or runs_folder()}")
    width = max((len(r.id) for r in runs), default=0)
    for run in runs:
        typer.echo(f"{run.id:<{width}}  {run.state:<11}  epoch {run.epochs:<4}  {run.best}")


@runs_app.command("resume")
def resume_run(
    run: Annotated[str, typer.Argument(help="A run's id (`ohrwurm runs list`), or its folder.")],
    workers: Annotated[int | None, typer.Option(min=0, help="Processes for loading.  [all cores]")] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder for prepared examples.")] = None,
) -> None:
    """Go on with a run as it was configured. Example: ohrwurm runs resume move-kd-1f2e3d4c"""
    from ohrwurm.errors import OhrwurmError
    from ohrwurm.training.runs import locate

    try:
        folder = locate(run)
    except OhrwurmError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error
    train(str(folder / "config.yaml"), None, folder, cache, workers, None, False, False, False, False)


def _log_to_stderr() -> None:
    import logging

    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s", datefmt="%H:%M:%S"))
    logger = logging.getLogger("ohrwurm")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    app.command()(train)
    app.add_typer(recipes_app, name="recipes")
    app.add_typer(runs_app, name="runs")
