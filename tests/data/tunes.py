"""Small scores that the data tests share."""

from __future__ import annotations

from ohrwurm.data.abc import read_abc
from ohrwurm.data.score import Part, Score, make_notes

ABC = """X:1
T:Test March
R:march
M:4/4
L:1/8
Q:1/4=120
K:G
D2|:"G"G2B2 d2B2|"C"c2e2 "G"d4|"D7"A2c2 f2e2|1 "G"d2B2 G2D2:|2 "G"d2B2 G4|]
"C"e2c2 g2e2|"G"d2B2 d4|"Am"A2c2 "D7"f2d2|"G"g4 G4|]
"""
WALTZ = """X:2
T:Test Waltz
M:3/4
L:1/4
Q:1/4=150
K:Em
"Em"E G B|"Am"A c e|"B7"^d f a|"Em"g e B|"C"c e g|"Am"a e c|"B7"B ^d f|"Em"e3|]
"""
JIG = """X:3
T:Test Jig
M:6/8
L:1/8
K:D
A|dfd ecA|BGB A2F|GFG EFG|FDF A2A|dfd ecA|BGB A2F|GBG FAF|EDC D2|]
"""


def march() -> Score:
    return read_abc(ABC, source_name="test")


def waltz() -> Score:
    return read_abc(WALTZ, source_name="test")


def jig() -> Score:
    return read_abc(JIG, source_name="test")


def few_notes(program: int = 16) -> Score:
    """Three notes with rests between, on an organ: C4, E4 and G4 in turn."""
    notes = make_notes([(0.5, 0.8, 60, 100), (1.75, 0.8, 64, 100), (3.1, 0.8, 67, 100)])
    return Score("test/few", "test/few", "Few", "test", notes, parts=(Part(program, False, notes),), seconds=4.0)
