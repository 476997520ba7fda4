"""What sections are called: the seven classes of the structure task, and which of them an annotator's word means."""

from __future__ import annotations

import re
from collections import Counter

from ohrwurm.analysis.targets import IGNORED
from ohrwurm.events import SECTIONS, Spans

CLASSES = SECTIONS
END = "end"  # not a section: where the last one ends

_WORDS = {
    "intro": ("intro", "fadein", "opening"),
    "verse": ("verse", "prechorus", "rap", "section", "slow", "build", "dialog"),
    "chorus": ("chorus", "refrain", "theme", "stutter"),
    "bridge": ("bridge", "transition"),
    "inst": ("inst", "break", "interlude", "impro", "solo"),
    "outro": ("outro", "out", "coda", "ending"),
    "silence": ("silence",),
}
_CLASS_OF = {word: name for name, words in _WORDS.items() for word in words}
_BY_LENGTH = sorted(_CLASS_OF, key=len, reverse=True)


def section_class(label: str) -> str | None:
    """One of `CLASSES` for a label; None for one that is not in the table (and for `END`).

    Case, digits and punctuation do not matter. The word with which the label begins decides, else one within it; of
    several the longest.

    >>> [section_class(x) for x in ("Verse 2", "pre-chorus", "post-chorus", "instrumental verse", "gtr", "end")]
    ['verse', 'verse', 'chorus', 'inst', None, None]
    """
    text = re.sub(r"[^a-z]", "", label.lower())
    for found in (text.startswith, text.__contains__):
        for word in _BY_LENGTH:
            if found(word):
                return _CLASS_OF[word]
    return None


def section_number(label: str) -> int:
    """Number of a label's class, or `IGNORED`; for `targets.label_targets`.

    >>> section_number("solo"), section_number("gtr")
    (4, -1)
    """
    name = section_class(label)
    return IGNORED if name is None else CLASSES.index(name)


def mapped_sections(spans: Spans) -> tuple[Spans, Counter[str]]:
    """Sections by class, and the labels that the table does not know, with how often; these stay as they are.

    A last span called `END` goes.

    >>> import numpy as np
    >>> raw = Spans(np.array([[0.0, 9.0], [9.0, 20.0], [20.0, 20.1]]), ("Intro", "gtr", "end"))
    >>> found, unknown = mapped_sections(raw)
    >>> found.labels, dict(unknown)
    (('intro', 'gtr'), {'gtr': 1})
    """
    ends = len(spans) > 0 and spans.labels[-1].strip().lower() == END
    count = len(spans) - ends
    classes = [section_class(label) for label in spans.labels[:count]]
    unknown = Counter(label for label, name in zip(spans.labels, classes, strict=False) if name is None)
    labels = tuple(name or label for label, name in zip(spans.labels, classes, strict=False))
    confidence = None if spans.confidence is None else spans.confidence[:count]
    return Spans(spans.intervals[:count], labels, confidence), unknown
