"""What a collection holds, in numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ohrwurm.collection.store import Store


@dataclass(frozen=True)
class ModelStatus:
    """One model of a collection.

    Attributes:
        embedded: contents that have its vectors; fewer than the collection's `contents` means an index run is due.
    """

    name: str
    provenance: str
    good_for: tuple[str, ...]
    dim: int
    embedded: int


@dataclass(frozen=True)
class Status:
    """Numbers of a collection.

    Attributes:
        tracks: files present; `missing`: files no longer found; `contents`: different contents among both.
        seconds: duration of the present tracks.
        failures: files that could not be indexed, by reason.
        analysed: present tracks that were analysed, by the model that listened; `analysis_failures`: those where it
            failed.
        disk_bytes: size of the collection folder.
        folders: what was indexed.
    """

    path: str
    tracks: int
    missing: int
    contents: int
    silent: int
    seconds: float
    failures: dict[str, int]
    models: tuple[ModelStatus, ...]
    folders: tuple[str, ...]
    disk_bytes: int
    analysed: dict[str, int]
    analysis_failures: int


def status(store: Store) -> Status:
    """Count what a store holds."""
    tracks = store.tracks()
    present = [t for t in tracks if t.status == "present"]
    return Status(
        path=str(store.folder),
        tracks=len(present),
        missing=len(tracks) - len(present),
        contents=len({t.content for t in tracks}),
        silent=sum("silent" in t.flags.split(",") for t in present),
        seconds=sum(t.duration for t in present),
        failures=dict(Counter(f.reason for f in store.failures()).most_common()),
        models=tuple(ModelStatus(s.name, s.provenance, s.good_for, s.dim, store.count(s)) for s in store.spaces()),
        folders=tuple(store.roots),
        disk_bytes=store.disk_bytes(),
        analysed=dict(Counter(t.analysis.model for t in present if t.analysis and not t.analysis.error).most_common()),
        analysis_failures=sum(bool(t.analysis and t.analysis.error) for t in present),
    )
