"""The McGill Billboard set's `salami_chords.txt`: sections and chords, bar by bar, with a time for each line.

    # metre: 4/4
    0.0     silence
    7.3469  A, intro, | A:min . C:maj . | (2/4) G:maj |, (guitar)
    14.2    | A:min | C:maj | x2
    176.1   end

A line is a phrase that lasts to the next one. Its bars share its time by their metre, the chords of a bar share the
bar evenly (`.` is the chord before, once more): times within a phrase are thus calculated, not heard. `x2` plays the
bars of a line twice. A section begins where a line has a letter or a name, and bears the name where it has one.

Source: Burgoyne, Wild, Fujinaga, "An expert ground truth set for audio chord recognition and music analysis", 2011.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from ohrwurm.data.annotations.chords import NO_CHORD, chords_of
from ohrwurm.data.annotations.reading import Reading, number, spans_of, text_of
from ohrwurm.data.annotations.spans import starts
from ohrwurm.errors import DataError
from ohrwurm.events import Spans

NAME = "salami_chords.txt"
METRE = re.compile(r"\(?(\d+)/(\d+)\)?")
LETTER = re.compile(r"[A-Z]'*")
TIMES = re.compile(r"\bx(\d+)\b")


@dataclass(frozen=True)
class Line:
    """One phrase: when it begins, what its section is called (empty: as before), and its bars as (weight, chords)."""

    time: float
    letter: str
    name: str
    bars: tuple[tuple[float, tuple[str, ...]], ...]


def read_chords(file: Path) -> Reading[Spans]:
    """The chords, `N` where a line has none.

    Raises:
        DataError: no such file, a line without a time, or a bar without a chord before its first dot.
    """
    lines = list(_lines(file))
    spans: list[tuple[float, float, str]] = []
    for line, after in pairwise(lines):
        total = sum(weight for weight, _ in line.bars)
        if not line.bars:
            spans.append((line.time, after.time, NO_CHORD))
            continue
        at = line.time
        for weight, chords in line.bars:
            each = (after.time - line.time) * weight / total / len(chords)
            for chord in chords:
                spans.append((at, at + each, chord))
                at += each
    return chords_of(spans_of(_joined(spans), "chords"))


def read_sections(file: Path) -> Reading[Spans]:
    """The sections under their names, or under their letters where they have no name.

    Raises:
        DataError: no such file, or a line without a time.
    """
    rows = [(line.time, line.name or line.letter) for line in _lines(file) if line.name or line.letter]
    return starts(rows)


def _lines(file: Path) -> Iterator[Line]:
    metre, chord = 1.0, ""
    for row, text in enumerate(text_of(file).splitlines(), 1):
        if text.startswith("#"):
            if match := re.match(r"#\s*metre:\s*(\S+)", text):
                metre = _weight(match[1], metre)
            continue
        if not text.strip():
            continue
        time, _, content = text.strip().partition("\t")
        head, *bars = content.split("|")
        tail = bars.pop() if bars else ""
        said = [part.strip() for part in head.split(",") if part.strip()]
        letter = next((part for part in said if LETTER.fullmatch(part)), "")
        name = next((part for part in said if part != letter and "(" not in part and ")" not in part), "")
        found = []
        for bar in bars:
            weight, chords = metre, []
            for token in bar.split():
                if METRE.fullmatch(token):
                    weight = _weight(token, metre)
                elif token == ".":
                    if not chord:
                        raise DataError(f"{file}, row {row}: a dot before there is a chord")
                    chords.append(chord)
                elif token != "->":
                    chord = token
                    chords.append(chord)
            found.append((weight, tuple(chords or [chord or NO_CHORD])))
        again = TIMES.search(tail)
        yield Line(number(time, file, row), letter, name, tuple(found * (int(again[1]) if again else 1)))


def _weight(text: str, otherwise: float) -> float:
    match = METRE.fullmatch(text)
    return int(match[1]) / int(match[2]) if match and int(match[2]) else otherwise


def _joined(spans: list[tuple[float, float, str]]) -> list[tuple[float, float, str]]:
    """Chords that go on are one."""
    found: list[tuple[float, float, str]] = []
    for start, end, label in spans:
        if found and found[-1][2] == label and found[-1][1] >= start - 1e-9:
            found[-1] = (found[-1][0], end, label)
        else:
            found.append((start, end, label))
    return found
