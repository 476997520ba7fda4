"""What a file says about itself (title, artist, ...); shown to people and filtered by, never used for ranking."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Tags:
    """Metadata of a recording; empty where the file says nothing, `title` falls back to the file name."""

    title: str
    artist: str = ""
    album: str = ""
    genre: str = ""
    year: int | None = None
    number: int | None = None


def read_tags(path: str | Path) -> Tags:
    """Read title, artist, album, genre, year and track number of an audio file with mutagen.

    A file without tags, or with damaged ones, gives its file name as title; this never fails.

    >>> read_tags("/nowhere/03 Blue Danube.flac")
    Tags(title='03 Blue Danube', artist='', album='', genre='', year=None, number=None)
    """
    import mutagen

    fallback = Path(path).stem
    try:
        file = mutagen.File(path, easy=True)
        found = dict(file.tags) if file is not None and file.tags is not None else {}
    except (
        Exception
    ):  # damaged tags raise anything from MutagenError to struct.error; they are no reason to lose a file
        found = {}
    values = {str(name).lower(): _text(value) for name, value in found.items()}

    def first(*names: str) -> str:
        return next((values[n] for n in names if values.get(n)), "")

    return Tags(
        title=first("title") or fallback,
        # the second names are those of ASF (WMA), which mutagen has no easy form for
        artist=first("artist", "author", "albumartist", "wm/albumartist"),
        album=first("album", "wm/albumtitle"),
        genre=first("genre", "wm/genre"),
        year=_integer(r"\d{4}", first("date", "year", "originaldate", "wm/year")),
        number=_integer(r"\d{1,4}", first("tracknumber", "wm/tracknumber")),
    )


def _text(value: object) -> str:
    if isinstance(value, (list, tuple)):
        value = ", ".join(str(v) for v in value)
    # Control characters and lone surrogates would break terminals and the store.
    printable = "".join(c if c.isprintable() else " " for c in str(value))
    return " ".join(printable.encode("utf-8", "ignore").decode("utf-8").split())[:500]


def _integer(pattern: str, text: str) -> int | None:
    found = re.search(pattern, text)
    return int(found.group()) if found else None
