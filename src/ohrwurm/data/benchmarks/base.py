"""What every benchmark says of itself, and how its published tables are read.

A benchmark is one public set of recordings. Its `layouts` are the ways in which its files lie on disk, its `variants`
the splits and lists of labels under which results are published; every one becomes the same `Manifest`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ohrwurm.checksums import Known
from ohrwurm.data.archives import data_root, lying, unpacked
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError

Task = Literal[
    "versions", "probe", "described", "retrieval", "zero-shot", "tagging", "linear", "probing", "fine-tuning",
    "jukemir", "beats", "chords", "structure", "key",
]  # fmt: skip
MANIFEST = "manifest.csv"
PREPARED = "prepared.json"  # beside the manifest: of which benchmark and variant it is, and where all of it came from
LABELS = "labels.json"


@dataclass(frozen=True)
class Layout:
    """One way the files lie on disk: as the authors release them, or as published code wants them.

    Attributes:
        title: what it is, in one sentence.
        marks: files and folders, relative, by which a folder is recognised; all have to be there. `*` stands for any
            name; `table.csv:one,two` is a CSV table with these columns.
        read: (folder, variant) → the manifest. Audio that is missing is no error, a damaged table is.
        variants: those it can give; empty: all of the benchmark.
    """

    title: str
    marks: tuple[str, ...]
    read: Callable[[Path, str], Manifest]
    variants: tuple[str, ...] = ()

    def fits(self, folder: Path) -> bool:
        """Whether `folder` holds all `marks`."""
        return all(_marked(folder, mark) for mark in self.marks)

    def gives(self, variant: str) -> bool:
        """Whether the files hold what `variant` needs."""
        return not self.variants or variant in self.variants


@dataclass(frozen=True)
class Variant:
    """A split, or a list of labels, of a benchmark.

    Attributes:
        about: what it is, in one sentence.
        tasks: the evaluations that it holds the truth for.
        counts: split (``train``, ``validation``, ``test``, or empty) → tracks, as published; empty where nobody says.
        labels: in the published order, or a function that reads them from the set's folder; empty where there are none.
        caveats: what a reader of its results must know beside what holds for the whole benchmark.
    """

    about: str
    tasks: tuple[Task, ...]
    counts: Mapping[str, int]
    labels: tuple[str, ...] | Callable[[Path], Sequence[str]] = ()
    caveats: str = ""


@dataclass(frozen=True)
class Remote:
    """One file that can be fetched.

    Attributes:
        url: `http://`, `https://` or `file://`.
        name: where it is put, relative to the set's folder.
        size: in bytes; None where it is not known.
        sha256, md5, sha1: checksums in hexadecimal digits; empty where they are not known.
        unpack: a `.zip` or `.tar.*`, whose content is put where it lies. Parts of one archive end in .001, .002 ...
        about: what it is, for those to whom the address does not answer any more.
    """

    url: str
    name: str
    size: int | None = None
    sha256: str = ""
    md5: str = ""
    unpack: bool = False
    about: str = ""
    sha1: str = ""

    @property
    def known(self) -> Known:
        """What the file has to have, as far as its authors say."""
        return Known(self.sha256, self.md5, self.size, self.sha1)


@dataclass(frozen=True)
class AudioForm:
    """How a published preparation keeps audio.

    Attributes:
        sample_rate: Hz; None leaves that of the file.
        format: ``wav`` (16 bits), ``npy`` (float32) or ``flac`` (16 bits).
        mono: the mean of the channels; else the channels as they are.
        source: the paper or system that keeps it so.
    """

    sample_rate: int | None
    format: Literal["wav", "npy", "flac"]
    mono: bool = True
    source: str = ""


@dataclass(frozen=True)
class Benchmark:
    """One public set of recordings.

    Attributes:
        name: as the command line knows it.
        title: what it is, in one sentence.
        citation, licence: of the recordings and their annotations.
        layouts: tried in order.
        variants: name → variant; the first is the default.
        remotes: what can be fetched.
        advice: where to get what cannot be fetched, and what to put where.
        audio: how published preparations keep the audio, the default first.
        caveats: what a reader of its results must know.
        evaluation_only: no weights are ever trained on it.
        folder: its name under the folder of data sets, if that is not `name`.
    """

    name: str
    title: str
    citation: str
    licence: str
    layouts: tuple[Layout, ...]
    variants: Mapping[str, Variant]
    remotes: tuple[Remote, ...] = ()
    advice: str = ""
    audio: tuple[AudioForm, ...] = ()
    caveats: str = ""
    evaluation_only: bool = True
    folder: str = ""

    @property
    def default(self) -> str:
        """The name of the variant that is meant where none is named."""
        return next(iter(self.variants))

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The evaluations that any of the variants holds the truth for."""
        return tuple(dict.fromkeys(task for variant in self.variants.values() for task in variant.tasks))

    def variant(self, name: str = "") -> Variant:
        """A variant by name, the default one where none is named.

        Raises:
            DataError: there is none of that name.
        """
        return self.variants[self._named(name)]

    def narrowed(self, variant: str) -> Benchmark:
        """The same benchmark with `variant` alone, which thereby is the default.

        Raises:
            DataError: there is none of that name.
        """
        name = self._named(variant)
        return replace(self, variants={name: self.variants[name]})

    def layout_of(self, folder: str | Path) -> Layout | None:
        """The layout in which the files of `folder` lie, or None: the one of most marks, of equals the first."""
        fitting = [layout for layout in self.layouts if layout.fits(Path(folder))]
        return max(fitting, key=lambda layout: len(layout.marks), default=None)

    def place(self, root: str | Path | None = None, variant: str = "", prepared: bool = True) -> Path:
        """The folder that holds the set: prepared (`ohrwurm data prepare`), as published, or unpacked from an archive.

        Args:
            root: the set's own folder, or the folder of data sets, by default what OHRWURM_DATA names.
            prepared: whether one that was prepared is taken before the published one.

        Raises:
            DataError: it is not there.
        """
        base, name = data_root(root), self._named(variant)
        if (base / PREPARED).is_file():
            return base
        for candidate in (f"{self.name}-{name}", self.name) if prepared else ():
            if is_prepared(base / candidate, self.name, name):
                return base / candidate
        names = [n for n in (self.folder, self.name) if n]
        own = next((n for n in names if lying(base, n) is not None), names[0])
        inside = lying(base, own)
        if inside is None and base.name in (own, self.name):
            return base
        if self.layout_of(base) and (inside is None or (inside.is_dir() and not self.layout_of(inside))):
            return base
        try:
            return unpacked(base, own)
        except DataError as error:
            advice = f" {self.advice}" if self.advice else ""
            raise DataError(f"{error}; ohrwurm data prepare {self.name} says what to do.{advice}") from error

    def read(self, root: str | Path | None = None, variant: str = "") -> Manifest:
        """The manifest of a variant.

        Args:
            root: the set's own folder, or the folder of data sets, by default what OHRWURM_DATA names. A folder that
                `ohrwurm data prepare` made wins over one as published.
            variant: one of `variants`, the default one where none is named.

        Raises:
            DataError: the set is not there, not as published, or prepared as another variant.
        """
        name, folder = self._named(variant), self.place(root, variant)
        if (folder / PREPARED).is_file():
            check_prepared(folder, self.name, name)
            return read_prepared(folder)
        layouts = [layout for layout in self.layouts if layout.fits(folder)]
        if not layouts:  # let the closest one say what is missing
            layouts = list(self.layouts[:1])
        giving = [layout for layout in layouts if layout.gives(name)]
        if not giving:
            raise DataError(
                f"{folder}: its files ({layouts[0].title}) do not hold the variant {name!r} of {self.name}. "
                f"They hold: {', '.join(layouts[0].variants)}."
            )
        return max(giving, key=lambda layout: len(layout.marks)).read(folder, name)

    def labels(self, root: str | Path | None = None, variant: str = "") -> list[str]:
        """The labels of a variant in the published order; empty where it has none.

        Raises:
            DataError: they stand in a file, which is missing or damaged.
        """
        found = self.variant(variant).labels
        if not callable(found):
            return list(found)
        folder = self.place(root, variant)
        if (folder / PREPARED).is_file():
            return [str(label) for label in read_json(folder / LABELS, list)] if (folder / LABELS).is_file() else []
        return list(found(folder))

    def _named(self, variant: str) -> str:
        name = variant or self.default
        if name not in self.variants:
            raise DataError(f"{self.name} has no variant {name!r}. It has: {', '.join(self.variants)}.")
        return name


