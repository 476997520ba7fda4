"""`ohrwurm evaluate`: how good a model is on recordings whose truth is known."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ohrwurm.cli.collection import reporting
from ohrwurm.cli.progress import progress_bar

if TYPE_CHECKING:
    from ohrwurm.evaluation.report import Report
    from ohrwurm.evaluation.tasks import Recordings

EPILOG = "Exit codes: 0 done, 1 error, 2 wrong usage, 130 interrupted."
MODELS = {"versions": "ohrwurm-versions", "probe": "ohrwurm-text", "described": "ohrwurm-text"}


class Task(StrEnum):
    """What to measure."""

    versions = "versions"
    probe = "probe"
    described = "described"


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(epilog=EPILOG)(evaluate)


def evaluate(
    task: Annotated[Task, typer.Argument(help="What to measure.")],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help="A model's name, a model folder, or a run; by default the house model for the task.",
        ),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option("--weights", exists=True, dir_okay=False, help="A weights file for that model.")
    ] = None,
    benchmark: Annotated[
        str | None,
        typer.Option("--benchmark", metavar="NAME", help="A set of recordings: anthems, emotify, recordings."),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(
            "--manifest",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="A table of your own recordings instead (CSV, JSONL).",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="DIR", exists=True, file_okay=False, help="Where the sets are.  [$OHRWURM_DATA]"
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Files at a time. By default one a core.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of splits and resampling.")] = 0,
    cache: Annotated[
        bool, typer.Option("--cache/--no-cache", help="Keep vectors, so that the next evaluation is immediate.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write the JSON report here too.")] = None,
) -> None:
    """Measure a model on recordings whose truth is known, with chance level and 95 % intervals.

    versions: does a recording find the others of its work? A manifest needs work_id.

    probe: does a linear classifier read the class from frozen vectors? A manifest needs one tag a recording.

    described: do descriptions find their recordings? A manifest needs captions for some.

    Example: ohrwurm evaluate versions --model chroma-cross-correlation --data ~/data
    """
    if benchmark and manifest:
        raise typer.BadParameter("give --benchmark or --manifest, not both")
    with reporting():
        from ohrwurm.atomic import write_text
        from ohrwurm.evaluation.tasks import run
        from ohrwurm.folders import cache_folder
        from ohrwurm.models.registry import load

        source = _recordings(task.value, benchmark, manifest, data)
        encoder = load(model or MODELS[task.value], weights=weights)
        with progress_bar("Listening", quiet=as_json) as progress:
            kept = cache_folder() if cache else None
            found = run(task.value, encoder, source, cache=kept, workers=workers, seed=seed, progress=progress)
        if out is not None:
            write_text(out, found.to_json())
        if as_json:
            typer.echo(found.to_json(), nl=False)
            return
        _print(found)
        if out is not None:
            typer.echo(f"Report: {out}")


def _recordings(task: str, benchmark: str | None, manifest: Path | None, data: Path | None) -> Recordings:
    from ohrwurm.data.benchmarks import find, serving
    from ohrwurm.data.tracks import Manifest
    from ohrwurm.errors import DataError
    from ohrwurm.evaluation.tasks import Recordings

    if manifest is not None:
        return Recordings(Manifest.read(manifest), str(manifest))
    known = serving(task)
    chosen = find(benchmark or known[0])
    if chosen.name not in known:
        raise DataError(f"benchmark {chosen.name!r} holds no truth for {task}. These do: {', '.join(known)}.")
    return Recordings(chosen.read(data), chosen.name, chosen.citation, chosen.licence, chosen.caveats)


def _print(report: Report) -> None:
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
    for ranked in outcome.details.get("ranks", {}).values():
        console.print(f"{ranked['rank']:6g}  {escape(ranked['description'])}")
    for label, share in outcome.details.get("recall", {}).items():
        console.print(f"{share:6.3f}  {escape(label)}")
    console.print(", ".join(f"{n} {what}" for what, n in outcome.counts.items()))
    weights = f"weights {report.weights[:12]}" if report.weights else "no weights"
    software = ", ".join(f"{name} {version}" for name, version in report.software.items())
    console.print(f"[dim]{escape(report.provenance)}, {weights}; {outcome.interval}, seed {outcome.seed}; {software}")
    if report.caveats:
        console.print(f"[dim]{escape(report.caveats)}")
    for path, reason in report.failures.items():
        console.print(f"[yellow]left out[/yellow] {escape(path)}: {escape(reason)}", soft_wrap=True)
