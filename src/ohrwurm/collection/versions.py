"""Which tracks are the same song: the nearest to one track, and groups over the whole collection.

Sequences tell versions better than vectors and take a thousand times as long to compare. So a model that aligns them is
asked about all tracks of a small collection; in a larger one that also has vectors for versions, about those that the
vectors find nearest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import squareform

from ohrwurm.collection.queries import Queries, unit
from ohrwurm.collection.ranking import best_by_cosine, best_by_scorer, best_of_nearest, by_content, result
from ohrwurm.collection.records import Result, Space

# For a model whose card states no `version_threshold` among its features: high, so that groups are few and sure.
DEFAULT_THRESHOLD = 0.9
BLOCK = 1024  # tracks compared with all others at a time
# Most tracks that one is aligned with, where vectors can name them: for a query (seconds), and to look for groups.
# Not fewer: of the versions in the test sets the tenth nearest by ohrwurm-versions holds but half to two thirds.
SHORTLIST, NEIGHBOURS = 5000, 300


@dataclass(frozen=True)
class VersionGroup:
    """Tracks that are versions of one work.

    Attributes:
        tracks: the members; `score` of each is its mean similarity to the others.
        similarity: mean similarity over all pairs.
    """

    tracks: tuple[Result, ...]
    similarity: float


def versions(
    queries: Queries, track: str | Path, *, k: int = 10, where: str = "", model: str | None = None
) -> list[Result]:
    """The k tracks most likely to be versions of a file (in the collection or not) or track id, itself left out.

    Raises:
        CollectionError: no such track, or no model of the collection finds versions.
        AudioError: the file cannot be decoded.
    """
    space = queries.space_for("versions", model)
    query, content = queries.audio(space, track)
    if space.comparison == "cosine":
        return best_by_cosine(queries.store, space, unit(query, track), k, where=where, exclude={content})
    scorer = queries.scorer(space, query)
    vectors = _vectors_beside(queries, space)
    if vectors is None or queries.store.count(space) <= SHORTLIST:
        return best_by_scorer(queries.store, space, scorer, k, where=where, exclude={content})
    like = unit(queries.audio(vectors, track)[0], track)
    return best_of_nearest(
        queries.store, space, scorer, k, (vectors, like, max(k, SHORTLIST)), where=where, exclude={content}
    )


def version_groups(
    queries: Queries, *, threshold: float | None = None, where: str = "", model: str | None = None
) -> list[VersionGroup]:
    """Groups of two or more tracks that are versions of each other, the surest first.

    Average linkage: two groups are joined while the mean similarity of their pairs is at least `threshold`. Unlike
    plain connected components, a chain of near pairs does not pull unlike tracks into one group.

    Args:
        threshold: similarity; by default that of the model's card, or else `DEFAULT_THRESHOLD`.
    """
    space = queries.space_for("versions", model)
    if threshold is None:
        threshold = default_threshold(space)
    tracks = by_content(queries.store.tracks(where))
    contents, vectors = queries.store.track_vectors(space)
    keep = [i for i, c in enumerate(contents) if c in tracks]
    contents, vectors = [contents[i] for i in keep], vectors[keep]
    similarity, count = _pairwise(queries, space, vectors), len(contents)
    partners = (lambda i: np.arange(i + 1, count)) if space.aligns else None  # each pair once
    if count > NEIGHBOURS and (beside := _vectors_beside(queries, space)) is not None:
        partners = _neighbours(*queries.store.track_vectors(beside), contents).__getitem__
    groups = []
    for members, pairs in group_by_similarity(similarity, count, threshold, partners):
        others = len(members) - 1
        scores = (pairs.sum(axis=1) - np.diag(pairs)) / others
        answers = [result(tracks[contents[m]], float(s), None) for m, s in zip(members, scores, strict=True)]
        answers.sort(key=lambda r: (-r.score, r.path))
        groups.append(VersionGroup(tuple(answers), float(scores.mean())))
    return sorted(groups, key=lambda g: (-g.similarity, g.tracks[0].path))


def default_threshold(space: Space) -> float:
    """Similarity from which two tracks count as versions under a model."""
    return DEFAULT_THRESHOLD if space.version_threshold is None else space.version_threshold


def group_by_similarity(
    similarity: Callable[[np.ndarray, np.ndarray], np.ndarray],
    n: int,
    threshold: float,
    partners: Callable[[int], np.ndarray] | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Average-linkage groups of n things, without ever holding all n × n similarities.

    Groups joined at a mean similarity of at least `threshold` have at least one pair that reaches it. So only the
    connected components over such pairs can hold groups, and each is clustered by itself: the result is exact.

    Args:
        similarity: index arrays `(a,)`, `(b,)` → `(a, b)`.
        partners: of each of the n those that it is compared with one by one; by default all with all, in blocks.

    Yields:
        Members `(m,)` with m ≥ 2 and their pairwise similarities `(m, m)`.

    >>> x = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
    >>> [members.tolist() for members, _ in group_by_similarity(lambda a, b: x[a] @ x[b].T, 3, 0.8)]
    [[0, 1]]
    """
    everything = np.arange(n)
    first, second = [], []
    size = BLOCK if partners is None else 1
    for start in range(0, n, size):
        block = everything[start : start + size]
        others = everything if partners is None else partners(start)
        i, j = np.nonzero(similarity(block, others) >= threshold)
        near = block[i] != others[j]
        first.append(block[i][near])
        second.append(others[j][near])
    if not n:
        return
    rows, columns = np.concatenate(first), np.concatenate(second)
    graph = coo_array((np.ones(len(rows), np.int8), (rows, columns)), shape=(n, n))
    _, component = connected_components(graph, directed=False)
    order = np.argsort(component, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(component[order])) + 1):
        if len(members) < 2:
            continue
        pairs = similarity(members, members).astype(np.float64)
        pairs = (pairs + pairs.T) / 2
        top = float(pairs.max())
        distances = top - pairs
        np.fill_diagonal(distances, 0.0)
        tree = linkage(squareform(distances, checks=False), "average")
        label = fcluster(tree, top - threshold + 1e-9, "distance")
        for which in np.unique(label):
            chosen = np.flatnonzero(label == which)
            if len(chosen) > 1:
                yield members[chosen], pairs[np.ix_(chosen, chosen)]


