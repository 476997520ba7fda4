"""What every benchmark says of itself, and the reading of its published table."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ohrwurm.data.archives import data_root, unpacked
from ohrwurm.data.tracks import Manifest
from ohrwurm.errors import DataError

Task = Literal["versions", "probe", "described"]


@dataclass(frozen=True)
class Benchmark:
    """One public set of recordings.

    Attributes:
        name: as the command line knows it.
        folder: its name under the data root, as a folder or a tar archive.
        title: what it is, in one sentence.
        citation, licence: of the recordings and their annotations.
        tasks: what it has the truth for.
        caveats: what a reader of its results must know.
        evaluation_only: no weights are ever trained on it.
        reader: makes the manifest from the folder as published.
    """

    name: str
    folder: str
    title: str
    citation: str
    licence: str
    tasks: tuple[Task, ...]
    reader: Callable[[Path], Manifest]
    caveats: str = ""
    evaluation_only: bool = True

    def read(self, root: str | Path | None = None) -> Manifest:
        """The manifest; `root` is the folder of data sets, by default what OHRWURM_DATA names.

        Raises:
            DataError: the set is not there, or not as published.
        """
        return self.reader(unpacked(data_root(root), self.folder))


def rows(folder: Path, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
    """Rows of `folder/manifest.csv`, which must have `columns` and name each file once.

    Raises:
        DataError: no such table, a missing column, a short row, or a file named twice.
    """
    table = folder / "manifest.csv"
    if not table.is_file():
        raise DataError(f"{table}: missing; the set is published with this table, get it again")
    with open(table, encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        missing = [c for c in columns if c not in (reader.fieldnames or ())]
        if missing:
            raise DataError(f"{table}: no column {', '.join(missing)}; it has {', '.join(reader.fieldnames or ())}")
        seen: set[str] = set()
        for row in reader:
            where = f"{table}, line {reader.line_num}"
            if None in row or None in row.values():
                raise DataError(f"{where}: not as many values as columns")
            if row["file"] in seen:
                raise DataError(f"{where}: {row['file']} is named a second time")
            seen.add(row["file"])
            yield row


def one_of(row: dict[str, str], column: str, allowed: tuple[str, ...], folder: Path) -> str:
    """The value of a column that takes only certain values.

    Raises:
        DataError: it is another one.
    """
    if row[column] not in allowed:
        raise DataError(
            f"{folder / 'manifest.csv'}: {row['file']} has {column} {row[column]!r}, not one of {', '.join(allowed)}"
        )
    return row[column]
