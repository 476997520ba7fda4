"""Search by words, by sound, and by both; titles and file names never influence the order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ohrwurm.collection.queries import Queries, unit
from ohrwurm.collection.ranking import best_by_cosine, best_by_scorer
from ohrwurm.collection.records import Result
from ohrwurm.errors import CollectionError

WITHOUT_WEIGHT = 0.5  # `without` pushes away half as strongly as a wish pulls near

OneOrMany = str | Path | Sequence[str | Path] | None


def search(
    queries: Queries,
    words: str | Sequence[str] | None = None,
    *,
    like: OneOrMany = None,
    without: str | Sequence[str] | None = None,
    where: str = "",
    k: int = 10,
    model: str | None = None,
) -> list[Result]:
    """The k tracks nearest to a query.

    Every wish (a text, a file, a track id) becomes a unit vector in the space of one model. The score of a track with
    unit vector v is the mean of its cosines to the wishes, minus `WITHOUT_WEIGHT` times the mean of its cosines to
    the texts of `without`.

    Args:
        words: one text or several.
        like: files (in the collection or not) or track ids; they are not among the answers themselves.
        without: texts to stay away from.
        where: SQL condition over title, artist, album, genre, year, duration, path, ...
        model: which model of the collection to use; by default the first that can.

    Raises:
        CollectionError: nothing was asked, or no model of the collection can answer it.
        ProvenanceError: the model is no longer the one that made the vectors.
        AudioError: a file of `like` cannot be decoded.
    """
    texts, sounds, refused = _several(words), _several(like), _several(without)
    if not texts and not sounds:
        raise CollectionError("nothing to search for: give words, or a file or track id to be like")
    if k < 1:
        raise CollectionError(f"k is {k}; ask for at least one result")
    space = queries.space_for("words" if texts or refused else "sound", model)
    if space.comparison != "cosine":
        if len(sounds) > 1:
            raise CollectionError(f"model {space.name!r} compares one track at a time; give one --like")
        query, content = queries.audio(space, sounds[0])
        return best_by_scorer(queries.store, space, queries.scorer(space, query), k, where=where, exclude={content})

    wishes = [queries.words(space, str(text)) for text in texts]
    exclude = set()
    for sound in sounds:
        vector, content = queries.audio(space, sound)
        wishes.append(unit(vector, sound))
        exclude.add(content)
    combined = np.mean(wishes, axis=0)
    if refused:
        combined = combined - WITHOUT_WEIGHT * np.mean([queries.words(space, str(text)) for text in refused], axis=0)
    if np.linalg.norm(combined) < 1e-6:
        raise CollectionError("the wishes cancel each other out; leave one of them out")
    return best_by_cosine(queries.store, space, combined.astype(np.float32), k, where=where, exclude=exclude)


def _several(value: OneOrMany) -> list[str | Path]:
    if value is None:
        return []
    return [value] if isinstance(value, (str, Path)) else list(value)
