"""`ohrwurm models`: which there are, what each expects and achieves; bring them here, and take them elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ohrwurm.cli.progress import progress_bar

if TYPE_CHECKING:
    from ohrwurm.models.convert import Conversion

models = typer.Typer(
    help="Models by name: list them, show a card, convert published checkpoints, export, download, push.",
    no_args_is_help=True,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Mirror = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Folder that is asked before the network, else OHRWURM_MIRROR.")
]


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    app.add_typer(models, name="models")


@models.command("list")
def list_models(as_json: Annotated[bool, typer.Option("--json", help="Print the cards as JSON.")] = False) -> None:
    """List the models that `--model` accepts. Example: ohrwurm models list"""
    from ohrwurm.models import registry

    if as_json:
        typer.echo(registry.describe())
        return
    from rich.console import Console
    from rich.table import Table

    bundled = set(registry.bundled())
    table = Table(box=None, pad_edge=False)
    # Names and words are for other commands to take, so a narrow terminal, or none, must not cut them.
    table.add_column("name", no_wrap=True, min_width=max(map(len, registry.names())))
    for column in ("good for", "dim", "window", "weights"):
        table.add_column(column, no_wrap=True, min_width=len("downloaded") if column == "weights" else None)
    for name in registry.names():
        card = registry.card(name)
        if name in bundled:
            weights = "bundled"
        elif (registry.cached(name) / "config.json").is_file():
            weights = "downloaded"
        elif not card.features.get("learned", True):
            weights = "none"
        else:
            weights = "download" if card.weights.get("url") else "yours"
        table.add_row(name, ", ".join(card.good_for), str(card.dim), f"{card.window:g} s", weights)
    Console().print(table)
    Console().print("\n[dim]`ohrwurm models show NAME` prints a card with its measured results.[/dim]", highlight=False)


@models.command()
def show(
    name: Annotated[str, typer.Argument(help="A model's name, a model folder, a run, or hf:org/name.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the card as JSON.")] = False,
) -> None:
    """Show a model's card: input, vector, origin, measured results. Example: ohrwurm models show mel-statistics"""
    from ohrwurm.models import registry

    card = registry.card(name)
    if as_json:
        typer.echo(card.to_json(), nl=False)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    from ohrwurm.models.readme import description

    Console().print(Markdown(description(card, name)))


@models.command()
def record(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="A model folder.")],
    reports: Annotated[list[Path], typer.Argument(help="Reports of `ohrwurm evaluate --out` or a run's report.json.")],
    baseline: Annotated[
        list[Path] | None, typer.Option("--baseline", help="Reports of other models on the same data.")
    ] = None,
) -> None:
    """Write measured figures onto a model's card. Example: ohrwurm models record my-model anthems.json"""
    from ohrwurm.evaluation.record import record as write

    card = write(folder, reports, baseline or [])
    typer.echo(f"{folder}: {len(card.results)} figures on the card of {card.name}")


@models.command()
def convert(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A published checkpoint, or an archive with one in it.")
    ],
    name: Annotated[str, typer.Option("--as", metavar="NAME", help="The model whose weights they are.")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The model folder.  [in the cache, where NAME finds it]")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say what became of every tensor.")] = False,
    as_json: AsJson = False,
) -> None:
    """Turn a published checkpoint (.pth, .ckpt, .h5, an archive) into a model folder. No code in it is ever run.

    Every weight has to fit; what was mapped, ignored, or kept from the model is counted, with -v named.

    Example: ohrwurm models convert best.pth --as ttmr-contrastive-bert-stochastic --out ttmr
    """
    from ohrwurm.models import registry
    from ohrwurm.models.convert import convert as run

    folder, report = run(file, name, out if out is not None else registry.cached(name))
    if as_json:
        typer.echo(json.dumps({"folder": str(folder), **_told(report)}, ensure_ascii=False))
        return
    _tell(report, verbose)
    typer.echo(str(folder))


@models.command()
def export(
    model: Annotated[str, typer.Argument(help="A model's name, a model folder, a run, or hf:org/name.")],
    layout: Annotated[
        Literal["safetensors", "published", "onnx"],
        typer.Option("--format", help="Our tensors, the original code's checkpoint, or the audio encoder as ONNX."),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The file to write.")],
    as_json: AsJson = False,
) -> None:
    """Write a model for other programs. ONNX is run with onnxruntime and compared before it is kept.

    Example: ohrwurm models export ohrwurm-text --format onnx --out ohrwurm-text.onnx
    """
    from ohrwurm.models import export as exports

    made = exports.export(model, layout, out)
    if as_json:
        typer.echo(json.dumps(made.to_dict(), ensure_ascii=False))
        return
    for line in made.lines():
        typer.echo(line, err=True)
    typer.echo(str(made.path))


@models.command()
def download(
    what: Annotated[str, typer.Argument(help="A model's name, hf:org/name[@revision], or an http(s) address.")],
    out: Annotated[
        Path | None, typer.Option(metavar="PATH", help="The model folder, or the file.  [in the cache]")
    ] = None,
    mirror: Mirror = None,
    sha256: Annotated[str, typer.Option(metavar="HEX", help="What the file at the address has to have.")] = "",
    as_json: AsJson = False,
) -> None:
    """Fetch a model, or a file. Interrupted, the same command goes on; what is damaged on the way is not kept.

    Example: ohrwurm models download hf:someone/their-model
    """
    from ohrwurm.models import hub

    with progress_bar("Downloading", as_json, in_bytes=True) as progress:
        done = hub.download(what, out, mirror=mirror, sha256=sha256, progress=progress)
    if as_json:
        told = _told(done.conversion) if done.conversion else {}
        said = {"path": str(done.path), "sha256": done.sha256, "checked": done.checked, **told}
        typer.echo(json.dumps(said, ensure_ascii=False))
        return
    if done.conversion is not None:
        _tell(done.conversion, verbose=False)
    stated = "as stated" if done.checked else "computed; its author states none, so that it could not be checked"
    typer.echo(f"SHA-256 {done.sha256} ({stated})", err=True)
    typer.echo(str(done.path))


@models.command()
def push(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="A model folder.")],
    reference: Annotated[str, typer.Argument(metavar="hf:org/name", help="Where on the hub; made if need be.")],
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
    message: Annotated[str, typer.Option(help="Of the commit.")] = "",
    as_json: AsJson = False,
) -> None:
    """Upload a model folder to the Hugging Face hub (after `hf auth login`, or with HF_TOKEN).

    Example: ohrwurm models push runs/mine/model hf:someone/their-model
    """
    from ohrwurm.models import hub

    address = hub.push(folder, reference, private, message)
    typer.echo(json.dumps({"commit": address}) if as_json else address)


def _told(report: Conversion) -> dict[str, object]:
    import dataclasses

    return {
        **dataclasses.asdict(report),
        "mapped": [{"published": theirs, "ours": ours} for theirs, ours in report.mapped],
    }


def _tell(report: Conversion, verbose: bool) -> None:
    for line in report.lines() if verbose else []:
        typer.echo(line, err=True)
    typer.echo(report.summary(), err=True)
