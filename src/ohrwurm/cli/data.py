"""`ohrwurm data`: render scores to audio with exact truth, look into a manifest; benchmarks in a file of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ohrwurm.cli import benchmarks
from ohrwurm.cli.collection import reporting
from ohrwurm.cli.progress import progress_bar

SOURCE = "A manifest (CSV, JSONL, Parquet), a data set as published (docs/data.md), or a folder of audio."

data = typer.Typer(help="Training and test data: benchmarks, rendered scores, manifests.", no_args_is_help=True)
benchmarks.register(data)


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    app.add_typer(data, name="data")


@data.command()
def render(
    scores: Annotated[str, typer.Option(help="Score sources, separated by commas (`ohrwurm data sources`).")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for audio, truth and manifest.csv.")],
    split: Annotated[str, typer.Option(help="train, validation or test: works are split, not renditions.")] = "test",
    count: Annotated[int, typer.Option(min=1, help="How many renditions.")] = 100,
    per_work: Annotated[
        int, typer.Option(min=1, help="Renditions of each work: versions (with --seconds 300: of whole songs).")
    ] = 1,
    seconds: Annotated[float, typer.Option(min=0.5, help="Longest length of each.")] = 30.0,
    style: Annotated[str, typer.Option(help="A style's name, random, or as-is (`ohrwurm data styles`).")] = "random",
    soundfont: Annotated[
        str | None, typer.Option(metavar="FILE", help="SoundFont; by default the one inside pretty_midi.")
    ] = None,
    rubato: Annotated[
        str, typer.Option(metavar="AMOUNT", help="How far the tempo comes and goes: 0, 0.1 for a tenth, or random.")
    ] = "0",
    clean: Annotated[bool, typer.Option("--clean", help="No room, noise, equaliser, codec or tuning.")] = False,
    sample_rate: Annotated[int, typer.Option(min=8000, help="Hz.")] = 22050,
    audio_format: Annotated[str, typer.Option("--format", help="flac, ogg or wav.")] = "flac",
    seed: Annotated[int, typer.Option(help="Equal seeds give equal folders.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    root: Annotated[
        Path | None, typer.Option("--data", exists=True, file_okay=False, help="Folder of scores, else OHRWURM_DATA.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Render scores into a folder of audio with truth and manifest. Killed, the same command goes on where it was.

    Example: ohrwurm data render --scores pop909,openewld --split test --count 200 --seconds 30 --out rendered
    """
    from ohrwurm.data.corpus import plan_renditions, render_corpus
    from ohrwurm.data.scores import read_scores
    from ohrwurm.data.styles import BY_NAME
    from ohrwurm.data.synthesis import find_soundfont

    if split not in ("train", "validation", "test"):
        raise typer.BadParameter("one of train, validation, test", param_hint="--split")
    if style not in ("random", "as-is", *BY_NAME):
        raise typer.BadParameter("random, as-is or a name that `ohrwurm data styles` lists", param_hint="--style")
    find_soundfont(soundfont)  # a wrong one is said before anything is read
    names = [s.strip() for s in scores.split(",") if s.strip()]
    specs = plan_renditions(
        read_scores(names, root, split=split),  # type: ignore[arg-type]
        count, per_work=per_work, seed=seed, style=style, soundfont=soundfont, sample_rate=sample_rate,
        seconds=seconds, start="random", rubato=_amount(rubato), degrade=not clean,
    )  # fmt: skip
    with progress_bar("Rendering", as_json) as progress:
        made = render_corpus(specs, out, audio_format=audio_format, workers=workers, progress=progress)
    failures = [{"score": f.score_id, "seed": f.seed, "reason": f.reason} for f in made.failures]
    if as_json:
        report = {"manifest": str(out / "manifest.csv"), "tracks": len(made.manifest), "failures": failures}
        typer.echo(json.dumps(report))
    else:
        typer.echo(f"{made.made} rendered, {made.kept} there before, {len(failures)} failed: {out / 'manifest.csv'}")
        for failure in failures[:20]:
            typer.echo(f"  {failure['score']}: {failure['reason']}", err=True)
    if failures:
        raise typer.Exit(1 if not len(made.manifest) else 3)


