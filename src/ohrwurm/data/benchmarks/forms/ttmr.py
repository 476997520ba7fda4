"""The layout in which TTMR keeps each benchmark, `<msu_dir>/<name>/`.

    track_split.json       train_track, valid_track, test_track: lists of ids
    annotation.json        id → tag (a list), path, ...
    <name>_tags.json       the labels in the order of the classes
    npy/                   the audio: mono at 16 kHz

Source: Doh, Won, Choi, Nam, "Toward universal text-to-music retrieval", ICASSP 2023.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from ohrwurm.data.benchmarks.base import AudioForm, Layout, audio_track, first_there, read_json
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError

SAMPLE_RATE = 16000
LISTS = {"train_track": "train", "valid_track": "validation", "test_track": "test"}
ENDINGS = ("mp3", "wav", "au", "ogg", "flac", "npy")
AUDIO = AudioForm(SAMPLE_RATE, "npy", source="TTMR")


def layout(
    name: str,
    labels: Collection[str] = (),
    variants: tuple[str, ...] = (),
    prefix: str = "",
    tags: str = "",
    split: bool = True,
    key: Callable[[str], str] = str,
    place: Callable[[str], str] = lambda identity: "",
    without: Collection[str] = (),
    single: bool = False,
) -> Layout:
    """TTMR's layout of one benchmark.

    Args:
        name: of the benchmark, as in `<name>_tags.json`.
        labels: what the file of tags has to hold, in any order; empty: whatever it holds.
        variants: what the layout gives; all by default.
        prefix: of the names of the three tables.
        tags: the file of tags, where it is named otherwise.
        split: whether there is a file of the split; without it, no track is in one.
        key: from an id of the split to that of the annotation, which becomes the track's.
        place: from an id to the path of its audio; empty: the annotation's, or the id itself.
        without: ids that are left out.
        single: every track has exactly one label.
    """
    tags_file = tags or f"{prefix}{name}_tags.json"
    split_file, annotation = f"{prefix}track_split.json", f"{prefix}annotation.json"

    def read(folder: Path, variant: str) -> Manifest:
        known = read_labels(folder / tags_file, labels)
        entries = read_json(folder / annotation, dict)
        listed = read_split(folder / split_file, key=key) if split else [(str(name), "") for name in entries]

        def track(identity: str, part: str) -> Track:
            entry = entry_of(entries, identity, folder / annotation)
            where = f"{folder / annotation}, entry {identity!r}"
            found = tags_of(entry, known, where, tags_file)
            if single and len(found) != 1:
                raise DataError(f"{where}: {len(found)} labels, where every track has one")
            return audio_track(
                bare(identity),
                audio_file(folder, place(identity) or str(entry.get("path") or ""), identity),
                SAMPLE_RATE,
                rest_of(entry),
                split=part,
                tags=found,
            )

        return Manifest(track(identity, part) for identity, part in listed if identity not in without)

    marks = (*((split_file,) if split else ()), annotation, tags_file)
    return Layout(f"TTMR's folder {name}: tables in JSON, audio in npy/", marks, read, variants)


def labels_in(tags: str, default: Sequence[str]) -> Callable[[Path], Sequence[str]]:
    """The labels of a folder: those of the file `tags` in its order, or `default` where there is no such file."""
    return lambda folder: read_labels(folder / tags) if (folder / tags).is_file() else default


def read_labels(file: Path, expected: Collection[str] = ()) -> tuple[str, ...]:
    """The labels of a `<name>_tags.json`, in its order.

    Raises:
        DataError: no list, a label twice, or other labels than those expected.
    """
    found = tuple(str(label) for label in read_json(file, list))
    if len(set(found)) < len(found):
        raise DataError(f"{file}: {next(x for x in found if found.count(x) > 1)!r} stands in it twice")
    if expected and set(found) != set(expected):
        other = sorted(set(found) ^ set(expected))[0]
        known = "does not belong to" if other in found else "is missing from"
        raise DataError(f"{file}: {other!r} {known} the {len(expected)} published labels")
    return found


def read_split(file: Path, lists: Mapping[str, str] = LISTS, key: Callable[[str], str] = str) -> list[tuple[str, str]]:
    """(id, split) of the tracks of a split file, in its order; `lists` says which list is which split.

    Raises:
        DataError: no such file, a list is missing, or an id is named twice.

    >>> import json, tempfile
    >>> file = Path(tempfile.mkdtemp()) / "track_split.json"
    >>> _ = file.write_text(json.dumps({"train_track": [2], "valid_track": [], "test_track": ["7"]}))
    >>> read_split(file)
    [('2', 'train'), ('7', 'test')]
    """
    content = read_json(file, dict)
    unknown = [name for name in lists if not isinstance(content.get(name), list)]
    if unknown:
        raise DataError(f"{file}: no list {unknown[0]!r}; it has {', '.join(content) or 'nothing'}")
    seen: dict[str, str] = {}
    for name in lists:
        for identity in map(key, map(str, content[name])):
            if identity in seen:
                raise DataError(f"{file}: {identity!r} stands in {seen[identity]} and again in {name}")
            seen[identity] = name
    return [(identity, lists[name]) for identity, name in seen.items()]


def entry_of(entries: Mapping[str, Any], identity: str, file: Path) -> dict[str, Any]:
    """The entry of a track in `annotation.json`.

    Raises:
        DataError: there is none, or it is no object.
    """
    entry = entries.get(identity)
    if not isinstance(entry, dict):
        raise DataError(f"{file}: no entry for {identity!r}, which the split names")
    return entry


def tags_of(entry: Mapping[str, Any], known: Collection[str], where: str, tags_file: str) -> tuple[str, ...]:
    """The labels of an entry of `annotation.json`.

    Raises:
        DataError: no list, or a label that is not in `known`.
    """
    given = entry.get("tag", [])
    found = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, list) else None
    if found is None:
        raise DataError(f"{where}: 'tag' is neither a word nor a list of words")
    wrong = next((tag for tag in found if not isinstance(tag, str) or tag not in known), None)
    if wrong is not None:
        raise DataError(f"{where}: {wrong!r} is not one of the labels of {tags_file}")
    return tuple(dict.fromkeys(found))


def audio_file(folder: Path, path: str, identity: str) -> Path:
    """Where the audio of a track is: in `npy/` (or `wav/`) by the path of its annotation, or by its id."""
    by_path = Path(path) if path else Path(identity)
    names = [bare(str(name)) for name in (by_path, identity, by_path.name)]
    return first_there(folder / kind / f"{name}.{kind}" for kind in ("npy", "wav") for name in names)


def bare(name: str) -> str:
    """A name without the ending of an audio file.

    >>> bare("blues.00003.wav"), bare("blues.00003")
    ('blues.00003', 'blues.00003')
    """
    stem, dot, ending = name.rpartition(".")
    return stem if dot and ending.lower() in ENDINGS else name


def rest_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What else an annotation says, as far as a table can hold it."""
    return {
        name: value
        for name, value in entry.items()
        if name not in ("track_id", "tag", "path") and isinstance(value, str | int | float)
    }
