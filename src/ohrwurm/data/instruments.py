"""General MIDI instruments: names, the words people use for them, how long they ring, where they lie well."""

from __future__ import annotations

# The 128 programs in order, eight to a family. Names are the words a listener would use.
_NAMES = """
piano, bright piano, electric grand piano, honky-tonk piano, electric piano, fm electric piano, harpsichord, clavinet
celesta, glockenspiel, music box, vibraphone, marimba, xylophone, tubular bells, dulcimer
hammond organ, percussive organ, rock organ, church organ, reed organ, accordion, harmonica, bandoneon
classical guitar, acoustic guitar, jazz guitar, clean electric guitar
muted guitar, overdriven guitar, distorted guitar, guitar harmonics
double bass, electric bass, picked bass, fretless bass, slap bass, slap bass 2, synth bass, synth bass 2
violin, viola, cello, contrabass, tremolo strings, pizzicato strings, harp, timpani
string orchestra, slow strings, synth strings, synth strings 2, choir, voice oohs, synth voice, orchestra hit
trumpet, trombone, tuba, muted trumpet, french horn, brass section, synth brass, synth brass 2
soprano saxophone, alto saxophone, tenor saxophone, baritone saxophone, oboe, english horn, bassoon, clarinet
piccolo, flute, recorder, pan flute, blown bottle, shakuhachi, tin whistle, ocarina
square lead, saw lead, calliope lead, chiff lead, charang lead, voice lead, fifths lead, bass lead
new age pad, warm pad, polysynth, choir pad, bowed pad, metallic pad, halo pad, sweep pad
rain effect, soundtrack effect, crystal effect, atmosphere effect
brightness effect, goblins effect, echoes effect, sci-fi effect
sitar, banjo, shamisen, koto, kalimba, bagpipe, fiddle, shanai
tinkle bell, agogo, steel drums, woodblock, taiko drum, melodic tom, synth drum, reverse cymbal
fret noise, breath noise, seashore, birds, telephone, helicopter, applause, gunshot
"""
PROGRAMS: tuple[str, ...] = tuple(name.strip() for line in _NAMES.strip().splitlines() for name in line.split(","))
NUMBER: dict[str, int] = {name: number for number, name in enumerate(PROGRAMS)}
FAMILIES = (
    "piano", "bells and mallets", "organ", "guitar", "bass", "strings", "ensemble", "brass",
    "woodwind", "flute", "synthesizer", "synthesizer", "effects", "world", "percussion", "effects",
)  # fmt: skip
KITS = {"standard": 0, "room": 8, "power": 16, "electronic": 24, "808": 25, "jazz": 32, "brush": 40, "orchestra": 48}

