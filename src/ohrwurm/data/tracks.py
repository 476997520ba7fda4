"""`Manifest`: a table with one row per recording. All that training and evaluation see of a data set."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ohrwurm.atomic import replacing
from ohrwurm.errors import DataError

SPLITS = ("", "train", "validation", "test")
COLUMNS = ("track_id", "path", "split", "tags", "caption", "work_id")
_SEPARATOR = ";"


@dataclass(frozen=True)
class Track:
    """One recording.

    Attributes:
        track_id: unique in its manifest.
        path: of the audio file.
        split: ``train``, ``validation``, ``test``, or empty where none is set.
        tags: words for it.
        caption: a sentence about it; empty where there is none.
        work_id: equal for recordings of one work; empty where unknown.
        annotations: all other columns.
    """

    track_id: str
    path: str
    split: str = ""
    tags: tuple[str, ...] = ()
    caption: str = ""
    work_id: str = ""
    annotations: dict[str, Any] = field(default_factory=dict)


class Manifest:
    """Tracks in order, read from and written to CSV, JSON lines or Parquet (by the file's ending).

    In a file, relative paths are relative to the file's folder, tags are separated by ``;`` (lists in JSON and
    Parquet), and columns beyond `COLUMNS` become annotations. Only `path` is required; `track_id` defaults to it.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "mine.csv"
    >>> Manifest([Track("a", str(file.parent / "a.flac"), tags=("jazz", "slow"))]).write(file)
    >>> print(file.read_text().strip())
    track_id,path,split,tags,caption,work_id
    a,a.flac,,jazz;slow,,
    >>> Manifest.read(file)[0].tags
    ('jazz', 'slow')
    """

    def __init__(self, tracks: Iterable[Track] = ()) -> None:
        self.tracks = list(tracks)
        seen: dict[str, Track] = {}
        for track in self.tracks:
            first = seen.setdefault(track.track_id, track)
            if first is not track:
                raise DataError(f"track_id {track.track_id!r} occurs twice{_splits(first, track)}; make the ids unique")

    def __iter__(self) -> Iterator[Track]:
        return iter(self.tracks)

    def __len__(self) -> int:
        return len(self.tracks)

    def __getitem__(self, index: int) -> Track:
        return self.tracks[index]

    def __repr__(self) -> str:
        return f"Manifest of {len(self)} tracks"

    def split(self, name: str) -> Manifest:
        """The tracks of one split."""
        return Manifest(t for t in self.tracks if t.split == name)

    def works(self) -> dict[str, list[Track]]:
        """Tracks by work; those without a work are left out."""
        groups: dict[str, list[Track]] = {}
        for track in self.tracks:
            if track.work_id:
                groups.setdefault(track.work_id, []).append(track)
        return groups

    def tag_counts(self) -> Counter[str]:
        """How many tracks carry each tag."""
        return Counter(tag for track in self.tracks for tag in set(track.tags))

    def missing_files(self) -> list[str]:
        """Paths that lead to no file."""
        return [t.path for t in self.tracks if not Path(t.path).is_file()]

    @classmethod
    def read(cls, path: str | Path) -> Manifest:
        """Read a manifest.

        Raises:
            DataError: no such file, an unknown ending, or a faulty row; the message names file and row.
        """
        path = Path(path)
        if not path.is_file():
            raise DataError(f"{path}: no such manifest; it is a .csv, .jsonl or .parquet file with a column 'path'")
        seen: dict[str, tuple[int, Track]] = {}
        tracks = []
        try:
            for number, row in _format(path)[0](path):
                track = _track(row, f"{path}, row {number}", path.parent)
                if track.track_id in seen:
                    before, first = seen[track.track_id]
                    what = f"track_id {track.track_id!r} stands in row {before} already{_splits(first, track)}"
                    raise DataError(f"{path}, row {number}: {what}")
                seen[track.track_id] = number, track
                tracks.append(track)
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: not UTF-8 text ({error}); save it as UTF-8") from error
        return cls(tracks)

    def write(self, path: str | Path) -> None:
        """Write the manifest atomically; paths below the file's folder become relative to it.

        Raises:
            DataError: an unknown ending, or a tag that contains the separator.
        """
        path = Path(path)
        writer = _format(path)[1]
        extra = list(dict.fromkeys(name for t in self.tracks for name in t.annotations))
        rows = [_row(track, path.parent, extra) for track in self.tracks]
        with replacing(path) as temporary:
            writer(temporary, rows, [*COLUMNS, *extra])


def _splits(one: Track, other: Track) -> str:
    """Where a recording that is named twice is in two splits: which."""
    if one.split == other.split:
        return ""
    return f" (once in {one.split or 'no split'}, once in {other.split or 'no split'}: what is tested was trained on)"


def _format(path: Path) -> tuple[Callable[..., Any], Callable[..., None]]:
    formats = {
        ".csv": (_read_csv, _write_csv),
        ".jsonl": (_read_jsonl, _write_jsonl),
        ".parquet": (_read_parquet, _write_parquet),
    }
    if path.suffix.lower() not in formats:
        raise DataError(f"{path}: a manifest is a .csv, .jsonl or .parquet file")
    return formats[path.suffix.lower()]


def _track(row: dict[str, Any], where: str, folder: Path) -> Track:
    values = {k: "" if v is None else v for k, v in row.items()}
    path = values.pop("path", "")
    if not isinstance(path, str) or not path.strip():
        raise DataError(f"{where}: no path; every row names an audio file in the column 'path'")
    track_id = str(values.pop("track_id", "") or path)
    split = str(values.pop("split", ""))
    if split not in SPLITS:
        raise DataError(f"{where}: split {split!r} is none of {', '.join(SPLITS[1:])} (or empty)")
    tags = values.pop("tags", ())
    if isinstance(tags, str):
        tags = tags.split(_SEPARATOR)
    if not isinstance(tags, (list, tuple)) or not all(isinstance(t, str) for t in tags):
        raise DataError(f"{where}: tags must be words separated by ';', or a list of words, not {tags!r}")
    return Track(
        track_id=track_id,
        path=str(folder / path.strip()),
        split=split,
        tags=tuple(t.strip() for t in tags if t.strip()),
        caption=str(values.pop("caption", "")).strip(),
        work_id=str(values.pop("work_id", "")),
        annotations=values,
    )


def _row(track: Track, folder: Path, extra: list[str]) -> dict[str, Any]:
    bad = next((t for t in track.tags if _SEPARATOR in t), None)
    if bad is not None:
        raise DataError(f"track {track.track_id!r}: the tag {bad!r} contains ';', which separates tags in a manifest")
    row = {f.name: getattr(track, f.name) for f in dataclasses.fields(track) if f.name != "annotations"}
    path, base = Path(track.path).absolute(), folder.absolute()
    row["path"] = path.relative_to(base).as_posix() if path.is_relative_to(base) else str(path)
    row["tags"] = list(track.tags)
    return row | {name: track.annotations.get(name, "") for name in extra}


def _read_csv(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with open(path, newline="", encoding="utf-8-sig") as lines:
        reader = csv.DictReader(lines)
        if "path" not in (reader.fieldnames or ()):
            raise DataError(f"{path}: no column 'path'; its first line names {', '.join(reader.fieldnames or ())!r}")
        for number, row in enumerate(reader, 2):
            if None in row or None in row.values():
                raise DataError(f"{path}, row {number}: not as many values as columns; quote values that hold a comma")
            yield number, dict(row)


def _write_csv(path: Path, rows: list[dict[str, Any]], columns: list[str]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, columns, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            plain = {k: v if isinstance(v, (str, int, float)) else json.dumps(v) for k, v in row.items()}
            writer.writerow(plain | {"tags": _SEPARATOR.join(row["tags"])})


def _read_jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise DataError(f"{path}, row {number}: not JSON ({error})") from error
            if not isinstance(row, dict):
                raise DataError(f"{path}, row {number}: not an object with a 'path'")
            yield number, row


def _write_jsonl(path: Path, rows: list[dict[str, Any]], columns: list[str]) -> None:
    with open(path, "w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _read_parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a readable Parquet file ({error})") from error
    yield from enumerate(table.to_pylist(), 1)


def _write_parquet(path: Path, rows: list[dict[str, Any]], columns: list[str]) -> None:
    import pyarrow
    import pyarrow.parquet

    texts = pyarrow.list_(pyarrow.string())
    schema = pyarrow.schema([(c, texts if c == "tags" else pyarrow.string()) for c in COLUMNS])
    table = pyarrow.Table.from_pylist([{c: r[c] for c in COLUMNS} for r in rows], schema=schema)
    for name in columns[len(COLUMNS) :]:
        values = [row[name] for row in rows]
        try:
            column = pyarrow.array(values)
        except pyarrow.ArrowException:  # kinds are mixed
            column = pyarrow.array([v if isinstance(v, str) else json.dumps(v) for v in values])
        table = table.append_column(name, column)
    pyarrow.parquet.write_table(table, path)
