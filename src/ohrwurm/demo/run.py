"""The demo from one end to the other: render, index, ask, judge, listen."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ohrwurm.atomic import write_text
from ohrwurm.collection import Collection, Progress, default_folder, default_models
from ohrwurm.collection.queries import first_for
from ohrwurm.demo.judging import Answer, Judged, Summary, judge, summarise
from ohrwurm.demo.narrowed import Narrowed, search_narrowed
from ohrwurm.demo.plan import Clip
from ohrwurm.demo.plan import clips as planned_clips
from ohrwurm.demo.questions import Kind, Question, sound_questions, text_questions, version_questions
from ohrwurm.demo.rendering import Truth, audio_file, render_clips
from ohrwurm.demo.understanding import LISTENER, Understanding, understand, why_not
from ohrwurm.errors import CollectionError, DataError
from ohrwurm.models import registry
from ohrwurm.models.base import AudioEncoder

MARKER = "ohrwurm-demo.json"
PARTS = ("music", "annotations", "truth", "collection")
KINDS: tuple[Kind, ...] = ("words", "sound", "versions")


@dataclass
class Outcome:
    """What a run of the demo found.

    Attributes:
        models: name of the model that answered each kind of question; a kind that no model can answer is absent.
        rendered: clips rendered in this run; the others were there.
        seconds: wall-clock seconds of each stage: ``render``, ``index``, ``ask``, ``understand``.
        understood: the clips as a model with heads heard them; None where none listened.
        not_understood: why none could; empty where none was to.
        narrowed: a search narrowed by what was heard; None where nothing could be right.
    """

    folder: Path
    truths: list[Truth]
    models: dict[Kind, str] = field(default_factory=dict)
    judged: list[Judged] = field(default_factory=list)
    rendered: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    understood: Understanding | None = None
    not_understood: str = ""
    narrowed: Narrowed | None = None

    @property
    def collection(self) -> Path:
        """The folder of the collection."""
        return self.folder / "collection"

    def of(self, kind: Kind) -> list[Judged]:
        """The judged questions of one kind."""
        return [judged for judged in self.judged if judged.question.kind == kind]

    def summaries(self) -> dict[Kind, Summary]:
        """Means of each kind that was asked."""
        return {kind: summarise(self.of(kind)) for kind in KINDS if self.of(kind)}

    def to_json(self) -> dict[str, Any]:
        """Everything, as plain values for JSON."""
        return {
            "audio": "rendered by a synthesiser; no recordings",
            "folder": str(self.folder),
            "collection": str(self.collection),
            "models": self.models,
            "clips": [asdict(truth) for truth in self.truths],
            "rendered": self.rendered,
            "seconds": self.seconds,
            "questions": [
                asdict(judged) | {"question": asdict(judged.question) | {"right": sorted(judged.question.right)}}
                for judged in self.judged
            ],
            "summary": {kind: asdict(summary) for kind, summary in self.summaries().items()},
            "understood": self.understood.to_json() if self.understood else None,
            "not_understood": self.not_understood,
            "narrowed": asdict(self.narrowed) if self.narrowed else None,
        }


def default_demo_folder() -> Path:
    """Beside the default collection, so that it is found again from any working directory."""
    return default_folder().parent / "demo"


def run(
    folder: Path,
    *,
    clips: Sequence[Clip] | None = None,
    models: Sequence[str] | None = None,
    listener: str | Path | AudioEncoder | None = LISTENER,
    workers: int | None = None,
    on_render: Callable[[Truth, bool], None] | None = None,
    on_index: Callable[[Progress], None] | None = None,
    on_listen: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Render the clips that are missing in `folder`, index them, ask all questions, judge the answers, and compare what
    a model hears in the clips with what was played.

    Killed at any moment, the next run goes on with what is there.

    Args:
        clips: what to render; by default `plan.clips()`.
        models: models of the collection; by default those of every new collection.
        listener: a model with heads, by name, by folder, or loaded; where it is not installed, or None, none listens.
        workers: clips at a time, in all stages; by default one a core.

    Raises:
        DataError: the folder holds something else, or rendering failed (a missing SoundFont, for example).
        CollectionError: a clip could not be indexed or listened to.
    """
    folder = folder.expanduser()
    claim(folder)
    clips = planned_clips() if clips is None else clips
    begun = time.perf_counter()
    rendered: list[str] = []

    def seen(truth: Truth, new: bool) -> None:
        if new:
            rendered.append(truth.clip)
        if on_render:
            on_render(truth, new)

    truths = render_clips(clips, folder, workers=workers or os.cpu_count() or 1, progress=seen)
    _tidy(folder / "music", {audio_file(folder, clip.name) for clip in clips})
    outcome = Outcome(folder, truths, rendered=len(rendered))
    outcome.seconds["render"] = time.perf_counter() - begun
    begun = time.perf_counter()
    names = list(models) if models is not None else default_models()
    collection = Collection(outcome.collection)
    collection.index([folder / "music"], models=names, workers=workers, progress=on_index)
    own = os.path.abspath(folder / "music") + os.sep
    if failures := [f for f in collection.errors() if f.path.startswith(own)]:
        raise CollectionError(f"{failures[0].path}: {failures[0].reason} {failures[0].detail}".rstrip())
    if gone := [t.path for t in collection.tracks("status = 'missing'") if t.path.startswith(own)]:
        collection.remove(*gone)
    outcome.seconds["index"] = time.perf_counter() - begun
    begun = time.perf_counter()
    outcome.models = _who_answers(names)
    outcome.judged = ask(collection, truths, outcome.models)
    outcome.seconds["ask"] = time.perf_counter() - begun
    if listener is not None:
        outcome.not_understood = why_not(listener)
    if listener is not None and not outcome.not_understood:
        begun = time.perf_counter()
        outcome.understood = understand(collection, truths, listener, workers=workers, progress=on_listen)
        outcome.narrowed = search_narrowed(collection, truths, outcome.models)
        outcome.seconds["understand"] = time.perf_counter() - begun
    return outcome


