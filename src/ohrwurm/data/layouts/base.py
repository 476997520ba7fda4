"""What every layout says of itself, and how its tables are read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError


@dataclass(frozen=True)
class Layout:
    """The files of one data set as its authors publish them, or as published code wants them.

    Attributes:
        title: what it is, in one sentence.
        marks: files and folders, relative, by which a folder is recognised; all have to be there.
        read: makes the manifest.
        labels: the set's own list of its tags, in its order; None where there is none.
    """

    title: str
    marks: tuple[str, ...]
    read: Callable[[Path], Manifest]
    labels: Callable[[Path], list[str]] | None = None

    def fits(self, folder: Path) -> bool:
        """Whether `folder` holds all `marks`."""
        return all((folder / mark).exists() for mark in self.marks)


def read_json(file: Path, kind: type) -> Any:
    """The content of a JSON file, which must be a `list` or a `dict`.

    Raises:
        DataError: no such file, not JSON, or something else.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{file}: missing; it is part of this data set's layout") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: not readable as JSON ({error})") from error
    if not isinstance(content, kind):
        raise DataError(f"{file}: not {'a list' if kind is list else 'an object'}, which this layout has there")
    return content


def read_tsv(file: Path, columns: int) -> Iterator[tuple[str, list[str]]]:
    """(where, values) of each row of a table separated by tabs; empty lines are passed over.

    Raises:
        DataError: no such file, or a row with another number of values.
    """
    if not file.is_file():
        raise DataError(f"{file}: missing; it is part of this data set's layout")
    with open(file, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            values = line.rstrip("\r\n").split("\t")
            if values == [""]:
                continue
            where = f"{file}, row {number}"
            if len(values) != columns:
                raise DataError(f"{where}: {len(values)} values separated by tabs, not {columns}")
            yield where, values


def audio_track(
    track_id: str, path: Path, sample_rate: int, annotations: dict[str, Any] | None = None, **fields: Any
) -> Track:
    """A track; a `.npy` file, which does not say its rate, gets that of its data set."""
    found = dict(annotations or {})
    if path.suffix == ".npy":
        found["sample_rate"] = sample_rate
    return Track(track_id, str(path), annotations=found, **fields)


def first_there(candidates: Iterable[Path]) -> Path:
    """The first of the paths that leads to a file, or the first of all."""
    paths = list(candidates)
    return next((path for path in paths if path.is_file()), paths[0])
