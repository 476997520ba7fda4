"""GiantSteps: two-minute previews of electronic dance music with their keys. Two collections, side by side:

    giantsteps-key-dataset/annotations/key/10089.LOFI.key            "D major"
    giantsteps-key-dataset/audio/10089.LOFI.mp3
    giantsteps-mtg-key-dataset/annotations/annotations.txt           ID, MANUAL KEY, C (confidence), with tabs
    giantsteps-mtg-key-dataset/annotations/beatport_metadata.txt     ID, ARTIST, ..., with tabs
    giantsteps-mtg-key-dataset/audio/5061.LOFI.mp3

jukemir tests on the first (604 songs) and trains on the second: songs of one key about which the annotators were sure
(confidence 2). Artists are divided by a hash of their names; whoever shares a song with an artist of the validation
split goes there too, twice over. All are cut into clips of 30 s, and what remains at the end is dropped.

Newer annotations of the same previews are read with mirdata, from the folders that it downloads: GiantSteps+
(`giantsteps_key`: audio/, keys_gs+/, meta/) and Beatport EDM key (`beatport_key`: audio/, keys/, meta/).

Sources: Knees et al., "Two data sets for tempo estimation and key detection in electronic dance music annotated from
user corrections", ISMIR 2015; Faraldo, Jordà, Herrera, "A multi-profile method for key estimation in EDM", AES 2017;
Castellon, Donahue, Liang, "Codified audio language modeling learns useful representations for music information
retrieval", ISMIR 2021.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ohrwurm.data.benchmarks.base import Benchmark, Layout, Remote, Variant, first_there
from ohrwurm.data.benchmarks.forms import jukemir
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError
from ohrwurm.events import KEYS

FLATS = {"C#": "Db", "D#": "Eb", "F#": "Gb", "G#": "Ab", "A#": "Bb"}
KEY, MTG = "giantsteps-key-dataset", "giantsteps-mtg-key-dataset"
ANNOTATIONS, METADATA = "annotations/annotations.txt", "annotations/beatport_metadata.txt"
CLIP = 30.0  # seconds
PREVIEW = 120.0  # what nearly all previews last; taken for files that are not there
PASSES = 2
MIRDATA = {"plus": "giantsteps_key", "beatport": "beatport_key"}


@dataclass(frozen=True)
class Song:
    """One preview: its Beatport number, where it is, in which split, its key, and who made it."""

    number: int
    path: Path
    split: str
    key: str
    artist: str = ""
    title: str = ""

    @property
    def name(self) -> str:
        """jukemir's name."""
        return f"{self.number:07d}"


