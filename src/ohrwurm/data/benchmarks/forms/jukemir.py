"""The layout in which jukemir keeps each data set.

    meta.json (or .json.gz)      uid → split, y, extra, and perhaps clip and y_all
    wav/<uid>.wav                16 bits, mono

`split` is train, valid, test or null, `y` the truth, `extra` what the source says of the track, and `clip` tells which
part of which recording it is: audio_uid, audio_duration, clip_idx, clip_offset, clip_duration.

Source: Castellon, Donahue, Liang, "Codified audio language modeling learns useful representations for music information
retrieval", ISMIR 2021.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ohrwurm.data.benchmarks.base import AudioForm, Layout, first_there
from ohrwurm.data.tracks import Manifest
from ohrwurm.errors import DataError

SPLITS = {"train": "train", "valid": "validation", "test": "test"}
AUDIO = AudioForm(None, "wav", source="jukemir")


@dataclass(frozen=True)
class Item:
    """One entry of `meta.json` that is in a split.

    Attributes:
        uid: the key of the entry.
        split: ``train``, ``validation`` or ``test``.
        y: the truth.
        path: of the audio.
        extra, clip: the other parts of the entry; empty where they are not given.
        y_all: the labels from which `y` was chosen; None where they are not given.
        where: file and entry, for messages.
    """

    uid: str
    split: str
    y: Any
    path: Path
    extra: dict[str, Any]
    clip: dict[str, Any]
    y_all: list[str] | None
    where: str


def layouts(uid: str, read: Callable[[Path, str], Manifest], variants: tuple[str, ...] = ()) -> tuple[Layout, Layout]:
    """The layout of one data set, with its audio and without.

    All sets have the same file, so that only the names in `wav/` tell whose it is: `uid` is a pattern for them.
    """
    title, table = "jukemir's folder: meta.json and wav/", "meta.json*"
    with_audio = Layout(title, (table, f"wav/{uid}.wav*"), read, variants)
    return with_audio, Layout(f"{title}, without the audio", (table,), read, variants)


def items(folder: Path) -> Iterator[Item]:
    """The entries of `meta.json` in a split, in order of their uids; those in none are passed over, as jukemir does.

    Raises:
        DataError: no such file, or an entry without a split or a truth.
    """
    file = first_there((folder / "meta.json", folder / "meta.json.gz"))
    for uid, entry in sorted(_read(file).items()):
        where = f"{file}, entry {uid!r}"
        if not isinstance(entry, dict) or not {"split", "y"} <= entry.keys():
            raise DataError(f"{where}: no 'split' and 'y'")
        if entry["split"] is None:
            continue
        if entry["split"] not in SPLITS:
            raise DataError(f"{where}: split {entry['split']!r} is none of {', '.join(SPLITS)}")
        yield Item(
            uid,
            SPLITS[entry["split"]],
            entry["y"],
            folder / "wav" / f"{uid}.wav",
            _part(entry, "extra", where),
            _part(entry, "clip", where),
            entry.get("y_all"),
            where,
        )


def _part(entry: dict[str, Any], name: str, where: str) -> dict[str, Any]:
    found = entry.get(name) or {}
    if not isinstance(found, dict):
        raise DataError(f"{where}: {name!r} is not an object")
    return found


def _read(file: Path) -> dict[str, Any]:
    try:
        raw = file.read_bytes()
        content = json.loads(gzip.decompress(raw) if file.suffix == ".gz" else raw)
    except FileNotFoundError as error:
        raise DataError(f"{file}: missing; it is part of this data set's layout") from error
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"{file}: not readable as JSON ({error})") from error
    if not isinstance(content, dict):
        raise DataError(f"{file}: not an object, which this layout has there")
    return content
