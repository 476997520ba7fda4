"""Tunes in ABC notation: a small parser of what tune books use (standard 2.1, melody, chord symbols and repeats).

Grace notes, ornaments and lyrics are left out; of notes played together the highest sounds; variants
endings and repeats are played out.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from ohrwurm.data.harmony import read_chord
from ohrwurm.data.lead_sheet import beat_length, lead_sheet
from ohrwurm.data.score import Score
from ohrwurm.errors import DataError
from ohrwurm.events import TONICS, pitch_class

_TOKENS = re.compile(
    r"""(?P<chord>"[^"]*")|(?P<decoration>![^!]*!|\+[^+\s]*\+)|(?P<grace>\{[^}]*\})|(?P<field>\[[A-Za-z]:[^\]]*\])
    |(?P<bar>:*\|+[\]:]*|\[\||::+|:\]|\|?\]|\[(?=\d))(?P<ending>\s*\d[\d,.-]*)?
    |(?P<tuplet>\(\d(?::\d?){0,2})|(?P<group>\[[^\]|:]*\])(?P<grouplength>\d*/*\d*)
    |(?P<note>(?:\^{1,2}|_{1,2}|=)?[A-Ga-g][,']*)(?P<length>\d*/*\d*)|(?P<rest>[zxZX])(?P<restlength>\d*/*\d*)
    |(?P<tie>-)|(?P<broken>>+|<+)|(?P<other>.)""",
    re.VERBOSE,
)
_NOTE = re.compile(r"(\^{1,2}|_{1,2}|=)?([A-Ga-g])([,']*)(\d*/*\d*)")
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ACCIDENTALS = {"^": 1, "^^": 2, "_": -1, "__": -2, "=": 0}
# Fifths to add to those of the major key on the same tonic; and whether the tonic chord is minor.
_MODES = {
    "maj": (0, False), "ion": (0, False), "": (0, False), "mix": (-1, False), "lyd": (1, False), "dor": (-2, True),
    "m": (-3, True), "min": (-3, True), "aeo": (-3, True), "phr": (-4, True), "loc": (-5, True),
}  # fmt: skip
_TUPLET_TIME = {2: 3, 3: 2, 4: 3, 5: 2, 6: 2, 7: 2, 8: 3, 9: 2}


@dataclass
class _Bar:
    """What stands between two bar lines; positions in whole notes from its beginning."""

    notes: list[tuple[Fraction, Fraction, int, bool]] = field(default_factory=list)  # onset, length, pitch, tied on
    chords: list[tuple[Fraction, str]] = field(default_factory=list)
    length: Fraction = Fraction(0)
    opens: bool = False  # a repeat begins here
    closes: int = 0  # times to go back at its end
    ending: frozenset[int] = frozenset()
    section: bool = False  # follows a double bar or a repeat


def read_abc(
    source: str | Path,
    *,
    source_name: str = "abc",
    score_id: str | None = None,
    work_id: str | None = None,
    tags: tuple[str, ...] = (),
) -> Score:
    """The first tune of an ABC text or file; see `abc_tunes`."""
    return abc_tunes(source, source=source_name, score_id=score_id, work_id=work_id, tags=tags)[0]


def abc_tunes(
    text: str | Path,
    *,
    source: str = "abc",
    score_id: str | None = None,
    work_id: str | None = None,
    tags: tuple[str, ...] = (),
) -> list[Score]:
    r"""All tunes of an ABC text (it contains a line break) or file.

    Ids are `source/title` in lower case unless given; the rhythm (`R:`) becomes a tag. Without `Q:` the tempo is
    110 beats per minute.

    Raises:
        DataError: no tune with notes in it.

    >>> tune = abc_tunes('X:1\nT:Scale\nM:4/4\nL:1/4\nQ:1/4=120\nK:D\n"D"DEFG|ABcd|]\n')[0]
    >>> tune.melody[:, 2].astype(int).tolist(), tune.key, tune.seconds
    ([62, 64, 66, 67, 69, 71, 73, 74], 'D:maj', 4.0)
    """
    path = None if isinstance(text, str) and "\n" in text else Path(text)
    if path is not None:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error})") from error
    label = str(path) if path is not None else "ABC text"
    scores = []
    for block in re.split(r"(?m)^(?=X:)", str(text)):
        if re.search(r"(?m)^K:", block):
            score = _tune(block, source, tags, label)
            scores.append(
                dataclasses.replace(score, score_id=score_id or score.score_id, work_id=work_id or score.work_id)
            )
    if not scores:
        raise DataError(f"{label}: no tune (a tune has a K: line and notes)")
    return scores


