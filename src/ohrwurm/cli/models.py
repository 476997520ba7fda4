"""`ohrwurm models`: which models there are, and what each one expects and achieves."""

from __future__ import annotations

from pathlib import Path

import typer

models = typer.Typer(help="Models by name: list them, show a card.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    app.add_typer(models, name="models")


@models.command("list")
def list_models(as_json: bool = typer.Option(False, "--json", help="Print the cards as JSON.")) -> None:
    """List the models that `--model` accepts. Example: ohrwurm models list"""
    from ohrwurm.models import registry

    if as_json:
        typer.echo(registry.describe())
        return
    from rich.console import Console
    from rich.table import Table

    bundled = set(registry.bundled())
    table = Table(box=None, pad_edge=False)
    for column in ("name", "good for", "dim", "window", "weights"):
        table.add_column(column, no_wrap=True)
    for name in registry.names():
        card = registry.card(name)
        weights = "bundled" if name in bundled else "yours" if card.features.get("learned", True) else "none"
        table.add_row(name, ", ".join(card.good_for), str(card.dim), f"{card.window:g} s", weights)
    Console().print(table)
    Console().print("\n[dim]`ohrwurm models show NAME` prints a card with its measured results.[/dim]", highlight=False)


@models.command()
def show(
    name: str = typer.Argument(help="A model's name, or a model folder."),
    as_json: bool = typer.Option(False, "--json", help="Print the card as JSON."),
) -> None:
    """Show a model's card: input, vector, origin, measured results. Example: ohrwurm models show mel-statistics"""
    from ohrwurm.models import registry

    card = registry.card(name)
    if as_json:
        typer.echo(card.to_json(), nl=False)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(registry.readme(card)))


@models.command()
def record(
    folder: Path = typer.Argument(exists=True, file_okay=False, help="A model folder."),
    reports: list[Path] = typer.Argument(help="Reports of `ohrwurm evaluate --out` or a run's report.json."),
    baseline: list[Path] = typer.Option([], "--baseline", help="Reports of other models on the same data."),
) -> None:
    """Write measured figures onto a model's card. Example: ohrwurm models record my-model anthems.json"""
    from ohrwurm.evaluation.record import record as write

    card = write(folder, reports, baseline)
    typer.echo(f"{folder}: {len(card.results)} figures on the card of {card.name}")