def _vectors_beside(queries: Queries, space: Space) -> Space | None:
    """The space of vectors that shortens the list for one of sequences, if the collection has both, and all tracks."""
    store, least = queries.store, queries.store.count(space)
    vectors = (s for s in store.spaces() if "versions" in s.good_for and s.comparison == "cosine")
    return next((s for s in vectors if store.count(s) >= least), None) if space.aligns else None


def _neighbours(found: list[str], vectors: np.ndarray, contents: list[str]) -> np.ndarray:
    """For each of `contents` the places of the `NEIGHBOURS` nearest among them, by cosine `(n, NEIGHBOURS)`."""
    at = {content: row for row, content in enumerate(found)}
    rows = [at.get(content, -1) for content in contents]
    units = np.where(np.array(rows)[:, None] >= 0, vectors[rows], 0.0)
    units /= np.maximum(np.linalg.norm(units, axis=1, keepdims=True), 1e-12)
    blocks = (units[start : start + BLOCK] @ units.T for start in range(0, len(units), BLOCK))
    return np.concatenate([np.argpartition(-block, NEIGHBOURS - 1)[:, :NEIGHBOURS] for block in blocks])


def _pairwise(queries: Queries, space: Space, vectors: np.ndarray) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    if space.comparison == "cosine":
        units = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return lambda a, b: units[a] @ units[b].T

    def by_model(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.stack([queries.scorer(space, vectors[i])(vectors[b]) for i in a])

    return by_model
