"""`ohrwurm embed`: files, folders or manifests → one file of vectors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ohrwurm.cli.collection import NOTHING, reporting
from ohrwurm.cli.options import DeviceOption, Precision
from ohrwurm.cli.progress import progress_bar

if TYPE_CHECKING:
    from ohrwurm.embedding import Report

EPILOG = "Exit codes: 0 done, 1 error, 2 wrong usage, 3 no files, or some of them failed, 130 interrupted."
MANIFESTS = (".csv", ".jsonl", ".parquet")
SHOWN = 10  # failures printed


class Protocol(StrEnum):
    """Whose windows."""

    ohrwurm = "ohrwurm"
    published = "published"


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(epilog=EPILOG)(embed)


def embed(
    sources: Annotated[
        list[Path], typer.Argument(metavar="FILES|FOLDER|MANIFEST...", help="Audio files, folders, manifests.")
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="Where to: .npz, .parquet or .safetensors.")
    ] = Path("embeddings.npz"),
    model: Annotated[str, typer.Option("--model", metavar="NAME", help="A model's name, a model folder, or a run.")] = (
        "ohrwurm-text"
    ),
    weights: Annotated[
        Path | None, typer.Option("--weights", exists=True, dir_okay=False, help="A weights file for that model.")
    ] = None,
    layer: Annotated[
        int | None, typer.Option("--layer", metavar="N", help="The layer to read out, where the model has a choice.")
    ] = None,
    frames: Annotated[bool, typer.Option("--frames", help="Keep the frames of each track too, with times.")] = False,
    protocol: Annotated[
        Protocol, typer.Option("--protocol", help="Our windows, or those of the model's paper.")
    ] = Protocol.ohrwurm,
    precision: Annotated[
        Precision,
        typer.Option("--precision", help="What the network computes in; auto: the fastest here that agrees with fp32."),
    ] = Precision.fp32,
    device: DeviceOption = "auto",
    batch_size: Annotated[
        int, typer.Option(min=1, help="Windows a call of the model, on an accelerator; on a CPU it is one.")
    ] = 8,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Files at a time. By default one a core.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Turn audio files into vectors, in one file for NumPy, Parquet or safetensors.

    Can be stopped (Ctrl-C, even kill -9) and started again at any time: it goes on where it was, and the result is the
    same. Files that cannot be used are listed in the result, and cost nothing else. Run again after adding or changing
    files, it embeds those alone. In a manifest, .npy files are audio of the rate in its column sample_rate.

    In Python, ohrwurm.embedding.read_embeddings(FILE) reads the result.

    Example: ohrwurm embed ~/Music --model ohrwurm-text --out music.npz
    """
    with reporting():
        from ohrwurm.embedding import embed_to_file
        from ohrwurm.embedding.output import Unusable, checked_suffix
        from ohrwurm.models.registry import load

        checked_suffix(out)
        rates: dict[str, int] = {}
        found = list(_tracks(sources, rates))
        tracks = [(name, path) for name, path, error in found if not error]
        unlisted = [Unusable(name, path, "unreadable", error) for name, path, error in found if error]
        if not found:
            if as_json:
                typer.echo(json.dumps({"out": None, "files": 0, "errors": []}))
            typer.echo("No audio files found.", err=True)
            raise typer.Exit(NOTHING)
        changes = {} if layer is None else {"layer": layer}
        encoder = load(model, weights=weights, precision=precision.value, device=device, **changes)
        with progress_bar("Listening", quiet=as_json) as progress:
            report = embed_to_file(
                out,
                tracks,
                encoder,
                frames=frames,
                protocol=protocol.value,
                batch_size=batch_size,
                workers=workers,
                errors=unlisted,
                sample_rates=rates,
                progress=progress,
            )
        if as_json:
            typer.echo(json.dumps(asdict(report), indent=2, ensure_ascii=False))
        else:
            _print(report)
        if report.errors:
            raise typer.Exit(NOTHING)


def _tracks(sources: Sequence[Path], rates: dict[str, int]) -> Iterator[tuple[str, str, str]]:
    """Track id, path, and what is wrong with a folder that cannot be listed; into `rates`, the Hz of arrays."""
    from ohrwurm.audio.folder import walk
    from ohrwurm.data.recordings import array_rate
    from ohrwurm.data.tracks import Manifest
    from ohrwurm.errors import DataError

    for source in sources:
        if not source.exists():
            raise DataError(f"{source} does not exist. Nothing was done.")
    seen = set()
    for source in sources:
        if source.is_file() and source.suffix.lower() in MANIFESTS:
            for track in Manifest.read(source):
                if (rate := array_rate(track)) is not None:
                    rates[track.path] = rate
                yield track.track_id, track.path, ""
            continue
        for path, error in walk([source]):
            if path not in seen:
                seen.add(path)
                yield path, path, error


def _print(report: Report) -> None:
    rate = f" ({report.audio_seconds / report.seconds:.0f} x real time)" if report.audio_seconds else ""
    typer.echo(f"{report.files} files: {report.embedded} embedded in {report.seconds:.1f} s{rate}")
    if report.reused:
        typer.echo(f"{report.reused:>6} done before")
    if report.errors:
        typer.echo(f"{len(report.errors):>6} failed; the next run tries them again")
        for error in report.errors[:SHOWN]:
            detail = f" ({error.detail})" if error.detail else ""
            typer.echo(f"{error.path}: {error.reason}{detail}", err=True)
        if len(report.errors) > SHOWN:
            typer.echo(f"... and {len(report.errors) - SHOWN} more, listed in {report.out}", err=True)
    typer.echo(f"{report.out}: {report.dim} dimensions of {report.provenance}")
