"""From what a person gives (words, a file, a track id) to a vector in one of the collection's spaces."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ohrwurm.checksums import content_hash
from ohrwurm.collection.records import ID_LENGTH, Space
from ohrwurm.collection.store import Store
from ohrwurm.errors import AudioError, CollectionError, ProvenanceError

if TYPE_CHECKING:
    from ohrwurm.models.base import AudioEncoder, ModelCard

Able = TypeVar("Able", Space, "ModelCard")
Loaded = dict[str, "AudioEncoder"]  # provenance → model


class Queries:
    """Makes query vectors; loads a model only when a query needs one, and keeps it."""

    def __init__(self, store: Store, loaded: Loaded) -> None:
        self.store = store
        self.loaded = loaded

    def space_for(self, use: str, name: str | None = None) -> Space:
        """The space to answer a kind of question in: the model `name`, or that of `first_for`.

        Args:
            use: ``words``, ``sound`` or ``versions``.

        Raises:
            CollectionError: no model of the collection can; the message says how to add one.
        """
        spaces = self.store.spaces()
        if name is not None:
            chosen = [s for s in spaces if s.name == name]
            if not chosen:
                raise CollectionError(
                    f"the collection has no vectors of model {name!r} (it has: {', '.join(s.name for s in spaces)}). "
                    f"Add them with: ohrwurm index --model {name}"
                )
            if use == "words" and not chosen[0].joint:
                raise CollectionError(f"model {name!r} does not understand words; leave --model out, or use --like")
            return chosen[0]
        if (found := first_for(use, spaces)) is not None:
            return found
        suggestion = {"words": "ohrwurm-text", "sound": "mel-statistics", "versions": "ohrwurm-alignment"}[use]
        purpose = {"words": "understands words", "sound": "compares sound", "versions": "finds versions"}[use]
        raise CollectionError(
            f"no model of this collection {purpose} (it has: {', '.join(s.name for s in spaces) or 'none'}). "
            f"Add one with: ohrwurm index --model {suggestion}"
        )

    def model(self, space: Space) -> AudioEncoder:
        """The model of a space.

        Raises:
            ProvenanceError: the model installed is not the one that made the vectors.
        """
        if space.provenance not in self.loaded:
            from ohrwurm.models.registry import load

            model = load(space.source, precision=space.precision)
            if model.card.provenance != space.provenance:
                raise ProvenanceError(
                    f"the collection holds vectors of {space.provenance}, but the model {space.source!r} is now "
                    f"{model.card.provenance}. Embed the collection again with: ohrwurm index"
                )
            self.loaded[space.provenance] = model
        return self.loaded[space.provenance]

    def words(self, space: Space, text: str) -> np.ndarray:
        """Unit vector `(D,)` of a text."""
        import torch

        from ohrwurm.models.base import JointModel

        model = self.model(space)
        if not isinstance(model, JointModel):
            raise CollectionError(f"model {space.name!r} does not understand words")
        if not text.strip():
            raise CollectionError("the query has no words")
        with torch.inference_mode():
            return unit(model.encode_text([text])[0].float().cpu().numpy(), text)

    def resolve(self, reference: str | Path) -> tuple[str, str | None]:
        """What a file name or track id refers to: `(content hash, path)`; the path is None for an id.

        Raises:
            CollectionError: neither a file nor the id of a track, or the beginning of several ids.
            AudioError: the file cannot be read.
        """
        text = os.fspath(reference)
        path = os.path.abspath(text)
        if os.path.isfile(path):
            try:
                return content_hash(path), path
            except OSError as error:
                raise AudioError(path, "unreadable", error.strerror or str(error)) from error
        if stored := self.store.tracks_at([path]):  # a file of the collection that is gone, but its vectors are here
            return stored[0].content, None
        if re.fullmatch(r"[0-9a-f]{4,32}", text):
            contents = sorted(self.store.contents_where(f"starts_with(content, '{text}')"))
            if len(contents) > 1:
                several = ", ".join(c[:ID_LENGTH] for c in contents[:5])
                raise CollectionError(f"track id {text!r} is the beginning of several: {several}. Give more digits.")
            if contents:
                return contents[0], None
        raise CollectionError(f"{text!r} is neither a file nor the id of a track. `ohrwurm search --json` prints ids.")

    def audio(self, space: Space, reference: str | Path) -> tuple[np.ndarray, str]:
        """Track vector `(D,)`, as the model gives it, and content hash of a file or track id.

        A file that is not in the collection is decoded and embedded now.
        """
        content, path = self.resolve(reference)
        stored = self.store.vectors(space, [content])
        if content in stored:
            return stored[content].track, content
        if path is None:
            raise CollectionError(
                f"track {content[:ID_LENGTH]} has no vectors of {space.name}. Complete them with: ohrwurm index"
            )
        from ohrwurm.audio.isolation import Decoder
        from ohrwurm.embedding import embed_file

        with Decoder() as decoder:
            (embedding,) = embed_file(path, [self.model(space)], decoder=decoder)
        if embedding.provenance != space.provenance:
            raise ProvenanceError(
                f"{path} was embedded as {embedding.provenance}, the collection as {space.provenance}"
            )
        return embedding.vector, content

    def scorer(self, space: Space, query: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """The model's own similarity of `query (D,)` to candidates: `(n, D)` → `(n,)`, higher is nearer."""
        import torch

        model = self.model(space)

        def score(candidates: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                return model.similarity(torch.from_numpy(query), torch.from_numpy(candidates)).numpy()

        return score


def first_for(use: str, models: Sequence[Able]) -> Able | None:
    """The first of some spaces or cards that is good for a kind of question; None if there is none.

    For versions one that aligns sequences goes before those that compare vectors; a model of words also knows sound.

    Args:
        use: ``words``, ``sound`` or ``versions``.
    """
    fit = [m for m in models if (m.joint if use == "words" else use in m.good_for)]
    if use == "versions":
        fit.sort(key=lambda m: not m.aligns)
    if use == "sound" and not fit:
        fit = [m for m in models if m.joint]
    return fit[0] if fit else None


def unit(vector: np.ndarray, what: object) -> np.ndarray:
    """L2-normalised `vector (D,)`.

    Raises:
        CollectionError: it is zero; `what` names the query it came from.
    """
    norm = float(np.linalg.norm(vector))
    if not np.isfinite(norm) or norm < 1e-12:
        raise CollectionError(f"{what}: nothing to compare with (silence, or no known word)")
    return (vector / norm).astype(np.float32)