def _tune(block: str, source: str, tags: tuple[str, ...], label: str) -> Score:
    header: dict[str, str] = {}
    music: list[str] = []
    for raw in block.splitlines():
        line = re.sub(r"(?<!\\)%.*", "", raw).strip()
        match = re.match(r"([A-Za-z]):(?!\|)\s*(.*)", line)
        if match and not music and match[1] != "K":
            header.setdefault(match[1], match[2].strip())
        elif match and match[1] in "KLM":
            music.append(f"[{match[1]}:{match[2].strip()}]")
        elif match or not line:
            continue
        else:
            music.append(line.rstrip("\\"))
    bars, metre, keys = _parse("\n".join(music), header)
    notes, chords, downbeats, end = _played(bars, Fraction(*metre))
    if not notes:
        raise DataError(f"{label}: no notes in {header.get('T', 'the tune')!r}")
    title = header.get("T", "untitled")
    name = f"{source}/{re.sub(r'[^a-z0-9]+', '_', title.lower()).strip('_')}"
    rhythm = (header["R"].lower(),) if header.get("R") else ()
    return lead_sheet(
        notes, chords if len({c for _, c in chords}) > 1 else [], [(0.0, keys)], downbeats, end, metre,
        _tempo(header.get("Q", ""), metre), score_id=name, work_id=name, source=source, title=title,
        tags=tuple(dict.fromkeys((*tags, *rhythm))),
    )  # fmt: skip


def _tempo(text: str, metre: tuple[int, int]) -> float:
    """Beats per minute from ``1/4=120``, ``120`` or nothing."""
    match = re.search(r"(\d+)\s*/\s*(\d+)\s*=\s*(\d+)", text)
    if match:
        quarters = int(match[3]) * 4 * int(match[1]) / int(match[2])
        return quarters / beat_length(metre if metre != (2, 2) else (4, 4))
    match = re.fullmatch(r"\D*(\d+)\D*", text)
    return float(match[1]) if match else 110.0