# More words for an instrument, beside its name; the first family word that fits closes the list.
_WORDS: dict[str, tuple[str, ...]] = {
    "piano": ("grand piano", "keyboard"),
    "bright piano": ("piano", "keyboard"),
    "electric grand piano": ("piano", "keyboard"),
    "honky-tonk piano": ("piano", "saloon piano", "keyboard"),
    "electric piano": ("rhodes", "keyboard"),
    "fm electric piano": ("electric piano", "keyboard"),
    "harpsichord": ("keyboard", "cembalo"),
    "clavinet": ("keyboard", "funky keyboard"),
    "celesta": ("bells",),
    "glockenspiel": ("bells", "mallets"),
    "music box": ("bells",),
    "vibraphone": ("vibes", "mallets"),
    "marimba": ("mallets",),
    "xylophone": ("mallets",),
    "tubular bells": ("bells",),
    "dulcimer": ("hammered dulcimer",),
    "hammond organ": ("organ",),
    "percussive organ": ("organ",),
    "rock organ": ("organ",),
    "church organ": ("organ", "pipe organ"),
    "reed organ": ("organ", "harmonium"),
    "accordion": ("squeezebox",),
    "harmonica": ("mouth organ",),
    "bandoneon": ("accordion", "squeezebox"),
    "classical guitar": ("guitar", "nylon guitar", "acoustic guitar", "spanish guitar"),
    "acoustic guitar": ("guitar", "steel string guitar"),
    "jazz guitar": ("guitar", "electric guitar"),
    "clean electric guitar": ("guitar", "electric guitar"),
    "muted guitar": ("guitar", "electric guitar"),
    "overdriven guitar": ("guitar", "electric guitar", "overdrive"),
    "distorted guitar": ("guitar", "electric guitar", "distortion", "heavy guitar"),
    "guitar harmonics": ("guitar",),
    "double bass": ("bass", "upright bass", "acoustic bass"),
    "electric bass": ("bass", "bass guitar"),
    "picked bass": ("bass", "bass guitar", "electric bass"),
    "fretless bass": ("bass", "bass guitar"),
    "slap bass": ("bass", "bass guitar", "electric bass"),
    "slap bass 2": ("slap bass", "bass", "bass guitar", "electric bass"),
    "synth bass": ("bass", "synthesizer"),
    "synth bass 2": ("synth bass", "bass", "synthesizer"),
    "violin": ("strings",),
    "viola": ("strings",),
    "cello": ("strings",),
    "contrabass": ("strings", "double bass"),
    "tremolo strings": ("strings",),
    "pizzicato strings": ("strings", "pizzicato", "plucked strings"),
    "harp": ("plucked strings",),
    "timpani": ("kettledrums", "percussion"),
    "string orchestra": ("strings", "string section", "orchestra"),
    "slow strings": ("strings", "string section"),
    "synth strings": ("strings", "synthesizer"),
    "synth strings 2": ("synth strings", "strings", "synthesizer"),
    "choir": ("voices", "vocals", "singing"),
    "voice oohs": ("voices", "vocals", "choir"),
    "synth voice": ("voices", "synthesizer"),
    "trumpet": ("brass", "horns"),
    "trombone": ("brass", "horns"),
    "tuba": ("brass", "horns"),
    "muted trumpet": ("trumpet", "brass"),
    "french horn": ("brass", "horns"),
    "brass section": ("brass", "horns", "trumpets"),
    "synth brass": ("brass", "synthesizer"),
    "synth brass 2": ("synth brass", "brass", "synthesizer"),
    "soprano saxophone": ("saxophone", "sax", "woodwind"),
    "alto saxophone": ("saxophone", "sax", "woodwind"),
    "tenor saxophone": ("saxophone", "sax", "woodwind"),
    "baritone saxophone": ("saxophone", "sax", "woodwind"),
    "oboe": ("woodwind",),
    "english horn": ("woodwind",),
    "bassoon": ("woodwind",),
    "clarinet": ("woodwind",),
    "piccolo": ("flute", "woodwind"),
    "flute": ("woodwind",),
    "recorder": ("flute", "woodwind"),
    "pan flute": ("flute", "panpipes"),
    "blown bottle": ("flute",),
    "shakuhachi": ("flute", "japanese flute"),
    "tin whistle": ("whistle", "flute", "penny whistle"),
    "ocarina": ("flute",),
    "square lead": ("synthesizer", "synth lead", "square wave"),
    "saw lead": ("synthesizer", "synth lead", "sawtooth wave"),
    "new age pad": ("synthesizer", "synth pad"),
    "warm pad": ("synthesizer", "synth pad"),
    "polysynth": ("synthesizer", "synth pad"),
    "choir pad": ("synthesizer", "synth pad", "voices"),
    "halo pad": ("synthesizer", "synth pad"),
    "sweep pad": ("synthesizer", "synth pad"),
    "bowed pad": ("synthesizer", "synth pad"),
    "metallic pad": ("synthesizer", "synth pad"),
    "sitar": ("indian instrument", "plucked strings"),
    "banjo": ("plucked strings",),
    "shamisen": ("japanese instrument", "plucked strings"),
    "koto": ("japanese instrument", "plucked strings"),
    "kalimba": ("thumb piano", "african instrument"),
    "bagpipe": ("bagpipes", "pipes"),
    "fiddle": ("violin", "strings"),
    "steel drums": ("steel pan", "percussion"),
    "taiko drum": ("drums", "percussion"),
}
_SUSTAINED_FAMILIES = {2, 5, 6, 7, 8, 9, 10, 11}
# Seconds after which a held note has died away; what is not listed and not sustained rings for its family's time.
_RING = {
    "celesta": 2.0, "glockenspiel": 2.0, "music box": 2.0, "vibraphone": 4.0, "marimba": 0.8, "xylophone": 0.5,
    "tubular bells": 4.0, "dulcimer": 2.0, "harpsichord": 3.0, "clavinet": 3.0, "pizzicato strings": 0.6, "harp": 3.0,
    "timpani": 1.5, "orchestra hit": 0.6, "bagpipe": 60.0, "fiddle": 60.0, "shanai": 60.0, "accordion": 60.0,
    "distorted guitar": 8.0, "overdriven guitar": 8.0, "synth bass": 8.0, "synth bass 2": 8.0, "banjo": 1.2,
}  # fmt: skip
_FAMILY_RING = {0: 6.0, 1: 2.0, 3: 3.5, 4: 4.0, 12: 4.0, 13: 2.0, 14: 1.0, 15: 2.0}
# Where a melody lies well (MIDI pitches); families by default.
_RANGES = {
    "piccolo": (74, 98), "violin": (57, 93), "fiddle": (57, 88), "viola": (50, 79), "cello": (40, 69),
    "contrabass": (32, 55),
    "trumpet": (55, 82), "muted trumpet": (55, 82), "trombone": (41, 67), "tuba": (31, 55), "french horn": (43, 72),
    "soprano saxophone": (58, 84), "alto saxophone": (52, 77), "tenor saxophone": (46, 72),
    "baritone saxophone": (38, 64),
    "oboe": (60, 86), "english horn": (54, 79), "bassoon": (38, 66), "clarinet": (52, 84), "glockenspiel": (72, 96),
    "celesta": (66, 96), "music box": (66, 93), "flute": (62, 93), "tin whistle": (66, 90), "recorder": (65, 88),
    "tubular bells": (60, 77), "xylophone": (65, 96), "bagpipe": (57, 79), "choir": (52, 77), "voice oohs": (52, 77),
    "harmonica": (60, 88), "distorted guitar": (50, 79), "overdriven guitar": (50, 79), "banjo": (55, 81),
}  # fmt: skip
_FAMILY_RANGE = {
    0: (50, 90), 1: (60, 90), 2: (48, 86), 3: (47, 81), 4: (28, 52), 5: (48, 86), 6: (48, 84), 7: (48, 80), 8: (50, 82),
    9: (62, 91), 10: (52, 86), 11: (52, 80), 12: (52, 84), 13: (52, 82), 14: (55, 84), 15: (52, 80),
}  # fmt: skip

