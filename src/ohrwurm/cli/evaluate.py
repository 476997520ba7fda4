"""`ohrwurm evaluate TASK`: how good a model is on recordings whose truth is known; one command for every task.

The commands are made from the registered tasks (`ohrwurm.evaluation.tasks`): a task brings its own options, and all
have the common ones.
"""

from __future__ import annotations

import dataclasses
import inspect
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup

from ohrwurm.cli.collection import JsonOption, reporting
from ohrwurm.cli.options import DeviceOption, Precision
from ohrwurm.cli.progress import progress_bar

if TYPE_CHECKING:
    from ohrwurm.evaluation.report import Report
    from ohrwurm.evaluation.task import Task

EPILOG = "Exit codes: 0 done, 1 error, 2 wrong usage, 130 interrupted."
LISTED = 20  # finds of a kind that are printed


class Tasks(TyperGroup):
    """The registered tasks as commands: listed by their names alone, and imported when one is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names, in the order of the registry."""
        from ohrwurm.evaluation.registry import MODULES

        return list(MODULES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A task as the list of tasks shows it."""
        from ohrwurm.evaluation.registry import MODULES, about

        return TyperCommand(cmd_name, short_help=about(cmd_name)) if cmd_name in MODULES else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The task that is called, with all its options; of one that does not exist, those that it may be."""
        names = self.list_commands(ctx)
        if args and args[0] not in names:
            self.commands = {name: self.get_command(ctx, name) for name in names}
        name, listed, rest = super().resolve_command(ctx, args)
        if name is None or listed is None:  # while a shell completes the line
            return name, listed, rest
        from ohrwurm.evaluation.tasks import find

        return name, command(find(name)), rest


group = typer.Typer(cls=Tasks, no_args_is_help=True, epilog=EPILOG)


@group.callback()
def evaluate() -> None:
    """Measure a model on recordings whose truth is known, with chance level and 95 % intervals.

    Example: ohrwurm evaluate versions --model chroma-cross-correlation --data ~/data
    """


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    app.add_typer(group, name="evaluate")


def _common(
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help="A model's name, a model folder, a run, or a class of your own as package.module:Class; by default "
            "the house model for the task.",
        ),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option("--weights", exists=True, dir_okay=False, help="A weights file for that model.")
    ] = None,
    layer: Annotated[
        int | None, typer.Option("--layer", metavar="N", help="The layer to read out, where the model has a choice.")
    ] = None,
    benchmark: Annotated[
        str | None,
        typer.Option("--benchmark", metavar="NAME[/VARIANT]", help="A public set (`ohrwurm data list`)."),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(
            "--manifest",
            metavar="FILE",
            exists=True,
            help="A table of your own recordings instead (CSV, JSONL, Parquet), or a folder with one.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="DIR", exists=True, file_okay=False, help="Where the sets are.  [$OHRWURM_DATA]"
        ),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            "--protocol", help="How it is measured: as we do, as the model's paper cuts its windows, or as MARBLE does."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Files at a time. By default one a core.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of splits, draws and resampling.")] = 0,
    cache: Annotated[
        bool, typer.Option("--cache/--no-cache", help="Keep vectors, so that the next evaluation is immediate.")
    ] = True,
    device: DeviceOption = "auto",
    precision: Annotated[
        Precision,
        typer.Option("--precision", help="What the network computes in; auto: the fastest here that agrees with fp32."),
    ] = Precision.fp32,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write the JSON report here too.")] = None,
    as_json: JsonOption = False,
) -> None:
    """The options that every task has."""


def command(task: Task[Any]) -> Any:
    """The command of a task: the common options and its own."""
    own = [_parameter(field, kind) for field, kind in _fields(task.options)]
    left_out = set() if task.source is None else {"benchmark", "manifest", "data"}
    if len(task.protocols) == 1:
        left_out.add("protocol")
    shared = inspect.signature(_common, eval_str=True).parameters.values()
    common = [p.replace(kind=p.KEYWORD_ONLY) for p in shared if p.name not in left_out]
    for i, parameter in enumerate(common):
        if parameter.name == "protocol":
            option = get_args(parameter.annotation)[1]
            kind: Any = Annotated[_choices("protocol", task.protocols), option]
            common[i] = parameter.replace(annotation=kind, default=task.protocols[0])

    def run(**given: Any) -> None:
        options = {p.name: given.pop(p.name) for p in own}
        _run(task, options, **given)

    run.__doc__ = f"{task.about}\n\n{task.details}\n\nA manifest: {task.needs}\n\nExample: {task.example}"
    run.__signature__ = inspect.Signature([*own, *common])  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in (*own, *common)}
    app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})
    app.command(task.name, epilog=EPILOG, short_help=task.about)(run)
    return typer.main.get_command(app)


def _fields(options: type[Any]) -> list[tuple[dataclasses.Field[Any], Any]]:
    hints = get_type_hints(options)
    return [(field, hints[field.name]) for field in dataclasses.fields(options)]


