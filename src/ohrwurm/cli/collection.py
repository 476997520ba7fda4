"""`ohrwurm index`, `search`, `versions`, `status`, `errors`, `remove`: a folder of music made searchable."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ohrwurm.cli.options import DeviceOption, Precision

if TYPE_CHECKING:
    from ohrwurm.collection import Collection, Progress, Report, Result

ERROR, NOTHING = 1, 3  # 2 is typer's for wrong usage
INTERRUPTED = 130
EPILOG = "Exit codes: 0 done, 1 error, 2 wrong usage, 3 nothing found (index: some files failed), 130 interrupted."

CollectionOption = Annotated[
    Path | None,
    typer.Option(
        "--collection",
        metavar="DIR",
        envvar="OHRWURM_COLLECTION",
        help="Folder of the collection. By default ~/.local/share/ohrwurm/collection (XDG_DATA_HOME is respected).",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
WhereOption = Annotated[
    str,
    typer.Option(
        "--where",
        metavar="SQL",
        help="Condition on title, artist, album, genre, year, duration, path; after `ohrwurm analyze` also on key, "
        "tonic, mode, bpm, metre, chords, form, ...",
    ),
]
KeyOption = Annotated[
    str | None, typer.Option("--key", metavar="KEY", help='Only in this key: "D minor", "F#m", "D" or "minor".')
]
BpmOption = Annotated[
    str | None, typer.Option("--bpm", metavar="LOW-HIGH", help="Only at this tempo: 118-122, 118-, or 120 (and near).")
]
CountOption = Annotated[int, typer.Option("-k", "--results", min=1, help="How many results.")]
ModelOption = Annotated[
    str | None, typer.Option("--model", metavar="NAME", help="Which model of the collection answers.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for command in (index, search, versions, status, errors, remove):
        app.command(epilog=EPILOG)(command)


def index(
    folders: Annotated[
        list[Path] | None, typer.Argument(metavar="DIR...", help="Folders of music; none: all indexed before.")
    ] = None,
    collection: CollectionOption = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "--models",
            metavar="NAME",
            help="Use this model too (a name, a model folder, a run); repeatable.",
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Files at a time. By default one a core.", show_default=False)
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Try files again that failed before.")] = False,
    precision: Annotated[
        Precision | None,
        typer.Option(
            "--precision",
            help="What the models compute in, by default as before, or fp32. Another embeds all files again.",
            show_default=False,
        ),
    ] = None,
    device: DeviceOption = "cpu",
    as_json: JsonOption = False,
) -> None:
    """Make folders of music searchable, or bring the collection up to date.

    Can be stopped (Ctrl-C, even kill -9) and started again at any time: it goes on where it was.

    Example: ohrwurm index ~/Music
    """
    with reporting():
        music = _open(collection)
        with _progress_bar(quiet=as_json) as progress:
            report = music.index(
                folders or None,
                models=model,
                workers=workers,
                retry=retry,
                precision=precision.value if precision else None,
                device=device,
                progress=progress,
            )
        if as_json:
            _print_json({"collection": str(music.path)} | asdict(report))
        else:
            _print_report(music, report)
        if report.failures or not report.files:
            raise typer.Exit(NOTHING)


def search(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="WORDS...", help="What it should sound like; several are combined.")
    ] = None,
    like: Annotated[
        list[str] | None, typer.Option("--like", metavar="FILE|ID", help="Sound like this file or track; repeatable.")
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option("--not", metavar="WORDS", help="Stay away from this; repeatable.")
    ] = None,
    where: WhereOption = "",
    key: KeyOption = None,
    bpm: BpmOption = None,
    k: CountOption = 10,
    model: ModelOption = None,
    collection: CollectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search by words, by sound, or by both.

    Example: ohrwurm search "slow solo piano" --not drums --where "year < 1990"
    """
    if not words and not like:
        raise typer.BadParameter("give words to search for, or --like FILE|ID")
    with reporting():
        music = _open(collection)
        found = music.search(words, like=like, without=without, where=where, key=key, bpm=bpm, k=k, model=model)
        _print_results(found, as_json)


