"""ABC as tune books write it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tunes import ABC, JIG

from ohrwurm.data.abc import abc_tunes, read_abc
from ohrwurm.data.score import DURATION, ONSET, PITCH
from ohrwurm.errors import DataError


def pitches(body: str, key: str = "C", head: str = "L:1/4\nM:4/4\n") -> list[int]:
    return read_abc(f"X:1\nT:t\n{head}Q:1/4=60\nK:{key}\n{body}\n").melody[:, PITCH].astype(int).tolist()


def lengths(body: str, head: str = "L:1/4\nM:4/4\n") -> list[float]:
    """Durations in quarter notes."""
    tune = read_abc(f"X:1\nT:t\n{head}Q:1/4=60\nK:C\n{body}\n")
    return np.round(tune.melody[:, DURATION], 4).tolist()


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("C", [65, 71]), ("G", [66, 71]), ("F", [65, 70]), ("Dmix", [66, 71]), ("Edor", [66, 71]), ("Gm", [65, 70]),
        ("A Minor", [65, 71]), ("Bb", [65, 70]), ("D Dorian", [65, 71]), ("F#m", [66, 71]), ("EPhr", [65, 71]),
    ],
)  # fmt: skip
def test_signatures_of_keys_and_modes(key: str, expected: list[int]) -> None:
    assert pitches("FB", key) == expected


def test_octaves_and_accidentals_last_a_bar_and_their_octave() -> None:
    assert pitches("C,Cc c'|^F F =F ^f|F f _B __B") == [48, 60, 72, 84, 66, 66, 65, 78, 65, 77, 70, 69]


def test_lengths_broken_rhythm_and_tuplets() -> None:
    assert lengths("A2 A/ A/2 A3/2 A//|") == [2, 0.5, 0.5, 1.5, 0.25]
    assert lengths("A>A A<A A>>A|") == [1.5, 0.5, 0.5, 1.5, 1.75, 0.25]
    assert lengths("(3AAA A|") == [0.6667, 0.6667, 0.6667, 1.0]
    assert lengths("(3:2:2A2A A|") == [1.3333, 0.6667, 1.0]


def test_ties_rests_chords_and_ornaments() -> None:
    assert lengths("A2-A2|z2A2|") == [4, 2]
    assert pitches("[CEG]2 {cd}~A .B !trill!c|") == [67, 69, 71, 72]
    assert lengths("A-|A3|") == [4]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("|:CDEF:|", "CDEFCDEF"),
        ("CD:|EF", "CDCDEF"),
        ("|:CD|1EF:|2GA||B", "CDEFCDGAB"),
        ("|:CD[1EF:|[2GA|]", "CDEFCDGA"),
        ("|:CD::EF:|", "CDCDEFEF"),
        ("C|:D:|E|:F:|", "CDDEFF"),
        ("|:A|B:|\n|:C|D:|", "ABABCDCD"),
    ],
)
def test_repeats_are_played(body: str, expected: str) -> None:
    names = {60: "C", 62: "D", 64: "E", 65: "F", 67: "G", 69: "A", 71: "B"}
    assert "".join(names[p] for p in pitches(body)) == expected


def test_upbeats_do_not_shift_the_bars() -> None:
    tune = read_abc(ABC)
    assert tune.beats[:3] == pytest.approx([0.0, 0.5, 1.0])
    assert tune.downbeats[:3] == pytest.approx([0.5, 2.5, 4.5])
    jig = read_abc(JIG)
    assert jig.metre == (6, 8)
    assert np.diff(jig.downbeats) == pytest.approx(np.full(7, 2 * 60 / 110))


def test_chord_symbols_become_spans() -> None:
    tune = read_abc(ABC)
    assert [c.label for c in tune.chords[:4]] == ["G:maj", "C:maj", "G:maj", "D:7"]
    assert tune.chords[0].start == pytest.approx(0.5)
    assert tune.chords[0].end == pytest.approx(2.5)
    assert tune.key == "G:maj"
    assert tune.tags == ("march",)


def test_all_tunes_of_a_file_and_none(tmp_path: Path) -> None:
    file = tmp_path / "tunes.abc"
    file.write_text(ABC + "\n" + JIG)
    assert [t.title for t in abc_tunes(file)] == ["Test March", "Test Jig"]
    with pytest.raises(DataError, match="no tune"):
        abc_tunes("hello\nworld\n")
    with pytest.raises(DataError, match="no notes"):
        abc_tunes("X:1\nK:C\n|z4|\n")
    with pytest.raises(DataError, match="absent"):
        abc_tunes(tmp_path / "absent.abc")


def test_melody_of_a_known_tune() -> None:
    tune = read_abc("X:1\nT:Frere Jacques\nM:4/4\nL:1/4\nQ:1/4=120\nK:F\nFGAF|FGAF|ABc2|ABc2|\n")
    assert tune.melody[:, PITCH].astype(int).tolist() == [65, 67, 69, 65] * 2 + [69, 70, 72] * 2
    assert tune.melody[:, ONSET][-1] == pytest.approx(7.0)
    assert tune.seconds == pytest.approx(8.0)
