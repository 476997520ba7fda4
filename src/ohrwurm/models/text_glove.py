"""TTMR's GloVe text: a text is a list of tags, a tag one frozen vector of a file, the text their plain mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ohrwurm.errors import ModelError
from ohrwurm.models.base import TextEncoder
from ohrwurm.models.text_static import split_words
from ohrwurm.models.word_vectors import WordVectors, read_word_vectors

Missing = Literal["raise", "words"]


class GloveTextEncoder(TextEncoder):
    """Mean of the vectors of a text's tags, not normalised; a tag is looked up whole, also if it has several words.

    The vectors are not part of the state dict: TTMR's checkpoints do not hold them (its `text_encoder` has no
    weights); they come in a file of their own, published as `glove_tag_embs.pt`.

    Args:
        vectors: one file of word vectors (`ohrwurm.models.word_vectors`), or several, of which a later one wins over
            an earlier; read at the first text.
        dim: size of the vectors.
        missing: what to do with a tag that has no vector: "raise" (published), or "words", the mean of the vectors of
            those of its words that have one. How the authors made the vectors of multi-word tags is not known; with
            word vectors alone, "words" is a way to have them.

    Raises:
        ModelError: no vectors are given, or a text holds no tag, or one without vector.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "glove.txt"
    >>> _ = file.write_text("jazz 1.0 2.0\\nhip hop 3.0 4.0\\n")
    >>> encoder = GloveTextEncoder(str(file), dim=2)
    >>> encoder(["jazz, hip hop", "jazz"])
    tensor([[2., 3.],
            [1., 2.]])
    """

    place: Tensor

    def __init__(self, vectors: str | Sequence[str] = (), dim: int = 300, missing: Missing = "raise") -> None:
        super().__init__()
        if missing not in ("raise", "words"):
            raise ModelError(f"missing must be 'raise' or 'words', not {missing!r}")
        self.files = [vectors] if isinstance(vectors, str) else list(vectors)
        self.dim, self.missing = dim, missing
        self._tables: list[WordVectors] = []
        self.register_buffer("place", torch.zeros(0), persistent=False)  # follows the model to its device

    @property
    def tables(self) -> list[WordVectors]:
        """The files' contents, read at first use."""
        if not self.files:
            raise ModelError(
                "GloVe text needs word vectors, which TTMR's checkpoints do not hold: give the file of tag vectors "
                "(glove_tag_embs.pt, GloVe or word2vec text, safetensors) as text_parameters.vectors"
            )
        if not self._tables:
            self._tables = [read_word_vectors(Path(file), self.dim) for file in self.files]
        return self._tables

    def forward(self, texts: list[str]) -> Tensor:
        rows = [np.mean([self._vector(tag) for tag in tags_of(text)], axis=0) for text in texts]
        means = np.stack(rows) if rows else np.zeros((0, self.dim), np.float32)
        return torch.from_numpy(means).to(self.place.device)

    def _vector(self, tag: str) -> np.ndarray:
        found = self._look_up(tag)
        if found is None and self.missing == "words":
            known = [vector for word in split_words(tag) if (vector := self._look_up(word)) is not None]
            found = np.mean(known, axis=0) if known else None
        if found is None:
            raise ModelError(
                f"no word vector for {tag!r} in {', '.join(map(str, self.files))}; tags are separated by commas. "
                + ("" if self.missing == "words" else "With missing='words' a tag may be made of its words' vectors.")
            )
        return found

    def _look_up(self, entry: str) -> np.ndarray | None:
        for table in reversed(self.tables):
            for form in (entry, entry.replace(" ", "_")):  # word2vec's formats have no spaces within an entry
                if form in table.index:
                    return table.vectors[table.index[form]]
        return None


def tags_of(text: str) -> list[str]:
    """The tags of a text: what is between commas.

    >>> tags_of("jazz, slow piano")
    ['jazz', 'slow piano']
    """
    tags = [tag.strip() for tag in text.split(",")]
    found = [tag for tag in tags if tag]
    if not found:
        raise ModelError(f"no tags in {text!r}: GloVe text takes tags separated by commas")
    return found