def _marked(folder: Path, mark: str) -> bool:
    name, _, columns = mark.partition(":")
    if "*" in name:
        return any(folder.glob(name))
    if not columns:
        return (folder / name).exists()
    try:
        with open(folder / name, encoding="utf-8-sig", newline="") as table:
            return set(columns.split(",")) <= set(next(csv.reader(table), ()))
    except (OSError, UnicodeDecodeError):
        return False


def is_prepared(folder: Path, benchmark: str, variant: str) -> bool:
    """Whether `folder` was made by `ohrwurm data prepare` of this variant, and is finished."""
    if not (folder / PREPARED).is_file():
        return False
    said = read_json(folder / PREPARED, dict)
    return (said.get("benchmark"), said.get("variant")) == (benchmark, variant)


def read_prepared(folder: Path) -> Manifest:
    """The manifest of a prepared folder, with annotations of the kinds that they had before they became a table."""
    kinds = read_json(folder / PREPARED, dict).get("annotations", {})
    readers: dict[str, Callable[[str], Any]] = {
        "int": int,
        "float": float,
        "bool": lambda text: text == "True",
        "json": json.loads,
    }

    def restored(track: Track) -> Track:
        given = {name: value for name, value in track.annotations.items() if value != ""}
        try:
            found = {name: readers[kinds[name]](v) if name in kinds else v for name, v in given.items()}
        except (KeyError, ValueError) as error:
            raise DataError(f"{folder / MANIFEST}: track {track.track_id!r}: {error}; prepare it again") from error
        return replace(track, annotations=found)

    return Manifest(map(restored, Manifest.read(folder / MANIFEST)))


