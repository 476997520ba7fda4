"""Styles: ragtime, jazz, blues and Latin dances."""

from __future__ import annotations

from ohrwurm.data.styles.base import COMP, STRIDE, SWING_RIDE, WALK, Style, bass, chords, counter, melody

# fmt: off
STYLES: tuple[Style, ...] = (
    Style(
        "ragtime", (84, 112),
        genres=("ragtime piano", "stride piano", "solo piano"),
        moods=("old-time", "playful", "cheerful"),
        scenes=("silent film",),
        features=("syncopated",),
        layers=(
            melody("honky-tonk piano", "piano", "bright piano", figures=("octaves", "thirds")),
            chords(STRIDE, "honky-tonk piano", "piano", "bright piano", low=53, gain=0.8),
        ),
        loose=0.004,
    ),
    Style(
        "walking jazz", (120, 220),
        genres=("jazz", "swing"),
        moods=("cool",),
        scenes=("night club",),
        features=("walking bass",),
        layers=(
            melody("vibraphone", "piano", "jazz guitar"),
            chords(COMP, "piano", "jazz guitar", low=53),
            bass(WALK, "double bass"),
        ),
        drums=SWING_RIDE,
        kits=("jazz", "brush"),
        swing=0.64,
    ),
    Style(
        "bebop", (110, 240),
        genres=("jazz", "swing"),
        moods=("lively",),
        layers=(
            melody("alto saxophone", "tenor saxophone", "trumpet", "soprano saxophone"),
            chords(COMP, "piano", low=53),
            bass(WALK, "double bass"),
        ),
        drums=SWING_RIDE,
        kits=("jazz",),
        swing=0.62,
    ),
    Style(
        "jazz ballad", (54, 76),
        genres=("jazz",),
        moods=("smoky", "late night", "relaxed", "romantic", "mellow"),
        scenes=("film noir",),
        layers=(
            melody("tenor saxophone", "muted trumpet", "trumpet"),
            chords(("x--- ---- x--- ----", "x--- ---- ---- x---"), "piano", "electric piano", low=53),
            bass(("1--- ---- 5--- a---",), "double bass"),
        ),
        drums=(
            ("ride x--- x-x- x--- x-x-", "pedal .... x... .... x..."),
        ),
        kits=("brush",), drum_gain=0.6,
        swing=0.64, loose=0.012,
    ),
    Style(
        "big band", (120, 200),
        genres=("swing", "jazz"),
        moods=("energetic", "1940s"),
        scenes=("dance hall",),
        layers=(
            melody("trumpet", "trombone", "brass section", figures=("octaves", "thirds", "plain")),
            chords(
                ("..x. .... ..x. x...", "x... ..x. .... ..x.", ".... ..xX .... x..."), "brass section", "trombone",
                low=52,
            ),
            chords(("x... x... x... x...",), "jazz guitar", "piano", low=52, gain=0.5),
            bass(WALK, "double bass"),
        ),
        drums=SWING_RIDE,
        kits=("standard", "jazz"),
        swing=0.65,
    ),
    Style(
        "dixieland", (150, 230),
        genres=("new orleans", "traditional jazz", "hot jazz"),
        moods=("happy", "old-time"),
        layers=(
            melody("clarinet", "trumpet"),
            counter("arpeggio", "trombone", "clarinet", gain=0.8),
            chords((".... x... .... x...", "x... x... x... x..."), "banjo"),
            bass(("1--- ---- 5--- ----",), "tuba"),
        ),
        drums=(
            ("kick x... .... x... ....", "snare ..o. x.o. ..o. x.o.", "crash .... .... .... ...."),
        ),
        swing=0.62,
    ),
    Style(
        "bossa nova", (110, 150),
        genres=("latin jazz", "brazilian"),
        moods=("smooth", "summery", "relaxed"),
        scenes=("lounge",),
        layers=(
            melody("flute", "tenor saxophone", "classical guitar", "vibraphone"),
            chords(("x..x ..x. ..x. x...", "x... x..x ..x. ..x."), "classical guitar", low=52),
            bass(("1--. ..5- 5--. ..1-",), "double bass", "electric bass"),
        ),
        drums=(
            ("kick x..x x..x x..x x..x", "rim x..x ..x. ..x. .x..", "hat x.x. x.x. x.x. x.x."),
        ),
        kits=("brush", "standard"), drum_gain=0.6,
    ),
    Style(
        "salsa", (160, 210),
        genres=("latin", "cuban"),
        moods=("hot", "tropical"),
        scenes=("party", "dance"),
        layers=(
            melody("trumpet", "piano", "flute", figures=("octaves", "thirds")),
            chords(("x.xx .x.x .x.x .x.x", "x..x .x.x .x.x .x.x"), "piano", low=57),
            bass(("...1 ..5- ..8- ....", "1..1 ..5. ..5. ..1."), "electric bass", "double bass"),
            chords((".... .... ..X. X...",), "brass section", chance=0.6),
        ),
        drums=(
            (
                "clave x..x ..x. ..x. x...", "conga o.xo o.xx o.xo o.xx", "cowbell x.x. x.x. x.x. x.x.",
                "timbale .... ...x .... ..xx",
            ),
        ),
    ),
    Style(
        "tango", (108, 132),
        genres=("argentinian", "latin"),
        moods=("dramatic", "passionate"),
        scenes=("dance", "ballroom"),
        layers=(
            melody("bandoneon", "violin", "accordion", figures=("plain", "staccato")),
            chords(
                ("X.o. o.o. X.o. o.X.", "X... x... x... x.x.", "X..x ..x. x... x..."), "piano", "bandoneon",
                low=50,
            ),
            bass(("1... 5... 1... 5...", "1..1 ..1. 5... 5..."), "double bass"),
        ),
    ),
    Style(
        "blues shuffle", (80, 130),
        genres=("blues", "shuffle", "blues band"),
        moods=("gritty", "soulful"),
        layers=(
            melody("harmonica", "overdriven guitar", "tenor saxophone", "honky-tonk piano"),
            chords(
                ("x-x. x-x. x-x. x-x.", ".... x... .... x.x."), "clean electric guitar", "piano", "hammond organ",
                low=50,
            ),
            bass(("1.1. 3.3. 5.5. 8.8.", "1... 3... 5... 7..."), "electric bass", "double bass"),
        ),
        drums=(
            ("kick x... .... x... ....", "snare .... x... .... x...", "ride x.x. x.x. x.x. x.x."),
        ),
        swing=0.66,
    ),
    Style(
        "boogie woogie", (140, 190),
        genres=("blues piano", "rock and roll"),
        moods=("lively", "fun"),
        scenes=("barrelhouse",),
        layers=(
            melody("honky-tonk piano", "piano", figures=("octaves", "thirds")),
            bass(("1.3. 5.7. 8.7. 5.3.", "1.1. 3.3. 5.5. 7.7."), "piano", "honky-tonk piano", low=36, gain=1.0),
            chords((".... x... .... x...",), "piano", low=57),
        ),
        drums=(
            ("kick x... x... x... x...", "snare .... x... .... x...", "ride x.x. x.x. x.x. x.x."),
            (),
        ),
        swing=0.64,
    ),
)
