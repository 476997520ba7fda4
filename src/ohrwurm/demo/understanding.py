"""What is in each clip, as a model with heads hears it, beside what was played: beats, tempo, metre, key, chords.

What was heard goes into the demo's collection, as `ohrwurm analyze --collection` puts it there, so that the next run
finds it done. Chance is what the answers to the next clip would get; of keys, what a key drawn at random gets.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ohrwurm.analysis.chord_names import chord_name
from ohrwurm.analysis.decisions import metre_of
from ohrwurm.analysis.facts import facts
from ohrwurm.analysis.formats.json import restored
from ohrwurm.analysis.hearing import with_heads
from ohrwurm.analysis.job import analyze_files
from ohrwurm.analysis.keys import NO_KEY
from ohrwurm.analysis.recording import Analysis, listening
from ohrwurm.collection import Collection
from ohrwurm.data.annotations.keys import key_name
from ohrwurm.data.annotations.rendered import read_beats, read_chords
from ohrwurm.demo.rendering import Truth, annotation_file, audio_file
from ohrwurm.errors import CollectionError, ModelError
from ohrwurm.evaluation.metrics import beat, chord, corpus, key
from ohrwurm.events import Beats, Spans
from ohrwurm.models import registry
from ohrwurm.models.base import AudioEncoder

LISTENER = "ohrwurm-frames"
TASKS = ("beats", "chords", "key")  # what is heard: all that the truth decides
NEAR = 0.04  # share by which a tempo may be off
CHORDS = 6  # of each that are printed
METRICS = {  # name in `scores` → as it is told
    "beats": "beats: F-measure within 70 ms",
    "tempo": "tempo within 4 %",
    "metre": "beats of a bar (2 counts as 4)",
    "key": "key",
    "key points": "key: weighted score (MIREX)",
    "chords": "chords: share of the time (major, minor)",
}
LEVEL = "tempo, its half or double"


@dataclass(frozen=True)
class Played:
    """What is known of a clip, because it was rendered.

    Attributes:
        tempo: of the beats, in beats a minute. metre: beats of a bar; None where no whole bar is known.
        key: spelled as `ohrwurm.events.KEYS` does.
    """

    beats: Beats
    tempo: float
    metre: int | None
    key: str
    chords: Spans


@dataclass(frozen=True)
class Compared:
    """A clip: what was played, what was heard, and what that is worth (`scores`)."""

    clip: str
    played: Played
    heard: Analysis
    scores: dict[str, float]

    @property
    def level(self) -> bool:
        """Whether the tempo is right, or half or double of what is right."""
        return bool(self.scores[LEVEL])


@dataclass(frozen=True)
class Measured:
    """A mean over clips, and what it would be by chance (None for a single clip)."""

    value: float
    chance: float | None


@dataclass(frozen=True)
class ShownChord:
    """A chord that was played, what was heard most of its time, and whether that is right (None: neither major nor
    minor, which is not counted)."""

    played: str
    heard: str
    right: bool | None


@dataclass(frozen=True)
class Understanding:
    """All clips as a model heard them.

    Attributes:
        model: its name. learned: whether it was trained.
        new: clips that it listened to in this run.
    """

    model: str
    learned: bool
    compared: tuple[Compared, ...]
    new: int

    @property
    def level(self) -> float:
        """Share of the clips whose tempo is right, or half or double of what is right."""
        return float(np.mean([one.level for one in self.compared]))

    def figures(self) -> dict[str, Measured]:
        """The means of `METRICS`, under the names by which they are told."""
        compared = self.compared
        found = corpus.evaluate([one.scores for one in compared])
        chance: dict[str, float] = {}
        if len(compared) > 1:
            others = [*compared[1:], compared[0]]
            chance = corpus.evaluate(
                [scores(one.played, other.heard) for one, other in zip(compared, others, strict=True)]
            )
            drawn = key.chance([one.played.key for one in compared])
            chance |= {"key": drawn["accuracy"], "key points": drawn["weighted score"]}
        return {told: Measured(found[name], chance.get(name)) for name, told in METRICS.items()}

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "model": self.model,
            "new": self.new,
            "figures": {name: asdict(one) for name, one in self.figures().items()},
            LEVEL: self.level,
            "clips": [
                {
                    "clip": one.clip,
                    "played": {name: getattr(one.played, name) for name in ("tempo", "metre", "key")},
                    "heard": {
                        "tempo": one.heard.tempo.bpm if one.heard.tempo else None,
                        "metre": one.heard.metre,
                        "key": one.heard.key.label if one.heard.key else None,
                    },
                    "scores": one.scores,
                }
                for one in self.compared
            ],
        }


def why_not(model: str | Path | AudioEncoder) -> str:
    """Why nothing can be heard on this machine; empty where it can.

    >>> why_not("no-such-model")
    'the model no-such-model is not installed'
    """
    if not isinstance(model, AudioEncoder):
        try:
            registry.card(model)
        except ModelError:
            return f"the model {model} is not installed"
    if importlib.util.find_spec("mir_eval") is None:
        return "its metrics need mir_eval: pip install 'ohrwurm[evaluation]'"
    return ""


def understand(
    collection: Collection,
    truths: Sequence[Truth],
    model: str | Path | AudioEncoder = LISTENER,
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Understanding:
    """Listen to the clips that the collection has no analysis of, keep what was heard there, and compare all.

    Args:
        collection: in the demo's folder, the clips indexed.
        model: with heads for `TASKS`.
        workers: clips at a time; by default one a core.
        progress: called with how many of how many new clips are done.

    Raises:
        ModelError: the model has no such heads.
        CollectionError: a clip cannot be listened to.
    """
    encoder = with_heads(model)
    listening(encoder, TASKS)  # has it the heads?
    folder = collection.path.parent
    files = {str(audio_file(folder, truth.clip).absolute()): truth for truth in truths}
    pending = collection.pending_analyses(encoder.card.provenance, tasks=TASKS, retry=True)
    todo = [path for path in pending if path in files]
    with collection.analyzing() as analyses:
        for done, outcome in enumerate(analyze_files(todo, encoder, tasks=TASKS, workers=workers), 1):
            if outcome.analysis is None:
                raise CollectionError(f"{outcome.file}: {outcome.error}")
            analyses.add(outcome.file, facts(outcome.analysis))
            if progress:
                progress(done, len(todo))
    compared = []
    for path, truth in files.items():
        played, heard = played_in(folder, truth), restored(collection.analysis(path))
        compared.append(Compared(truth.clip, played, heard, scores(played, heard)))
    learned = bool(encoder.card.features.get("learned", True))
    return Understanding(encoder.card.name, learned, tuple(compared), len(todo))


def played_in(folder: Path, truth: Truth) -> Played:
    """What was played in a clip, from its files.

    Raises:
        DataError: they are damaged.
    """
    file = annotation_file(folder, truth.clip)
    beats = read_beats(file).value
    return Played(beats, truth.tempo, metre_of(beats)[0], key_name(truth.key), read_chords(file).value)


def scores(played: Played, heard: Analysis) -> dict[str, float]:
    """What was heard of one clip in numbers from 0 to 1: `METRICS` and `LEVEL`.

    Raises:
        DataError: mir_eval is not installed.
    """
    assert heard.beats is not None
    assert heard.tempo is not None
    assert heard.key is not None
    assert heard.chords is not None
    found = heard.key.label
    chords = chord.evaluate(played.chords.intervals, played.chords.labels, heard.chords.intervals, heard.chords.labels)
    return {
        "beats": beat.evaluate(played.beats.times, heard.beats.times, skip=0)["F-measure"],
        "tempo": float(_near(heard.tempo.bpm, played.tempo)),
        LEVEL: float(any(_near(heard.tempo.bpm, played.tempo * level) for level in (0.5, 1.0, 2.0))),
        "metre": float(same_metre(heard.metre, played.metre)),
        "key": float(found == played.key),
        "key points": 0.0 if found == NO_KEY else float(key.weighted_scores([played.key], [found])[0]),
        "chords": chords["majmin"],
    }


def same_metre(heard: int | None, played: int | None) -> bool:
    """Whether bars are as long; two of 2 beats count as one of 4, since only notation tells them apart.

    >>> same_metre(4, 2), same_metre(3, 2)
    (True, False)
    """
    return heard is not None and (heard == played or {heard, played} == {2, 4})


def first_chords(one: Compared, most: int = CHORDS) -> list[ShownChord]:
    """The first chords that were played, and what was heard in the meantime."""
    heard = one.heard.chords
    assert heard is not None
    shown = []
    for (start, end), label in list(_runs(one.played.chords))[:most]:
        overlap = np.minimum(heard.intervals[:, 1], end) - np.maximum(heard.intervals[:, 0], start)
        share = chord.evaluate([[start, end]], [label], heard.intervals, heard.labels)["majmin"]
        name = chord_name(heard.labels[int(overlap.argmax())]) if (overlap > 0).any() else ""
        shown.append(ShownChord(chord_name(label), name, None if np.isnan(share) else share > 0.5))
    return shown


def _runs(chords: Spans) -> list[tuple[tuple[float, float], str]]:
    """Spans in a row with the same label as one."""
    runs: list[tuple[tuple[float, float], str]] = []
    for (start, end), label in zip(chords.intervals.tolist(), chords.labels, strict=True):
        if runs and runs[-1][1] == label:
            runs[-1] = ((runs[-1][0][0], end), label)
        else:
            runs.append(((start, end), label))
    return runs


def _near(bpm: float, right: float) -> bool:
    return abs(bpm / right - 1) <= NEAR
