"""Annotations in time, in the files in which they are published, as the values of `ohrwurm.events` and back.

`read(file, kind)` takes any of them: text (`.beats`, `.lab`, `.txt`, `.csv`, `.key`), JAMS, Billboard's
`salami_chords.txt`, ASAP's tables, the truth of our own renditions, and our own analyses. What a file has wrong is put
right by rule and told in its remarks (`reading`); only a file that is missing or says nothing is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

from ohrwurm.data.annotations import analysed, asap, beats, billboard, chords, jams, keys, rendered, sections
from ohrwurm.data.annotations.reading import Reading, text_of
from ohrwurm.events import Beats, Key, Spans

__all__ = [
    "KINDS",
    "SUFFIXES",
    "Kind",
    "Reading",
    "read",
    "read_beats",
    "read_key",
    "read_signatures",
    "read_spans",
]

Kind = Literal["beats", "chords", "sections", "key"]
KINDS: tuple[Kind, ...] = get_args(Kind)
# Endings of files that may hold a kind, the most telling first.
SUFFIXES: dict[Kind, tuple[str, ...]] = {
    "beats": (".beats", ".beat", ".jams", ".json", ".txt", ".csv", ".tsv", ".lab"),
    "chords": (".chords", ".chords.lab", ".lab", ".jams", ".json", ".txt", ".csv", ".tsv"),
    "sections": (".sections", ".segments", ".sections.lab", ".lab", ".jams", ".json", ".txt", ".csv", ".tsv"),
    "key": (".key", ".key.lab", ".jams", ".json", ".txt", ".lab", ".csv"),
}


def read(source: str | Path, kind: Kind, *, duration: float | None = None) -> Reading[Any]:
    """What a file says: `Beats`, `Spans` of chords or of sections, or a `Key`.

    Args:
        source: a file; `file#part` is a part of it: an annotator of a JAMS file, a performance of ASAP's table.
        kind: what to read from it.
        duration: of the recording in seconds; closes a last section that the file leaves open.

    Raises:
        DataError: no such file, nothing of that kind in it, or damaged; the message names file and row.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "a.lab"
    >>> _ = file.write_text("0.0 2.0 C:maj\\n1.9 4.0 A:min\\n")
    >>> read(file, "chords").remarks
    ('1 overlaps of chords cut where the later begins (C:maj at 1.9 s)',)
    """
    if kind == "beats":
        return read_beats(source)
    return read_key(source) if kind == "key" else read_spans(source, kind, duration)


def read_beats(source: str | Path) -> Reading[Beats]:
    """Beats; see `read`."""
    file, part = _split(source)
    if file.name == asap.TABLE:
        return asap.table_beats(file, part)
    if _is_json(file):
        if (content := _analysis(file)) is not None:
            return analysed.read_beats(file, content)
        return rendered.read_beats(file) if _is_rendered(file) else jams.read_beats(file, part)
    return asap.read_beats(file) if asap.is_asap(text_of(file)) else beats.read_beats(file)


def read_spans(
    source: str | Path, kind: Literal["chords", "sections"], duration: float | None = None
) -> Reading[Spans]:
    """Chords or sections; see `read`."""
    file, part = _split(source)
    if _is_json(file):
        if (content := _analysis(file)) is not None:
            return analysed.read_spans(file, content, kind)
        if kind == "sections":
            return jams.read_sections(file, part)
        return rendered.read_chords(file) if _is_rendered(file) else jams.read_chords(file, part)
    if file.name == billboard.NAME:
        read_text: Callable[[Path], Reading[Spans]]
        read_text = billboard.read_chords if kind == "chords" else billboard.read_sections
        return read_text(file)
    return chords.read_chords(file) if kind == "chords" else sections.read_sections(file, duration)


def read_key(source: str | Path) -> Reading[Key]:
    """The key of a whole recording; see `read`."""
    file, part = _split(source)
    if _is_json(file):
        if (content := _analysis(file)) is not None:
            return analysed.read_key(file, content)
        return rendered.read_key(file) if _is_rendered(file) else keys.longest(jams.read_keys(file, part))
    return keys.read_key(file)


def read_signatures(source: str | Path) -> Reading[Spans]:
    """Key signatures of ASAP, as numbers of sharps; see `read`."""
    file, part = _split(source)
    return asap.table_signatures(file, part) if file.name == asap.TABLE else asap.read_signatures(file)


def _split(source: str | Path) -> tuple[Path, str]:
    if Path(source).is_file() or "#" not in str(source):
        return Path(source), ""
    file, _, part = str(source).rpartition("#")
    return Path(file), part


def _is_json(file: Path) -> bool:
    return file.suffix.lower() in (".jams", ".json")


def _is_rendered(file: Path) -> bool:
    return file.suffix.lower() == ".json" and rendered.is_rendered(jams.content_of(file))


def _analysis(file: Path) -> dict[str, Any] | None:
    """What an analysis of ours says; None where the file is none."""
    content = jams.content_of(file) if file.suffix.lower() == ".json" else {}
    return content if analysed.is_analysis(content) else None