def _parameter(field: dataclasses.Field[Any], kind: Any) -> inspect.Parameter:
    """A field of a task's options as a parameter of its command."""
    more = dict(field.metadata)
    argument = more.pop("argument", False)
    inner = next(k for k in get_args(kind) if k is not type(None)) if type(None) in get_args(kind) else kind
    several = get_origin(inner) is tuple
    annotation: Any = get_args(inner)[0] if several else inner
    if get_origin(annotation) is Literal:
        annotation = _choices(field.name, get_args(annotation))
    if several:
        annotation = list[annotation]
    if inner is not kind:
        annotation = annotation | None
    flag = f"--{field.name.replace('_', '-')}"
    made: Any = typer.Argument if argument else typer.Option
    names = () if argument else (f"{flag}/--no-{flag[2:]}" if kind is bool and field.default is True else flag,)
    default = inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=list(default) if isinstance(default, tuple) else default,
        annotation=Annotated[annotation, made(*names, **more)],
    )


def _choices(name: str, words: tuple[str, ...]) -> Any:
    return StrEnum(name, {word: word for word in words})


def _plain(value: Any) -> Any:
    """A value of the command line as a task's options have it."""
    if isinstance(value, StrEnum):
        return value.value
    return tuple(map(_plain, value)) if isinstance(value, list) else value


def _run(
    task: Task[Any],
    options: dict[str, Any],
    *,
    out: Path | None,
    as_json: bool,
    model: str | None,
    precision: Precision,
    benchmark: str | None = None,
    manifest: Path | None = None,
    data: Path | None = None,
    **common: Any,
) -> None:
    if benchmark and manifest:
        raise typer.BadParameter("give --benchmark or --manifest, not both")
    with reporting():
        from ohrwurm.atomic import write_text
        from ohrwurm.evaluation.tasks import evaluate

        given: dict[str, Any] = {name: _plain(value) for name, value in {**common, **options}.items()}
        with progress_bar("Listening", quiet=as_json) as progress:
            found = evaluate(
                task.name,
                model,
                manifest or benchmark,
                root=data,
                precision=precision.value,
                progress=progress,
                **given,
            )
        if out is not None:
            write_text(out, found.to_json())
        if as_json:
            typer.echo(found.to_json(), nl=False)
        else:
            show(found)
            if out is not None:
                typer.echo(f"Report: {out}")
    code = task.exit_code(found.outcome)
    if code:
        raise typer.Exit(code)


def show(report: Report) -> None:
    """Print a report for people."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console, outcome = Console(highlight=False), report.outcome
    console.print(f"[bold]{escape(report.model)}[/bold] on {escape(report.data)}: {escape(outcome.protocol)}")
    table = Table(box=None, pad_edge=False)
    for name in ("metric", "value", "95 % interval", "chance"):
        table.add_column(name, justify="left" if name == "metric" else "right", no_wrap=True)
    for metric, figure in outcome.figures.items():
        cells = (figure.value, figure.low, figure.high, figure.chance)
        digits = 1 if max(abs(c) for c in cells) > 1.5 else 3  # ranks and shares
        value, low, high, chance = (f"{c:.{digits}f}" for c in cells)
        table.add_row(escape(metric), value, f"{low} - {high}", chance)
    console.print(table)
    if outcome.published:
        numbers = ", ".join(f"{name} {value:.4g}" for name, value in outcome.published.items())
        console.print(f"as published: {escape(numbers)}")
        console.print(f"[dim]{escape(outcome.published_as)}")
    for ranked in outcome.details.get("ranks", {}).values():
        console.print(f"{ranked['rank']:6g}  {escape(ranked['description'])}")
    for label, share in outcome.details.get("recall", {}).items():
        console.print(f"{share:6.3f}  {escape(label)}")
    for kind, pairs in outcome.details.get("found", {}).items():  # of the leak audit
        for pair in pairs[:LISTED]:
            what = " ".join(f"{name} {value if not isinstance(value, tuple) else ', '.join(value[:5])}"
                            for name, value in pair.items())  # fmt: skip
            console.print(f"{escape(kind)}: {escape(what)}", soft_wrap=True)
        if len(pairs) > LISTED:
            console.print(f"{escape(kind)}: {len(pairs) - LISTED} more in the report (--out FILE)")
    console.print(", ".join(f"{n} {what}" for what, n in outcome.counts.items()))
    weights = f"weights {report.weights[:12]}" if report.weights else "no weights"
    software = ", ".join(f"{name} {version}" for name, version in report.software.items())
    console.print(f"[dim]{escape(report.provenance)}, {weights}; {outcome.interval}, seed {outcome.seed}; {software}")
    if report.caveats:
        console.print(f"[dim]{escape(report.caveats)}")
    for warning in outcome.warnings:
        console.print(f"[yellow]note[/yellow] {escape(warning)}", soft_wrap=True)
    for path, reason in report.failures.items():
        console.print(f"[yellow]left out[/yellow] {escape(path)}: {escape(reason)}", soft_wrap=True)