def _metre(text: str) -> tuple[int, int]:
    text = text.strip()
    if text == "C|":
        return 2, 2
    match = re.match(r"(\d+)\s*/\s*(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (4, 4)


def _key(text: str) -> tuple[str, dict[str, int]]:
    """The key label and the alterations of its signature: `K:Dmix` → ``D:maj`` with one sharp."""
    text = text.strip()
    if text.upper().startswith("HP"):
        return "A:maj", {"F": 1, "C": 1}
    match = re.match(r"([A-G])([#b]?)\s*([A-Za-z]*)", text)
    if match is None:
        return "C:maj", {}
    mode = match[3].lower()[:3]
    fifths, minor = _MODES.get("m" if mode == "m" else mode, (0, False))
    tonic = pitch_class(match[1] + match[2])
    fifths += (
        {"F": -1, "C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5}[match[1]]
        + 7 * (match[2] == "#")
        - 7 * (match[2] == "b")
    )
    order = "FCGDAEB"
    signature = dict.fromkeys(order[: max(0, fifths)], 1) | dict.fromkeys(order[::-1][: max(0, -fifths)], -1)
    return f"{TONICS[tonic]}:{'min' if minor else 'maj'}", signature


def _length(text: str) -> Fraction:
    """``3/2``, ``/``, ``//``, ``2`` as factors of the unit length."""
    match = re.fullmatch(r"(\d*)(/*)(\d*)", text)
    if match is None or not text:
        return Fraction(1)
    numerator = int(match[1] or 1)
    slashes = len(match[2])
    denominator = int(match[3]) if match[3] else 2**slashes
    return Fraction(numerator, denominator or 1)


def _parse(music: str, header: dict[str, str]) -> tuple[list[_Bar], tuple[int, int], str]:
    metre = _metre(header.get("M", "4/4"))
    default = Fraction(1, 16) if Fraction(*metre) < Fraction(3, 4) else Fraction(1, 8)
    unit = Fraction(header["L"].replace(" ", "")) if re.match(r"\d+\s*/\s*\d+$", header.get("L", "")) else default
    label, signature = "C:maj", dict[str, int]()
    first_label = ""
    altered: dict[str, int] = {}
    bars = [_Bar()]
    scale, tuplet_left = Fraction(1), 0
    broken = Fraction(1)
    for match in _TOKENS.finditer(music):
        kind, token = match.lastgroup, match.group()
        bar = bars[-1]
        if match["field"]:
            name, value = token[1], token[3:-1].strip()
            if name == "K":
                label, signature = _key(value)
                first_label = first_label or label
            elif name == "L" and "/" in value:
                unit = Fraction(value.replace(" ", ""))
            elif name == "M" and not any(b.notes for b in bars):
                metre = _metre(value)
        elif match["bar"] is not None:
            altered = {}
            symbol, ending = match["bar"], match["ending"]
            if bar.length:
                bars.append(_Bar())
            done, new = (bars[-2] if len(bars) > 1 else None), bars[-1]
            if symbol.startswith(":") and done is not None:
                done.closes = max(done.closes, 1)
            if symbol.endswith(":") and (symbol != ":" or symbol == "::"):
                new.opens = True
            new.section = new.section or ":" in symbol or "||" in symbol or "]" in symbol
            if ending:
                new.ending = frozenset(int(d) for d in re.findall(r"\d", ending))
        elif match["tuplet"]:
            numbers = [int(n) if n else 0 for n in token[1:].split(":")]
            count = numbers[0]
            time = (numbers[1] if len(numbers) > 1 else 0) or _TUPLET_TIME.get(count, 2)
            tuplet_left = (numbers[2] if len(numbers) > 2 else 0) or count
            scale = Fraction(time, count or 1)
        elif match["chord"]:
            found = read_chord(token[1:-1])
            if found:
                bar.chords.append((bar.length, found))
        elif match["broken"] and bar.notes:
            dots = len(token)
            longer = 2 - Fraction(1, 2**dots)
            first, second = (longer, 2 - longer) if token[0] == ">" else (2 - longer, longer)
            onset, length, pitch, tied = bar.notes[-1]
            if onset + length == bar.length:
                bar.length += length * (first - 1)
                bar.notes[-1] = (onset, length * first, pitch, tied)
                broken = second
        elif match["tie"] and bar.notes:
            onset, length, pitch, _ = bar.notes[-1]
            bar.notes[-1] = (onset, length, pitch, True)
        elif match["note"] or match["group"] or match["rest"]:
            if match["note"]:
                size = _length(match["length"])
                pitches = [_pitch(match["note"], signature, altered)]
            elif match["group"]:
                inside = list(_NOTE.finditer(match["group"]))
                size = _length(match["grouplength"]) * (_length(inside[0][4]) if inside else 1)
                pitches = [_pitch(n.group(), signature, altered) for n in inside]
            else:
                size = _length(match["restlength"])
                pitches = []
                if match["rest"] in "ZX":
                    size *= Fraction(*metre) / unit
            size *= unit * broken
            broken = Fraction(1)
            if tuplet_left:
                size *= scale
                tuplet_left -= 1
            if pitches:
                bar.notes.append((bar.length, size, max(pitches), False))
            bar.length += size
        elif kind == "other":
            continue
    return [b for b in bars if b.length], metre, first_label or label


def _pitch(text: str, signature: dict[str, int], altered: dict[str, int]) -> int:
    match = _NOTE.match(text)
    assert match is not None
    accidental, letter, octave, _ = match.groups()
    name = letter.upper()
    place = name + octave + ("'" if letter.islower() else "")
    if accidental:
        altered[place] = _ACCIDENTALS[accidental]
    alter = altered.get(place, signature.get(name, 0))
    base = 72 if letter.islower() else 60
    return base + _STEPS[name] + alter + 12 * octave.count("'") - 12 * octave.count(",")


def _order(bars: list[_Bar]) -> Iterator[int]:
    """The bars as played: repeats twice, endings each in their turn."""
    start, index, turn = 0, 0, 1
    ending: frozenset[int] = frozenset()
    budget = 4 * len(bars)
    while index < len(bars) and budget > 0:
        bar = bars[index]
        budget -= 1
        if bar.opens and index != start:
            start, turn, ending = index, 1, frozenset()
        if bar.ending:
            ending = bar.ending
        elif bar.section and ending and not bars[index - 1].ending:
            ending = frozenset()
        if ending and turn not in ending:
            skip = next((j for j in range(index + 1, len(bars)) if bars[j].ending or bars[j].opens), None)
            if skip is None:
                return
            ending, index = frozenset(), skip
            continue
        yield index
        if bar.closes and turn == 1:
            turn, index, ending = 2, start, frozenset()
            continue
        if bar.closes:
            start, turn, ending = index + 1, 1, frozenset()
        index += 1


def _played(bars: list[_Bar], full: Fraction) -> tuple[list[list[float]], list[tuple[float, str]], list[float], float]:
    """Notes, chords, downbeats and the end in quarter notes, with repeats played out and ties joined."""
    notes: list[list[float]] = []
    chords: list[tuple[float, str]] = []
    downbeats: list[float] = []
    at, tied, previous = Fraction(0), False, -1
    for index in _order(bars):
        bar = bars[index]
        boundary = previous < 0 or bar.section or index != previous + 1
        if not (boundary and bar.length <= full / 2):  # a short bar after a section's end is an upbeat
            downbeats.append(float(at) * 4)
        for onset, length, pitch, tie in bar.notes:
            if tied and notes and notes[-1][2] == pitch:
                notes[-1][1] += float(length) * 4
            else:
                notes.append([float(at + onset) * 4, float(length) * 4, float(pitch)])
            tied = tie
        chords += [(float(at + position) * 4, label) for position, label in bar.chords]
        at += bar.length
        previous = index
    return notes, chords, downbeats, float(at) * 4
