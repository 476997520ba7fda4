"""What an analysis can be written as: the formats of `ohrwurm analyze --format`, and the files of each.

>>> from ohrwurm.events import Key
>>> found = Analysis("song.mp3", 200.0, "model", key=Key("D minor", 0.9))
>>> [file.name for file in files_of(found, Path("out/song"), ["json", "lab", "beats"])]
['song.json', 'song.key.lab', 'song.key']
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ohrwurm.analysis.formats import click, figure, layers, published, tables
from ohrwurm.analysis.formats.json import from_json, to_json
from ohrwurm.analysis.recording import Analysis
from ohrwurm.atomic import write_text
from ohrwurm.errors import DataError

__all__ = ["FORMATS", "Part", "checked", "files_of", "from_json", "to_json", "write"]


@dataclass(frozen=True)
class Part:
    """One file of a format.

    Attributes:
        ending: of its name, after that of the recording.
        needs: what the analysis must hold; one of several is enough.
        write: (analysis, file).
    """

    ending: str
    needs: tuple[str, ...]
    write: Callable[[Analysis, Path], None]


def _json(analysis: Analysis, file: Path) -> None:
    write_text(file, to_json(analysis))


FORMATS: dict[str, tuple[Part, ...]] = {
    "json": (Part(".json", (), _json),),
    "jams": (Part(".jams", (), published.jams),),
    "lab": (
        Part(".chords.lab", ("chords",), published.chords),
        Part(".sections.lab", ("sections",), published.sections),
        Part(".key.lab", ("keys", "key"), published.keys),
        Part(".key", ("key",), published.key),
    ),
    "beats": (Part(".beats", ("beats",), published.beats),),
    "csv": (
        Part(".track.csv", (), tables.track),
        Part(".beats.csv", ("beats",), tables.beats),
        Part(".tempo.csv", ("beats",), tables.tempo),
        Part(".chords.csv", ("chords",), tables.chords),
        Part(".keys.csv", ("keys",), tables.keys),
        Part(".sections.csv", ("sections",), tables.sections),
        Part(".tags.csv", ("tags",), tables.tags),
    ),
    "sv": (
        Part(".beats.svl", ("beats",), layers.beats),
        Part(".tempo.svl", ("beats",), layers.tempo),
        Part(".chords.svl", ("chords",), layers.chords),
        Part(".keys.svl", ("keys",), layers.keys),
        Part(".sections.svl", ("sections",), layers.sections),
    ),
    "click": (Part(".click.flac", ("beats",), click.click),),
    "figure": (Part(".png", (), figure.png),),
    "figure-svg": (Part(".svg", (), figure.svg),),
}


def checked(names: Iterable[str]) -> tuple[str, ...]:
    """Names of formats, each once.

    Raises:
        DataError: one that is none, or that lacks a library.

    >>> checked(["json", "jams", "json"])
    ('json', 'jams')
    """
    found = tuple(dict.fromkeys(names))
    for name in found:
        if name not in FORMATS:
            raise DataError(f"{name!r} is not a format; there are {', '.join(FORMATS)}")
    if any(name.startswith("figure") for name in found):
        figure.check_installed()
    return found


def files_of(analysis: Analysis, base: Path, formats: Sequence[str]) -> list[Path]:
    """The files that `write` writes."""
    return [file for _, file in _parts(analysis, base, formats)]


def write(analysis: Analysis, base: str | Path, formats: Sequence[str]) -> list[Path]:
    """Write an analysis, each file complete or not at all.

    Args:
        base: folder and name of the files, without an ending.
        formats: some of `FORMATS`.

    Returns:
        The files. What was not looked for in the recording has none.

    Raises:
        DataError: no such format, or it lacks a library.
        AudioError: layers, clicks and figures read the audio once more, and it has gone.
        OSError: the disk refuses.

    >>> import tempfile
    >>> base = Path(tempfile.mkdtemp()) / "song"
    >>> [file.name for file in write(Analysis("song.mp3", 200.0, "model"), base, ["json", "lab"])]
    ['song.json']
    >>> from_json((base.parent / "song.json").read_text()).duration
    200.0
    """
    made = []
    for part, file in _parts(analysis, Path(base), checked(formats)):
        part.write(analysis, file)
        made.append(file)
    return made


def _parts(analysis: Analysis, base: Path, formats: Sequence[str]) -> list[tuple[Part, Path]]:
    """The files for which the analysis has something; `base` may hold dots."""
    return [
        (part, base.with_name(base.name + part.ending))
        for name in formats
        for part in FORMATS[name]
        if not part.needs or any(getattr(analysis, need) is not None for need in part.needs)
    ]
