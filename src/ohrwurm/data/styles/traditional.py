"""Styles: folk and dance music of many places."""

from __future__ import annotations

from ohrwurm.data.styles.base import PICKING, ROOT_FIFTH, STRUM, WALTZ_OOM, Style, bass, chords, melody, pad

# fmt: off
STYLES: tuple[Style, ...] = (
    Style(
        "musette", (140, 200),
        genres=("french", "waltz"),
        moods=("nostalgic",),
        scenes=("parisian cafe",),
        layers=(
            melody("accordion", "bandoneon", figures=("plain", "thirds")),
            chords(WALTZ_OOM, "acoustic guitar", "accordion"),
            bass(("1--- .... ....", "1--- .... ...."), "double bass"),
        ),
        beats=3,
    ),
    Style(
        "flamenco guitar", (90, 140),
        genres=("spanish", "flamenco", "mediterranean"),
        moods=("passionate",),
        features=("acoustic",),
        layers=(
            melody("classical guitar"),
            chords(("s.ss s.s. s.ss s.s.", "b.23 4321 b.23 4321"), "classical guitar", low=47),
        ),
    ),
    Style(
        "folk guitar", (80, 130),
        genres=("folk", "singer-songwriter"),
        moods=("warm", "simple"),
        scenes=("campfire",),
        features=("acoustic",),
        layers=(
            melody("acoustic guitar", "harmonica", "fiddle", "tin whistle"),
            chords((*STRUM, *PICKING), "acoustic guitar", low=48),
            bass(ROOT_FIFTH, "double bass"),
        ),
    ),
    Style(
        "bluegrass", (130, 230),
        genres=("country", "american folk"),
        moods=("rustic",),
        scenes=("hoedown",),
        layers=(
            melody("fiddle", "banjo", "acoustic guitar"),
            chords((".... s... .... s...",), "acoustic guitar", low=50),
            chords(("1324 1324 1324 1324", "1-32 4132 1-32 4132"), "banjo", gain=0.6),
            bass(ROOT_FIFTH, "double bass"),
        ),
    ),
    Style(
        "celtic", (100, 170),
        genres=("irish", "folk", "traditional", "jig", "medieval"),
        layers=(
            melody("tin whistle", "fiddle", "flute", "bagpipe", "recorder"),
            chords((*STRUM, "1-3- 2-3- 1-3- 2-3-"), "harp", "acoustic guitar", low=52),
            chords(("x--- x--- x--- x---",), "accordion", chance=0.3),
        ),
        drums=(
            ("tom1 x..x x... x..x x...",),
            (),
        ),
        drum_gain=0.5,
    ),
    Style(
        "carnival", (120, 170),
        moods=("funny", "silly", "playful"),
        scenes=("circus",),
        layers=(
            melody("calliope lead", "reed organ", "accordion", "piccolo", figures=("thirds", "plain")),
            chords(("b... x... f... x...",), "reed organ", "calliope lead", low=57),
            bass(("1... .... 5... ....",), "tuba"),
        ),
        drums=(
            ("kick x... .... x... ....", "snare .... x... .... x...", "crash x... .... .... ...."),
            (),
        ),
    ),
    Style(
        "polka", (112, 136),
        genres=("folk dance", "bavarian"),
        moods=("jolly",),
        scenes=("beer hall",),
        features=("oompah",),
        layers=(
            melody("accordion", "clarinet", "trumpet", figures=("thirds", "plain")),
            chords(("..x. ..x. ..x. ..x.",), "accordion", "acoustic guitar", low=57),
            bass(("1... 5... 1... 5...",), "tuba", "double bass"),
        ),
        drums=(
            ("kick x... x... x... x...", "snare ..x. ..x. ..x. ..x."),
        ),
    ),
    Style(
        "klezmer", (110, 170),
        genres=("jewish", "balkan", "folk", "world music"),
        scenes=("wedding dance",),
        layers=(
            melody("clarinet", "violin"),
            chords(("..x. ..x. ..x. ..x.", "..xx ..x. ..xx ..x."), "accordion"),
            bass(("1... 5... 1... 5...",), "double bass", "tuba"),
        ),
        drums=(
            ("kick x..x ..x. x..x ..x.", "snare ..x. ..x. ..x. ..x."),
            (),
        ),
    ),
    Style(
        "east asian", (64, 104),
        genres=("asian", "japanese", "traditional", "world music"),
        moods=("meditative",),
        scenes=("zen",),
        layers=(
            melody("koto", "shakuhachi", "shamisen"),
            chords(("1-.. 2-.. 3-.. 2-..", "1... ..3. ..2. ...."), "koto", low=50),
            pad("bowed pad", "slow strings", chance=0.4),
        ),
        drums=(
            ("tom1 X... .... ...x ....",),
            (),
        ),
        kits=("orchestra",), drum_gain=0.6,
    ),
    Style(
        "indian", (70, 120),
        genres=("raga", "world music", "eastern"),
        moods=("hypnotic",),
        features=("drone",),
        layers=(
            melody("sitar", "shanai", "flute"),
            chords(("b--- f--- b--- f---", "b-f- b-f- b-f- b-f-"), "sitar", low=57, gain=0.6),
            pad("reed organ", low=50, voices=2, gain=0.4),
        ),
        drums=(
            ("conga o.x. oox. o.x. xox.", "tom2 x... .... ..x. ...."),
        ),
        drum_gain=0.6,
    ),
    Style(
        "african", (100, 140),
        genres=("world music",),
        moods=("joyful",),
        layers=(
            melody("marimba", "kalimba", "xylophone", figures=("plain", "octaves")),
            chords(("1.23 .2.3 1.23 .2.3", "12.1 3.12 .13. 2.1."), "marimba", "kalimba"),
            bass(("1..1 ..5. 1..1 ..3.",), "electric bass", "marimba", low=33),
        ),
        drums=(
            ("conga x.xo .xo. x.xo .xox", "shaker x.xx x.xx x.xx x.xx"),
        ),
    ),
    Style(
        "calypso", (96, 120),
        genres=("caribbean",),
        moods=("sunny", "happy", "tropical"),
        scenes=("beach", "island"),
        layers=(
            melody("steel drums", "steel drums", "flute", figures=("thirds", "plain")),
            chords(("..x. x..x ..x. x...",), "steel drums", "acoustic guitar", low=57),
            bass(("1..1 ..5. 1..1 ..5.",)),
        ),
        drums=(
            ("kick x... x... x... x...", "rim x..x ..x. x..x ..x.", "shaker xxxx xxxx xxxx xxxx"),
        ),
    ),
)
