"""`ohrwurm report`: reports of `ohrwurm evaluate` side by side, as a table, a page or a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ohrwurm.cli.collection import JsonOption, reporting

if TYPE_CHECKING:
    from ohrwurm.evaluation.comparison import Comparison

EPILOG = "Exit codes: 0 done, 1 error, 2 wrong usage, 130 interrupted."
FORMS = (".md", ".html", ".png")
WIDE = 160  # columns of a table that no terminal shows: in a file or a pipe nothing is to be folded


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(epilog=EPILOG)(report)


def report(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", exists=True, dir_okay=False, help="JSON reports; others are compared with the first."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="Write a page or picture: .md (its picture beside it), .html, or .png."
        ),
    ] = None,
    references: Annotated[
        bool, typer.Option("--references", help="Set published results beside one's own, with what differs.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the resampling.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Compare reports of one task on the same data: figures, paired tests, what changed most.

    Differences are tested item by item (queries, tracks, labels), over whole works where they hang together, and
    corrected for their number. What makes reports less comparable is told.

    Example: ohrwurm report old.json new.json --out comparison.html
    """
    if out is not None and out.suffix.lower() not in FORMS:
        raise typer.BadParameter(f"{out}: ends in none of {', '.join(FORMS)}", param_hint="--out")
    with reporting():
        from ohrwurm.evaluation.comparison import compare

        found = compare(files, seed=seed)
        if out is not None:
            _write(found, out, references)
        if as_json:
            typer.echo(found.to_json(), nl=False)
            return
        _show(found, references)
        if out is not None:
            typer.echo(f"Written: {out}")


def _write(found: Comparison, out: Path, references: bool) -> None:
    from ohrwurm.atomic import write_bytes, write_text
    from ohrwurm.evaluation.figures import pictures, png
    from ohrwurm.evaluation.presenting import markdown, page

    parts, form = pictures(found), out.suffix.lower()
    if form == ".html":
        figures = [(p.title, png(found, [p]), png(found, [p], "dark")) for p in parts]
        write_text(out, page(found, references=references, figures=figures))
        return
    write_bytes(out.with_suffix(".png"), png(found, parts))
    if form == ".md":
        write_text(out, markdown(found, references=references, picture=out.with_suffix(".png").name))


def _show(found: Comparison, references: bool) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from ohrwurm.evaluation.presenting import tables, title, warnings

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, WIDE)
    console.print(f"[bold]{escape(title(found))}")
    for warning in warnings(found):
        console.print(f"[yellow]note[/yellow] {escape(warning)}", soft_wrap=True)
    for part in tables(found, references):
        console.print(f"\n[bold]{escape(part.title)}")
        table = Table(box=None, pad_edge=False)
        for i, name in enumerate(part.head):
            text = i in part.words
            longest = max(len(word) for cell in [name, *(row[i] for row in part.rows)] for word in cell.split() or [""])
            table.add_column(
                escape(name), justify="left" if text else "right", no_wrap=not text, overflow="fold", min_width=longest
            )
        for row in part.rows:
            table.add_row(*map(escape, row))
        console.print(table)
        for note in part.notes:
            console.print(f"[dim]{escape(note)}", soft_wrap=True)
