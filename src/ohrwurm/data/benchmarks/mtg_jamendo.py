"""MTG-Jamendo: 55,000 full tracks that their artists tagged with genres, instruments, moods and themes.

As published, below `data/` of its repository or without that folder:

    splits/split-0/autotagging_genre-train.tsv ...       TRACK_ID, ARTIST_ID, ALBUM_ID, PATH, DURATION, and one column
                                                         or more of tags: genre---rock, mood/theme---calm ...
    audio/00/1009600.mp3 ...                             as PATH says; .low.mp3 in the archives of lower quality

And as TTMR keeps it: one folder `mtg` with tables for each list of labels (`ohrwurm.data.benchmarks.forms.ttmr`).

Source: Bogdanov, Won, Tovstogan, Porter, Serra, "The MTG-Jamendo dataset for automatic music tagging", Machine Learning
for Music Discovery Workshop, ICML 2019.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ohrwurm.data.benchmarks.base import Benchmark, Layout, Remote, Variant, first_there
from ohrwurm.data.benchmarks.forms import LABELLED, ttmr
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError

# The labels in the order of TTMR's classes; the repository lists them by the alphabet.
GENRES = (
    "dubstep", "dub", "acidjazz", "soul", "reggae", "deephouse", "grunge", "trance", "orchestral", "latin", "folk",
    "electronic", "groove", "industrial", "80s", "breakbeat", "90s", "easylistening", "improvisation", "choir",
    "hard", "rap", "psychedelic", "swing", "chanson", "ambient", "country", "darkwave", "postrock", "popfolk", "rnb",
    "indie", "dance", "symphonic", "bossanova", "electronica", "techno", "poprock", "atmospheric", "synthpop",
    "alternativerock", "classical", "celtic", "chillout", "progressive", "contemporary", "fusion", "soundtrack",
    "60s", "edm", "hardrock", "darkambient", "disco", "experimental", "lounge", "singersongwriter", "classicrock",
    "triphop", "metal", "bluesrock", "blues", "hiphop", "jazz", "world", "downtempo", "eurodance", "drumnbass",
    "instrumentalpop", "rock", "jazzfusion", "punkrock", "medieval", "ethno", "minimal", "pop", "newwave",
    "rocknroll", "70s", "funk", "club", "electropop", "newage", "alternative", "idm", "worldfusion", "house",
    "instrumentalrock",
)  # fmt: skip
INSTRUMENTS = (
    "electricpiano", "bongo", "accordion", "cello", "acousticguitar", "voice", "organ", "classicalguitar",
    "orchestra", "harp", "guitar", "strings", "horn", "trombone", "trumpet", "harmonica", "flute", "keyboard",
    "viola", "pipeorgan", "bell", "clarinet", "sampler", "beat", "saxophone", "brass", "drummachine",
    "acousticbassguitar", "rhodes", "doublebass", "percussion", "synthesizer", "piano", "violin", "computer", "bass",
    "oboe", "drums", "electricguitar", "pad",
)  # fmt: skip
MOODS = (
    "movie", "hopeful", "calm", "soundscape", "dream", "game", "action", "uplifting", "deep", "groovy", "melodic",
    "meditative", "party", "cool", "fun", "commercial", "documentary", "slow", "motivational", "relaxing", "powerful",
    "love", "romantic", "sad", "dark", "heavy", "sport", "melancholic", "energetic", "summer", "trailer", "christmas",
    "soft", "travel", "film", "dramatic", "sexy", "epic", "upbeat", "ballad", "inspiring", "funny", "advertising",
    "corporate", "happy", "background", "positive", "fast", "adventure", "retro", "emotional", "holiday", "drama",
    "children", "space", "nature",
)  # fmt: skip
TOP50 = (
    "downtempo", "electricpiano", "classical", "acousticguitar", "chillout", "easylistening", "voice", "soundtrack",
    "guitar", "strings", "instrumentalpop", "rock", "relaxing", "keyboard", "pop", "ambient", "happy", "energetic",
    "reggae", "funk", "popfolk", "film", "trance", "drummachine", "orchestral", "experimental", "lounge", "hiphop",
    "folk", "synthesizer", "electronic", "piano", "violin", "dance", "newage", "alternative", "triphop", "bass",
    "computer", "indie", "techno", "emotional", "metal", "drums", "poprock", "house", "electricguitar", "jazz",
    "atmospheric", "world",
)  # fmt: skip
LABELS = {
    "top50tags": TOP50,
    "genre": GENRES,
    "instrument": INSTRUMENTS,
    "moodtheme": MOODS,
    "all": (*GENRES, *INSTRUMENTS, *MOODS),
}
CATEGORIES = ("genre", "instrument", "mood/theme")
HEADER = ("TRACK_ID", "ARTIST_ID", "ALBUM_ID", "PATH", "DURATION", "TAGS")
PARTS = ("train", "validation", "test")
PLACES = ("audio", "audios", "raw_30s/audio", "autotagging_moodtheme/audio", "audio-low", "raw_30s/audio-low", "")


def read(folder: Path, variant: str) -> Manifest:
    """The first split (`split-0`) as published. A tag is named without its category; annotations are artist, album and
    duration in seconds.

    Raises:
        DataError: a table is missing or damaged, has an unknown tag, or a track of another part.
    """
    tables = folder if (folder / "splits").is_dir() else folder / "data"
    places = [base for place in PLACES if (base := folder / place).is_dir()]
    seen: dict[str, str] = {}
    tracks = []
    for part in PARTS:
        file = tables / "splits" / "split-0" / f"autotagging{_ending(variant)}-{part}.tsv"
        for where, values in _rows(file):
            name, artist, album, path, duration, *tags = values
            if name in seen:
                raise DataError(f"{where}: {name} stands in {seen[name]} already")
            seen[name] = f"{file.name}"
            try:
                seconds = float(duration)
            except ValueError as error:
                raise DataError(f"{where}: the duration {duration!r} is no number") from error
            bare = ttmr.bare(path)
            audio = first_there(base / f"{bare}{end}" for base in places for end in (".mp3", ".low.mp3"))
            found = tuple(_label(tag, variant, where) for tag in tags)
            tracks.append(
                Track(
                    name, str(audio), part, found, annotations={"artist": artist, "album": album, "duration": seconds}
                )
            )
    return Manifest(tracks)


def _ending(variant: str) -> str:
    return "" if variant == "all" else f"_{variant}"


def _rows(file: Path) -> Iterator[tuple[str, list[str]]]:
    """(where, values) of each row below the header; a row has as many values more as it has tags more."""
    if not file.is_file():
        raise DataError(f"{file}: missing; it is part of this data set's layout")
    try:
        with open(file, encoding="utf-8") as lines:
            if tuple(next(lines, "").rstrip("\r\n").split("\t")) != HEADER:
                raise DataError(f"{file}: its first line does not name {', '.join(HEADER)}")
            for number, line in enumerate(lines, 2):
                values = line.rstrip("\r\n").split("\t")
                if values == [""]:
                    continue
                if len(values) < len(HEADER):
                    raise DataError(f"{file}, row {number}: {len(values)} values separated by tabs, not 6 or more")
                yield f"{file}, row {number}", values
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not a table of text ({error}); get it again") from error


def _label(tag: str, variant: str, where: str) -> str:
    category, dashes, label = tag.partition("---")
    if not dashes or category not in CATEGORIES or label not in LABELS[variant]:
        raise DataError(f"{where}: {tag!r} is none of the {len(LABELS[variant])} labels of {variant}")
    return label


def _layouts() -> Iterator[Layout]:
    """One a list of labels, each at both places: not all of the tables need be there."""
    for variant in LABELS:
        for base in ("", "data/"):
            marks = tuple(f"{base}splits/split-0/autotagging{_ending(variant)}-{part}.tsv" for part in PARTS)
            yield Layout(f"the tables of split-0 as published ({variant})", marks, read, (variant,))
    for variant, labels in LABELS.items():
        if variant == "all":
            yield ttmr.layout("mtg", variants=(variant,), split=False)
        else:
            prefix = f"autotagging_{variant}_"
            yield ttmr.layout("mtg", labels, (variant,), prefix, f"mtg_autotagging_{variant}_tags.json")


ADDRESS = "https://raw.githubusercontent.com/MTG/mtg-jamendo-dataset/master/data"
BENCHMARK = Benchmark(
    name="mtg_jamendo",
    title="MTG-Jamendo: 55,525 full tracks with genres, instruments, moods and themes by their artists.",
    citation="Bogdanov, Won, Tovstogan, Porter, Serra: The MTG-Jamendo dataset for automatic music tagging, 2019",
    licence="metadata CC BY-NC-SA 4.0; audio under Creative Commons licences, one a track",
    layouts=tuple(_layouts()),
    variants={
        "top50tags": Variant(
            "The 50 most frequent tags of all kinds.",
            LABELLED,
            {"train": 32136, "validation": 10888, "test": 11356},
            labels=TOP50,
        ),
        "genre": Variant("87 genres.", LABELLED, {}, labels=GENRES),
        "instrument": Variant(
            "40 instruments.", LABELLED, {"train": 14395, "validation": 5466, "test": 5115}, labels=INSTRUMENTS
        ),
        "moodtheme": Variant(
            "56 moods and themes, as in MediaEval 2019-2021.",
            LABELLED,
            {"train": 9949, "validation": 3802, "test": 4231},
            labels=MOODS,
        ),
        "all": Variant("All 183 tags.", LABELLED, {}, labels=ttmr.labels_in("mtg_tags.json", LABELS["all"])),
    },
    remotes=tuple(
        Remote(f"{ADDRESS}/{name}", name, about="tags and split")
        for variant in LABELS
        for part in PARTS
        for name in (f"splits/split-0/autotagging{_ending(variant)}-{part}.tsv",)
    ),
    advice=(
        "The audio (508 GB, or 156 GB of lower quality) is fetched with scripts/download/download.py of "
        "github.com/MTG/mtg-jamendo-dataset, which checks it; unpack it into audio/ beside splits/."
    ),
    audio=(ttmr.AUDIO,),
    caveats="Artists tag their own tracks: a tag that is missing is no proof. Published figures are of split-0 alone.",
    evaluation_only=False,
)
