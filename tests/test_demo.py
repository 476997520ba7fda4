"""The demo: its tunes are sound, its answers are judged by what was rendered, and it runs from one end to the other."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import pytest

TUNES = sorted((Path(__file__).parents[1] / "src" / "ohrwurm" / "demo" / "tunes").glob("*.abc"))
FIELDS = {"X", "T", "C", "Z", "M", "L", "Q", "K"}
NOTE = re.compile(r"([_=^]*[A-Ga-g][,']*|z)(\d*)(/?)(\d*)")


def header(text: str) -> dict[str, str]:
    return {line[0]: line[2:] for line in text.splitlines() if re.match(r"[A-Z]:", line)}


def bars(text: str) -> list[Fraction]:
    """Length of every bar as a share of a full one; repeats are not played out."""
    fields = header(text)
    music = "".join(line for line in text.splitlines() if not re.match(r"[A-Z]:", line))
    music = re.sub(r'"[^"]*"', "", music)
    found = []
    for bar in re.split(r"[|:\]\[]+", music):
        rest = NOTE.sub("", bar)
        assert not rest.strip(" -"), f"not understood: {rest!r} in {bar!r}"
        lengths = [
            Fraction(int(number or 1), int(below or 2) if slash else 1) for _, number, slash, below in NOTE.findall(bar)
        ]
        if lengths:
            found.append(sum(lengths) * Fraction(fields["L"]) / Fraction(fields["M"]))
    return found


def test_there_are_tunes_enough() -> None:
    assert len(TUNES) >= 24


@pytest.mark.parametrize("path", TUNES, ids=lambda p: p.stem)
def test_bars_add_up(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert header(text).keys() >= FIELDS
    first, *middle, last = bars(text)
    assert all(length == 1 for length in middle), middle
    if first != 1:  # an upbeat, which the last bar leaves room for, so that the tune can be played round
        assert first < 1
        assert first + last == 1
    else:
        assert last == 1
    repeated = text.count(":|")
    assert len(bars(text)) * (2 if repeated else 1) >= 16


@pytest.mark.parametrize("path", TUNES, ids=lambda p: p.stem)
def test_every_tune_says_where_it_comes_from_and_that_it_is_old(path: Path) -> None:
    origin = header(path.read_text(encoding="utf-8"))["C"]
    year = re.search(r"\b1[5-9]\d\d\b", origin)
    assert year or "century" in origin
    assert year is None or int(year.group()) <= 1902