def versions(
    track: Annotated[
        str | None, typer.Argument(metavar="FILE|ID", help="A recording, in the collection or not.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All groups of versions in the collection.")] = False,
    threshold: Annotated[
        float | None,
        typer.Option(help="With --all: similarity from which tracks are one work. By default the model's own."),
    ] = None,
    where: WhereOption = "",
    key: KeyOption = None,
    bpm: BpmOption = None,
    k: CountOption = 10,
    model: ModelOption = None,
    collection: CollectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find other versions (covers, arrangements, live recordings) of a song.

    Example: ohrwurm versions recording.mp3
    """
    if (track is None) == (not everything):
        raise typer.BadParameter("give a file or track id, or --all")
    with reporting():
        music = _open(collection)
        if track is not None:
            _print_results(music.versions(track, k=k, where=where, key=key, bpm=bpm, model=model), as_json)
            return
        groups = music.version_groups(threshold, where=where, key=key, bpm=bpm, model=model)
        if as_json:
            shown = [
                {"similarity": g.similarity, "tracks": [_row(r, i) for i, r in enumerate(g.tracks, 1)]} for g in groups
            ]
            _print_json({"groups": shown})
        elif groups:
            for number, group in enumerate(groups, 1):
                _print_table(group.tracks, f"{number}. {len(group.tracks)} versions, similarity {group.similarity:.3f}")
        else:
            typer.echo("No versions found. A lower --threshold finds more, less surely.", err=True)
        if not groups:
            raise typer.Exit(NOTHING)


def status(collection: CollectionOption = None, as_json: JsonOption = False) -> None:
    """Show what the collection holds.

    Example: ohrwurm status
    """
    with reporting():
        found = _open(collection).status()
        if as_json:
            _print_json(asdict(found))
            return
        failures = ", ".join(f"{count} {reason}" for reason, count in found.failures.items()) or "none"
        lines = [
            ("collection", f"{found.path} ({found.disk_bytes / 1e6:.1f} MB)"),
            ("folders", ", ".join(found.folders)),
            ("tracks", f"{found.tracks} ({_clock(found.seconds)} of music, {found.silent} silent)"),
            ("missing", str(found.missing)),
            ("failed", failures),
        ]
        for name, count in found.analysed.items():
            behind = f", {found.tracks - count} to do" if count < found.tracks else ""
            lines.append(("analysed", f"{count} by {name.partition(':')[0]}{behind}"))
        if not found.analysed:
            command = f"ohrwurm analyze --collection {shlex.quote(found.path)}"
            lines.append(("analysed", f"none; {command} finds beats, chords, key, sections"))
        if found.analysis_failures:
            lines.append(("", f"{found.analysis_failures} could not be analysed (ohrwurm errors lists them)"))
        for m in found.models:
            behind = f", {found.contents - m.embedded} to do" if m.embedded < found.contents else ""
            lines.append(("model", f"{m.name}: {', '.join(m.good_for)}; {m.embedded} embedded{behind}"))
        for name, value in lines:
            typer.echo(f"{name:<11}{value}")


def errors(collection: CollectionOption = None, as_json: JsonOption = False) -> None:
    """List the files that could not be indexed, or not be analysed, with the reason.

    Example: ohrwurm errors
    """
    with reporting():
        music = _open(collection)
        failures = music.errors()
        if as_json:
            _print_json({"errors": [asdict(f) for f in failures]})
            return
        for failure in failures:
            detail = f" ({failure.detail})" if failure.detail else ""
            what = "not analysed: " if failure.stage == "analyze" else ""
            typer.echo(f"{failure.path}: {what}{failure.reason}{detail}")
        if failures:
            again = ["ohrwurm index --retry"] if any(f.stage == "index" for f in failures) else []
            if any(f.stage == "analyze" for f in failures):
                again.append(f"ohrwurm analyze --collection {shlex.quote(str(music.path))} --retry")
            typer.echo(f"\n{len(failures)} files. After repairing them: {' and '.join(again)}", err=True)
        else:
            typer.echo("No errors.", err=True)


def remove(
    tracks: Annotated[
        list[str] | None, typer.Argument(metavar="PATH|ID...", help="Files, folders or track ids.")
    ] = None,
    missing: Annotated[bool, typer.Option("--missing", help="All tracks whose file is gone.")] = False,
    collection: CollectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take tracks out of the collection. The files themselves are not touched.

    A file that still lies in an indexed folder comes back with the next `ohrwurm index`.

    Example: ohrwurm remove --missing
    """
    if not tracks and not missing:
        raise typer.BadParameter("give paths or track ids, or --missing")
    with reporting():
        removed = _open(collection).remove(*(tracks or []), missing=missing)
        if as_json:
            _print_json({"removed": [t.path for t in removed]})
        else:
            for track in removed:
                typer.echo(track.path)
            typer.echo(f"{len(removed)} removed.", err=True)
        if not removed:
            raise typer.Exit(NOTHING)


@contextmanager
def reporting() -> Iterator[None]:
    """Print errors raised on purpose as one line on standard error, without a traceback."""
    from ohrwurm.errors import OhrwurmError

    try:
        yield
    except OhrwurmError as error:
        typer.echo(f"ohrwurm: {error}", err=True)
        raise typer.Exit(ERROR) from error
    except KeyboardInterrupt as error:
        typer.echo("\nohrwurm: stopped; what was done is kept. Run the same command to go on.", err=True)
        raise typer.Exit(INTERRUPTED) from error


def _open(folder: Path | None) -> Collection:
    from ohrwurm.collection import Collection

    return Collection(folder)


@contextmanager
def _progress_bar(quiet: bool) -> Iterator[Callable[[Progress], None] | None]:
    """A bar on standard error with rate and time left; nothing where standard error is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TextColumn("{task.fields[remark]}"), console=console, transient=True) as bar:
        task = bar.add_task("Looking at files", total=None, remark="")

        def show(now: Any) -> None:
            if now.phase == "scan":
                bar.update(task, completed=now.done)
                return
            left = "" if now.seconds_left is None else f", {_clock(now.seconds_left)} left"
            wrong = f", {now.failed} failed" if now.failed else ""
            remark = f"{now.rate:.0f} x real time{left}{wrong}" if now.audio_seconds else f"starting{wrong}"
            bar.update(task, description="Listening", completed=now.done, total=now.total, remark=remark)

        yield show


def _print_report(music: Collection, report: Report) -> None:
    if not report.files:
        typer.echo("No audio files found.", err=True)
        return
    rate = f" ({report.audio_seconds / report.seconds:.0f} x real time)" if report.audio_seconds else ""
    typer.echo(f"{report.files} audio files: {report.indexed} indexed in {_clock(report.seconds)}{rate}")
    for count, what in (
        (report.unchanged, "unchanged"),
        (report.moved, "moved, vectors kept"),
        (report.missing, "no longer found, marked missing"),
        (report.skipped, "skipped, they failed before (--retry tries them again)"),
        (len(report.failures), "failed (ohrwurm errors lists them)"),
    ):
        if count:
            typer.echo(f"{count:>6} {what}")
    uses = {use for model in music.status().models for use in model.good_for}
    asked = {"words": 'search "solo piano"', "sound": "search --like FILE", "versions": "versions FILE"}
    for question in [question for use, question in asked.items() if use in uses][:1]:
        typer.echo(f"Now: ohrwurm {question} --collection {shlex.quote(str(music.path))}")


def _print_results(results: list[Result], as_json: bool) -> None:
    if as_json:
        _print_json({"results": [_row(result, rank) for rank, result in enumerate(results, 1)]})
    elif results:
        _print_table(results)
    else:
        typer.echo("Nothing found.", err=True)
    if not results:
        raise typer.Exit(NOTHING)


def _row(result: Result, rank: int) -> dict[str, Any]:
    return {"rank": rank} | asdict(result)


def _print_table(results: Any, title: str | None = None) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in ("#", "score", "at"):
        table.add_column(name, justify="right", no_wrap=True)
    # Only what may wrap gives way in a narrow terminal: numbers and ids stay whole.
    table.add_column("title", overflow="ellipsis")
    table.add_column("artist", overflow="ellipsis")
    table.add_column("id", no_wrap=True, style="dim")
    heard = any(r.analysis for r in results)
    if heard:
        table.add_column("bpm", justify="right", no_wrap=True)
        table.add_column("key", no_wrap=True)
    wide = console.width >= 120
    if wide:
        table.add_column("file", overflow="ellipsis", style="dim")
    for rank, r in enumerate(results, 1):
        at = "" if r.position is None else _clock(r.position)
        row = [str(rank), f"{r.score:.3f}", at, escape(r.title), escape(r.artist), r.id]
        if heard:
            bpm, key = (r.analysis.bpm, r.analysis.key) if r.analysis else (None, None)
            row += [f"{bpm:.0f}" if bpm else "", key or ""]
        table.add_row(*row, *([escape(Path(r.path).name)] if wide else []))
    console.print(table)


def _print_json(value: dict[str, Any]) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _clock(seconds: float) -> str:
    """Seconds as h:mm:ss or m:ss.

    >>> _clock(75), _clock(3601)
    ('1:15', '1:00:01')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
