"""`ohrwurm demo`: a small rendered collection, searched three ways and listened to, with the right answers known."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ohrwurm.cli.collection import JsonOption, reporting

if TYPE_CHECKING:
    from rich.console import Console


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(demo)


def demo(
    folder: Annotated[
        Path | None,
        typer.Option(
            "--dir", metavar="DIR", show_default=False, help="Folder for it. By default ~/.local/share/ohrwurm/demo."
        ),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep/--no-keep", help="Keep the clips and the collection, to listen and search on.")
    ] = True,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="NAME", help="Use this model instead of the bundled ones; repeatable."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Clips at a time. By default one a core.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Render 45 clips of well-known old tunes, index them, search them by words, by sound and by version, and listen
    for their tempo, metre, key and chords.

    Says which answers are right. Can be stopped and started again at any time: it goes on where it was.

    Example: ohrwurm demo --dir /tmp/ohrwurm-demo
    """
    from rich.console import Console

    from ohrwurm.demo.plan import clips
    from ohrwurm.demo.run import default_demo_folder, discard, run
    from ohrwurm.demo.tables import print_next, print_outcome

    place = (folder or default_demo_folder()).expanduser()
    console = Console()
    with reporting():
        with _progress(Console(stderr=True), len(clips()), quiet=as_json) as (on_render, on_index, on_listen):
            outcome = run(
                place, models=model, workers=workers, on_render=on_render, on_index=on_index, on_listen=on_listen
            )
        if as_json:
            typer.echo(json.dumps(outcome.to_json(), indent=2, ensure_ascii=False, default=str))
        else:
            print_outcome(outcome, console)
            if keep:
                print_next(outcome, console)
        if not keep:
            discard(place)


@contextmanager
def _progress(
    console: Console, total: int, *, quiet: bool
) -> Iterator[tuple[Callable[..., None], Callable[..., None], Callable[..., None]]]:
    """Bars for the three long stages on standard error; one line a stage where that is no terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    bars = console.is_terminal and not quiet
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=not bars) as bar:
        render = bar.add_task("Rendering clips", total=total)
        index = bar.add_task("Indexing them", total=None, visible=False)
        listen = bar.add_task("Listening for beats, chords and keys", total=None, visible=False)
        if not (bars or quiet):
            console.print(f"Rendering {total} clips and indexing them ...", highlight=False)

        def on_render(truth: Any, new: bool) -> None:
            bar.advance(render)

        def on_index(now: Any) -> None:
            if now.phase == "embed":
                bar.update(index, completed=now.done, total=now.total, visible=True)

        def on_listen(done: int, total: int) -> None:
            bar.update(listen, completed=done, total=total, visible=True)

        yield on_render, on_index, on_listen
