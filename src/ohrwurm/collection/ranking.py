"""Query vector → the best tracks of a space, with metadata conditions and the best position in each track."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np

from ohrwurm.collection.records import Result, Space, Track
from ohrwurm.collection.store import Store

FEW = 200  # so many candidates are searched directly (longer SQL lists are slow); more are searched around

Scorer = Callable[[np.ndarray], np.ndarray]  # (n, D) → (n,), higher is nearer


def best_by_cosine(
    store: Store, space: Space, query: np.ndarray, k: int, *, where: str = "", exclude: Collection[str] = ()
) -> list[Result]:
    """The k tracks with the highest product of `query (D,)` and their unit vector, exactly.

    For a unit query the score is the cosine; for a sum of queries it is the sum of their cosines.

    Args:
        where: SQL condition over the metadata of tracks.
        exclude: contents that are no answer (the query itself).
    """
    norm = float(np.linalg.norm(query))
    kept, tracks = nearest(store, space, query, k, where=where, exclude=exclude)
    positions = best_positions(store, space, query, [c for c, _ in kept])
    return [result(tracks[c], score * norm, positions.get(c)) for c, score in kept]


def nearest(
    store: Store, space: Space, query: np.ndarray, k: int, *, where: str = "", exclude: Collection[str] = ()
) -> tuple[list[tuple[str, float]], dict[str, list[Track]]]:
    """The k contents nearest to `query (D,)` by cosine, best first, each with its cosine; and the tracks of each."""
    few: set[str] = set()
    if where:
        few = store.listed_contents(where)
        if not few:
            return [], {}
        few = few if len(few) <= FEW else set()
    # Conditions live in another table than vectors: take more than k, look which are allowed, take more if too few.
    limit = k + len(exclude) + 20
    while True:
        hits = [(c, s) for c, s in store.nearest(space, query, limit, few) if c not in exclude]
        tracks = by_content(store.tracks_of([c for c, _ in hits], where))
        kept = [(c, s) for c, s in hits if c in tracks][:k]
        if len(kept) == k or len(hits) + len(exclude) < limit:
            return kept, tracks
        limit *= 8


def best_by_scorer(
    store: Store, space: Space, scorer: Scorer, k: int, *, where: str = "", exclude: Collection[str] = ()
) -> list[Result]:
    """As `best_by_cosine` for a similarity that only the model itself knows; looks at every vector."""
    contents, vectors = store.track_vectors(space)
    return _best(by_content(store.tracks(where)), contents, vectors, scorer, k, exclude)


def best_of_nearest(
    store: Store,
    space: Space,
    scorer: Scorer,
    k: int,
    shortlist: tuple[Space, np.ndarray, int],
    *,
    where: str = "",
    exclude: Collection[str] = (),
) -> list[Result]:
    """As `best_by_scorer`, looking only at what another space finds nearest.

    Args:
        shortlist: that space, the query in it `(D,)`, and how many it may name.
    """
    other, query, count = shortlist
    kept, tracks = nearest(store, other, query, count, where=where, exclude=exclude)
    if not kept:
        return []
    contents, vectors = store.track_vectors(space, [c for c, _ in kept])
    return _best(tracks, contents, vectors, scorer, k, exclude)


def _best(
    tracks: dict[str, list[Track]],
    contents: list[str],
    vectors: np.ndarray,
    scorer: Scorer,
    k: int,
    exclude: Collection[str],
) -> list[Result]:
    keep = [i for i, c in enumerate(contents) if c in tracks and c not in exclude]
    if not keep:
        return []
    scores = scorer(vectors[keep])
    order = np.argsort(-scores, kind="stable")[:k]
    return [result(tracks[contents[keep[i]]], float(scores[i]), None) for i in order]


def best_positions(store: Store, space: Space, query: np.ndarray, contents: list[str]) -> dict[str, float]:
    """Start in seconds of the window nearest to `query` in each track."""
    found = {}
    for content, vectors in store.vectors(space, contents).items():
        if len(vectors.windows):
            norms = np.maximum(np.linalg.norm(vectors.windows, axis=1), 1e-12)
            found[content] = float(vectors.starts[int(np.argmax(vectors.windows @ query / norms))])
    return found


def result(tracks: list[Track], score: float, position: float | None) -> Result:
    """An answer from the rows of one content; the first path stands for all copies."""
    first = tracks[0]
    return Result(
        id=first.id,
        path=first.path,
        title=first.title,
        artist=first.artist,
        album=first.album,
        genre=first.genre,
        year=first.year,
        duration=first.duration,
        score=score,
        position=position,
        copies=tuple(t.path for t in tracks[1:]),
        analysis=first.analysis,
    )


def by_content(tracks: list[Track]) -> dict[str, list[Track]]:
    """Tracks that may be an answer, grouped by content: the copies of one file together."""
    grouped: dict[str, list[Track]] = {}
    for track in filter(lambda t: t.listed, tracks):
        grouped.setdefault(track.content, []).append(track)
    return grouped
