"""Styles: synthesizers, drum machines, pads."""

from __future__ import annotations

from ohrwurm.data.styles.base import ARPEGGIO, BREAKBEAT, FOUR_FLOOR, ROCK_BEAT, Style, bass, chords, melody, pad

# fmt: off
STYLES: tuple[Style, ...] = (
    Style(
        "house", (118, 130),
        genres=("electronic", "edm"),
        scenes=("dance", "club"),
        features=("four on the floor",),
        layers=(
            melody("polysynth", "piano", "saw lead", "synth voice"),
            chords(("x..x ..x. .x.. x...", "..x. ..x. ..x. ..x."), "piano", "polysynth", "electric piano"),
            bass(("..1. ..1. ..1. ..1.", "1..1 ..1. .1.. 1..."), "synth bass", "synth bass 2"),
            pad("warm pad", "sweep pad", chance=0.4),
        ),
        drums=FOUR_FLOOR,
        kits=("electronic", "808"),
        loose=0.0,
    ),
    Style(
        "techno", (126, 145),
        genres=("electronic",),
        moods=("hypnotic", "repetitive"),
        scenes=("rave", "machine", "club"),
        features=("four on the floor",),
        layers=(
            melody("saw lead", "square lead", "metallic pad", figures=("staccato", "plain")),
            chords(
                ("1.2. 31.2 .31. 2.3.", "1213 1213 1213 1213"), "saw lead", "square lead", "synth bass 2", low=50,
                gain=0.6,
            ),
            bass(("..11 ..11 ..11 ..11", "1.11 1.11 1.11 1.11"), "synth bass", "synth bass 2"),
        ),
        drums=FOUR_FLOOR,
        kits=("808", "electronic"),
        loose=0.0,
    ),
    Style(
        "trance", (132, 145),
        genres=("electronic", "edm"),
        moods=("euphoric", "uplifting"),
        scenes=("dance",),
        features=("arpeggio", "four on the floor"),
        layers=(
            melody("saw lead", "polysynth", "square lead", figures=("octaves", "plain")),
            chords(("1232 4232 1232 4232", "1234 2341 3412 4123"), "saw lead", "polysynth", low=60, gain=0.6),
            bass(("..1. ..1. ..1. ..1.",), "synth bass"),
            pad("synth strings", "halo pad", "choir pad"),
        ),
        drums=FOUR_FLOOR[:1],
        kits=("electronic",),
        loose=0.0,
    ),
    Style(
        "drum and bass", (165, 178),
        genres=("jungle", "breakbeat", "electronic", "dnb"),
        moods=("energetic",),
        scenes=("club",),
        features=("fast drums",),
        layers=(
            melody("saw lead", "electric piano", "synth voice", "square lead"),
            pad("warm pad", "sweep pad", "synth strings", "halo pad"),
            bass(
                ("1--- ---- --5- ----", "1--. ..1. ..8. 5--.", "1-1- ---. 1--- --3-"), "synth bass",
                "synth bass 2", gain=1.25,
            ),
        ),
        drums=BREAKBEAT,
        kits=("standard", "electronic", "room"), drum_gain=1.0,
        loose=0.0,
    ),
    Style(
        "hip hop", (78, 98),
        genres=("beat", "rap instrumental", "lo-fi"),
        moods=("urban", "chill", "laid back"),
        layers=(
            melody("electric piano", "vibraphone", "piano", "flute"),
            chords(
                ("x--- ---- ..x- ----", "x--- ---- ---- ...."), "electric piano", "fm electric piano",
                "string orchestra", low=52,
            ),
            bass(("1--- ..1. ---- ..5.", "1-.1 .... ..1- ...."), "synth bass", "fretless bass", gain=1.2),
        ),
        drums=(
            ("kick x... ...x ..x. ....", "snare .... x... .... x...", "hat x.x. x.x. x.x. x.xx"),
            ("kick x..x .... .xx. ....", "clap .... x... .... x...", "hat xxx. xxxx xxx. xxxx"),
        ),
        kits=("808", "electronic"),
        swing=0.56, loose=0.004,
    ),
    Style(
        "synth pop", (104, 130),
        genres=("synthpop", "electronic", "new wave", "pop"),
        moods=("retro", "1980s"),
        layers=(
            melody("square lead", "polysynth", "saw lead", "synth brass"),
            chords(
                ("1-2- 3-2- 4-2- 3-2-", "x-.x -.x- x-.x -.x-"), "polysynth", "synth strings", "fm electric piano",
                low=57,
            ),
            bass(("1.1. 8.1. 1.1. 8.1.", "1111 1111 1111 1111"), "synth bass", "synth bass 2"),
            pad("synth strings", "warm pad", chance=0.5),
        ),
        drums=ROCK_BEAT[:2],
        kits=("electronic", "808", "power"),
        loose=0.0,
    ),
    Style(
        "chiptune", (120, 180),
        genres=("8-bit", "retro game", "electronic"),
        moods=("playful",),
        scenes=("video game", "arcade"),
        layers=(
            melody("square lead"),
            chords(
                ("1234 1234 1234 1234", "1324 1324 1324 1324", "1.2. 3.2. 1.2. 3.2."), "square lead", low=60,
                gain=0.5,
            ),
            bass(("1.1. 8.1. 1.1. 8.1.", "1.1. 1.1. 1.1. 1.1."), "square lead", "saw lead", low=36, gain=0.7),
        ),
        drums=(
            ("kick x... .... x... ....", "snare .... x... .... x...", "hat x.x. x.x. x.x. x.x."),
            (),
        ),
        kits=("electronic",), drum_gain=0.6,
        loose=0.0,
    ),
    Style(
        "ambient", (50, 76),
        moods=("atmospheric", "calm", "floating", "dreamy"),
        scenes=("meditation", "space", "background"),
        features=("drone",),
        layers=(
            melody("new age pad", "halo pad", "synth voice", "vibraphone", gain=0.8, chance=0.7),
            pad("warm pad", "sweep pad", "bowed pad", low=48, gain=0.9),
            pad("choir pad", "halo pad", "atmosphere effect", low=60, gain=0.5, chance=0.7),
            bass(("1--- ---- ---- ----",), "warm pad", "synth bass 2", low=33, gain=0.5),
        ),
    ),
    Style(
        "dark ambient", (50, 70),
        moods=("ominous", "eerie", "mysterious", "tense", "gloomy"),
        scenes=("horror", "suspense"),
        layers=(
            melody("bowed pad", "cello", "synth voice", gain=0.8, chance=0.6),
            pad("metallic pad", "sweep pad", "bowed pad", low=40, gain=0.9),
            pad("tremolo strings", "choir", low=45, gain=0.5, chance=0.6),
            bass(("1--- ---- ---- ----",), "contrabass", "synth bass 2", low=28, gain=0.6),
        ),
    ),
    Style(
        "new age", (60, 92),
        moods=("relaxing", "peaceful", "spiritual", "healing", "calm"),
        scenes=("meditation", "nature"),
        layers=(
            melody("pan flute", "piano", "new age pad", "shakuhachi", "harp"),
            chords(ARPEGGIO, "harp", "electric piano", "piano", low=50),
            pad("new age pad", "warm pad", "synth strings"),
        ),
    ),
)
