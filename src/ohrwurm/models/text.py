"""Texts → vectors: the one interface of all text encoders, and the table that makes one by name.

| kind | class | a text is | used by |
|---|---|---|---|
| "transformer" | `text_causal.CausalTextEncoder` | the state at its end token, causal Transformer | MusCALL |
| "clip" | `text_clip.ClipTextEncoder` | the state at its end token, CLIP's text model | MusCALL, as an option |
| "bert" | `text_bert.BertTextEncoder` | the state of [CLS] | TTMR |
| "glove" | `text_glove.GloveTextEncoder` | the mean of its tags' vectors, read from a file | TTMR |
| "static" | `text_static.StaticTextEncoder` | the weighted mean of its words' vectors | `ohrwurm-text` |

Every one takes `list[str]` and gives `(n, encoder.dim)`. Those that read tokens have `tokenize`, `encode_tokens` and
`pool` besides (`TokenTextEncoder`), so that token ids can be made beforehand.
"""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ohrwurm.errors import ModelError
from ohrwurm.models.base import TextEncoder


class Kind(NamedTuple):
    """Where a text encoder is defined, and whether `dim` is one of its parameters (if not, its config states it)."""

    module: str
    name: str
    takes_dim: bool


KINDS = {
    "transformer": Kind("text_causal", "CausalTextEncoder", True),
    "clip": Kind("text_clip", "ClipTextEncoder", False),
    "glove": Kind("text_glove", "GloveTextEncoder", True),
    "bert": Kind("text_bert", "BertTextEncoder", False),
    "static": Kind("text_static", "StaticTextEncoder", True),
}


def text_encoder(kind: str, dim: int | None = None, **parameters: Any) -> TextEncoder | None:
    """The text encoder of a model.

    Args:
        kind: one of `KINDS`, or "none".
        dim: size its vectors have to have; None is what the encoder has by itself.
        **parameters: arguments of its class.

    Raises:
        ModelError: no such kind, parameters that the kind does not have, or vectors of another size.

    >>> text_encoder("static", vocabulary=["jazz"], dim=8)(["jazz"]).shape
    torch.Size([1, 8])
    """
    if kind == "none":
        return None
    if kind not in KINDS:
        raise ModelError(f"text must be {', '.join(repr(name) for name in KINDS)} or 'none', not {kind!r}")
    module, name, takes_dim = KINDS[kind]
    if takes_dim and dim is not None:
        parameters = {"dim": dim, **parameters}
    make = getattr(importlib.import_module(f"ohrwurm.models.{module}"), name)
    try:
        encoder = make(**parameters)
    except TypeError as error:
        raise ModelError(f"text_parameters do not fit text={kind!r} ({name}): {error}") from error
    if dim is not None and encoder.dim != dim:
        raise ModelError(f"text={kind!r} makes vectors of {encoder.dim} numbers, {dim} were asked for (text_dim)")
    return encoder


class TokenTextEncoder(TextEncoder):
    """A text encoder that reads tokens: text → ids → a state a token → one vector.

    Args:
        tokenizer: a folder with a tokeniser's files, or its name on the Hugging Face hub; loaded at the first text.
        max_tokens: longest text in tokens, start and end tokens included; what is longer is cut.
    """

    def __init__(self, tokenizer: str, max_tokens: int) -> None:
        super().__init__()
        self.tokenizer_name = tokenizer
        self.max_tokens = max_tokens
        self._tokenizer: Any = None

    @property
    def limit(self) -> int:
        """Tokens that a text is cut at now."""
        return self.max_tokens

    @property
    def tokenizer(self) -> Any:
        """The tokeniser, loaded at first use."""
        if self._tokenizer is None:
            try:
                from transformers import AutoTokenizer
            except ImportError as error:
                raise ModelError("text of tokens needs transformers: pip install 'ohrwurm[text]'") from error
            try:
                self._tokenizer = AutoTokenizer.from_pretrained(self.tokenizer_name)
            except (OSError, ValueError) as error:
                raise ModelError(
                    f"no tokeniser at {self.tokenizer_name!r}: give a folder with its files (tokenizer.json, "
                    "tokenizer_config.json) as text_parameters.tokenizer, or allow access to the Hugging Face hub"
                ) from error
        return self._tokenizer

    def tokenize(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        """Token ids `(n, length of the longest)`, zero after a text's end, and the mask: 1 = token."""
        stripped = [text.strip() for text in texts]
        rows = self.tokenizer(stripped, truncation=True, max_length=self.limit)["input_ids"] if stripped else []
        ids = torch.zeros(len(rows), max(map(len, rows), default=1), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row)
            mask[i, : len(row)] = 1
        device = next(self.parameters()).device
        return ids.to(device), mask.to(device)

    def encode_tokens(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """Token ids `(n, length)`, mask 1 = token → states `(n, length, dim)`."""
        raise NotImplementedError

    def pool(self, states: Tensor, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """States of `encode_tokens` → `(n, dim)`."""
        raise NotImplementedError

    def forward(self, texts: list[str]) -> Tensor:
        ids, mask = self.tokenize(texts)
        return self.pool(self.encode_tokens(ids, mask), ids, mask)


def state_at_end(states: Tensor, ids: Tensor, mask: Tensor | None = None) -> Tensor:
    """Of `(n, length, dim)`, the state at each text's end token, `(n, dim)`.

    With a mask the end token is the last one that is no padding, whatever its id is. Without, it is the largest id of
    the text, which CLIP's end token is (49407, the last of its vocabulary), and with other tokenisers is not. Where
    the id occurs earlier, written out in the text, the first occurrence counts, as in the published models.

    >>> ids = torch.tensor([[3, 1, 2, 0], [3, 1, 1, 2]])
    >>> states = torch.arange(8.0).view(2, 4, 1)
    >>> state_at_end(states, ids, mask=torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]])).flatten()
    tensor([2., 7.])
    >>> state_at_end(states, ids).flatten()
    tensor([0., 4.])
    """
    end = ids.amax(1) if mask is None else ids.gather(1, mask.sum(1, keepdim=True) - 1).squeeze(1)
    place = (ids == end[:, None]).int().argmax(1)  # the first of equals
    return states[torch.arange(len(ids), device=ids.device), place]
