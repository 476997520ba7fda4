"""What the demo asks, and which answers are right: decided by what was played, never by what was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ohrwurm.demo.rendering import Truth

Kind = Literal["words", "sound", "versions"]


@dataclass(frozen=True)
class Question:
    """One query and its right answers.

    Attributes:
        kind: by words, by sound, or for versions of the same work.
        text: the words of a text query, empty for the others.
        clip: name of the clip that is asked with, empty for a text query.
        rule: what makes an answer right, in words.
        right: names of the clips that are right answers.
        shown: whether its answers are printed; all questions count in the summary.
    """

    kind: Kind
    rule: str
    right: frozenset[str]
    text: str = ""
    clip: str = ""
    shown: bool = True


def _plays(*names: str) -> Callable[[Truth], bool]:
    return lambda truth: any(name in truth.instruments for name in names)


def _only_pianos(truth: Truth) -> bool:
    return all(name in ("piano", "bright piano", "honky-tonk piano") for name in truth.instruments)


def _styled(*styles: str) -> Callable[[Truth], bool]:
    return lambda truth: truth.style in styles


def _jazz_with_saxophone(truth: Truth) -> bool:
    return "jazz" in truth.tags and any("saxophone" in name for name in truth.instruments)


def _rock_with_distorted_guitar(truth: Truth) -> bool:
    return _styled("rock", "punk rock", "metal")(truth) and _plays("distorted guitar")(truth)


# Words, what makes an answer right, and the same as a test of the truth.
TEXTS: tuple[tuple[str, str, Callable[[Truth], bool]], ...] = (
    ("solo piano", "only pianos play", _only_pianos),
    ("string orchestra", "arranged for string orchestra", _styled("string orchestra")),
    ("jazz with saxophone", "a jazz style, and a saxophone plays", _jazz_with_saxophone),
    ("rock band with distorted guitar", "a rock style, and a distorted guitar plays", _rock_with_distorted_guitar),
    ("music box lullaby", "a music box plays", _plays("music box")),
    ("church organ hymn", "a church organ plays", _plays("church organ")),
    (
        "electronic dance music with synthesizers",
        "house, techno, trance or drum and bass",
        _styled("house", "techno", "trance", "drum and bass"),
    ),
    ("bluegrass with banjo", "a banjo plays", _plays("banjo")),
    (
        "solo classical guitar",
        "a classical guitar plays alone",
        lambda truth: truth.instruments == ("classical guitar",),
    ),
)
SOUND_STYLES = ("classical guitar", "bebop", "metal")  # one query clip of each
# Styles that sound alike count as the same sound; every other style only resembles itself.
SOUND_GROUPS = (
    ("jazz", ("bebop", "jazz ballad", "walking jazz")),
    ("rock", ("rock", "punk rock", "metal")),
    ("electronic", ("house", "techno", "trance", "drum and bass")),
    ("brass", ("brass band", "march")),
    ("piano", ("solo piano", "ragtime")),
)


def text_questions(truths: Sequence[Truth]) -> list[Question]:
    """The text queries that have a right answer among the clips."""
    asked = [
        Question("words", rule, frozenset(t.clip for t in truths if test(t)), text=text) for text, rule, test in TEXTS
    ]
    return [question for question in asked if question.right]


def sound_questions(truths: Sequence[Truth]) -> list[Question]:
    """For one clip of each of `SOUND_STYLES`: the clips of the same or a kindred style. Other works only, so that
    a common tune helps nobody."""
    asked = []
    for style in SOUND_STYLES:
        query = next((t for t in truths if t.style == style), None)
        if query is None:
            continue
        right = frozenset(t.clip for t in truths if _group(t) == _group(query) and t.work != query.work)
        kindred = dict(SOUND_GROUPS).get(_group(query), (style,))
        if right:
            asked.append(Question("sound", f"another tune in the style {' / '.join(kindred)}", right, clip=query.clip))
    return asked


def version_questions(truths: Sequence[Truth]) -> list[Question]:
    """For every clip of a work that is there in several versions: the others. One of each work is shown."""
    count = Counter(t.work for t in truths)
    seen: set[str] = set()
    asked = []
    for query in truths:
        if count[query.work] > 1:
            right = frozenset(t.clip for t in truths if t.work == query.work and t.clip != query.clip)
            shown = query.work not in seen
            asked.append(Question("versions", "the same tune", right, clip=query.clip, shown=shown))
            seen.add(query.work)
    return asked


def _group(truth: Truth) -> str:
    return next((name for name, styles in SOUND_GROUPS if truth.style in styles), truth.style)
