"""Styles: pianos, guitars, chamber music and orchestras."""

from __future__ import annotations

from ohrwurm.data.styles.base import ALBERTI, ARPEGGIO, PICKING, WALTZ_OOM, Style, bass, chords, counter, melody, pad

# fmt: off
STYLES: tuple[Style, ...] = (
    Style(
        "solo piano", (60, 120),
        moods=("gentle",),
        layers=(
            melody("piano", "bright piano", figures=("plain", "octaves")),
            chords((*ARPEGGIO, *ALBERTI), "piano", "bright piano", low=43),
        ),
    ),
    Style(
        "piano ballad", (56, 84),
        genres=("ballad",),
        moods=("emotional", "tender", "romantic", "sentimental"),
        layers=(
            melody("piano", figures=("octaves", "plain")),
            chords(ARPEGGIO, "piano", low=45),
            pad("string orchestra", "slow strings", "warm pad", gain=0.4, chance=0.6),
        ),
    ),
    Style(
        "waltz", (120, 190),
        moods=("elegant",),
        scenes=("ballroom", "dance"),
        features=("three-four time", "triple metre"),
        layers=(
            melody("violin", "accordion", "clarinet", "flute", "piano"),
            chords(WALTZ_OOM, "piano", "accordion", "string orchestra"),
            pad("string orchestra", chance=0.4),
        ),
        beats=3,
    ),
    Style(
        "classical guitar", (60, 110),
        moods=("calm", "peaceful", "intimate"),
        features=("acoustic", "fingerpicking"),
        layers=(
            melody("classical guitar"),
            chords(PICKING, "classical guitar", low=47),
        ),
    ),
    Style(
        "baroque harpsichord", (70, 120),
        genres=("baroque", "classical", "early music", "chamber music"),
        moods=("ornate",),
        scenes=("court",),
        layers=(
            melody("harpsichord", "recorder", "violin", "oboe"),
            chords((*ALBERTI, "x--- x--- x--- x---"), "harpsichord", low=50),
            bass(("1-5- 3-1- 5-3- 1-a-", "1--- 3--- 5--- a---"), "cello", "bassoon", "harpsichord", low=36),
        ),
        loose=0.003,
    ),
    Style(
        "church organ", (56, 96),
        genres=("religious", "hymn"),
        moods=("solemn", "sacred"),
        scenes=("cathedral",),
        layers=(
            melody("church organ", figures=("plain", "thirds")),
            pad("church organ", low=50, gain=0.8),
            bass(("1--- ---- ---- ----", "1--- ---- 5--- ----"), "church organ", low=31),
        ),
    ),
    Style(
        "choir", (54, 92),
        genres=("choral", "hymn"),
        moods=("sacred", "ethereal", "angelic"),
        layers=(
            melody("choir", "voice oohs", figures=("plain", "thirds")),
            pad("choir", "voice oohs", low=50, gain=0.8),
            pad("church organ", low=45, gain=0.35, chance=0.3),
        ),
    ),
    Style(
        "string quartet", (66, 132),
        genres=("classical", "chamber music"),
        moods=("elegant", "refined"),
        layers=(
            melody("violin"),
            counter("line", "violin", "viola"),
            chords(
                ("x-x- x-x- x-x- x-x-", "x--- ---- x--- ----", ".x.x .x.x .x.x .x.x"), "viola", low=50, voices=2,
            ),
            bass(("1--- ---- 5--- ----", "1-1- 1-1- 1-1- 1-1-"), "cello", low=36),
        ),
        loose=0.01,
    ),
    Style(
        "string orchestra", (54, 100),
        genres=("orchestral", "classical"),
        moods=("lush", "cinematic", "emotional", "sweeping"),
        layers=(
            melody("string orchestra", "violin", figures=("octaves", "plain")),
            pad("string orchestra", "slow strings", low=50, gain=0.8),
            bass(("1--- ---- ---- ----", "1--- ---- 5--- ----"), "contrabass", "cello", low=33),
        ),
        loose=0.012,
    ),
    Style(
        "pizzicato", (90, 150),
        moods=("playful", "quirky", "mischievous", "light", "sneaky"),
        scenes=("comedy", "cartoon"),
        layers=(
            melody("pizzicato strings", "clarinet", "bassoon", "xylophone"),
            chords((".x.. .x.. .x.. .x..", "..x. ..x. ..x. ..x."), "pizzicato strings"),
            bass(("1... 5... 1... 5...",), "pizzicato strings", low=36),
        ),
    ),
    Style(
        "symphony orchestra", (70, 140),
        genres=("orchestral", "symphonic", "classical"),
        moods=("epic", "majestic", "grand"),
        scenes=("film music",),
        layers=(
            melody("violin", "flute", "oboe", "trumpet", "french horn", figures=("octaves", "plain")),
            pad("string orchestra", low=50, gain=0.8),
            chords(("x--- ---- x--- ----", "x--- x-x- x--- ----"), "french horn", "trombone", low=48, voices=3),
            bass(("1--- ---- 5--- ----",), "contrabass", low=31),
            chords(("b... .... b... ..bb", "b... .... .... ...."), "timpani", gain=0.6),
        ),
        drums=(
            ("crash x... .... .... .... .... .... .... ....",),
            (),
        ),
        kits=("orchestra",),
        loose=0.01,
    ),
    Style(
        "epic cinematic", (80, 120),
        moods=("epic", "cinematic", "heroic", "dramatic", "powerful"),
        scenes=("trailer", "battle", "soundtrack"),
        layers=(
            melody("french horn", "string orchestra", "choir", figures=("octaves",)),
            chords(
                ("x.xx x.xx x.xx x.xx", "x.x. x.x. x.x. x.x."), "string orchestra", "tremolo strings", low=45,
                voices=3,
            ),
            pad("choir", "brass section", low=50),
            bass(("1--- ---- ---- ----", "1.1. 1.1. 1.1. 1.1."), "contrabass"),
        ),
        drums=(
            (
                "tom1 X..x ..x. X..x x.xx", "crash X... .... .... .... .... .... .... ....",
                "kick x... .... x... ....",
            ),
        ),
        kits=("orchestra", "power"),
    ),
    Style(
        "wind ensemble", (70, 130),
        genres=("chamber music", "classical", "pastoral"),
        moods=("light",),
        layers=(
            melody("clarinet", "oboe", "flute", figures=("plain", "thirds")),
            counter("line", "clarinet", "english horn", "flute"),
            chords(("x--- ---- x--- ----", "x.x. x.x. x.x. x.x."), "clarinet", "french horn", low=52, voices=3),
            bass(("1--- ---- 5--- ----", "1... 5... 1... 5..."), "bassoon", low=34),
        ),
    ),
    Style(
        "lullaby", (54, 84),
        moods=("sleepy", "delicate", "magical", "sweet", "dreamy"),
        scenes=("children",),
        layers=(
            melody("music box", "celesta", "glockenspiel"),
            chords(("1-2- 3-2- 4-3- 2-3-", "1-2- 3-2- 1-2- 3-2-"), "celesta", "music box", "harp", low=60),
        ),
    ),
    Style(
        "pastoral harp", (60, 100),
        genres=("pastoral",),
        moods=("peaceful", "gentle", "relaxing"),
        scenes=("fairy tale", "spa"),
        layers=(
            melody("flute", "pan flute", "oboe"),
            chords((*ARPEGGIO, "1234 5432 1234 5432"), "harp", low=48, voices=5),
        ),
    ),
    Style(
        "march", (104, 126),
        genres=("marching band", "brass band", "anthem"),
        moods=("patriotic", "proud"),
        scenes=("military", "parade"),
        layers=(
            melody("trumpet", "brass section", "piccolo", figures=("thirds", "octaves")),
            chords(("..x. ..x. ..x. ..x.",), "french horn", "trombone", low=52),
            bass(("1--- 5--- 1--- 5---",), "tuba"),
            counter("line", "trombone", "clarinet", chance=0.6),
        ),
        drums=(
            ("kick x... .... x... ....", "snare x.oo x.oo x.oo xxxx", "crash x... .... x... ...."),
            ("kick x... x... x... x...", "snare ..xx x.x. ..xx x.x."),
        ),
    ),
    Style(
        "brass band", (66, 112),
        genres=("wind band",),
        moods=("stately", "festive", "ceremonial"),
        scenes=("fanfare",),
        layers=(
            melody("trumpet", "brass section", "french horn", figures=("thirds", "plain")),
            pad("trombone", "french horn", "brass section", low=50, gain=0.7),
            bass(("1--- ---- 5--- ----", "1--- 5--- 1--- 5---"), "tuba"),
        ),
    ),
)
