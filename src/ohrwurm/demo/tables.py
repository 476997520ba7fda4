"""Prints what the demo found: every shown answer with ✓ or ✗, and a summary with the chance level beside it."""

from __future__ import annotations

import shlex

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ohrwurm.demo.heard_tables import answers_table, mark, print_figures, print_heard, print_narrowed
from ohrwurm.demo.judging import Judged
from ohrwurm.demo.questions import Kind
from ohrwurm.demo.rendering import Truth
from ohrwurm.demo.run import Outcome
from ohrwurm.models import registry

HEADINGS: dict[Kind, str] = {
    "words": "Search by words",
    "sound": "Search by sound",
    "versions": "Versions of the same work",
}
SHOWN = 5  # most answers of one question
HEARD = "What is in the clips"
HEARD_SHOWN = 4  # clips that are shown from the inside: the first ones, whatever was heard in them
NO_WORDS = (
    "Search by words was not asked: none of the models in use understands words (the bundled model ohrwurm-text does)."
)


def print_outcome(outcome: Outcome, console: Console) -> None:
    """What was made, all tables, and the summary."""
    minutes = sum(truth.seconds for truth in outcome.truths) / 60
    console.print(
        f"{len(outcome.truths)} clips, {minutes:.0f} minutes: {outcome.rendered} rendered in "
        f"{outcome.seconds['render']:.0f} s, indexed in {outcome.seconds['index']:.0f} s.",
        highlight=False,
    )
    truths = {truth.clip: truth for truth in outcome.truths}
    for kind in HEADINGS:
        judged = [j for j in outcome.of(kind) if j.question.shown]
        if judged:
            console.print(f"\n[bold]{HEADINGS[kind]}[/]  [dim]{escape(outcome.models[kind])}[/]\n", highlight=False)
            for one in judged:
                print_question(one, truths, console)
    if "words" not in outcome.models:
        console.print(f"[yellow]{NO_WORDS}[/]\n", highlight=False)
    print_understood(outcome, console)
    print_summary(outcome, console)


def print_understood(outcome: Outcome, console: Console) -> None:
    """What was heard in some clips, and the search by it."""
    if outcome.understood is None:
        if outcome.not_understood:
            console.print(f"[yellow]Beats, chords and key were left out: {escape(outcome.not_understood)}.[/]\n")
        return
    truths = {truth.clip: truth for truth in outcome.truths}
    console.print(f"\n[bold]{HEARD}[/]  [dim]{escape(outcome.understood.model)}[/]\n", highlight=False)
    for one in outcome.understood.compared[:HEARD_SHOWN]:
        print_heard(one, truths[one.clip], console)
    if outcome.narrowed:
        print_narrowed(outcome.narrowed, truths, console)


def print_question(judged: Judged, truths: dict[str, Truth], console: Console) -> None:
    """One question and its best answers: as many as there are right ones (at most `SHOWN`), so that a perfect
    ranking shows ✓ only."""
    question = judged.question
    if question.text:
        asked = f"“{question.text}”"
    else:
        query = truths[question.clip]
        asked = f"{escape(query.title)} [not bold]({query.style}, {_key(query.key)}, {query.tempo:.0f} bpm)[/]"
    many = len(question.right)
    console.print(f"[bold]{asked}[/]", highlight=False)
    console.print(f"    [dim]right: {question.rule} ({many} of {len(judged.answers)} clips)[/]", highlight=False)
    table = answers_table()
    shown = min(SHOWN, many)
    for answer, right in list(zip(judged.answers, judged.correct, strict=True))[:shown]:
        truth = truths[answer.clip]
        table.add_row(
            mark(right), f"{answer.score:.3f}", escape(truth.title), truth.style, ", ".join(truth.instruments)
        )
    console.print(table)
    if not any(judged.correct[:shown]):
        console.print(f"      [red]the first right answer is at rank {judged.first:.0f}[/]", highlight=False)
    console.print()


def print_summary(outcome: Outcome, console: Console) -> None:
    """Means over all questions beside what a random order would give."""
    table = Table(title="In numbers", title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column("")
    for name in ("questions", "R@1", "by chance", "mAP", "by chance"):
        table.add_column(name, justify="right")
    for kind, s in outcome.summaries().items():
        table.add_row(
            HEADINGS[kind],
            str(s.questions),
            f"[bold]{s.recall_at_1:.2f}[/]",
            f"[dim]{s.chance_recall_at_1:.2f}[/]",
            f"[bold]{s.mean_average_precision:.2f}[/]",
            f"[dim]{s.chance_mean_average_precision:.2f}[/]",
        )
    console.print(table)
    console.print(
        "[dim]R@1: share of questions whose first answer is right. mAP: mean average precision over the ranking.[/]",
        highlight=False,
    )
    if outcome.understood:
        print_figures(outcome.understood, console)
    console.print(f"\n{_caveat(outcome)}", highlight=False)


def _caveat(outcome: Outcome) -> str:
    """What these figures are not."""
    text = (
        f"All {len(outcome.truths)} clips are [bold]rendered[/] by a synthesiser, from our own transcriptions. "
        "They show that everything works, not how well it works on recordings."
    )
    learned = [name for name in outcome.models.values() if registry.card(name).features.get("learned", True)]
    if learned:
        text += (
            " The models were trained on other clips rendered with the same styles and SoundFont, so this is an easy "
            f"test for them; what they achieve on recordings: [cyan]ohrwurm models show {learned[0]}[/]."
        )
    if outcome.understood and outcome.understood.learned:
        text += (
            " The model that hears beats, chords and key was trained on renditions too, with the same SoundFont and "
            "most of these styles: of other tunes, but for a dozen of these in other editions."
        )
    return text


def print_next(outcome: Outcome, console: Console) -> None:
    """How to go on from here."""
    lines = (
        ("Hear it in the browser", f"ohrwurm serve --open --collection {shlex.quote(str(outcome.collection))}"),
        ("Index your own music", "ohrwurm index ~/Music"),
        ("and search it", 'ohrwurm search "slow solo piano"'),
        *([("See what is in a song", "ohrwurm analyze song.mp3")] if outcome.understood else []),
    )
    console.print()
    for what, command in lines:
        console.print(f"{what:<23} [cyan]{escape(command)}[/]", highlight=False, soft_wrap=True)


def _key(label: str) -> str:
    """
    >>> _key("Bb:min")
    'B♭ minor'
    """
    tonic, _, mode = label.partition(":")
    return f"{tonic[:1]}{tonic[1:].replace('b', '♭').replace('#', '♯')} {'minor' if mode == 'min' else 'major'}"
