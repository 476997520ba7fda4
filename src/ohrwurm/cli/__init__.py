"""The command line. One file per group of commands; every command imports its machinery when it runs, not before."""

from __future__ import annotations

import importlib
import importlib.util

import typer

from ohrwurm import __version__

app = typer.Typer(
    name="ohrwurm",
    help="Music embeddings: search a collection by words, by sound and by version; train and measure models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# Modules that define `register(app)`.
GROUPS = (
    "collection", "embed", "analyze", "serve", "demo", "models", "train", "evaluate", "report", "data", "data_folders",
    "version_files",
)  # fmt: skip


def _version(value: bool) -> None:
    if value:
        typer.echo(f"ohrwurm {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(False, "--version", "-V", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Music embeddings: search a collection by words, by sound and by version; train and measure models."""


for _group in GROUPS:
    if importlib.util.find_spec(f"ohrwurm.cli.{_group}"):
        importlib.import_module(f"ohrwurm.cli.{_group}").register(app)
