"""Everything the collection keeps on disk, in LanceDB; the only module that knows of it.

Tables of a collection folder:

* ``meta``: key → JSON (format version, folders indexed, models in use)
* ``tracks``: one row per path; what analysis found stands in the same row, so that one condition may speak of all
* ``failures``: one row per path that could not be indexed
* ``vectors-<model>-<digest>``: one row per content and model: the track vector and its window vectors

Beside them lie the analyses in full (`documents`).

A batch is committed vectors first, tracks last (`put`): a vector without a track is an orphan of a killed run, and the
next run removes it. Every commit is one atomic LanceDB version and keyed, so repeating it duplicates nothing.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ohrwurm.collection.conditions import misspelled, of_analysis, one_of, quote
from ohrwurm.collection.documents import Documents
from ohrwurm.collection.records import Failure, Space, Track
from ohrwurm.collection.tables import (
    ANALYSIS,
    DESCRIPTION,
    FAILURES,
    META,
    TRACKS,
    Vectors,
    failure_of_analysis,
    failure_rows,
    failures_of_rows,
    track_rows,
    tracks_of_rows,
    vector_rows,
    vector_schema,
)
from ohrwurm.errors import CollectionError, ProvenanceError

FORMAT = 1
KEEP_VERSIONS = timedelta(minutes=1)  # a reader in another process may still be on the version before
CHUNK = 1000  # values in one SQL IN list


class Store:
    """The tables of one collection folder. Make it with `Store.open` or `Store.create`."""

    def __init__(self, folder: Path, connection: Any) -> None:
        self.folder = folder
        self.documents = Documents(folder / "analyses")
        self._db = connection
        self._opened: dict[str, Any] = {}
        self._analysed = self._takes_analyses = False  # once true, they stay so

    # Opening ---------------------------------------------------------------------------------------------------

    @classmethod
    def open(cls, folder: str | Path) -> Store:
        """Open an existing collection.

        Raises:
            CollectionError: there is none, or it was written by another version.
        """
        folder = Path(folder)
        if not (folder / "meta.lance").is_dir():
            raise CollectionError(
                f"no collection at {folder}. Make one with: ohrwurm index FOLDER --collection {folder}"
            )
        store = cls(folder, _connect(folder))
        version = store._meta("format", None)
        if version != FORMAT:
            raise CollectionError(
                f"{folder} has collection format {version}, this Ohrwurm reads format {FORMAT}. "
                "Index again into a new folder, or use the version of Ohrwurm that wrote it."
            )
        return store

    @classmethod
    def create(cls, folder: str | Path) -> Store:
        """Open a collection, making it first where there is none.

        Raises:
            CollectionError: the folder holds other things than a collection.
        """
        folder = Path(folder)
        if not (folder / "meta.lance").is_dir():
            if folder.exists() and not folder.is_dir():
                raise CollectionError(f"{folder} is a file; give a folder for the collection")
            foreign = [p.name for p in folder.glob("*") if p.suffix != ".lance"] if folder.exists() else []
            if [name for name in foreign if not name.startswith(".")]:
                raise CollectionError(
                    f"{folder} is not a collection and not empty (it holds {sorted(foreign)[0]!r}). "
                    "Give an empty or new folder with --collection."
                )
            folder.mkdir(parents=True, exist_ok=True)
            db = _connect(folder)
            for name, schema in (("tracks", TRACKS), ("failures", FAILURES)):
                db.create_table(name, schema=schema, exist_ok=True)
            first = pa.table([["format"], [json.dumps(FORMAT)]], schema=META)
            db.create_table("meta", first, exist_ok=True)  # last: it is what makes the folder a collection
        return cls.open(folder)

    # Meta ------------------------------------------------------------------------------------------------------

    def _meta(self, key: str, default: Any) -> Any:
        rows = self._read("meta", ["value"], f"key = {quote(key)}").to_pylist()
        return json.loads(rows[0]["value"]) if rows else default

    def _set_meta(self, key: str, value: Any) -> None:
        self._merge("meta", pa.table([[key], [json.dumps(value, ensure_ascii=False)]], schema=META), "key")

    @property
    def roots(self) -> list[str]:
        """The folders that were indexed, so that they can be indexed again without naming them."""
        return list(self._meta("roots", []))

    def add_roots(self, roots: Iterable[str]) -> None:
        """Remember folders that are indexed."""
        before = self.roots
        after = sorted(set(before) | set(roots))
        if after != before:
            self._set_meta("roots", after)

    def spaces(self) -> list[Space]:
        """The models in use, in the order they were added."""
        return [Space(**row) for row in self._meta("models", [])]

    def activate(self, spaces: Sequence[Space]) -> None:
        """Take models in use; one of a known name replaces it (its old vectors stay until `drop_stale`)."""
        merged = {s.name: s for s in self.spaces()} | {s.name: s for s in spaces}
        names = self._tables()
        for space in spaces:
            if space.table not in names:
                self._db.create_table(space.table, schema=vector_schema(space.dim), exist_ok=True)
        if list(merged.values()) != self.spaces():
            self._set_meta("models", [dataclasses.asdict(s) for s in merged.values()])

    # Tracks and failures ---------------------------------------------------------------------------------------

    def tracks(self, where: str = "") -> list[Track]:
        """Tracks, by path; `where` is an SQL condition over their columns.

        Raises:
            CollectionError: the condition is not valid, or speaks of what no track was analysed for.
        """
        return self._tracks(self._condition(where))

    def _tracks(self, where: str = "") -> list[Track]:
        names = TRACKS.names if self._has_analysis_columns() else DESCRIPTION.names
        return tracks_of_rows(self._read("tracks", names, where).sort_by("path"))

    def tracks_of(self, contents: Iterable[str], where: str = "") -> list[Track]:
        """Tracks with one of these contents."""
        where = self._condition(where)
        found: list[Track] = []
        for chunk in _chunks(contents):
            found += self._tracks(f"{one_of('content', chunk)} AND ({where})" if where else one_of("content", chunk))
        return found

    def tracks_at(self, paths: Iterable[str]) -> list[Track]:
        """Tracks at some paths."""
        return [track for chunk in _chunks(paths) for track in self._tracks(one_of("path", chunk))]

    def contents_where(self, where: str) -> set[str]:
        """Contents of the tracks that fulfil a condition."""
        return set(self._read("tracks", ["content"], self._condition(where))["content"].to_pylist())

    def listed_contents(self, where: str) -> set[str]:
        """Contents of the tracks that fulfil a condition and may be an answer (`Track.listed`)."""
        rows = self._read("tracks", ["content", "status", "flags"], self._condition(where))
        present = pc.equal(rows["status"], "present")
        silent = pc.match_substring(rows["flags"], "silent")
        found = set(rows["content"].filter(pc.and_(present, pc.invert(silent))).to_pylist())
        if not found and (instead := misspelled(where)):
            raise CollectionError(f"the condition {where!r} finds nothing: {instead}")
        return found

    def _condition(self, where: str) -> str:
        """`where` itself, if there is anything that it can be asked of."""
        if not self._analysed and (asked := of_analysis(where)):
            names = " and ".join(repr(name) for name in sorted(asked))
            if not self._has_analysis_columns() or not self.analysed():
                raise CollectionError(
                    f"the condition speaks of {names}, but no track of this collection was analysed yet. "
                    f"Run: ohrwurm analyze --collection {self.folder}"
                )
            self._analysed = True
        return where

    def analysed(self) -> int:
        """Number of tracks that were analysed."""
        return (
            int(self._table("tracks").count_rows("analysis_model IS NOT NULL")) if self._has_analysis_columns() else 0
        )

    def _has_analysis_columns(self) -> bool:
        """Whether the table of tracks was made, or changed, since there are analyses."""
        if not self._takes_analyses:
            self._takes_analyses = set(ANALYSIS.names) <= set(self._table("tracks").schema.names)
        return self._takes_analyses

    def _add_analysis_columns(self) -> None:
        """Let an older table of tracks take analyses: one commit, which copies nothing. Readers never need it."""
        if not self._has_analysis_columns():
            there = self._table("tracks").schema.names
            self._table("tracks").add_columns([field for field in ANALYSIS if field.name not in there])

    def failures(self) -> list[Failure]:
        """Files that could not be indexed, by path."""
        return failures_of_rows(self._read("failures", FAILURES.names).sort_by("path"))

    def analysis_failures(self) -> list[Failure]:
        """Files that could not be analysed, by path."""
        failed = self._tracks("analysis_error != ''") if self._has_analysis_columns() else []
        return [failure_of_analysis(track) for track in failed]

    def put(
        self,
        *,
        vectors: Sequence[tuple[Space, str, Sequence[Vectors]]] = (),
        tracks: Sequence[Track] = (),
        failures: Sequence[Failure] = (),
        forget_tracks: Sequence[str] = (),
        forget_failures: Sequence[str] = (),
    ) -> None:
        """Commit a batch, in the order that makes a kill between any two commits harmless.

        Args:
            vectors: for each model its space, the provenance of the vectors, and the vectors.
            forget_tracks, forget_failures: paths whose rows go.

        Raises:
            ProvenanceError: vectors of one provenance were about to enter the space of another.
            CollectionError: the disk refused.
        """
        with self.write_errors():
            for space, provenance, rows in vectors:
                if provenance != space.provenance:
                    raise ProvenanceError(
                        f"vectors of {provenance} do not belong to the space of {space.provenance}. "
                        "Run `ohrwurm index` again to embed the collection with the model as it is now."
                    )
                if rows:
                    self._merge(space.table, vector_rows(rows), "content")
            if failures:
                self._merge("failures", failure_rows(failures), "path")
            if tracks:
                self._add_analysis_columns()
                self._merge("tracks", track_rows(tracks), "path")
            for table, paths in (("tracks", forget_tracks), ("failures", forget_failures)):
                for chunk in _chunks(paths):
                    self._table(table).delete(one_of("path", chunk))

    # Vectors ---------------------------------------------------------------------------------------------------

    def contents(self, space: Space) -> set[str]:
        """Contents that have vectors in a space."""
        return set(self._read(space.table, ["content"])["content"].to_pylist())

    def count(self, space: Space) -> int:
        """Number of contents that have vectors in a space."""
        return int(self._table(space.table).count_rows())

    def vectors(self, space: Space, contents: Iterable[str]) -> dict[str, Vectors]:
        """Track and window vectors of some contents; those without vectors are left out."""
        found: dict[str, Vectors] = {}
        for chunk in _chunks(contents):
            for row in self._read(space.table, None, one_of("content", chunk)).to_pylist():
                track = np.asarray(row["vector"], np.float32)
                windows, starts, valid = (np.asarray(row[n], np.float32) for n in ("windows", "starts", "valid"))
                found[row["content"]] = Vectors(row["content"], track, windows.reshape(-1, len(track)), starts, valid)
        return found

    def track_vectors(self, space: Space, among: Iterable[str] | None = None) -> tuple[list[str], np.ndarray]:
        """Contents and track vectors `(n, D)` of a space, or of those `among` its contents, ordered by content."""
        conditions = [""] if among is None else [one_of("content", chunk) for chunk in _chunks(among)]
        found = [self._read(space.table, ["content", "vector"], where) for where in conditions]
        rows = pa.concat_tables(found).sort_by("content")
        dim = rows.schema.field("vector").type.list_size
        flat = rows["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        return rows["content"].to_pylist(), flat.reshape(-1, dim)

    def nearest(
        self, space: Space, query: np.ndarray, limit: int, among: Iterable[str] = ()
    ) -> list[tuple[str, float]]:
        """The nearest contents by cosine, exactly: `(content, cosine)`, best first; `among` restricts them."""
        search = self._table(space.table).search(query).distance_type("cosine").bypass_vector_index()
        among = list(among)
        if among:
            search = search.where(one_of("content", among), prefilter=True)
        # `_distance` is asked for by name: LanceDB warns on every query that leaves it implicit.
        rows = search.select(["content", "_distance"]).limit(limit).to_arrow()
        return [(c, 1.0 - d) for c, d in zip(rows["content"].to_pylist(), rows["_distance"].to_pylist(), strict=True)]

    # Housekeeping ----------------------------------------------------------------------------------------------

    def drop_orphans(self) -> int:
        """Remove vectors and analyses that no track refers to (of changed or removed files, or of a killed run).

        Returns:
            How many vectors.
        """
        rows = self._read("tracks", ["content", *(["analysis_model"] if self._has_analysis_columns() else [])])
        wanted = set(rows["content"].to_pylist())
        if "analysis_model" in rows.column_names:
            self.documents.keep(zip(rows["content"].to_pylist(), rows["analysis_model"].to_pylist(), strict=True))
        dropped = 0
        for space in self.spaces():
            orphans = sorted(self.contents(space) - wanted)
            for chunk in _chunks(orphans):
                self._table(space.table).delete(one_of("content", chunk))
            dropped += len(orphans)
        return dropped

    def drop_stale(self) -> None:
        """Remove spaces of replaced models, once every track has vectors of the replacement."""
        tracks = set(self._read("tracks", ["content"])["content"].to_pylist())
        spaces = self.spaces()
        if all(tracks <= self.contents(s) for s in spaces):
            for name in self._tables() - {s.table for s in spaces}:
                if name.startswith("vectors-"):
                    self._opened.pop(name, None)
                    self._db.drop_table(name)

    def compact(self) -> None:
        """Merge the small files of many commits and drop old versions, so that the folder stays small and fast."""
        for name in self._tables():
            self._table(name).optimize(cleanup_older_than=KEEP_VERSIONS)

    def disk_bytes(self) -> int:
        """Size of the folder."""
        return sum(p.stat().st_size for p in self.folder.rglob("*") if p.is_file())

    # LanceDB ---------------------------------------------------------------------------------------------------

    def _tables(self) -> set[str]:
        names: set[str] = set()
        token = None
        while True:
            page = self._db.list_tables(page_token=token)
            names |= set(page.tables)
            token = page.page_token
            if not token:
                return names

    def _table(self, name: str) -> Any:
        if name not in self._opened:
            self._opened[name] = self._db.open_table(name)
        return self._opened[name]

    def _read(self, table: str, columns: list[str] | None, where: str = "") -> pa.Table:
        query = self._table(table).search()
        if columns:
            query = query.select(columns)
        if where:
            query = query.where(where)
        try:
            return query.to_arrow()
        except ValueError as error:
            if table != "tracks":
                raise
            raise CollectionError(
                f"the condition {where!r} is not understood: {_first_sentence(error)} "
                f"Columns: {', '.join(TRACKS.names)}. Example: \"year >= 1990 AND artist = 'Scott Joplin'\""
            ) from error

    def _merge(self, table: str, rows: pa.Table, key: str) -> None:
        merge = self._table(table).merge_insert(key).when_matched_update_all().when_not_matched_insert_all()
        merge.execute(rows)

    @contextmanager
    def write_errors(self) -> Iterator[None]:
        """Say what a disk that refuses to be written means for the collection."""
        try:
            yield
        except (OSError, RuntimeError) as error:
            raise CollectionError(
                f"{self.folder}: could not write ({_first_sentence(error)}). "
                "Check free space and permissions, then run again: what was committed is kept."
            ) from error


def _connect(folder: Path) -> Any:
    import lancedb  # 1.5 s

    # Interval 0: every read sees the latest commit, also of another process.
    return lancedb.connect(str(folder), read_consistency_interval=timedelta(0))


def _chunks(values: Iterable[str]) -> Iterator[list[str]]:
    items = list(values)
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


def _first_sentence(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__)[:300]