def _tidy(music: Path, wanted: set[Path]) -> None:
    """Delete clips of an earlier plan, and what a killed run left half-written."""
    for stale in {*music.glob("clip-*.ogg"), *music.glob(".clip-*.tmp.ogg")} - wanted:
        stale.unlink(missing_ok=True)


def ask(collection: Collection, truths: Sequence[Truth], models: dict[Kind, str]) -> list[Judged]:
    """All questions of the kinds that `models` can answer, judged. Tracks that are no clips of the demo (somebody may
    have indexed their own music too) are passed over."""
    questions: list[Question] = []
    for kind, make in zip(KINDS, (text_questions, sound_questions, version_questions), strict=True):
        if kind in models:
            questions += make(truths)
    folder = collection.path.parent
    clips = {os.path.abspath(audio_file(folder, truth.clip)): truth.clip for truth in truths}
    everything = max(1, len(collection.tracks()))
    judged = []
    for question in questions:
        file, model = audio_file(folder, question.clip), models[question.kind]
        if question.kind == "words":
            found = collection.search(question.text, k=everything, model=model)
        elif question.kind == "sound":
            found = collection.search(like=file, k=everything, model=model)
        else:
            found = collection.versions(file, k=everything, model=model)
        answers = [Answer(clips[r.path], r.score, r.position) for r in found if r.path in clips]
        candidates = len(truths) - (question.kind != "words")  # a clip does not find itself
        judged.append(judge(question, answers, candidates))
    return judged


def _who_answers(names: Sequence[str]) -> dict[Kind, str]:
    """The model that a collection with these would ask for each kind of question."""
    cards = [registry.card(name) for name in names]
    found = {kind: first_for(kind, cards) for kind in KINDS}
    return {kind: card.name for kind, card in found.items() if card is not None}


def claim(folder: Path) -> None:
    """Make the folder the demo's own.

    Raises:
        DataError: it holds something that the demo did not make.
    """
    if not (folder / MARKER).is_file():
        if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
            raise DataError(f"{folder} is not empty, and no earlier demo made it. Name a new folder: --dir DIR")
        write_text(folder / MARKER, json.dumps({"about": "Made by `ohrwurm demo`; safe to delete."}) + "\n")


def discard(folder: Path) -> None:
    """Delete what the demo made in a folder of its own, and the folder if nothing else is in it."""
    folder = folder.expanduser()
    if not (folder / MARKER).is_file():
        return
    for part in PARTS:
        shutil.rmtree(folder / part, ignore_errors=True)
    (folder / MARKER).unlink()
    if not any(folder.iterdir()):
        folder.rmdir()