def read(folder: Path, variant: str) -> Manifest:
    """Clips of 30 s (variant ``clips``), whole previews (``songs``), or the 604 test previews alone (``key``).

    Annotations: key, song, artist, title, and of clips clip_offset and clip_duration in seconds, and `uid`, jukemir's
    name: the song's seven digits, a stroke and the clip's place. How many clips a preview has is read from its file; a
    file that is not there is taken for a preview of two minutes, as nearly all are.

    Raises:
        DataError: a table or a key is missing or damaged.
    """
    songs = [*(mtg_songs(_part(folder, MTG)) if variant != "key" else ()), *key_songs(_part(folder, KEY))]
    songs.sort(key=lambda song: song.number)
    if variant == "clips":
        durations = _durations(songs)
        return Manifest(
            _clip(song, place, {"clip_offset": place * CLIP, "clip_duration": CLIP})
            for song in songs
            for place in range(int(durations.get(str(song.path), PREVIEW) // CLIP))
        )
    return Manifest(_track(song, song.name, {}) for song in songs)


def read_jukemir(folder: Path, variant: str) -> Manifest:
    """jukemir's `meta.json` of clips.

    Raises:
        DataError: an entry with another key or name than a clip has.
    """
    tracks = []
    for item in jukemir.items(folder):
        number, _, place = item.uid.partition("-")
        if item.y not in KEYS or not number.isdecimal() or not place.isdecimal():
            raise DataError(f"{item.where}: no clip of a song (0010089-0) in one of the {len(KEYS)} keys")
        said = item.extra.get("beatport_metadata")
        known = said if isinstance(said, dict) else {}
        artist, title = str(known.get("ARTIST", "")), str(known.get("SONG TITLE", ""))
        song = Song(int(number), item.path, item.split, str(item.y), artist, title)
        tracks.append(_clip(song, int(place), {}))  # the clip is a file of its own
    return Manifest(tracks)


def read_mirdata(folder: Path, variant: str) -> Manifest:
    """mirdata's `giantsteps_key` (variant ``plus``) or `beatport_key` (``beatport``), previews of one key alone.

    Raises:
        DataError: mirdata or its index is missing, or a file of annotations.
    """
    from ohrwurm.data import mirdata_sets

    songs = []
    for track in mirdata_sets.read(MIRDATA[variant], folder):
        named = Path(track.path).stem
        where = f"{MIRDATA[variant]}, track {track.track_id}"
        if key := _one_key(str(track.annotations.get("key", ""))):
            number, title = _number(named.partition(" ")[0], where), named.partition(" - ")[2]
            songs.append(Song(number, Path(track.path), "", key, str(track.annotations.get("artists", "")), title))
    return Manifest(_track(song, song.name, {}) for song in sorted(songs, key=lambda song: song.number))


def key_songs(folder: Path) -> list[Song]:
    """The 604 songs of the GiantSteps key data set, all of the test split.

    Raises:
        DataError: there are none, or a file holds no key.
    """
    files = sorted((folder / "annotations" / "key").glob("*.key"))
    if not files:
        raise DataError(f"{folder / 'annotations' / 'key'}: no .key files; they are part of this data set's layout")
    return [
        Song(_number(file.name, str(file)), _audio(folder, file.name), "test", _key(_text(file), str(file)))
        for file in files
    ]


def mtg_songs(folder: Path) -> list[Song]:
    """The songs of the GiantSteps-MTG key data set of which the annotators were sure, and which have one key.

    Raises:
        DataError: a table is missing or damaged, or a song has no metadata.
    """
    metadata = {row["ID"]: row for _, row in _table(folder / METADATA, ("ID", "ARTIST"))}
    artists = {name: row["ARTIST"].split(", ") for name, row in metadata.items()}
    held_out = validation_artists(artists.values())
    songs = []
    for where, row in _table(folder / ANNOTATIONS, ("ID", "MANUAL KEY", "C")):
        name = row["ID"]
        if row["C"] != "2" or "/" in row["MANUAL KEY"]:
            continue
        if name not in metadata:
            raise DataError(f"{where}: song {name} is not in {METADATA}")
        split = "train" if held_out.isdisjoint(artists[name]) else "validation"
        known = metadata[name]
        key, path = _key(row["MANUAL KEY"], where), _audio(folder, f"{name}.LOFI")
        songs.append(Song(_number(name, where), path, split, key, known["ARTIST"], known.get("SONG TITLE", "")))
    return songs


def validation_artists(songs: Iterable[Collection[str]]) -> set[str]:
    """The artists of the validation split, from the artists of **every** song of the metadata.

    >>> sorted(validation_artists([["x", "y"], ["y", "z"], ["z", "Quantum"]]))  # x by its hash, y and z by company
    ['x', 'y', 'z']
    """
    groups = [set(song) for song in songs]
    found = {artist for group in groups for artist in group if _hash(artist) >= 100}
    for _ in range(PASSES):
        found = found.union(*(group for group in groups if not found.isdisjoint(group)))
    return found


def _hash(artist: str) -> int:
    return int(hashlib.sha1(artist.lower().encode()).hexdigest(), 16) % 116


def _durations(songs: Iterable[Song]) -> dict[str, float]:
    """Path → seconds, of the files that can be read."""
    from ohrwurm.data.recordings import Length, lengths_of

    found = lengths_of(Track(song.name, str(song.path)) for song in songs)
    return {path: length.samples / length.rate for path, length in found.items() if isinstance(length, Length)}


def _part(folder: Path, name: str) -> Path:
    """Where one of the two collections lies; GitHub's archives append a branch or commit to its name."""
    return min((path for path in folder.glob(f"{name}*") if path.is_dir()), default=folder / name)


def _audio(folder: Path, name: str) -> Path:
    number = name.partition(".")[0]
    names = dict.fromkeys((number, number.lstrip("0"), f"{int(number):07d}" if number.isdecimal() else number))
    return first_there(folder / "audio" / f"{one}.LOFI.{ending}" for ending in ("mp3", "wav") for one in names)


def _clip(song: Song, place: int, said: Mapping[str, float]) -> Track:
    name = f"{song.name}-{place}"
    return _track(song, name, {**said, "uid": name})


def _track(song: Song, name: str, said: Mapping[str, object]) -> Track:
    annotations = {"key": song.key, "song": song.name, "artist": song.artist, "title": song.title}
    return Track(name, str(song.path), song.split, annotations={**annotations, **said})


def _number(name: str, where: str) -> int:
    number = name.partition(".")[0]
    if not number.isdecimal():
        raise DataError(f"{where}: {name!r} does not begin with the number of a song")
    return int(number)


def _key(text: str, where: str) -> str:
    """A key as one of `KEYS`."""
    found = _one_key(text)
    if not found:
        raise DataError(f"{where}: {text.strip()[:40]!r} is not a major or minor key, e.g. 'D# minor'")
    return found


def _one_key(text: str) -> str:
    """A key as one of `KEYS`, the tonic with flats; empty where it is none, or several."""
    tonic, _, mode = text.strip().partition(" ")
    tonic = tonic[:1].upper() + tonic[1:]
    found = f"{FLATS.get(tonic, tonic)} {mode.strip()}"
    return found if found in KEYS else ""


def _table(file: Path, columns: tuple[str, ...]) -> list[tuple[str, dict[str, str]]]:
    """(where, row) of a table with tabs. Nothing is quoted in it: titles hold quotation marks."""
    head, *lines = [line.split("\t") for line in _text(file).splitlines() if line]
    if missing := [column for column in columns if column not in head]:
        raise DataError(f"{file}: no column {', '.join(missing)}; it has {', '.join(head)}")
    found = []
    for number, values in enumerate(lines, 2):
        where = f"{file}, row {number}"
        if len(values) != len(head):
            raise DataError(f"{where}: {len(values)} values separated by tabs, not {len(head)}")
        found.append((where, dict(zip(head, map(str.strip, values), strict=True))))
    return found


def _text(file: Path) -> str:
    try:
        found = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(f"{file}: missing; it is part of this data set's layout") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: not readable as text ({error}); get it again") from error
    if not found.strip():
        raise DataError(f"{file}: empty; get it again")
    return found


BENCHMARK = Benchmark(
    name="giantsteps",
    title="GiantSteps: keys of 604 (test) and 1,159 (training) previews of electronic dance music.",
    citation="Knees et al.: Two data sets for tempo estimation and key detection in electronic dance music, ISMIR 2015",
    licence="annotations: GiantSteps key not stated, GiantSteps-MTG key CC-BY-SA 4.0; previews belong to their labels",
    layouts=(
        Layout("the two repositories side by side", (f"{KEY}*/annotations/key", f"{MTG}*/{ANNOTATIONS}"), read),
        Layout("the GiantSteps key repository alone", (f"{KEY}*/annotations/key",), read, ("key",)),
        Layout("GiantSteps+ as mirdata keeps it", ("audio", "keys_gs+/*.txt", "meta/*.json"), read_mirdata, ("plus",)),
        Layout("Beatport key as mirdata keeps it", ("audio", "keys/*.txt", "meta/*.json"), read_mirdata, ("beatport",)),
        *jukemir.layouts("[0-9]" * 7 + "-[0-9]", read_jukemir, ("clips",)),
    ),
    variants={
        "clips": Variant(
            "jukemir's splits, in clips of 30 s; songs are answered by their clips together.",
            ("jukemir",),
            {"train": 3687, "validation": 942, "test": 2406},
        ),
        "songs": Variant(
            "jukemir's splits, whole previews.",
            ("jukemir", "linear", "probing", "key"),
            {"train": 923, "validation": 236, "test": 604},
        ),
        "key": Variant(
            "The 604 previews of the GiantSteps key data set alone.",
            ("key", "probe"),
            {"test": 604},
        ),
        "plus": Variant(
            "GiantSteps+: revised keys of 600 previews, those with one key (mirdata).", ("key", "probe"), {}
        ),
        "beatport": Variant("Beatport EDM key: 1,486 previews, those with one key (mirdata).", ("key", "probe"), {}),
    },
    remotes=(
        Remote(
            f"https://github.com/GiantSteps/{KEY}/archive/c8cb8aad2cb53f165be51ea099d0dc75c64a844f.zip",
            f"{KEY}.zip",
            unpack=True,
            about="annotations of the 604 test songs, the commit that jukemir used",
        ),
        Remote(
            f"https://github.com/GiantSteps/{MTG}/archive/refs/heads/master.zip",
            f"{MTG}.zip",
            unpack=True,
            about="annotations and metadata of the training songs (jukemir: commit fd7b8c58)",
        ),
    ),
    advice=(
        "Both repositories hold a script audio_dl.sh that fetches the previews from Beatport or a copy at the "
        "University of Linz; put them into audio/ of each, named 5061.LOFI.mp3."
    ),
    audio=(jukemir.AUDIO,),
    caveats="Keys of previews, not of tracks; two thirds are minor, and a song may leave its key.",
    evaluation_only=False,
)
