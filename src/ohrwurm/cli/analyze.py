"""`ohrwurm analyze`: what is in recordings: beats, tempo, chords, key, sections, tags."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ohrwurm.cli.collection import NOTHING, JsonOption, reporting
from ohrwurm.cli.options import DeviceOption, Precision
from ohrwurm.cli.progress import progress_bar

if TYPE_CHECKING:
    from ohrwurm.analysis.job import Outcome
    from ohrwurm.collection import Collection
    from ohrwurm.collection.analyses import Analyses
    from ohrwurm.models.headed import HeadedEncoder

EPILOG = "Exit codes: 0 done, 1 error, 2 wrong usage, 3 no files, or some of them failed, 130 interrupted."
OWN = ".click.flac"  # what an earlier run made of a recording is none itself


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(epilog=EPILOG)(analyze)


def analyze(
    sources: Annotated[
        list[Path] | None, typer.Argument(metavar="FILES|FOLDER...", help="Audio files, folders.", show_default=False)
    ] = None,
    collection: Annotated[
        Path | None,
        typer.Option(
            "--collection",
            metavar="DIR",
            help="Instead: every track of a collection that this model has not analyzed; `search` then finds by it.",
        ),
    ] = None,
    tasks: Annotated[
        str | None,
        typer.Option("--tasks", metavar="beats,chords,...", help="beats, chords, key, sections, tags; by default all."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write files here, in the folders of the recordings.")
    ] = None,
    formats: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="json,jams,...",
            help="With --out: json (the default), jams, lab, beats, csv, sv (layers of Sonic Visualiser), click "
            "(the audio with clicks), figure (PNG), figure-svg.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str, typer.Option("--model", metavar="NAME", help="A model with heads: a name, a model folder, or a run.")
    ] = "ohrwurm-frames",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Listen again to what was analyzed before.")] = False,
    retry: Annotated[
        bool, typer.Option("--retry", help="With --collection: try tracks again that failed before.")
    ] = False,
    precision: Annotated[
        Precision,
        typer.Option("--precision", help="What the network computes in; auto: the fastest here that agrees with fp32."),
    ] = Precision.fp32,
    device: DeviceOption = "auto",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Files at a time. By default one a core.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find beats, tempo, chords, key, sections and tags in recordings, and say what is uncertain.

    Prints a summary, or, with --json, one JSON object a line. With --out, writes files; then it can be stopped (Ctrl-C,
    even kill -9) and started again at any time: it goes on where it was, and listens only to what is new or changed.
    Another format is made of what was heard before.

    In Python, ohrwurm.analyze(FILE) does the same.

    Example: ohrwurm analyze ~/Music --out analyses --format json,figure
    """
    if bool(sources) == (collection is not None):
        raise typer.BadParameter("give files or folders, or --collection DIR")
    if formats is not None and out is None:
        raise typer.BadParameter("--format is for files: add --out DIR", param_hint="--format")
    if retry and collection is None:
        raise typer.BadParameter("--retry is for a collection: add --collection DIR", param_hint="--retry")
    with reporting(), ExitStack() as stack:
        from ohrwurm.analysis.formats import checked
        from ohrwurm.analysis.hearing import with_heads
        from ohrwurm.analysis.job import analyze_files, places, tasks_of, writing_to
        from ohrwurm.models.registry import load

        wanted = checked(_words(formats) or ["json"])
        music = None if collection is None else _existing(collection)
        failed: list[tuple[str, str]] = []
        files = list(_files(sources or [], out, failed))
        encoder = with_heads(load(model, precision=precision.value, device=device))
        asked = tasks_of(encoder, _words(tasks) or None)
        run = _Run(encoder.card.provenance, as_json, brief=out is not None or music is not None)
        if music is not None:
            # The lock of the collection is held from here on, so that two runs do not listen to the same tracks.
            run.analyses = stack.enter_context(music.analyzing())
            files = _pending(music, encoder, asked, overwrite, retry)
        if out is not None:
            stack.enter_context(writing_to(out))
        for file, reason in failed:
            run.fail(file, "unreadable", reason)
        tops = [path if path.is_dir() else path.parent for path in sources or map(Path, files)]
        outcomes = analyze_files(
            files,
            encoder,
            tasks=asked,
            where=None if out is None else places(files, out, tops),
            formats=wanted,
            overwrite=overwrite,
            workers=workers,
        )
        # Where summaries are printed, they are the progress.
        quiet = as_json or not run.brief
        with progress_bar("Listening", quiet=quiet) as progress, closing(outcomes):
            for done, outcome in enumerate(outcomes, 1):
                run.take(outcome)
                if progress is not None:
                    progress(done, len(files))
        stack.close()
        run.report(out, music)
    if run.errors or (music is None and not files):
        raise typer.Exit(NOTHING)


