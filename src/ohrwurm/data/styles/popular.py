"""Styles: rock, pop, soul and their kin."""

from __future__ import annotations

from ohrwurm.data.styles.base import (
    EIGHTHS,
    FOUR_FLOOR,
    ROCK_BEAT,
    ROOT_FIFTH,
    STRUM,
    WALK,
    Style,
    bass,
    chords,
    melody,
    pad,
)

# fmt: off
STYLES: tuple[Style, ...] = (
    Style(
        "rock", (100, 150),
        moods=("energetic", "driving"),
        layers=(
            melody("overdriven guitar", "clean electric guitar", "rock organ", "saw lead"),
            chords(("x-x- x-x- x-x- x-x-", "X--- x-x- --x- x---"), "overdriven guitar", low=45, voices=3),
            bass(EIGHTHS, "electric bass", "picked bass"),
        ),
        drums=ROCK_BEAT,
        kits=("standard", "room", "power"),
    ),
    Style(
        "metal", (130, 200),
        genres=("heavy metal",),
        moods=("aggressive", "heavy", "loud", "dark", "intense"),
        features=("double kick",),
        layers=(
            melody("distorted guitar", figures=("plain", "thirds")),
            chords(
                ("xxxx xxxx xxxx xxxx", "X.xx X.xx X.xx X.xx", "x-xx x-xx x-xx x-xx"), "distorted guitar", low=40,
                voices=2, gain=0.8,
            ),
            bass(("1111 1111 1111 1111", "1.11 1.11 1.11 1.11"), "picked bass"),
        ),
        drums=(
            ("kick xxxx xxxx xxxx xxxx", "snare .... x... .... x...", "crash x... .... x... ...."),
            ("kick x.xx x.xx x.xx x.xx", "snare .... x... .... x...", "ride x... x... x... x..."),
        ),
        kits=("power", "standard"),
    ),
    Style(
        "punk rock", (160, 200),
        genres=("punk", "rock"),
        moods=("raw", "energetic"),
        scenes=("garage",),
        layers=(
            melody("distorted guitar", "overdriven guitar"),
            chords(("x-x- x-x- x-x- x-x-",), "distorted guitar", low=43, voices=2),
            bass(("1.1. 1.1. 1.1. 1.1.",), "picked bass"),
        ),
        drums=(
            ("kick x... ..x. x... ..x.", "snare .... x... .... x...", "hat x.x. x.x. x.x. x.x."),
            ("kick x... x... x... x...", "snare ..x. ..x. ..x. ..x.", "crash x.x. x.x. x.x. x.x."),
        ),
        kits=("power", "room"),
    ),
    Style(
        "surf rock", (140, 175),
        genres=("surf", "rock"),
        moods=("1960s",),
        scenes=("spy movie", "beach"),
        features=("twang",),
        layers=(
            melody("clean electric guitar", "jazz guitar"),
            chords(("x-x- x-x- x-x- x-x-", ".... s... .... s..."), "clean electric guitar", low=50, voices=3),
            bass(EIGHTHS, "picked bass", "electric bass"),
        ),
        drums=(
            ("kick x... ..x. x... ..x.", "snare .... x.x. .... x...", "ride x.x. x.x. x.x. x.x."),
        ),
    ),
    Style(
        "reggae", (68, 92),
        genres=("dub", "jamaican"),
        moods=("laid back",),
        scenes=("summer", "island"),
        features=("offbeat",),
        layers=(
            melody("tenor saxophone", "hammond organ", "trombone", "muted guitar"),
            chords(
                ("..x. ..x. ..x. ..x.", "..xx ..x. ..xx ..x."), "muted guitar", "clean electric guitar",
                "hammond organ", low=57,
            ),
            bass(("1.-. ..1. 5.3. 1...", "1--. .35. 1--. 5.3."), "electric bass", "fretless bass", gain=1.2),
        ),
        drums=(
            ("kick .... .... x... ....", "rim .... .... x... ....", "hat x.x. x.x. x.x. x.xx"),
            ("kick x... .... x... ....", "rim .... x... .... x...", "hat ..x. ..x. ..x. ..x."),
        ),
    ),
    Style(
        "ska", (140, 180),
        moods=("bouncy", "happy"),
        scenes=("party",),
        features=("offbeat",),
        layers=(
            melody("trumpet", "trombone", "tenor saxophone", figures=("thirds", "plain")),
            chords(("..x. ..x. ..x. ..x.",), "clean electric guitar", "muted guitar", low=57),
            bass(WALK),
        ),
        drums=(
            ("kick x... x... x... x...", "snare .... x... .... x...", "hat ..x. ..x. ..x. ..x."),
        ),
    ),
    Style(
        "funk", (94, 118),
        genres=("soul",),
        moods=("groovy", "funky", "1970s"),
        scenes=("dance",),
        layers=(
            melody("brass section", "alto saxophone", "clavinet", figures=("plain", "staccato")),
            chords(
                ("x..x .x.. x..x .xx.", "..x. x..x ..x. .x.."), "clavinet", "muted guitar", "electric piano",
                low=57,
            ),
            bass(("1..1 ..8. .1.. 5.7.", "1.1. ...8 ..1. 7.8."), "slap bass", "electric bass", gain=1.15),
        ),
        drums=(
            ("kick x..x ..x. ..x. ..x.", "snare .... x..o .o.. x..o", "hat xxxx xxxx xxxx xxxx"),
            ("kick x... ..x. .x.. ....", "snare .... x... .o.o x...", "hat x.xx x.xx x.xx x.x."),
        ),
    ),
    Style(
        "soul", (70, 110),
        genres=("rhythm and blues", "r&b", "motown"),
        moods=("smooth", "warm", "groovy"),
        layers=(
            melody("alto saxophone", "hammond organ", "electric piano", "trumpet"),
            chords(("x--- ..x- ---- x---", "x--- x--- x--- x---"), "electric piano", "hammond organ", low=53),
            bass(("1--. ..1. 5--. ..a.", "1... .13. 5... .5a."), "electric bass", "fretless bass"),
            pad("slow strings", "brass section", chance=0.4),
        ),
        drums=ROCK_BEAT,
        swing=0.55,
    ),
    Style(
        "disco", (112, 128),
        moods=("groovy", "glamorous", "1970s"),
        scenes=("dance", "party"),
        features=("four on the floor",),
        layers=(
            melody("string orchestra", "synth brass", "brass section", figures=("octaves",)),
            chords(
                ("..x. ..x. ..x. ..x.", "x.xx .xx. x.xx .xx."), "muted guitar", "electric piano", "clavinet",
                low=57,
            ),
            bass(("1.8. 1.8. 1.8. 1.8.",), "electric bass", "picked bass"),
            pad("string orchestra", "synth strings", chance=0.6),
        ),
        drums=FOUR_FLOOR,
    ),
    Style(
        "pop", (84, 128),
        moods=("catchy", "bright", "modern", "feel good"),
        scenes=("radio",),
        layers=(
            melody("clean electric guitar", "piano", "voice oohs", "synth voice", "acoustic guitar"),
            chords(
                (*STRUM, "x--- x--- x--- x---", "1-2- 3-2- 4-3- 2-3-"), "acoustic guitar", "piano",
                "electric piano", low=52,
            ),
            bass(("1--. ..1. 5--. ..5.", "1.1. 1.1. 1.1. 1.1.")),
            pad("string orchestra", "warm pad", chance=0.4),
        ),
        drums=ROCK_BEAT,
    ),
    Style(
        "country", (90, 140),
        genres=("western", "americana"),
        moods=("laid back",),
        scenes=("cowboy",),
        layers=(
            melody("fiddle", "harmonica", "clean electric guitar"),
            chords(
                (".... s... .... s...", "s--- s-s- --s- s-s-", "s-.s -.s. s-.s -.s."), "acoustic guitar", low=50,
            ),
            bass(ROOT_FIFTH, "electric bass", "double bass"),
            pad("slow strings", chance=0.2),
        ),
        drums=(
            ("kick x... .... x... ....", "snare .... x... .... x...", "hat x.xx x.xx x.xx x.xx"),
        ),
        kits=("standard", "brush"),
    ),
)
