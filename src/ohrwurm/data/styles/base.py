"""What a style is made of: layers, figures, and the figures that several styles share.

A figure is a string with one group of characters per beat; the characters divide the beat evenly
(``x.`` eighths, ``x..`` triplets, ``x...`` sixteenths). ``-`` holds, ``.`` is silence. Chords: ``x`` strike,
``X`` accent, ``o`` soft, ``s`` strum, ``1``-``9`` single tones of the voicing from the lowest up, ``b`` the root and
``f`` the fifth an octave or more below. Bass: ``1 3 5 7 8`` chord degrees, ``w`` walking, ``a`` a step towards the
next chord. Drums: the name of the drum, then the beats. Figures of four beats also serve two beats (half of it at a
time) and three (without the fourth); three-beat figures are for styles whose metre is three.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["melody", "counter", "harmony", "bass", "pad"]


@dataclass(frozen=True)
class Layer:
    """One part of a style.

    Attributes:
        instruments: one of these names is drawn.
        figures: one of these is drawn. For melodies: ``plain``, ``octaves``, ``thirds``, ``staccato``. For a second
            tune: ``line``, ``arpeggio``. For pads: ``=``, a chord held as long as it lasts.
        low: lowest pitch of chord voicings or of the bass.
        voices: most tones in a chord.
        chance: probability that the layer is there at all.
    """

    role: Role
    instruments: tuple[str, ...]
    figures: tuple[str, ...] = ("plain",)
    low: int = 55
    voices: int = 4
    gain: float = 1.0
    chance: float = 1.0


@dataclass(frozen=True)
class Style:
    """A named way of arranging.

    Words must be true of every result. Words for instruments, tempo, key and forces are not listed here: they
    are read off what is played (`ohrwurm.data.describe`).

    Attributes:
        tempo: range in beats per minute.
        genres, moods, scenes, features: nouns it goes by, how it feels, what it suits, what can be heard in it.
        drums: patterns, one of which is drawn; an empty one is no drums.
        kits: drum kits, one of which is drawn.
        swing: where the second eighth of a beat falls (0.5 straight, 0.66 triplets).
        beats: the metre it needs (3, 4), or None for any.
        loose: standard deviation of onsets in seconds.
    """

    name: str
    tempo: tuple[float, float]
    layers: tuple[Layer, ...]
    genres: tuple[str, ...] = ()
    moods: tuple[str, ...] = ()
    scenes: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    drums: tuple[tuple[str, ...], ...] = ()
    kits: tuple[str, ...] = ("standard",)
    swing: float = 0.5
    beats: int | None = None
    loose: float = 0.006
    drum_gain: float = 0.8

    @property
    def tags(self) -> tuple[str, ...]:
        """All words of the style, its name first."""
        return tuple(dict.fromkeys((self.name, *self.genres, *self.moods, *self.scenes, *self.features)))


def melody(*instruments: str, figures: tuple[str, ...] = ("plain",), gain: float = 1.15, chance: float = 1.0) -> Layer:
    """The tune."""
    return Layer("melody", instruments, figures, gain=gain, chance=chance)


def counter(figure: str, *instruments: str, gain: float = 0.7, chance: float = 1.0) -> Layer:
    """A second tune."""
    return Layer("counter", instruments, (figure,), gain=gain, chance=chance)


def bass(figures: tuple[str, ...], *instruments: str, low: int = 29, gain: float = 0.95) -> Layer:
    """The bass; an electric bass unless said otherwise."""
    return Layer("bass", instruments or ("electric bass",), figures, low=low, gain=gain)


def chords(
    figures: tuple[str, ...],
    *instruments: str,
    low: int = 55,
    voices: int = 4,
    gain: float = 0.7,
    chance: float = 1.0,
) -> Layer:
    """Struck or broken chords."""
    return Layer("harmony", instruments, figures, low=low, voices=voices, gain=gain, chance=chance)


def pad(*instruments: str, low: int = 55, voices: int = 4, gain: float = 0.55, chance: float = 1.0) -> Layer:
    """Held chords."""
    return Layer("pad", instruments, ("=",), low=low, voices=voices, gain=gain, chance=chance)


# fmt: off
# Figures shared by several styles.
STRIDE = ("b.x. f.x. b.x. f.x.", "b... x... f... x...", "b... x..x f... x...")
WALK = ("1--- w--- w--- a---", "1--- w--- w--- a--- 1--- w--- 5--- a---")
COMP = ("..x. .... ...x ....", "x... ...x .... ..x.", ".... x.x. .... ..x. x... .... ..x. ....")
WALTZ_OOM = ("b--- x--- x---", "b--- x-x- x---")
ARPEGGIO = ("1-2- 3-2- 4-3- 2-3-", "1234 3234 1234 3234", "1-2- 3-4- 3-2- 3-2-")
ALBERTI = ("1-3- 2-3- 1-3- 2-3-", "1323 1323 1323 1323")
PICKING = ("b.2. 3.2. f.2. 4.2.", "b.23 .243 f.23 .2.3", "b-3- 2-4- f-3- 2-4-")
STRUM = ("s--- s-s- --s- s-s-", "s-.s -.s. s-.s -.s.", "s-s- s-s- s-s- s-s-")
EIGHTHS = ("1.1. 1.1. 1.1. 1.1.", "11.1 1.1. 11.1 1.1.")
ROOT_FIFTH = ("1--- ---- 5--- ----", "1--. 1... 5--. 5...")
ROCK_BEAT = (
    ("kick x... .... x.x. ....", "snare .... x... .... x...", "hat x.x. x.x. x.x. x.x."),
    ("kick x... ..x. x... ....", "snare .... x... .... x..x", "hat x.x. x.x. x.x. x.x."),
    ("kick x... .... ..x. ..x.", "snare .... x... .... x...", "ride x.x. x.x. x.x. x.x."),
)
SWING_RIDE = (
    ("ride x--- x-x- x--- x-x-", "pedal .... x... .... x...", "kick o... .... o... ...."),
    ("ride x--- x-x- x--- x-x-", "pedal .... x... .... x...", "snare .... ..o. .... .o.."),
)
FOUR_FLOOR = (
    ("kick x... x... x... x...", "open ..x. ..x. ..x. ..x.", "clap .... x... .... x..."),
    ("kick x... x... x... x...", "hat x.xx x.xx x.xx x.xx", "clap .... x... .... x..."),
)
BREAKBEAT = (
    ("kick x... .... ..x. ....", "snare .... x..o .o.. x..o", "hat x.x. x.x. x.x. x.x."),
    ("kick x.x. .... ..x. ....", "snare .... x... .o.. x.o.", "ride x.x. x.x. x.x. x.x."),
    (
        "kick x... ..x. .xx. .... x... .... ..x. ....", "snare .... x..o .... x... .... x..o .o.. x.xx",
        "hat xxxx xxxx xxxx xxxx",
    ),
)