def check_prepared(folder: Path, benchmark: str, variant: str) -> None:
    """That a prepared folder is of this variant.

    Raises:
        DataError: of another one.
    """
    if not is_prepared(folder, benchmark, variant):
        said = read_json(folder / PREPARED, dict)
        raise DataError(
            f"{folder}: prepared as {said.get('benchmark')}/{said.get('variant')}, not {benchmark}/{variant}. "
            "Name that one, or prepare this one into another folder."
        )


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


def rows(
    folder: Path, columns: tuple[str, ...], table: str = MANIFEST, key: str = "file", delimiter: str = ","
) -> Iterator[dict[str, str]]:
    """Rows of a CSV table in `folder`, which must have `columns` and name each `key` once; without a key there is no
    such check. Blanks around the names of columns do not count.

    Raises:
        DataError: no such table, no text, a missing column, a short row, or a key named twice.
    """
    file = folder / table
    if not file.is_file():
        raise DataError(f"{file}: missing; the set is published with this table, get it again")
    try:
        with open(file, encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, delimiter=delimiter)
            reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
            missing = [c for c in columns if c not in reader.fieldnames]
            if missing:
                raise DataError(f"{file}: no column {', '.join(missing)}; it has {', '.join(reader.fieldnames)}")
            seen: set[str] = set()
            for row in reader:
                where = f"{file}, line {reader.line_num}"
                if None in row or None in row.values():
                    raise DataError(f"{where}: not as many values as columns")
                if key and row[key] in seen:
                    raise DataError(f"{where}: {row[key]} is named a second time")
                seen.add(row.get(key, ""))
                yield row
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file}: not a table of text ({error}); get it again") from error


def one_of(row: Mapping[str, str], column: str, allowed: tuple[str, ...], folder: Path, table: str = MANIFEST) -> str:
    """The value of a column that takes only certain values.

    Raises:
        DataError: it is another one.
    """
    if row[column] not in allowed:
        raise DataError(
            f"{folder / table}: {next(iter(row.values()))} has {column} {row[column]!r}, "
            f"not one of {', '.join(allowed)}"
        )
    return row[column]


def share(value: Any, where: str) -> float:
    """A number from 0 to 1.

    Raises:
        DataError: anything else.

    >>> share("0.25", "table.csv, line 2")
    0.25
    """
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = -1.0
    if not 0 <= found <= 1:
        raise DataError(f"{where}: {value!r} is no number from 0 to 1")
    return found
