# ruff: noqa: E501
"""Arrangement styles as data: which instruments play which figures, how fast, and the words that describe the result.

A figure is a string with one group of characters per beat; the characters divide the beat evenly
(``x.`` eighths, ``x..`` triplets, ``x...`` sixteenths). ``-`` holds, ``.`` is silence. Chords: ``x`` strike, ``X``
accent, ``o`` soft, ``s`` strum, ``1``-``9`` single tones of the voicing from the lowest up, ``b`` the root and ``f``
the fifth an octave or more below. Bass: ``1 3 5 7 8`` chord degrees, ``w`` walking, ``a`` a step towards the next chord.
Drums: name of the drum, then the beats. Figures of four beats also serve two beats (half of it at a time);
three-beat figures are used where the metre is three.
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
        figures: one of these is drawn. For melody: ``plain``, ``octaves``, ``thirds``, ``low``, ``staccato``. For pads:
            ``=`` (a chord held as long as it lasts). Several lines joined by ``|`` play together.
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
    """A named way of arranging. `beats` is the metre it needs (3, 4) or None for any; `tempo` its range in bpm."""

    name: str
    tempo: tuple[float, float]
    layers: tuple[Layer, ...]
    tags: tuple[str, ...]
    drums: tuple[tuple[str, ...], ...] = ()
    kits: tuple[str, ...] = ("standard",)
    swing: float = 0.5
    beats: int | None = None
    loose: float = 0.006
    drum_gain: float = 0.8


def melody(*instruments: str, figures: tuple[str, ...] = ("plain",), gain: float = 1.15, chance: float = 1.0) -> Layer:
    return Layer("melody", instruments, figures, gain=gain, chance=chance)


def bass(figures: tuple[str, ...], *instruments: str, low: int = 29, gain: float = 0.95) -> Layer:
    return Layer("bass", instruments or ("electric bass",), figures, low=low, gain=gain)


def chords(figures: tuple[str, ...], *instruments: str, low: int = 55, voices: int = 4, gain: float = 0.7, chance: float = 1.0) -> Layer:  # fmt: skip
    return Layer("harmony", instruments, figures, low=low, voices=voices, gain=gain, chance=chance)


def pad(*instruments: str, low: int = 55, voices: int = 4, gain: float = 0.55, chance: float = 1.0) -> Layer:
    return Layer("pad", instruments, ("=",), low=low, voices=voices, gain=gain, chance=chance)


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
    ("kick x... ..x. .xx. .... x... .... ..x. ....", "snare .... x..o .... x... .... x..o .o.. x.xx", "hat xxxx xxxx xxxx xxxx"),
)  # fmt: skip

STYLES: tuple[Style, ...] = (
    Style(
        "solo piano", (60, 120),
        (melody("piano", "bright piano", figures=("plain", "octaves")), chords((*ARPEGGIO, *ALBERTI), "piano", low=43)),
        ("piano", "solo piano", "gentle", "instrumental", "pianist"),
    ),
    Style(
        "ragtime", (84, 112),
        (melody("honky-tonk piano", "piano", "bright piano", figures=("octaves", "thirds")), chords(STRIDE, "honky-tonk piano", low=53, gain=0.8)),
        ("ragtime", "ragtime piano", "stride piano", "old-time", "solo piano", "playful", "cheerful", "syncopated", "silent film"),
        loose=0.004,
    ),
    Style(
        "piano ballad", (56, 84),
        (melody("piano", figures=("octaves", "plain")), chords(ARPEGGIO, "piano", low=45), pad("string orchestra", "slow strings", "warm pad", gain=0.4, chance=0.6)),
        ("ballad", "piano ballad", "emotional", "tender", "romantic", "sad", "sentimental"),
    ),
    Style(
        "waltz", (120, 190),
        (melody("violin", "accordion", "clarinet", "flute", "piano"), chords(WALTZ_OOM, "piano", "accordion", "string orchestra", low=55), pad("string orchestra", chance=0.4)),
        ("waltz", "three-four time", "ballroom", "dance", "elegant", "triple metre"), beats=3,
    ),
    Style(
        "musette", (140, 200),
        (melody("accordion", "bandoneon", figures=("plain", "thirds")), chords(WALTZ_OOM, "acoustic guitar", "accordion", low=55), bass(("1--- .... ....", "1--- .... ...."), "double bass")),
        ("musette", "french", "accordion music", "parisian cafe", "waltz", "nostalgic"), beats=3,
    ),
    Style(
        "walking jazz trio", (120, 220),
        (melody("vibraphone", "piano", "jazz guitar"), chords(COMP, "piano", "jazz guitar", low=53), bass(WALK, "double bass")),
        ("jazz", "swing", "jazz trio", "walking bass", "cool", "night club"), SWING_RIDE, ("jazz", "brush"), swing=0.64,
    ),
    Style(
        "jazz quartet", (110, 240),
        (melody("alto saxophone", "tenor saxophone", "trumpet", "soprano saxophone"), chords(COMP, "piano", low=53), bass(WALK, "double bass")),
        ("jazz", "bebop", "jazz quartet", "horn solo", "swing", "improvisation", "lively"), SWING_RIDE, ("jazz",), swing=0.62,
    ),
    Style(
        "jazz ballad", (54, 76),
        (melody("tenor saxophone", "muted trumpet", "trumpet"), chords(("x--- ---- x--- ----", "x--- ---- ---- x---"), "piano", "electric piano", low=53), bass(("1--- ---- 5--- a---",), "double bass")),
        ("jazz", "jazz ballad", "smoky", "late night", "relaxed", "romantic", "mellow", "film noir"),
        (("ride x--- x-x- x--- x-x-", "pedal .... x... .... x..."),), ("brush",), swing=0.64, loose=0.012, drum_gain=0.6,
    ),
    Style(
        "big band", (120, 200),
        (melody("trumpet", "trombone", "brass section", figures=("octaves", "thirds", "plain")), chords(("..x. .... ..x. x...", "x... ..x. .... ..x.", ".... ..xX .... x..."), "brass section", "trombone", low=52), chords(("x... x... x... x...",), "jazz guitar", "piano", low=52, gain=0.5), bass(WALK, "double bass")),
        ("big band", "swing", "jazz", "brass", "dance hall", "energetic", "1940s"), SWING_RIDE, ("standard", "jazz"), swing=0.65,
    ),
    Style(
        "dixieland", (150, 230),
        (melody("clarinet", "trumpet"), Layer("counter", ("trombone", "clarinet"), ("arpeggio",), gain=0.8), chords((".... x... .... x...", "x... x... x... x..."), "banjo", low=55), bass(("1--- ---- 5--- ----",), "tuba", low=29)),
        ("dixieland", "new orleans", "traditional jazz", "hot jazz", "happy", "old-time"),
        (("kick x... .... x... ....", "snare ..o. x.o. ..o. x.o.", "crash .... .... .... ...."),), ("standard",), swing=0.62,
    ),
    Style(
        "bossa nova", (110, 150),
        (melody("flute", "tenor saxophone", "classical guitar", "vibraphone"), chords(("x..x ..x. ..x. x...", "x... x..x ..x. ..x."), "classical guitar", low=52), bass(("1--. ..5- 5--. ..1-",), "double bass", "electric bass")),
        ("bossa nova", "latin jazz", "brazilian", "smooth", "lounge", "summery", "relaxed"),
        (("kick x..x x..x x..x x..x", "rim x..x ..x. ..x. .x..", "hat x.x. x.x. x.x. x.x."),), ("brush", "standard"), drum_gain=0.6,
    ),
    Style(
        "salsa", (160, 210),
        (melody("trumpet", "piano", "flute", figures=("octaves", "thirds")), chords(("x.xx .x.x .x.x .x.x", "x..x .x.x .x.x .x.x"), "piano", low=57), bass(("...1 ..5- ..8- ....", "1..1 ..5. ..5. ..1."), "electric bass", "double bass"), chords((".... .... ..X. X...",), "brass section", low=55, chance=0.6)),
        ("salsa", "latin", "cuban", "tropical", "party", "dance", "percussion", "hot"),
        (("clave x..x ..x. ..x. x...", "conga o.xo o.xx o.xo o.xx", "cowbell x.x. x.x. x.x. x.x.", "timbale .... ...x .... ..xx"),),
    ),
    Style(
        "tango", (108, 132),
        (melody("bandoneon", "violin", "accordion", figures=("plain", "staccato")), chords(("X.o. o.o. X.o. o.X.", "X... x... x... x.x.", "X..x ..x. x... x..."), "piano", "bandoneon", low=50), bass(("1... 5... 1... 5...", "1..1 ..1. 5... 5..."), "double bass")),
        ("tango", "argentinian", "latin", "dramatic", "passionate", "dance", "ballroom"),
    ),
    Style(
        "flamenco guitar", (90, 140),
        (melody("classical guitar"), chords(("s.ss s.s. s.ss s.s.", "b.23 4321 b.23 4321"), "classical guitar", low=47)),
        ("spanish", "flamenco", "classical guitar", "acoustic", "passionate", "solo guitar", "mediterranean"),
    ),
    Style(
        "classical guitar", (60, 110),
        (melody("classical guitar"), chords(PICKING, "classical guitar", low=47)),
        ("classical guitar", "solo guitar", "acoustic", "calm", "peaceful", "fingerpicking", "intimate"),
    ),
    Style(
        "folk guitar", (80, 130),
        (melody("acoustic guitar", "harmonica", "fiddle", "tin whistle"), chords((*STRUM, *PICKING), "acoustic guitar", low=48), bass(ROOT_FIFTH, "double bass")),
        ("folk", "acoustic", "acoustic guitar", "campfire", "singer-songwriter", "warm", "simple"),
    ),
    Style(
        "bluegrass", (130, 230),
        (melody("fiddle", "banjo", "acoustic guitar"), chords((".... s... .... s...",), "acoustic guitar", low=50), chords(("1324 1324 1324 1324", "1-32 4132 1-32 4132"), "banjo", low=55, gain=0.6), bass(ROOT_FIFTH, "double bass")),
        ("bluegrass", "country", "hoedown", "string band", "american folk", "fast", "rustic", "banjo"),
    ),
    Style(
        "country", (90, 140),
        (melody("fiddle", "harmonica", "clean electric guitar"), chords((".... s... .... s...", *STRUM[:2]), "acoustic guitar", low=50), bass(ROOT_FIFTH, "electric bass", "double bass"), pad("slow strings", chance=0.2)),
        ("country", "western", "americana", "cowboy", "laid back"),
        (("kick x... .... x... ....", "snare .... x... .... x...", "hat x.xx x.xx x.xx x.xx"),), ("standard", "brush"),
    ),
    Style(
        "celtic", (100, 170),
        (melody("tin whistle", "fiddle", "flute", "bagpipe", "recorder", figures=("plain",)), chords((*STRUM, "1-3- 2-3- 1-3- 2-3-"), "harp", "acoustic guitar", low=52), chords(("x--- x--- x--- x---",), "accordion", chance=0.3)),
        ("celtic", "irish", "folk", "traditional", "jig", "fiddle tune", "medieval"),
        (("tom1 x..x x... x..x x...",), ()), ("standard",), drum_gain=0.5,
    ),
    Style(
        "baroque harpsichord", (70, 120),
        (melody("harpsichord", "recorder", "violin", "oboe"), chords((*ALBERTI, "x--- x--- x--- x---"), "harpsichord", low=50), bass(("1-5- 3-1- 5-3- 1-a-", "1--- 3--- 5--- a---"), "cello", "bassoon", "harpsichord", low=36)),
        ("baroque", "harpsichord", "classical", "early music", "chamber music", "ornate", "court"), loose=0.003,
    ),
    Style(
        "church organ", (56, 96),
        (melody("church organ", figures=("plain", "thirds")), pad("church organ", low=50, gain=0.8), bass(("1--- ---- ---- ----", "1--- ---- 5--- ----"), "church organ", low=31)),
        ("church organ", "organ", "religious", "hymn", "solemn", "sacred", "cathedral", "pipe organ"),
    ),
    Style(
        "choir", (54, 92),
        (melody("choir", "voice oohs", figures=("plain", "thirds")), pad("choir", "voice oohs", low=50, gain=0.8), pad("church organ", low=45, gain=0.35, chance=0.3)),
        ("choir", "choral", "vocal", "sacred", "ethereal", "angelic", "a cappella", "hymn"),
    ),
    Style(
        "string quartet", (66, 132),
        (melody("violin"), Layer("counter", ("violin", "viola"), ("line",), gain=0.7), chords(("x-x- x-x- x-x- x-x-", "x--- ---- x--- ----", ".x.x .x.x .x.x .x.x"), "viola", low=50, voices=2), bass(("1--- ---- 5--- ----", "1-1- 1-1- 1-1- 1-1-"), "cello", low=36)),
        ("string quartet", "strings", "classical", "chamber music", "elegant", "refined"), loose=0.01,
    ),
    Style(
        "string orchestra", (54, 100),
        (melody("string orchestra", "violin", figures=("octaves", "plain")), pad("string orchestra", "slow strings", low=50, gain=0.8), bass(("1--- ---- ---- ----", "1--- ---- 5--- ----"), "contrabass", "cello", low=33)),
        ("string orchestra", "strings", "orchestral", "classical", "lush", "cinematic", "emotional", "sweeping"), loose=0.012,
    ),
    Style(
        "pizzicato", (90, 150),
        (melody("pizzicato strings", "clarinet", "bassoon", "xylophone"), chords((".x.. .x.. .x.. .x..", "..x. ..x. ..x. ..x."), "pizzicato strings", low=55), bass(("1... 5... 1... 5...",), "pizzicato strings", low=36)),
        ("pizzicato", "playful", "quirky", "mischievous", "comedy", "light", "sneaky", "cartoon"),
    ),
    Style(
        "symphony orchestra", (70, 140),
        (melody("violin", "flute", "oboe", "trumpet", "french horn", figures=("octaves", "plain")), pad("string orchestra", low=50, gain=0.8), chords(("x--- ---- x--- ----", "x--- x-x- x--- ----"), "french horn", "trombone", low=48, voices=3), bass(("1--- ---- 5--- ----",), "contrabass", low=31), chords(("b... .... b... ..bb", "b... .... .... ...."), "timpani", low=55, gain=0.6)),
        ("orchestra", "orchestral", "symphonic", "classical", "film music", "epic", "majestic", "grand"),
        (("crash x... .... .... .... .... .... .... ....",), ()), ("orchestra",), loose=0.01,
    ),
    Style(
        "epic cinematic", (80, 120),
        (melody("french horn", "string orchestra", "choir", figures=("octaves",)), chords(("x.xx x.xx x.xx x.xx", "x.x. x.x. x.x. x.x."), "string orchestra", "tremolo strings", low=45, voices=3), pad("choir", "brass section", low=50), bass(("1--- ---- ---- ----", "1.1. 1.1. 1.1. 1.1."), "contrabass", low=29)),
        ("epic", "cinematic", "trailer", "heroic", "dramatic", "powerful", "battle", "soundtrack"),
        (("tom1 X..x ..x. X..x x.xx", "crash X... .... .... .... .... .... .... ....", "kick x... .... x... ...."),), ("orchestra", "power"),
    ),
    Style(
        "march", (104, 126),
        (melody("trumpet", "brass section", "piccolo", figures=("thirds", "octaves")), chords(("..x. ..x. ..x. ..x.",), "french horn", "trombone", low=52), bass(("1--- 5--- 1--- 5---",), "tuba", low=29), Layer("counter", ("trombone", "clarinet"), ("line",), gain=0.7, chance=0.6)),
        ("march", "military", "marching band", "brass band", "parade", "patriotic", "anthem", "proud"),
        (("kick x... .... x... ....", "snare x.oo x.oo x.oo xxxx", "crash x... .... x... ...."), ("kick x... x... x... x...", "snare ..xx x.x. ..xx x.x.")),
    ),
    Style(
        "brass band", (66, 112),
        (melody("trumpet", "brass section", "french horn", figures=("thirds", "plain")), pad("trombone", "french horn", "brass section", low=50, gain=0.7), bass(("1--- ---- 5--- ----", "1--- 5--- 1--- 5---"), "tuba", low=29)),
        ("brass band", "brass", "wind band", "stately", "festive", "fanfare", "ceremonial"),
    ),
    Style(
        "wind ensemble", (70, 130),
        (melody("clarinet", "oboe", "flute", figures=("plain", "thirds")), Layer("counter", ("clarinet", "english horn", "flute"), ("line",), gain=0.7), chords(("x--- ---- x--- ----", "x.x. x.x. x.x. x.x."), "clarinet", "french horn", low=52, voices=3), bass(("1--- ---- 5--- ----", "1... 5... 1... 5..."), "bassoon", low=34)),
        ("woodwind", "wind quintet", "chamber music", "classical", "pastoral", "light"),
    ),
    Style(
        "lullaby", (54, 84),
        (melody("music box", "celesta", "glockenspiel"), chords((*ARPEGGIO[:1], "1-2- 3-2- 1-2- 3-2-"), "celesta", "music box", "harp", low=60)),
        ("lullaby", "music box", "children", "sleepy", "delicate", "magical", "bells", "sweet", "dreamy"),
    ),
    Style(
        "harp and flute", (60, 100),
        (melody("flute", "pan flute", "oboe"), chords((*ARPEGGIO, "1234 5432 1234 5432"), "harp", low=48, voices=5)),
        ("harp", "flute", "peaceful", "pastoral", "fairy tale", "gentle", "relaxing", "spa"),
    ),
    Style(
        "rock", (100, 150),
        (melody("overdriven guitar", "clean electric guitar", "rock organ", "saw lead"), chords(("x-x- x-x- x-x- x-x-", "X--- x-x- --x- x---"), "overdriven guitar", low=45, voices=3), bass(EIGHTHS, "electric bass", "picked bass")),
        ("rock", "electric guitar", "band", "energetic", "driving", "guitar riff"), ROCK_BEAT, ("standard", "room", "power"),
    ),
    Style(
        "metal", (130, 200),
        (melody("distorted guitar", figures=("plain", "thirds")), chords(("xxxx xxxx xxxx xxxx", "X.xx X.xx X.xx X.xx", "x-xx x-xx x-xx x-xx"), "distorted guitar", low=40, voices=2, gain=0.8), bass(("1111 1111 1111 1111", "1.11 1.11 1.11 1.11"), "picked bass")),
        ("metal", "heavy metal", "distorted guitar", "aggressive", "heavy", "loud", "double kick", "dark", "intense"),
        (("kick xxxx xxxx xxxx xxxx", "snare .... x... .... x...", "crash x... .... x... ...."), ("kick x.xx x.xx x.xx x.xx", "snare .... x... .... x...", "ride x... x... x... x...")), ("power", "standard"),
    ),
    Style(
        "punk rock", (160, 200),
        (melody("distorted guitar", "overdriven guitar"), chords(("x-x- x-x- x-x- x-x-",), "distorted guitar", low=43, voices=2), bass(EIGHTHS[:1], "picked bass")),
        ("punk", "punk rock", "rock", "fast", "raw", "energetic", "garage"),
        (("kick x... ..x. x... ..x.", "snare .... x... .... x...", "hat x.x. x.x. x.x. x.x."), ("kick x... x... x... x...", "snare ..x. ..x. ..x. ..x.", "crash x.x. x.x. x.x. x.x.")), ("power", "room"),
    ),
    Style(
        "blues shuffle", (80, 130),
        (melody("harmonica", "overdriven guitar", "tenor saxophone", "honky-tonk piano"), chords(("x-x. x-x. x-x. x-x.", ".... x... .... x.x."), "clean electric guitar", "piano", "hammond organ", low=50), bass(("1.1. 3.3. 5.5. 8.8.", "1... 3... 5... 7..."), "electric bass", "double bass")),
        ("blues", "shuffle", "blues band", "twelve bar", "gritty", "soulful"),
        (("kick x... .... x... ....", "snare .... x... .... x...", "ride x.x. x.x. x.x. x.x."),), swing=0.66,
    ),
    Style(
        "boogie woogie", (140, 190),
        (melody("honky-tonk piano", "piano", figures=("octaves", "thirds")), bass(("1.3. 5.7. 8.7. 5.3.", "1.1. 3.3. 5.5. 7.7."), "piano", "honky-tonk piano", low=36, gain=1.0), chords((".... x... .... x...",), "piano", low=57)),
        ("boogie woogie", "blues piano", "piano", "rock and roll", "lively", "barrelhouse", "fun"),
        (("kick x... x... x... x...", "snare .... x... .... x...", "ride x.x. x.x. x.x. x.x."), ()), swing=0.64,
    ),
    Style(
        "reggae", (68, 92),
        (melody("tenor saxophone", "hammond organ", "trombone", "muted guitar"), chords(("..x. ..x. ..x. ..x.", "..xx ..x. ..xx ..x."), "muted guitar", "clean electric guitar", "hammond organ", low=57), bass(("1.-. ..1. 5.3. 1...", "1--. .35. 1--. 5.3."), "electric bass", "fretless bass", gain=1.2)),
        ("reggae", "dub", "jamaican", "offbeat", "laid back", "summer", "island"),
        (("kick .... .... x... ....", "rim .... .... x... ....", "hat x.x. x.x. x.x. x.xx"), ("kick x... .... x... ....", "rim .... x... .... x...", "hat ..x. ..x. ..x. ..x.")),
    ),
    Style(
        "ska", (140, 180),
        (melody("trumpet", "trombone", "tenor saxophone", figures=("thirds", "plain")), chords(("..x. ..x. ..x. ..x.",), "clean electric guitar", "muted guitar", low=57), bass(WALK, "electric bass")),
        ("ska", "offbeat", "horns", "upbeat", "bouncy", "party", "happy"),
        (("kick x... x... x... x...", "snare .... x... .... x...", "hat ..x. ..x. ..x. ..x."),),
    ),
    Style(
        "funk", (94, 118),
        (melody("brass section", "alto saxophone", "clavinet", figures=("plain", "staccato")), chords(("x..x .x.. x..x .xx.", "..x. x..x ..x. .x.."), "clavinet", "muted guitar", "electric piano", low=57), bass(("1..1 ..8. .1.. 5.7.", "1.1. ...8 ..1. 7.8."), "slap bass", "electric bass", gain=1.15)),
        ("funk", "groovy", "funky", "soul", "slap bass", "1970s", "dance"),
        (("kick x..x ..x. ..x. ..x.", "snare .... x..o .o.. x..o", "hat xxxx xxxx xxxx xxxx"), ("kick x... ..x. .x.. ....", "snare .... x... .o.o x...", "hat x.xx x.xx x.xx x.x.")),
    ),
    Style(
        "soul", (70, 110),
        (melody("alto saxophone", "hammond organ", "electric piano", "trumpet"), chords(("x--- ..x- ---- x---", "x--- x--- x--- x---"), "electric piano", "hammond organ", low=53), bass(("1--. ..1. 5--. ..a.", "1... .13. 5... .5a."), "electric bass", "fretless bass"), pad("slow strings", "brass section", chance=0.4)),
        ("soul", "rhythm and blues", "r&b", "smooth", "motown", "warm", "groovy"), ROCK_BEAT, swing=0.55,
    ),
    Style(
        "disco", (112, 128),
        (melody("string orchestra", "synth brass", "brass section", figures=("octaves",)), chords(("..x. ..x. ..x. ..x.", "x.xx .xx. x.xx .xx."), "muted guitar", "electric piano", "clavinet", low=57), bass(("1.8. 1.8. 1.8. 1.8.",), "electric bass", "picked bass"), pad("string orchestra", "synth strings", chance=0.6)),
        ("disco", "dance", "party", "1970s", "four on the floor", "groovy", "glamorous"), FOUR_FLOOR,
    ),
    Style(
        "house", (118, 130),
        (melody("polysynth", "piano", "saw lead", "synth voice"), chords(("x..x ..x. .x.. x...", "..x. ..x. ..x. ..x."), "piano", "polysynth", "electric piano", low=55), bass(("..1. ..1. ..1. ..1.", "1..1 ..1. .1.. 1..."), "synth bass", "synth bass 2"), pad("warm pad", "sweep pad", chance=0.4)),
        ("house", "electronic", "dance", "club", "four on the floor", "edm", "synthesizer"), FOUR_FLOOR, ("electronic", "808"), loose=0.0,
    ),
    Style(
        "techno", (126, 145),
        (melody("saw lead", "square lead", "metallic pad", figures=("staccato", "plain")), chords(("1.2. 31.2 .31. 2.3.", "1213 1213 1213 1213"), "saw lead", "square lead", "synth bass 2", low=50, gain=0.6), bass(("..11 ..11 ..11 ..11", "1.11 1.11 1.11 1.11"), "synth bass", "synth bass 2")),
        ("techno", "electronic", "rave", "hypnotic", "machine", "club", "four on the floor", "repetitive"), FOUR_FLOOR, ("808", "electronic"), loose=0.0,
    ),
    Style(
        "trance", (132, 145),
        (melody("saw lead", "polysynth", "square lead", figures=("octaves", "plain")), chords(("1232 4232 1232 4232", "1234 2341 3412 4123"), "saw lead", "polysynth", low=60, gain=0.6), bass(("..1. ..1. ..1. ..1.",), "synth bass"), pad("synth strings", "halo pad", "choir pad")),
        ("trance", "electronic", "euphoric", "uplifting", "edm", "arpeggio", "dance", "four on the floor"), FOUR_FLOOR[:1], ("electronic",), loose=0.0,
    ),
    Style(
        "drum and bass", (165, 178),
        (melody("saw lead", "electric piano", "synth voice", "square lead"), pad("warm pad", "sweep pad", "synth strings", "halo pad"), bass(("1--- ---- --5- ----", "1--. ..1. ..8. 5--.", "1-1- ---. 1--- --3-"), "synth bass", "synth bass 2", gain=1.25)),
        ("drum and bass", "jungle", "breakbeat", "electronic", "fast drums", "energetic", "dnb", "club"), BREAKBEAT, ("standard", "electronic", "room"), loose=0.0, drum_gain=1.0,
    ),
    Style(
        "hip hop", (78, 98),
        (melody("electric piano", "vibraphone", "piano", "flute"), chords(("x--- ---- ..x- ----", "x--- ---- ---- ...."), "electric piano", "fm electric piano", "string orchestra", low=52), bass(("1--- ..1. ---- ..5.", "1-.1 .... ..1- ...."), "synth bass", "fretless bass", gain=1.2)),
        ("hip hop", "beat", "rap instrumental", "lo-fi", "urban", "chill", "laid back"),
        (("kick x... ...x ..x. ....", "snare .... x... .... x...", "hat x.x. x.x. x.x. x.xx"), ("kick x..x .... .xx. ....", "clap .... x... .... x...", "hat xxx. xxxx xxx. xxxx")), ("808", "electronic"), swing=0.56, loose=0.004,
    ),
    Style(
        "synth pop", (104, 130),
        (melody("square lead", "polysynth", "saw lead", "synth brass"), chords(("1-2- 3-2- 4-2- 3-2-", "x-.x -.x- x-.x -.x-"), "polysynth", "synth strings", "fm electric piano", low=57), bass(("1.1. 8.1. 1.1. 8.1.", "1111 1111 1111 1111"), "synth bass", "synth bass 2"), pad("synth strings", "warm pad", chance=0.5)),
        ("synth pop", "synthpop", "1980s", "electronic", "new wave", "retro", "pop"), ROCK_BEAT[:2], ("electronic", "808", "power"), loose=0.0,
    ),
    Style(
        "pop", (84, 128),
        (melody("clean electric guitar", "piano", "voice oohs", "synth voice", "acoustic guitar"), chords((*STRUM, "x--- x--- x--- x---", *ARPEGGIO[:1]), "acoustic guitar", "piano", "electric piano", low=52), bass(("1--. ..1. 5--. ..5.", *EIGHTHS[:1]), "electric bass"), pad("string orchestra", "warm pad", chance=0.4)),
        ("pop", "catchy", "radio", "bright", "modern", "feel good"), ROCK_BEAT,
    ),
    Style(
        "chiptune", (120, 180),
        (melody("square lead"), chords(("1234 1234 1234 1234", "1324 1324 1324 1324", "1.2. 3.2. 1.2. 3.2."), "square lead", low=60, gain=0.5), bass(("1.1. 8.1. 1.1. 8.1.", *EIGHTHS[:1]), "square lead", "saw lead", low=36, gain=0.7)),
        ("chiptune", "8-bit", "video game", "retro game", "arcade", "square wave", "electronic", "playful"),
        (("kick x... .... x... ....", "snare .... x... .... x...", "hat x.x. x.x. x.x. x.x."), ()), ("electronic",), loose=0.0, drum_gain=0.6,
    ),
    Style(
        "ambient", (50, 76),
        (melody("new age pad", "halo pad", "synth voice", "vibraphone", gain=0.8, chance=0.7), pad("warm pad", "sweep pad", "bowed pad", low=48, gain=0.9), pad("choir pad", "halo pad", "atmosphere effect", low=60, gain=0.5, chance=0.7), bass(("1--- ---- ---- ----",), "warm pad", "synth bass 2", low=33, gain=0.5)),
        ("ambient", "atmospheric", "drone", "calm", "meditation", "space", "floating", "background", "dreamy"),
    ),
    Style(
        "new age", (60, 92),
        (melody("pan flute", "piano", "new age pad", "shakuhachi", "harp"), chords(ARPEGGIO, "harp", "electric piano", "piano", low=50), pad("new age pad", "warm pad", "synth strings")),
        ("new age", "relaxing", "meditation", "peaceful", "spiritual", "nature", "healing", "calm"),
    ),
    Style(
        "dark ambient", (50, 70),
        (melody("bowed pad", "cello", "synth voice", gain=0.8, chance=0.6), pad("metallic pad", "sweep pad", "bowed pad", low=40, gain=0.9), pad("tremolo strings", "choir", low=45, gain=0.5, chance=0.6), bass(("1--- ---- ---- ----",), "contrabass", "synth bass 2", low=28, gain=0.6)),
        ("dark ambient", "ominous", "eerie", "horror", "suspense", "mysterious", "tense", "gloomy"),
    ),
    Style(
        "carnival", (120, 170),
        (melody("calliope lead", "reed organ", "accordion", "piccolo", figures=("thirds", "plain")), chords(("b... x... f... x...",), "reed organ", "calliope lead", low=57), bass(("1... .... 5... ....",), "tuba", low=29)),
        ("carnival", "circus", "fairground organ", "funny", "silly", "barrel organ", "playful"),
        (("kick x... .... x... ....", "snare .... x... .... x...", "crash x... .... .... ...."), ()),
    ),
    Style(
        "polka", (112, 136),
        (melody("accordion", "clarinet", "trumpet", figures=("thirds", "plain")), chords(("..x. ..x. ..x. ..x.",), "accordion", "acoustic guitar", low=57), bass(("1... 5... 1... 5...",), "tuba", "double bass", low=29)),
        ("polka", "folk dance", "bavarian", "oompah", "beer hall", "jolly", "accordion music"),
        (("kick x... x... x... x...", "snare ..x. ..x. ..x. ..x."),),
    ),
    Style(
        "klezmer", (110, 170),
        (melody("clarinet", "violin"), chords(("..x. ..x. ..x. ..x.", "..xx ..x. ..xx ..x."), "accordion", low=55), bass(("1... 5... 1... 5...",), "double bass", "tuba", low=29)),
        ("klezmer", "jewish", "balkan", "gypsy", "wedding dance", "folk", "world music"),
        (("kick x..x ..x. x..x ..x.", "snare ..x. ..x. ..x. ..x."), ()),
    ),
    Style(
        "east asian", (64, 104),
        (melody("koto", "shakuhachi", "shamisen"), chords(("1-.. 2-.. 3-.. 2-..", "1... ..3. ..2. ...."), "koto", low=50), pad("bowed pad", "slow strings", chance=0.4)),
        ("asian", "japanese", "koto", "zen", "oriental", "traditional", "world music", "meditative"),
        (("tom1 X... .... ...x ....",), ()), ("orchestra",), drum_gain=0.6,
    ),
    Style(
        "indian", (70, 120),
        (melody("sitar", "shanai", "flute"), chords(("b--- f--- b--- f---", "b-f- b-f- b-f- b-f-"), "sitar", low=57, gain=0.6), pad("reed organ", low=50, voices=2, gain=0.4)),
        ("indian", "sitar", "raga", "world music", "hypnotic", "eastern", "drone"),
        (("conga o.x. oox. o.x. xox.", "tom2 x... .... ..x. ...."),), ("standard",), drum_gain=0.6,
    ),
    Style(
        "african marimba", (100, 140),
        (melody("marimba", "kalimba", "xylophone", figures=("plain", "octaves")), chords(("1.23 .2.3 1.23 .2.3", "12.1 3.12 .13. 2.1."), "marimba", "kalimba", low=55), bass(("1..1 ..5. 1..1 ..3.",), "electric bass", "marimba", low=33)),
        ("african", "marimba", "mallets", "world music", "percussion", "joyful", "kalimba"),
        (("conga x.xo .xo. x.xo .xox", "shaker x.xx x.xx x.xx x.xx"),),
    ),
    Style(
        "calypso", (96, 120),
        (melody("steel drums", "steel drums", "flute", figures=("thirds", "plain")), chords(("..x. x..x ..x. x...",), "steel drums", "acoustic guitar", low=57), bass(("1..1 ..5. 1..1 ..5.",), "electric bass")),
        ("calypso", "caribbean", "steel drums", "tropical", "beach", "sunny", "happy", "island"),
        (("kick x... x... x... x...", "rim x..x ..x. x..x ..x.", "shaker xxxx xxxx xxxx xxxx"),),
    ),
    Style(
        "surf rock", (140, 175),
        (melody("clean electric guitar", "jazz guitar"), chords(("x-x- x-x- x-x- x-x-", ".... s... .... s..."), "clean electric guitar", low=50, voices=3), bass(EIGHTHS, "picked bass", "electric bass")),
        ("surf", "surf rock", "1960s", "twang", "spy movie", "electric guitar", "beach", "rock"),
        (("kick x... ..x. x... ..x.", "snare .... x.x. .... x...", "ride x.x. x.x. x.x. x.x."),),
    ),
)  # fmt: skip
BY_NAME: dict[str, Style] = {style.name: style for style in STYLES}
assert len(BY_NAME) == len(STYLES)
