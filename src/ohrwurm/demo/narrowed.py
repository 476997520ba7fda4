"""One search that is narrowed by what was heard: words, and a condition on key and tempo."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from ohrwurm.collection import Collection
from ohrwurm.demo.questions import TEXTS, Kind
from ohrwurm.demo.rendering import Truth, audio_file

WORDS = "electronic dance music with synthesizers"  # one of `TEXTS`
WHERE = "mode = 'minor' and bpm > 100"


@dataclass(frozen=True)
class Hit:
    """A clip that was found: the key and tempo heard in it, by which it was let through, and whether it is right."""

    clip: str
    score: float
    key: str
    bpm: float
    right: bool


@dataclass(frozen=True)
class Narrowed:
    """A search with a condition, and its answers.

    Attributes:
        words: that were asked; empty where no model understands words, and `like` is asked with.
        like: the clip that was asked with.
        where: the condition on what was heard.
        rule: what makes an answer right, in words.
        hits: best first: as many as there are right ones.
        right, among: how many clips are right, and of how many.
        missed: how many right ones do not fulfil the condition, as heard.
    """

    words: str
    like: str
    where: str
    rule: str
    hits: tuple[Hit, ...]
    right: int
    among: int
    missed: int


def search_narrowed(collection: Collection, truths: Sequence[Truth], models: dict[Kind, str]) -> Narrowed | None:
    """Search the demo's collection with `WORDS`, or with the sound of a right answer, and `WHERE`.

    Returns:
        None where nothing could be right, or no model in use answers by words or sound.
    """
    rule, test = next((rule, test) for words, rule, test in TEXTS if words == WORDS)
    right = {truth.clip for truth in truths if test(truth) and _fulfils(truth)}
    words = WORDS if "words" in models else ""
    like = "" if words else min(right, default="")
    right -= {like}
    if not right or not (words or "sound" in models):
        return None
    folder = collection.path.parent
    clips = {os.path.abspath(audio_file(folder, truth.clip)): truth.clip for truth in truths}
    everything = max(1, len(collection.tracks()))
    if words:
        found = collection.search(words, where=WHERE, k=everything, model=models["words"])
    else:
        found = collection.search(like=audio_file(folder, like), where=WHERE, k=everything, model=models["sound"])
    heard = {track.path: track.analysis for track in collection.analyses(WHERE) if track.path in clips}
    hits = []
    for result in found:
        if facts := heard.get(result.path):
            clip = clips[result.path]
            hits.append(Hit(clip, result.score, facts.key or "", facts.bpm or 0.0, clip in right))
    return Narrowed(
        words=words,
        like=like,
        where=WHERE,
        rule=f"{rule}; minor, faster than 100 bpm",
        hits=tuple(hits[: len(right)]),
        right=len(right),
        among=len(truths) - bool(like),
        missed=len(right - {clips[path] for path in heard}),
    )


def _fulfils(truth: Truth) -> bool:
    """`WHERE`, of what was played."""
    return truth.key.endswith(":min") and truth.tempo > 100
