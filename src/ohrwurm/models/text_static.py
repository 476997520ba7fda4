"""Static text: word vectors with importances, held in the weights; answers in milliseconds without a transformer."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ohrwurm.errors import ModelError
from ohrwurm.models.base import TextEncoder

LONGEST_ENTRY = 4  # words of the longest multi-word entry looked up
_WORD = re.compile(r"[^\W_]+")


class StaticTextEncoder(TextEncoder):
    """One vector a vocabulary entry; a text is the importance-weighted mean of its entries. No transformer needed.

    The vocabulary holds words, multi-word tags ("hip hop") and '##' subword pieces, and travels inside the state dict
    (`vocabulary`: UTF-8 bytes, one entry a line), so that weights and vocabulary can never be separated.

    Args:
        vocabulary: the entries. Leave out to build an empty shell of the right shapes for a state dict.
        dim: size of the vectors.
        size: number of entries, when `vocabulary` is left out.
        vocabulary_bytes: length of the vocabulary buffer, when `vocabulary` is left out.

    >>> encoder = StaticTextEncoder(["jazz", "hip hop", "slow", "##ly", "s"], dim=8)
    >>> encoder.tokenize("Slowly: Hip-Hop & jäzz!")
    ['slow', '##ly', 'hip hop', 'jazz']
    >>> encoder(["jazz", "", "slow jazz"]).shape
    torch.Size([3, 8])
    """

    vocabulary: Tensor

    def __init__(
        self,
        vocabulary: Sequence[str] | None = None,
        dim: int = 128,
        size: int | None = None,
        vocabulary_bytes: int | None = None,
    ) -> None:
        super().__init__()
        self.dim = dim
        if vocabulary is not None:
            entries = [normalise_entry(entry) for entry in vocabulary]
            if len(set(entries)) != len(entries) or "" in entries:
                raise ModelError(
                    f"a vocabulary needs distinct, non-empty entries; of {len(entries)}, {len(set(entries))} are"
                )
            data = "\n".join(entries).encode()
            size, vocabulary_bytes = len(entries), len(data)
            buffer = torch.frombuffer(bytearray(data), dtype=torch.uint8) if data else torch.zeros(0, dtype=torch.uint8)
        elif size is None or vocabulary_bytes is None:
            raise ModelError("static text needs a vocabulary, or its size and vocabulary_bytes (from the card)")
        else:
            buffer = torch.zeros(vocabulary_bytes, dtype=torch.uint8)
        self.register_buffer("vocabulary", buffer)
        self.embedding = nn.Embedding(size, dim)
        self.importance = nn.Parameter(torch.ones(size))
        self._index: dict[str, int] | None = None
        self._longest_piece = 0
        self.register_load_state_dict_post_hook(_forget_index)

    @property
    def parameters_for_card(self) -> dict[str, int]:
        """What rebuilds this encoder's shapes: the `text_parameters` of a model's card."""
        return {"size": self.embedding.num_embeddings, "vocabulary_bytes": self.vocabulary.numel()}

    @property
    def index(self) -> dict[str, int]:
        """Entry → row; read from the `vocabulary` buffer at first use."""
        if self._index is None:
            lines = bytes(self.vocabulary.cpu().numpy()).decode("utf-8").split("\n") if self.vocabulary.numel() else []
            if len(lines) != self.embedding.num_embeddings:
                raise ModelError(
                    f"the vocabulary holds {len(lines)} entries for {self.embedding.num_embeddings} vectors: "
                    "the weights have not been loaded, or they do not belong to this card"
                )
            self._index = {entry: row for row, entry in enumerate(lines)}
            self._longest_piece = max(len(entry) for entry in lines)
        return self._index

    def tokenize(self, text: str) -> list[str]:
        """The vocabulary entries of a text, in order.

        The longest multi-word entry wins, then whole words, then the longest pieces from the left ('##' marks those
        inside a word). What has no entry is skipped.
        """
        words = split_words(text)
        found: list[str] = []
        at = 0
        while at < len(words):
            for length in range(min(LONGEST_ENTRY, len(words) - at), 0, -1):
                entry = " ".join(words[at : at + length])
                if entry in self.index:
                    found.append(entry)
                    at += length
                    break
            else:
                found += self._pieces(words[at])
                at += 1
        return found

    def _pieces(self, word: str, whole: bool = True) -> list[str]:
        index = self.index
        found: list[str] = []
        start = 0
        while start < len(word):
            mark = "##" if start else ""
            last = len(word) if whole or start or len(word) == 1 else len(word) - 1
            for end in range(min(last, start + self._longest_piece), start, -1):
                if mark + word[start:end] in index:
                    found.append(mark + word[start:end])
                    start = end
                    break
            else:
                start += 1
        return found

    def token_ids(self, text: str, spell: bool = False) -> list[int]:
        """Rows of the vocabulary entries of a text; `spell` breaks every word into pieces shorter than itself."""
        if not spell:
            return [self.index[entry] for entry in self.tokenize(text)]
        return [self.index[piece] for word in split_words(text) for piece in self._pieces(word, whole=False)]

    def encode_ids(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """Weighted means `(n, dim)` of the vectors of n lists of vocabulary rows; an empty list gives zeros."""
        device = self.embedding.weight.device
        flat = torch.tensor([row for text in rows for row in text], dtype=torch.long, device=device)
        owner = torch.tensor([i for i, text in enumerate(rows) for _ in text], dtype=torch.long, device=device)
        weight = self.importance[flat].float()  # (entries,)
        vectors = self.embedding(flat).float() * weight[:, None]  # (entries, dim)
        total = torch.zeros(len(rows), device=device).index_add(0, owner, weight)
        sums = torch.zeros(len(rows), vectors.shape[1], device=device).index_add(0, owner, vectors)
        return sums / torch.where(total == 0, torch.ones_like(total), total)[:, None]

    def forward(self, texts: list[str]) -> Tensor:
        return self.encode_ids([self.token_ids(text) for text in texts])


def _forget_index(module: nn.Module, _: Any) -> None:
    assert isinstance(module, StaticTextEncoder)
    module._index = None


def split_words(text: str) -> list[str]:
    """Lower-case words without accents; hyphens, underscores and punctuation separate.

    >>> split_words("Beyoncé's lo-fi_beats")
    ['beyonce', 's', 'lo', 'fi', 'beats']
    """
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).lower())
    plain = "".join(character for character in decomposed if not unicodedata.combining(character))
    return _WORD.findall(plain)


def normalise_entry(entry: str) -> str:
    """A vocabulary entry in the form that `tokenize` looks up; '##' stays in front of a piece.

    >>> normalise_entry("Hip-Hop"), normalise_entry("##ly")
    ('hip hop', '##ly')
    """
    mark = "##" if entry.startswith("##") else ""
    return mark + " ".join(split_words(entry))
