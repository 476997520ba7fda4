"""A folder of music as a searchable collection.

>>> from ohrwurm import Collection
>>> Collection("some/folder").path.name
'folder'
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ohrwurm.collection.records import Facts, Failure, Progress, Report, Result, Space, Track
from ohrwurm.errors import CollectionError

if TYPE_CHECKING:
    from ohrwurm.audio.isolation import Limits
    from ohrwurm.collection.analyses import Analyses
    from ohrwurm.collection.conditions import Bpm
    from ohrwurm.collection.queries import Loaded, Queries
    from ohrwurm.collection.search import OneOrMany
    from ohrwurm.collection.status import Status
    from ohrwurm.collection.store import Store
    from ohrwurm.collection.versions import VersionGroup
    from ohrwurm.models.base import Precision

__all__ = [
    "Collection",
    "Facts",
    "Failure",
    "Progress",
    "Report",
    "Result",
    "Track",
    "default_folder",
    "default_models",
]

HOUSE_MODELS = {  # and the baselines that do their work where they are not installed
    "ohrwurm-text": "mel-statistics",
    "ohrwurm-versions": "chroma-cross-correlation",
    "ohrwurm-alignment": "chroma-cross-correlation",
}


def default_folder() -> Path:
    """Where the collection is unless told otherwise.

    The environment variable OHRWURM_COLLECTION, else `ohrwurm` in the user's data folder (XDG_DATA_HOME, usually
    ~/.local/share), so that the same collection is found from any working directory.
    """
    if named := os.environ.get("OHRWURM_COLLECTION"):
        return Path(named)
    data = os.environ.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
    return Path(data) / "ohrwurm" / "collection"


def default_models() -> list[str]:
    """Models of a new collection: the trained ones that ship with the package, else the plain baselines."""
    from ohrwurm.models.registry import bundled

    shipped = set(bundled())
    return list(dict.fromkeys(name if name in shipped else plain for name, plain in HOUSE_MODELS.items()))


class Collection:
    """A folder that holds the vectors of a music collection, and answers questions about it.

    Making the object touches nothing; `index` makes the folder.

    Args:
        path: the collection folder; by default `default_folder()`.
        models: names of models (or model folders, or runs) that `index` uses beside those already in use.

    A session in Python does what the command line does::

        music = Collection("my-collection")
        music.index(["~/Music"])
        for hit in music.search("slow solo piano", without="drums", where="year < 1990"):
            print(hit.title, hit.score, hit.position)
        music.versions("some/recording.mp3")
    """

    def __init__(self, path: str | Path | None = None, models: Sequence[str | Path] | None = None) -> None:
        self.path = Path(path).expanduser() if path is not None else default_folder()
        self.models = None if models is None else [str(m) for m in models]
        self._store: Store | None = None
        self._loaded: Loaded = {}

    def __repr__(self) -> str:
        return f"Collection({str(self.path)!r})"

    @property
    def store(self) -> Store:
        """The tables.

        Raises:
            CollectionError: there is no collection at `path`.
        """
        if self._store is None:
            from ohrwurm.collection.store import Store

            self._store = Store.open(self.path)
        return self._store

    @property
    def _queries(self) -> Queries:
        from ohrwurm.collection.queries import Queries

        return Queries(self.store, self._loaded)

    # Making ----------------------------------------------------------------------------------------------------

    def index(
        self,
        folders: str | Path | Sequence[str | Path] | None = None,
        *,
        models: Sequence[str | Path] | None = None,
        workers: int | None = None,
        retry: bool = False,
        precision: Precision | Literal["auto"] | None = None,
        device: str = "cpu",
        limits: Limits | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> Report:
        """Bring the collection up to date with folders of music.

        New and changed files are embedded; moved and renamed ones keep their vectors; those no longer found are
        marked missing. A file that cannot be used is listed (`errors`) and never stops the run. Interrupted at any
        moment, the next run goes on from there.

        Args:
            folders: folders or files; by default all that were indexed before.
            models: models to use beside those in use; by default those of the constructor, or `default_models()`.
            workers: files at a time; by default one a core.
            retry: try files again that failed before and did not change.
            precision: what the models compute in ("auto": the fastest that agrees with fp32); by default what they did
                before, and fp32 for a new one. Another precision makes other vectors: all files are embedded again, and
                queries compute in it too.
            device: where the models compute while indexing ("auto": the best there is); queries compute on the CPU.
            limits: time, memory and size that decoding one file may take.
            progress: called after every file.

        Raises:
            CollectionError: a folder does not exist, another run is writing, or the disk refused.
            ModelError: a model is unknown.
        """
        from ohrwurm.collection.indexing import run
        from ohrwurm.collection.store import Store
        from ohrwurm.models.registry import load, located

        exists = (self.path / "meta.lance").is_dir()
        before = self.store.spaces() if exists else []
        if folders is None:
            folders = self.store.roots
        roots = [Path(f).expanduser() for f in ([folders] if isinstance(folders, (str, Path)) else folders)]
        if not roots:
            raise CollectionError("no folder to index; name one: ohrwurm index FOLDER")
        for root in roots:
            if not root.exists():
                raise CollectionError(f"{root} does not exist. Nothing was changed.")
        wanted = [str(m) for m in models] if models is not None else self.models
        if wanted is None:
            wanted = [] if before else default_models()
        sources = list(dict.fromkeys([s.source for s in before] + [located(m) for m in wanted]))
        as_before = {s.source: s.precision for s in before}
        loaded = [
            (source, load(source, precision=precision or as_before.get(source, "fp32"), device=device))
            for source in sources
        ]
        spaces = {m.card.name: Space(m.card.name, m.card.provenance, source, m.card.to_json()) for source, m in loaded}
        if device == "cpu":
            self._loaded.update({m.card.provenance: m for _, m in loaded})
        self._store = Store.create(self.path)
        return run(
            self._store,
            roots,
            {m.card.name: m for _, m in loaded},
            list(spaces.values()),
            workers=workers,
            retry=retry,
            limits=limits,
            progress=progress,
        )

    def remove(self, *references: str | Path, missing: bool = False) -> list[Track]:
        """Take tracks out of the collection: by path, by folder, by track id, or all that are missing.

        The files themselves are not touched; a file that still lies in an indexed folder comes back with the next
        `index`.

        Returns:
            The rows that were removed.
        """
        from ohrwurm.collection.lock import writing

        chosen: dict[str, Track] = {}
        tracks = self.store.tracks()
        for reference in references:
            path = os.path.abspath(os.path.expanduser(reference))
            found = [t for t in tracks if t.path == path or t.path.startswith(path.rstrip(os.sep) + os.sep)]
            if not found:
                content, _ = self._queries.resolve(reference)
                found = [t for t in tracks if t.content == content]
            if not found:
                raise CollectionError(f"{reference} is not in the collection")
            chosen |= {t.path: t for t in found}
        if missing:
            chosen |= {t.path: t for t in tracks if t.status == "missing"}
        with writing(self.path):
            self.store.put(forget_tracks=sorted(chosen))
            self.store.drop_orphans()
        return [chosen[path] for path in sorted(chosen)]

    # Analysing -------------------------------------------------------------------------------------------------

    def pending_analyses(
        self, provenance: str, *, tasks: Sequence[str] = (), retry: bool = False, where: str = ""
    ) -> list[str]:
        """Paths of the recordings that a model has not analysed yet; see `collection.analyses.pending`."""
        from ohrwurm.collection.analyses import pending

        return pending(self.store, provenance, tasks=tasks, retry=retry, where=where)

    @contextmanager
    def analyzing(self) -> Iterator[Analyses]:
        """Take analyses in, batch by batch: the way for many of them.

        Nobody else writes to the collection meanwhile. Kill it at any moment: `pending_analyses` names the rest::

            with music.analyzing() as analyses:
                for path in music.pending_analyses(provenance):
                    analyses.add(path, facts)   # or analyses.fail(path, provenance, reason, detail)

        Raises:
            CollectionError: another run is writing, or the disk refused.
        """
        from ohrwurm.collection.analyses import Analyses
        from ohrwurm.collection.lock import writing

        with writing(self.store.folder), Analyses(self.store) as analyses:
            yield analyses

    def add_analysis(self, path: str | Path, facts: Mapping[str, Any]) -> None:
        """Take one analysis in.

        Args:
            path: a file of the collection.
            facts: the fields of `Facts`, of which ``model`` must be among them; and ``document``, the analysis in full
                as JSON can hold it, which `analysis` gives back.

        Raises:
            CollectionError: no such track, the file was changed since it was indexed, or facts that are none.
        """
        with self.analyzing() as analyses:
            analyses.add(path, facts)
            analyses.commit()
            if analyses.changed:
                raise CollectionError(
                    f"{path} was changed since it was indexed. Run `ohrwurm index`, then analyze it again."
                )

    def analyses(self, where: str = "") -> list[Track]:
        """All tracks that were analysed, by path; what was found is their `analysis`."""
        return [track for track in self.store.tracks(where) if track.analysis and not track.analysis.error]

    def analysis(self, reference: str | Path) -> dict[str, Any]:
        """The analysis of an id or path in full: beats, chords, sections, ... with their times.

        Raises:
            CollectionError: no such track, or it was not analysed.
        """
        track = self.track(reference)
        if track.analysis is None or track.analysis.error:
            why = f"could not be analysed ({track.analysis.error})" if track.analysis else "was not analysed yet"
            raise CollectionError(f"{track.path} {why}. Run: ohrwurm analyze --collection {self.path}")
        return self.store.documents.read(track.content, track.analysis.model)

    # Asking ----------------------------------------------------------------------------------------------------

    def search(
        self,
        words: str | Sequence[str] | None = None,
        *,
        like: OneOrMany = None,
        without: str | Sequence[str] | None = None,
        where: str = "",
        key: str | None = None,
        bpm: Bpm = None,
        k: int = 10,
        model: str | None = None,
    ) -> list[Result]:
        """The k tracks nearest to words, to the sound of other tracks, or to both; see `collection.search.search`.

        `key` and `bpm` narrow `where` further; see `collection.conditions.narrowed`.
        """
        from ohrwurm.collection.conditions import narrowed
        from ohrwurm.collection.search import search

        where = narrowed(where, key=key, bpm=bpm)
        return search(self._queries, words, like=like, without=without, where=where, k=k, model=model)

    def versions(
        self,
        track: str | Path,
        *,
        k: int = 10,
        where: str = "",
        key: str | None = None,
        bpm: Bpm = None,
        model: str | None = None,
    ) -> list[Result]:
        """The k tracks most likely to be versions of a file or track id; see `collection.versions.versions`.

        `key` and `bpm` narrow `where` further; see `collection.conditions.narrowed`.
        """
        from ohrwurm.collection.conditions import narrowed
        from ohrwurm.collection.versions import versions

        return versions(self._queries, track, k=k, where=narrowed(where, key=key, bpm=bpm), model=model)

    def version_groups(
        self,
        threshold: float | None = None,
        *,
        where: str = "",
        key: str | None = None,
        bpm: Bpm = None,
        model: str | None = None,
    ) -> list[VersionGroup]:
        """All groups of versions of one work; see `collection.versions.version_groups`."""
        from ohrwurm.collection.conditions import narrowed
        from ohrwurm.collection.versions import version_groups

        where = narrowed(where, key=key, bpm=bpm)
        return version_groups(self._queries, threshold=threshold, where=where, model=model)

    # Looking ---------------------------------------------------------------------------------------------------

    def tracks(self, where: str = "") -> list[Track]:
        """All tracks by path, or those that fulfil an SQL condition over their columns."""
        return self.store.tracks(where)

    def track(self, reference: str | Path) -> Track:
        """The track of an id or path.

        Raises:
            CollectionError: there is none.
        """
        content, path = self._queries.resolve(reference)
        found = self.store.tracks_of([content])
        if not found:
            raise CollectionError(f"{reference} is not in the collection")
        exact = [t for t in found if t.path == path]
        present = [t for t in found if t.status == "present"]
        return (exact or present or found)[0]

    def errors(self) -> list[Failure]:
        """Files that could not be indexed, and then those that could not be analysed, with the reason."""
        return self.store.failures() + self.store.analysis_failures()

    def status(self) -> Status:
        """What the collection holds."""
        from ohrwurm.collection.status import status

        return status(self.store)
