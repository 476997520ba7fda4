"""BERT as TTMR uses it: the vector of a text is the last hidden state of [CLS]."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ohrwurm.errors import ModelError
from ohrwurm.models.text import TokenTextEncoder


class BertTextEncoder(TokenTextEncoder):
    """BERT; the vector of a text is the last hidden state of [CLS] (the pooler is carried along, unused).

    The children of the transformers model are children of this one, so that state-dict keys are BERT's own
    (`embeddings.*`, `encoder.layer.N.*`, `pooler.*`), as in the checkpoints of TTMR.

    Args:
        config: fields of transformers' `BertConfig`; the default is BERT-base.
        tokenizer: a folder with a tokeniser's files, or its name on the Hugging Face hub; loaded at the first text.
        max_tokens: longest text in tokens while training (64 as published); in eval mode only BERT's limit counts.

    Raises:
        ModelError: transformers is not installed, or the tokeniser cannot be found.

    >>> import torch
    >>> small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    >>> encoder = BertTextEncoder({**small, "vocab_size": 30}).eval()
    >>> states = encoder.encode_tokens(torch.tensor([[2, 7, 9, 3]]))
    >>> states.shape, encoder.pool(states, torch.tensor([[2, 7, 9, 3]])).shape
    (torch.Size([1, 4, 8]), torch.Size([1, 8]))
    """

    def __init__(
        self,
        config: Mapping[str, Any] | None = None,
        tokenizer: str = "bert-base-uncased",
        max_tokens: int = 64,
    ) -> None:
        super().__init__(tokenizer, max_tokens)
        try:
            from transformers import BertConfig, BertModel
        except ImportError as error:
            raise ModelError("BERT text needs transformers: pip install 'ohrwurm[text]'") from error
        bert = BertModel(BertConfig(**(config or {})))
        for name, child in bert.named_children():
            self.add_module(name, child)
        self._bert = (bert,)  # in a tuple, hence not a child itself
        self.dim = bert.config.hidden_size

    def train(self, mode: bool = True) -> BertTextEncoder:
        self._bert[0].train(mode)
        super().train(mode)
        return self

    def load_pretrained(self, folder: str) -> None:
        """Start from a pre-trained BERT (a folder or hub name), as training from scratch of TTMR does."""
        from transformers import BertModel

        self._bert[0].load_state_dict(BertModel.from_pretrained(folder).state_dict())

    @property
    def limit(self) -> int:
        """`max_tokens` while training; in eval mode what BERT has positions for, as published."""
        return self.max_tokens if self.training else self._bert[0].config.max_position_embeddings

    def encode_tokens(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """Token ids `(n, length)`, mask 1 = token → last hidden states `(n, length, hidden)`."""
        return self._bert[0](input_ids=ids, attention_mask=mask).last_hidden_state

    def pool(self, states: Tensor, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        return states[:, 0]
