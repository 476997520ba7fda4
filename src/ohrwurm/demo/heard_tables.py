"""Prints what was heard in clips beside what was played, the search narrowed by it, and the figures over all clips."""

from __future__ import annotations

import re

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ohrwurm.analysis.keys import NO_KEY
from ohrwurm.demo.narrowed import Narrowed
from ohrwurm.demo.rendering import Truth
from ohrwurm.demo.understanding import Compared, ShownChord, Understanding, first_chords, same_metre
from ohrwurm.evaluation.metrics import key

RELATIONS = {"fifth": "a fifth off", "relative": "the relative key", "parallel": "the parallel key"}


def mark(right: bool) -> str:
    """✓ or ✗, in colour."""
    return "[bold green]✓[/]" if right else "[bold red]✗[/]"


def answers_table() -> Table:
    """An empty table of answers: mark, score, title, style, and what else there is to say."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0), expand=True)
    table.add_column(width=3, justify="right")
    table.add_column(width=6, justify="right", style="dim")
    table.add_column(ratio=4, no_wrap=True, overflow="ellipsis")
    table.add_column(width=19, no_wrap=True, overflow="ellipsis", style="cyan")
    table.add_column(ratio=3, no_wrap=True, overflow="ellipsis", style="dim")
    return table


def flats(name: str) -> str:
    """A key or chord with flat signs.

    >>> flats("Bb minor"), flats("Bm7b5/Eb")
    ('B♭ minor', 'Bm7b5/E♭')
    """
    return re.sub(r"([A-G])b", r"\1♭", name)


def print_heard(one: Compared, truth: Truth, console: Console) -> None:
    """A clip: tempo, metre, key and first chords as heard and as played."""
    console.print(f"[bold]{escape(truth.title)}[/] ({truth.style})", highlight=False)
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), expand=True, header_style="dim")
    table.add_column(width=3, justify="right")
    table.add_column("", width=7)
    table.add_column("heard", ratio=5, no_wrap=True, overflow="ellipsis")
    table.add_column("played", ratio=3, no_wrap=True, overflow="ellipsis", style="dim")
    played, heard = one.played, one.heard
    assert heard.tempo is not None
    assert heard.key is not None
    bpm, ratio = heard.tempo.bpm, heard.tempo.bpm / played.tempo
    level = (" [dim](double)[/]" if ratio > 1 else " [dim](half)[/]") if one.level and not one.scores["tempo"] else ""
    table.add_row(mark(bool(one.scores["tempo"])), "tempo", f"{bpm:.1f} bpm{level}", f"{played.tempo:.1f} bpm")
    right = same_metre(heard.metre, played.metre)
    table.add_row(mark(right), "metre", _bars(heard.metre), _bars(played.metre))
    table.add_row(mark(heard.key.label == played.key), "key", _key(one), flats(played.key))
    chords = first_chords(one)
    table.add_row("", "chords", "  ".join(map(_chord, chords)), "  ".join(flats(chord.played) for chord in chords))
    console.print(table)
    console.print()


def print_narrowed(found: Narrowed, truths: dict[str, Truth], console: Console) -> None:
    """The search, and as many answers as there are right ones."""
    asked = f"“{found.words}”" if found.words else f"like {escape(truths[found.like].title)}"
    console.print(f'[bold]{asked}[/]  [cyan]--where "{escape(found.where)}"[/]', highlight=False)
    console.print(
        f"    [dim]right: {found.rule} ({found.right} of {found.among} clips)[/]",
        highlight=False,
    )
    table = answers_table()
    for hit in found.hits:
        truth = truths[hit.clip]
        heard = f"heard: {flats(hit.key)}, {hit.bpm:.0f} bpm"
        table.add_row(mark(hit.right), f"{hit.score:.3f}", escape(truth.title), truth.style, heard)
    console.print(table)
    if found.missed:
        console.print(
            f"      [red]not let through: {found.missed} right ones, heard in another key or tempo[/]", highlight=False
        )
    console.print()


def print_figures(understood: Understanding, console: Console) -> None:
    """Means over all clips beside chance."""
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for name in ("clips", "right", "by chance"):
        table.add_column(name, justify="right")
    for name, one in understood.figures().items():
        chance = "" if one.chance is None else f"[dim]{one.chance:.2f}[/]"
        table.add_row(name, str(len(understood.compared)), f"[bold]{one.value:.2f}[/]", chance)
    console.print()
    console.print(table)
    console.print(
        f"[dim]Tempo right, or half or double of it: {understood.level:.2f}. By chance: what was heard in another "
        "clip; a key drawn at random.[/]",
        highlight=False,
    )


def _bars(metre: int | None) -> str:
    return "no bars" if metre is None else f"{metre} beats a bar"


def _key(one: Compared) -> str:
    assert one.heard.key is not None
    found = one.heard.key.label
    if found == NO_KEY:
        return "none"
    relation = key.RELATIONS[int(key.relations([one.played.key], [found])[0])]
    return flats(found) + (f" [dim]({RELATIONS[relation]})[/]" if relation in RELATIONS else "")


def _chord(chord: ShownChord) -> str:
    name = escape(flats(chord.heard)) or "nothing"
    return f"[dim]{name}[/]" if chord.right is None else f"{mark(chord.right)} {name}"