@dataclass
class _Run:
    """What one run does with its outcomes, and counts."""

    provenance: str
    as_json: bool
    brief: bool
    analyses: Analyses | None = None
    errors: list[str] = field(default_factory=list)
    new: int = 0
    before: int = 0
    written: int = 0
    audio: float = 0.0
    began: float = field(default_factory=time.monotonic)

    def take(self, outcome: Outcome) -> None:
        if self.analyses is not None:
            _store(self.analyses, outcome, self.provenance)
        if outcome.error is not None:
            self.fail(outcome.file, outcome.error.reason, outcome.error.detail)
            return
        assert outcome.analysis is not None
        self.written += len(outcome.written)
        if outcome.reused:
            self.before += 1
        else:
            self.new += 1
            self.audio += outcome.analysis.duration
        if self.as_json:
            from ohrwurm.analysis.formats.json import plain

            more = {"written": list(outcome.written)} if self.brief else {}
            typer.echo(json.dumps(plain(outcome.analysis) | more, ensure_ascii=False))
        elif not self.brief:
            from ohrwurm.analysis.summary import summary

            typer.echo(("\n" if self.new + self.before > 1 else "") + summary(outcome.analysis))

    def fail(self, file: str, reason: str, detail: str) -> None:
        self.errors.append(f"{file}: {reason}" + (f" ({detail})" if detail else ""))
        if self.as_json:
            typer.echo(json.dumps({"file": file, "error": reason, "detail": detail}, ensure_ascii=False))
        elif not self.brief:
            typer.echo(self.errors[-1], err=True)

    def report(self, out: Path | None, music: Collection | None) -> None:
        """Counts, and what failed, for people."""
        total = self.new + self.before + len(self.errors)
        if self.as_json:
            return
        if not total:
            typer.echo("Nothing to do." if music is not None else "No audio files found.", err=True)
            return
        if not self.brief:
            return
        seconds = time.monotonic() - self.began
        rate = f" ({self.audio / seconds:.0f} x real time)" if self.audio else ""
        typer.echo(f"{total} files: {self.new} analyzed in {seconds:.1f} s{rate}")
        if self.before:
            typer.echo(f"{self.before:>6} done before")
        if self.errors:
            again = "--retry tries them again" if music is not None else "the next run tries them again"
            typer.echo(f"{len(self.errors):>6} failed; {again}")
        for line in self.errors:
            typer.echo(line, err=True)
        if out is not None:
            typer.echo(f"{out}: {self.written} files written")
        for path in self.analyses.changed if self.analyses is not None else ():
            typer.echo(f"{path}: changed since it was indexed, not kept; run ohrwurm index first", err=True)
        if music is not None and self.new:
            typer.echo("Now: ohrwurm search --where \"key = 'D minor' and bpm between 118 and 122\"")


def _words(text: str | None) -> list[str]:
    return [word.strip() for word in (text or "").split(",") if word.strip()]


def _files(sources: Iterable[Path], out: Path | None, failed: list[tuple[str, str]]) -> Iterator[str]:
    """The audio files of what was named; what an earlier run wrote among them is left out."""
    from ohrwurm.audio.folder import walk
    from ohrwurm.errors import DataError

    named = list(sources)
    for source in named:
        if not source.exists():
            raise DataError(f"{source} does not exist. Nothing was done.")
    skip = [] if out is None or out.resolve() in (source.resolve() for source in named) else [out]
    seen = set()
    for source in named:
        for path, error in walk([source], skip=skip):
            if error:
                failed.append((path, error))
            elif path not in seen and not (source.is_dir() and path.endswith(OWN)):
                seen.add(path)
                yield path if source.is_absolute() else os.path.relpath(path)


def _existing(folder: Path) -> Collection:
    from ohrwurm.collection import Collection

    music = Collection(folder)
    _ = music.store  # says so where there is none, before a model is loaded
    return music


def _pending(
    music: Collection, encoder: HeadedEncoder, tasks: Sequence[str], overwrite: bool, retry: bool
) -> list[str]:
    """One file of each recording that is to be listened to."""
    if overwrite:
        present = {track.content: track.path for track in reversed(music.tracks()) if track.status == "present"}
        return sorted(present.values())
    return music.pending_analyses(encoder.card.provenance, tasks=tasks, retry=retry)


def _store(analyses: Analyses, outcome: Outcome, provenance: str) -> None:
    from ohrwurm.analysis.facts import facts

    if outcome.analysis is not None:
        analyses.add(outcome.file, facts(outcome.analysis))
    elif outcome.error is not None:
        analyses.fail(outcome.file, provenance, outcome.error.reason, outcome.error.detail)