@data.command()
def pack(
    manifest: Annotated[Path, typer.Argument(exists=True, help=SOURCE)],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the pack.")],
    sample_rate: Annotated[int, typer.Option(min=1000, help="Hz, of the model to be trained.")] = 16000,
    workers: Annotated[int, typer.Option(min=1, help="Decoding processes.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Decode the audio of a data set once into a few large files for training. Killed, the same command goes on.

    A benchmark that is for measuring only is refused.

    Example: ohrwurm data pack music.csv --sample-rate 16000 --out packed
    """
    from ohrwurm.data import packs
    from ohrwurm.data.sources import benchmark_of, manifest_of, refuse_training

    with reporting():
        refuse_training(manifest)
        known = benchmark_of(manifest)
        with progress_bar("Packing", as_json) as progress:
            made = packs.pack(
                manifest_of(manifest),
                out,
                sample_rate,
                benchmark=known.name if known else "",
                workers=workers,
                progress=progress,
            )
    if as_json:
        typer.echo(json.dumps({"pack": str(out), "tracks": made.tracks, "failed": made.failed}))
    else:
        typer.echo(f"{made.tracks} recordings in {out}, {len(made.failed)} failed")
        for path, reason in made.failed[:20]:
            typer.echo(f"  {path}: {reason}", err=True)
    if made.failed:
        raise typer.Exit(3)


@data.command()
def statistics(
    source: Annotated[Path, typer.Argument(metavar="MANIFEST", exists=True, help="A manifest, or a pack at 24 kHz.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where to write them (JSON, as published for MusicFM).")],
    split: Annotated[str | None, typer.Option(help="Of these tracks alone: train, validation or test.")] = None,
    tracks: Annotated[int | None, typer.Option(min=1, help="At most so many tracks, a fixed sample.")] = None,
    n_mels: Annotated[int, typer.Option("--mels", min=1, help="Mel bands.")] = 128,
    workers: Annotated[int, typer.Option(min=1, help="Threads.")] = 1,
    cache: Annotated[Path | None, typer.Option(help="Folder where what is measured is kept.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Mean and deviation of a corpus' mel decibels, by which MusicFM normalises. Killed, the same command goes on.

    Example: ohrwurm data statistics music.csv --out my_stats.json
    """
    from ohrwurm.audio.statistics import write_statistics
    from ohrwurm.data.recordings import open_recordings
    from ohrwurm.data.statistics import sample_of
    from ohrwurm.folders import cache_folder
    from ohrwurm.models.musicfm import FEATURE, SAMPLE_RATE
    from ohrwurm.training.statistics import mel_statistics

    recordings = open_recordings(source, SAMPLE_RATE, split)
    rows = sample_of(recordings.tracks, range(len(recordings.tracks)), tracks)
    with progress_bar("Measuring", as_json) as progress:
        found = mel_statistics(
            recordings, rows, cache or cache_folder(), n_mels=n_mels, workers=workers, progress=progress
        )
    write_statistics(out, {FEATURE: found.moments})
    failed = [*recordings.failed, *found.failed]
    if as_json:
        figures = {"mean": found.moments.mean, "std": found.moments.std, "hours": found.hours, "failed": failed}
        typer.echo(json.dumps({"statistics": str(out), **figures}))
    else:
        typer.echo(
            f"mean {found.moments.mean:.4f} dB, deviation {found.moments.std:.4f} dB of {found.hours:.2f} h: {out}"
        )
        for path, reason in failed[:20]:
            typer.echo(f"  {path}: {reason}", err=True)
    if failed:
        raise typer.Exit(3)


@data.command()
def describe(
    manifest: Annotated[str, typer.Argument(help=SOURCE + " Or the name of a benchmark.")],
    root: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="DIR", exists=True, file_okay=False, help="Where a benchmark is.  [$OHRWURM_DATA]"
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Say what a data set holds: tracks, splits, works, words, missing files.

    Example: ohrwurm data describe mine.csv
    """
    from collections import Counter

    from ohrwurm.data.benchmarks import find, is_name
    from ohrwurm.data.sources import manifest_of

    found = find(manifest).read(root) if is_name(manifest) else manifest_of(manifest)
    works = found.works()
    summary: dict[str, Any] = {
        "tracks": len(found),
        "splits": dict(Counter(t.split or "none" for t in found)),
        "works": len(works),
        "works with several tracks": sum(len(group) > 1 for group in works.values()),
        "captions": sum(bool(t.caption) for t in found),
        "tags": len(found.tag_counts()),
        "most frequent tags": dict(found.tag_counts().most_common(20)),
        "annotations": sorted({name for t in found for name in t.annotations}),
        "missing files": found.missing_files(),
    }
    if as_json:
        typer.echo(json.dumps(summary, ensure_ascii=False))
    else:
        _print(summary)
    if summary["missing files"]:
        raise typer.Exit(3)


@data.command()
def sources(as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False) -> None:
    """List the score sources, and whether they may train. Example: ohrwurm data sources"""
    from ohrwurm.data.scores import EVALUATION_ONLY, SOURCES

    rows = [
        {"source": n, "trains": n not in EVALUATION_ONLY, "about": (read.__doc__ or "").split("\n")[0]}
        for n, read in SOURCES.items()
    ]
    _list(rows, as_json)


@data.command()
def styles(as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False) -> None:
    """List the styles that scores can be arranged in. Example: ohrwurm data styles"""
    from ohrwurm.data.styles import STYLES

    rows = [{"style": s.name, "tempo": f"{s.tempo[0]:.0f}-{s.tempo[1]:.0f}", "tags": ", ".join(s.tags)} for s in STYLES]
    _list(rows, as_json)


def _amount(rubato: str) -> float | str:
    if rubato == "random":
        return rubato
    try:
        amount = float(rubato)
    except ValueError:
        amount = -1.0
    if not 0.0 <= amount <= 0.5:
        raise typer.BadParameter("random, or a number from 0 to 0.5", param_hint="--rubato")
    return amount


def _list(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in rows[0]:
        table.add_column(name, no_wrap=name == next(iter(rows[0])))
    for row in rows:
        table.add_row(*(("yes" if v else "no") if isinstance(v, bool) else str(v) for v in row.values()))
    Console().print(table)


def _print(summary: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in summary.items():
        if name == "missing files":
            more = f" and {len(value) - 5} more" if len(value) > 5 else ""
            value = ", ".join(value[:5]) + more if value else "none"
        elif isinstance(value, dict):
            value = ", ".join(f"{k} ({n})" for k, n in value.items())
        elif isinstance(value, list):
            value = ", ".join(value)
        table.add_row(f"[bold]{escape(name)}[/bold]", escape(str(value)))
    Console().print(table)
