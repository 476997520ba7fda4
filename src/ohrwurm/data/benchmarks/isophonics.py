"""Isophonics: beats, chords, keys and sections of the Beatles' albums, and of Queen, Carole King and Zweieck.

    annotations/chordlab/The Beatles/01_-_Please_Please_Me/01_-_I_Saw_Her_Standing_There.lab
    annotations/seglab/..., annotations/keylab/...            sections, keys
    annotations/beat/.../01_-_I_Saw_Her_Standing_There.txt    beats
    audio/01_-_Please_Please_Me/01_-_I_Saw_Her_Standing_There.wav      yours, or below a folder of the artist

The folder `annotations` may also be called as it is packed, `The Beatles Annotations`.

Source: Mauch, Cannam, Davies, Dixon, Harte, Kolozali, Tidhar, Sandler, "OMRAS2 metadata project 2009", ISMIR 2009.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from ohrwurm.data.benchmarks.base import Benchmark, Layout, Remote, Variant
from ohrwurm.data.benchmarks.forms.annotated import audio_in
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError

KINDS = {"chordlab": "chords", "seglab": "sections", "keylab": "key", "beat": "beats"}
BEATLES = "The Beatles"


def read(folder: Path, variant: str) -> Manifest:
    """Songs by artist, album and title; those of the Beatles, or of all.

    Annotations: `chords`, `sections`, `key` and `beats` (files, where there are such), artist, album, title.

    Raises:
        DataError: there are no annotations.
    """
    found: dict[str, dict[str, object]] = defaultdict(dict)
    bases = [path for path in (folder / "annotations", folder, *sorted(folder.glob("*Annotations"))) if path.is_dir()]
    for base in bases:
        for name, kind in KINDS.items():
            for file in sorted(p for p in (base / name).rglob("*") if p.suffix in (".lab", ".txt")):
                song = file.relative_to(base / name).with_suffix("").as_posix()
                if variant == "all" or song.startswith(f"{BEATLES}/"):
                    found[song].setdefault(kind, str(file))
    if not found:
        raise DataError(f"{folder}: no annotations/chordlab/ARTIST/ALBUM/SONG.lab; unpack the packages here")
    return Manifest(_track(folder, song, said) for song, said in sorted(found.items()))


def _track(folder: Path, song: str, said: dict[str, object]) -> Track:
    artist, _, rest = song.partition("/")
    album, _, title = rest.rpartition("/")
    names = {"artist": artist, "album": _words(album), "title": _words(title)}
    return Track(song, str(audio_in(folder / "audio", rest, song)), annotations={**said, **names})


def _words(name: str) -> str:
    return name.partition("_-_")[2].replace("_", " ") or name.replace("_", " ")


def _layout(base: str) -> Layout:
    return Layout("folders of labels, a file a song", (f"{base}chordlab", f"{base}seglab"), read)


BENCHMARK = Benchmark(
    name="isophonics",
    title="Isophonics: beats, chords, keys and sections of the Beatles' albums, Queen and others; no audio.",
    citation="Mauch et al.: OMRAS2 metadata project 2009, ISMIR 2009",
    licence="annotations: not stated, for research; the songs belong to their labels",
    layouts=(_layout("annotations/"), _layout("*Annotations/"), _layout("")),
    variants={
        "beatles": Variant("The Beatles.", ("chords", "beats", "structure", "key"), {}),
        "all": Variant("All artists; some lack beats.", ("chords", "beats", "structure", "key"), {}),
    },
    remotes=(
        Remote(
            "http://isophonics.net/files/annotations/The%20Beatles%20Annotations.tar.gz",
            "The Beatles Annotations.tar.gz",
            md5="62425c552d37c6bb655a78e4603828cc",
            unpack=True,
            about="the annotations of the Beatles",
        ),
    ),
    advice="The songs are not free. Times are those of certain CDs; rip yours to audio/ALBUM/SONG.wav and align them.",
    caveats="180 songs have chords, Revolution 9 no beats (MIREX: 179); one band, so that songs hang together.",
    evaluation_only=False,
)
