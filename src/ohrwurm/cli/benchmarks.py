"""`ohrwurm data list`, `prepare`, `validate`: public sets of recordings with known truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ohrwurm.cli.collection import NOTHING, JsonOption, reporting
from ohrwurm.cli.progress import progress_bar

EPILOG = "Exit codes: 0 done, 1 error, 2 wrong usage, 3 something is missing or faulty, 130 interrupted."
SHOWN = 20  # of a long list; --json has all of it
RootOption = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", exists=True, file_okay=False, help="Where the sets are.  [$OHRWURM_DATA]"),
]
WorkersOption = Annotated[int, typer.Option(min=1, help="Decoding processes.")]


def register(data: typer.Typer) -> None:
    """Add the commands to `ohrwurm data`."""
    data.command("list")(list_benchmarks)
    data.command(epilog=EPILOG)(prepare)
    data.command(epilog=EPILOG)(validate)


def list_benchmarks(
    task: Annotated[str, typer.Option(help="Those that hold the truth for this task of `ohrwurm evaluate`.")] = "",
    root: RootOption = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table of docs/benchmarks.md.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the benchmarks: variants, tracks, tasks, and what is there. Example: ohrwurm data list --task tagging"""
    from ohrwurm.data.benchmarks import NAMES, find, listing

    names = list(NAMES)
    if task:
        from ohrwurm.evaluation import tasks

        with reporting():
            names = tasks.serving(tasks.find(task))
    if markdown:
        typer.echo(listing.markdown(names), nl=False)
        return
    found = listing.entries(names, root)
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("benchmark", "tracks (train / validation / test)", "tasks", "there"):
        table.add_column(name, no_wrap=name == "benchmark")
    for entry in found:
        for number, (name, variant) in enumerate(find(entry["name"]).variants.items()):
            lies = entry["there"] or (["--download"] if entry["remotes"] else [])
            cells = (f"{entry['name']}/{name}", listing.counted(variant), ", ".join(variant.tasks))
            table.add_row(*map(escape, (*cells, ", ".join(lies) if not number else "")))
    Console().print(table)


def prepare(
    name: Annotated[str, typer.Argument(metavar="NAME[/VARIANT]", help="A benchmark that `ohrwurm data list` names.")],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for manifest, labels and audio.  [NAME-VARIANT in $OHRWURM_DATA, where it is found]",
        ),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The set as published; by default its folder in $OHRWURM_DATA."),
    ] = None,
    download: Annotated[
        bool, typer.Option("--download", help="Fetch what can be fetched first, into --source or within --out.")
    ] = False,
    audio: Annotated[
        str,
        typer.Option(
            metavar="FORM",
            help="published: as papers on it keep audio; keep: as it is; or wav:22050, npy:16000, flac, or the system "
            "whose form it is (`ohrwurm data list --json`).",
        ),
    ] = "published",
    workers: WorkersOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Make a folder of a benchmark: one manifest, labels in their order, audio as published. Killed, it goes on.

    Example: ohrwurm data prepare magnatagatune/pons --download --out data/magnatagatune-pons
    """
    from ohrwurm.data import preparing
    from ohrwurm.data.archives import data_root
    from ohrwurm.data.benchmarks import find

    with reporting():
        benchmark = find(name)
        out = out or data_root() / f"{benchmark.name}-{benchmark.default}"
        form = preparing.parse_form(audio, benchmark.audio)
        if download:  # two bars at a time cannot be shown; what is there by then is not fetched again
            with progress_bar("Fetching", as_json, in_bytes=True) as fetching:
                preparing.fetch(benchmark, "", out, source=source, audio=form, progress=fetching)
        with progress_bar("Converting", as_json) as progress:
            made = preparing.prepare(
                benchmark, "", out,
                source=source, download=download, audio=form, workers=workers, progress=progress,
            )  # fmt: skip
    failed = [{"track_id": f.track_id, "path": f.path, "reason": f.reason} for f in made.failed]
    if as_json:
        facts = {"tracks": len(made.manifest), "converted": made.converted, "kept": made.kept, "counts": made.counts}
        typer.echo(json.dumps({"folder": str(out), **facts, "failed": failed}, ensure_ascii=False))
    else:
        splits = ", ".join(f"{n:,} {split or 'without a split'}" for split, n in made.counts.items())
        typer.echo(f"{len(made.manifest):,} tracks ({splits}): {made.folder / 'manifest.csv'}")
        typer.echo(f"{made.converted:,} recordings converted, {made.kept:,} there before; {len(failed):,} failed")
        typer.echo(f"Licence: {benchmark.licence}. Cite: {benchmark.citation}.")
        for failure in failed[:SHOWN]:
            typer.echo(f"  {failure['track_id']}: {failure['path']}: {failure['reason']}", err=True)
        if len(failed) > SHOWN:
            typer.echo(f"  and {len(failed) - SHOWN:,} more: ohrwurm data validate {out}", err=True)
    if failed:
        raise typer.Exit(NOTHING)


def validate(
    what: Annotated[
        str, typer.Argument(metavar="NAME|PATH", help="A benchmark (NAME[/VARIANT]), a folder of one, or a manifest.")
    ],
    root: RootOption = None,
    variant: Annotated[str, typer.Option(help="Of the benchmark that a folder holds; by default its first.")] = "",
    decode: Annotated[
        bool, typer.Option("--decode", help="Decode every file to its end; else headers are read.")
    ] = False,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Compare no contents: neither checksums nor recordings that are there twice."),
    ] = False,
    workers: WorkersOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Say what of a data set is missing or faulty, and what that does to numbers on it.

    Example: ohrwurm data validate gtzan/filtered --data ~/data
    """
    from ohrwurm.data.validating import validate as check

    with reporting(), progress_bar("Decoding", as_json or not decode) as progress:
        found = check(
            what, root=root, variant=variant, contents=not quick, decode=decode, workers=workers, progress=progress
        )
    if as_json:
        typer.echo(json.dumps(found.as_dict(), ensure_ascii=False))
    else:
        typer.echo(f"{found.name} in {found.place}")
        for part in found.parts:
            typer.echo(f"  {part.counted()}")
        for finding in found.findings:
            typer.echo(f"{finding.weight}: {finding.text}")
        for sentence in found.effects:
            typer.echo(f"so {sentence}")
        if found.whole:
            typer.echo("Nothing is missing.")
    if not found.whole:
        raise typer.Exit(NOTHING)