# Programs whose notes have no pitch that a listener would name: bells out of tune, wood, skins, effects.
UNPITCHED = frozenset({112, 113, *range(115, 128)})

assert len(PROGRAMS) == 128
assert not (set(_WORDS) | set(_RING) | set(_RANGES)) - set(PROGRAMS)


def words(program: int) -> tuple[str, ...]:
    """Words for a program, most specific first.

    >>> words(65)
    ('alto saxophone', 'saxophone', 'sax', 'woodwind')
    """
    name = PROGRAMS[program]
    family = () if program in (120, *range(121, 128)) or 96 <= program < 104 else (FAMILIES[program // 8],)
    listed = _WORDS.get(name, ("synthesizer",) if 80 <= program < 104 else family)
    return (name, *listed)


def ring_seconds(program: int) -> float:
    """How long a held note of this program can be heard: a minute for bowed, blown and organ sounds.

    >>> ring_seconds(40), ring_seconds(13)
    (60.0, 0.5)
    """
    name, family = PROGRAMS[program], program // 8
    return _RING.get(name, 60.0 if family in _SUSTAINED_FAMILIES else _FAMILY_RING[family])


def melody_range(program: int) -> tuple[int, int]:
    """Lowest and highest MIDI pitch where a tune sounds natural on this program."""
    return _RANGES.get(PROGRAMS[program], _FAMILY_RANGE[program // 8])
