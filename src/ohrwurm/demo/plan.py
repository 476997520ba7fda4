"""What the demo collection holds: which tune is played in which style, key and tempo."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

TUNES = Path(__file__).parent / "tunes"
SAMPLE_RATE = 32000
ABOUT_SECONDS = 48.0  # a tune is played as often as brings it nearest to this
RENDERING = 1  # counts changes of this package that make the same plan sound different


@dataclass(frozen=True)
class Clip:
    """One recording of the demo.

    Attributes:
        number: 1-based; the file is `clip-NN.ogg`, which tells nothing about what is in it.
        tune: name of an ABC file in `tunes/`; clips of one tune are versions of one work.
        style: name of an arrangement style (`ohrwurm.data.styles`).
        transpose: semitones from the key of the transcription.
        tempo: factor on the tempo of the transcription; None takes one that suits the style.
        take: which of the possible draws of instruments and figures is played.
    """

    number: int
    tune: str
    style: str
    transpose: int = 0
    tempo: float | None = None
    take: int = 0

    @property
    def name(self) -> str:
        """`clip-07`."""
        return f"clip-{self.number:02}"

    @cached_property
    def abc(self) -> str:
        """The transcription."""
        return (TUNES / f"{self.tune}.abc").read_text(encoding="utf-8")

    @property
    def title(self) -> str:
        """The `T:` field of the transcription."""
        return self._field("T")

    @property
    def origin(self) -> str:
        """The `C:` field: composer or tradition, and year."""
        return self._field("C")

    @property
    def seed(self) -> int:
        """Of all random choices."""
        return self.number + 1000 * self.take

    @property
    def fingerprint(self) -> str:
        """Changes whenever the clip would sound different, so that only then it is rendered again."""
        what = json.dumps([asdict(self), self.abc, SAMPLE_RATE, ABOUT_SECONDS, RENDERING])
        return hashlib.sha256(what.encode()).hexdigest()[:16]

    def _field(self, letter: str) -> str:
        match = re.search(rf"(?m)^{letter}:(.*)$", self.abc)
        assert match is not None, f"{self.tune}: no {letter}: line"
        return match[1].strip()


# Eight works in two or three versions, in other keys, tempos and styles.
_VERSIONS: tuple[tuple[str, str, int, float], ...] = (
    ("ode-to-joy", "string orchestra", 0, 0.85),
    ("ode-to-joy", "rock", 3, 1.1),
    ("ode-to-joy", "solo piano", -4, 0.95),
    ("minuet-in-g", "baroque harpsichord", 0, 0.9),
    ("minuet-in-g", "classical guitar", -5, 0.8),
    ("minuet-in-g", "lullaby", 4, 0.7),
    ("korobeiniki", "metal", -2, 1.1),
    ("korobeiniki", "house", 3, 0.92),
    ("korobeiniki", "bluegrass", 5, 1.2),
    ("in-the-hall-of-the-mountain-king", "string orchestra", 0, 0.9),
    ("in-the-hall-of-the-mountain-king", "metal", 3, 1.15),
    ("in-the-hall-of-the-mountain-king", "techno", -5, 1.0),
    ("when-the-saints", "bebop", -2, 1.0),
    ("when-the-saints", "brass band", 5, 0.8),
    ("amazing-grace", "church organ", 0, 0.9),
    ("amazing-grace", "jazz ballad", 3, 0.75),
    ("silent-night", "choir", -2, 0.85),
    ("silent-night", "lullaby", 5, 1.0),
    ("turkish-march", "solo piano", 0, 1.0),
    ("turkish-march", "trance", 2, 1.15),
)
# All other tunes once, as transcribed or a few semitones from it.
_SINGLES: tuple[tuple[str, str, int], ...] = (
    ("ah-vous-dirai-je-maman", "lullaby", 0),
    ("frere-jacques", "classical guitar", -1),
    ("greensleeves", "classical guitar", 0),
    ("auld-lang-syne", "brass band", 0),
    ("jingle-bells", "punk rock", 2),
    ("au-clair-de-la-lune", "string orchestra", 0),
    ("oh-susanna", "bluegrass", 0),
    ("yankee-doodle", "march", 3),
    ("brahms-lullaby", "lullaby", 0),
    ("bridal-chorus", "church organ", 0),
    ("fur-elise", "solo piano", 0),
    ("can-can", "drum and bass", 2),
    ("the-entertainer", "ragtime", 0),
    ("deck-the-halls", "bebop", 0),
    ("we-wish-you-a-merry-christmas", "walking jazz", -2),
    ("good-king-wenceslas", "choir", 0),
    ("joy-to-the-world", "church organ", -2),
    ("o-tannenbaum", "musette", 0),
    ("canon-in-d", "string orchestra", 0),
    ("new-world-largo", "jazz ballad", 1),
    ("drunken-sailor", "celtic", 0),
    ("irish-washerwoman", "celtic", 0),
    ("sakura", "east asian", 0),
    ("battle-hymn", "solo piano", -1),
    ("clementine", "bluegrass", 2),
)
# Second draws: lullabies that a music box plays, so that there is more than one to be found.
_TAKES = {("ah-vous-dirai-je-maman", "lullaby"): 2, ("brahms-lullaby", "lullaby"): 1}
_STRIDE = 16  # no common divisor with the number of clips: neighbours in the lists above are no neighbours on disk


def clips() -> tuple[Clip, ...]:
    """All clips of the demo by number.

    >>> len(clips()), clips()[0].name
    (45, 'clip-01')
    """
    settings: list[tuple[str, str, int, float | None]] = [*_VERSIONS, *((*single, None) for single in _SINGLES)]
    count = len(settings)
    found = [
        Clip(index * _STRIDE % count + 1, *setting, take=_TAKES.get(setting[:2], 0))
        for index, setting in enumerate(settings)
    ]
    return tuple(sorted(found, key=lambda clip: clip.number))
