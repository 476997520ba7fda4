"""SQL conditions of `--where`: what they speak of, and safe ones made from a key and a range of tempi."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ohrwurm.collection.tables import ANALYSIS
from ohrwurm.errors import CollectionError
from ohrwurm.events import KEYS, TONICS, pitch_class

_LITERAL = re.compile(r"'(?:[^']|'')*'")
_WORD = re.compile(r'[A-Za-z_][A-Za-z_0-9]*|"[^"]*"')
_KEY = re.compile(r"([A-Ga-g](?:#+|b+)?)?\s*(M|m|(?i:major|maj|minor|min))?")
_RANGE = re.compile(r"(\d+(?:\.\d+)?)?\s*(?:(-)\s*(\d+(?:\.\d+)?)?)?")
NEAR = 0.02  # one tempo stands for all within 2 %: nobody hears the difference

Bpm = str | float | tuple[float, float] | None


def quote(text: str) -> str:
    """A string literal of SQL.

    >>> quote("Don't")
    "'Don''t'"
    """
    return "'" + text.replace("'", "''") + "'"


def one_of(column: str, values: Sequence[str]) -> str:
    """The condition that a column has one of some values.

    >>> one_of("path", ["a", "b"])
    "path IN ('a', 'b')"
    """
    return f"{column} IN ({', '.join(quote(v) for v in values)})"


def both(*conditions: str) -> str:
    """All of the conditions that are not empty.

    >>> both("year > 1990", "", "bpm > 100 OR metre = 3"), both("", "metre = 3")
    ('(year > 1990) AND (bpm > 100 OR metre = 3)', 'metre = 3')
    """
    given = [condition for condition in conditions if condition.strip()]
    return given[0] if len(given) == 1 else " AND ".join(f"({condition})" for condition in given)


def narrowed(where: str = "", *, key: str | None = None, bpm: Bpm = None) -> str:
    """`where` and a key and a range of tempi.

    Args:
        key: "D minor" in any usual spelling ("Dm", "C# min"), a tonic alone ("D"), or a mode alone ("minor").
        bpm: lowest and highest beats a minute; as text "118-122", "118-", "-122", or one number, which stands for all
            within 2 %.

    Raises:
        CollectionError: no such key, or no such range.

    >>> narrowed("year > 1990", key="C#m", bpm="118-122")
    "(year > 1990) AND (key = 'Db minor') AND (bpm BETWEEN 118 AND 122)"
    >>> narrowed(key="D"), narrowed(key="minor"), narrowed(bpm=100), narrowed(bpm="90-")
    ("tonic = 'D'", "mode = 'minor'", 'bpm BETWEEN 98 AND 102', 'bpm >= 90')
    """
    return both(where, "" if key is None else _of_key(key), "" if bpm is None else _of_bpm(bpm))


def _of_key(text: str) -> str:
    found = _KEY.fullmatch(text.strip())
    if found is None or not any(found.groups()):
        raise CollectionError(f"{text!r} is no key. Write it like 'D minor', 'F# major', 'D' or 'minor'.")
    tonic = TONICS[pitch_class(found[1])] if found[1] else ""
    mode = found[2] or ""
    if mode:
        mode = "major" if mode == "M" or mode.lower().startswith("maj") else "minor"
    if tonic and mode:
        return f"key = {quote(f'{tonic} {mode}')}"
    return f"tonic = {quote(tonic)}" if tonic else f"mode = {quote(mode)}"


def _of_bpm(given: str | float | tuple[float, float]) -> str:
    low: float | None
    high: float | None
    if isinstance(given, str):
        found = _RANGE.fullmatch(given.strip().replace("–", "-"))
        if found is None or not (found[1] or found[3]):
            raise CollectionError(f"{given!r} is no range of tempi. Write it like 118-122, 118-, -122 or 120.")
        low, high = (float(found[i]) if found[i] else None for i in (1, 3))
        if not found[2] and low is not None:
            low, high = low * (1 - NEAR), low * (1 + NEAR)
    elif isinstance(given, tuple):
        low, high = map(float, given)
    else:
        low, high = given * (1 - NEAR), given * (1 + NEAR)
    if low is None:
        return f"bpm <= {high:g}"
    if high is None:
        return f"bpm >= {low:g}"
    if not low <= high:
        raise CollectionError(f"tempi from {low:g} to {high:g}: the lower comes first")
    return f"bpm BETWEEN {low:g} AND {high:g}"


def of_analysis(where: str) -> set[str]:
    """The columns of analysis that a condition speaks of; `analysis_model` apart, which tells what is analysed.

    >>> sorted(of_analysis("KEY = 'bpm' AND bpm < 100")), of_analysis("title = 'key'")
    (['bpm', 'key'], set())
    """
    words = {word.strip('"').lower() for word in _WORD.findall(_LITERAL.sub(" ", where))}
    return words & (set(ANALYSIS.names) - {"analysis_model"})


def misspelled(where: str) -> str:
    """What to write instead, where a condition names a key or tonic as the collection never spells it; else nothing.

    >>> misspelled("key = 'C# minor' AND bpm > 100"), misspelled("tonic = 'Db'")
    ("keys are spelled otherwise here: 'Db minor' for 'C# minor'", '')
    """
    asked = of_analysis(where) & {"key", "tonic"}
    known = {"key": KEYS, "tonic": TONICS}
    instead = []
    for literal in _LITERAL.findall(where) if asked else ():
        text = literal[1:-1]
        if any(text in known[column] for column in asked):
            continue
        try:
            meant = _LITERAL.findall(_of_key(text))[0]
        except CollectionError:
            continue
        if any(meant[1:-1] in known[column] for column in asked):
            instead.append(f"{meant} for {literal}")
    return f"keys are spelled otherwise here: {', '.join(instead)}" if instead else ""
