"""CLIP's text model as transformers has it; the vector of a text is the state at its end token ("pooler_output")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ohrwurm.errors import ModelError
from ohrwurm.models.text import TokenTextEncoder, state_at_end


class ClipTextEncoder(TokenTextEncoder):
    """CLIP's text model; state-dict keys are `text_model.*`, as in MusCALL's and CLIP's own checkpoints.

    Args:
        config: fields of transformers' `CLIPTextConfig`; the default is the text side of CLIP ViT-B/32.
        tokenizer: a folder with a tokeniser's files, or its name on the Hugging Face hub; loaded at the first text.

    Raises:
        ModelError: transformers is not installed, or the tokeniser cannot be found.

    >>> import torch
    >>> small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    >>> encoder = ClipTextEncoder({**small, "vocab_size": 30, "projection_dim": 8}).eval()
    >>> ids = torch.tensor([[28, 7, 9, 29]])
    >>> encoder.pool(encoder.encode_tokens(ids), ids).shape
    torch.Size([1, 8])
    """

    def __init__(
        self,
        config: Mapping[str, Any] | None = None,
        tokenizer: str = "openai/clip-vit-base-patch32",
    ) -> None:
        try:
            from transformers import CLIPTextConfig, CLIPTextModel
        except ImportError as error:
            raise ModelError("CLIP text needs transformers: pip install 'ohrwurm[text]'") from error
        configuration = CLIPTextConfig(**(config or {}))
        super().__init__(tokenizer, configuration.max_position_embeddings)
        self.dim = configuration.hidden_size
        self.text_model = _without_wrapper(CLIPTextModel(configuration))

    def load_pretrained(self, folder: str) -> None:
        """Start from a pre-trained CLIP (a folder or hub name), as MusCALL's option "CLIPTextModel" does."""
        from transformers import CLIPTextModel

        self.text_model.load_state_dict(_without_wrapper(CLIPTextModel.from_pretrained(folder)).state_dict())

    def encode_tokens(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """Token ids `(n, length)`, mask 1 = token → last hidden states after the final norm `(n, length, hidden)`."""
        return self.text_model(input_ids=ids, attention_mask=mask).last_hidden_state

    def pool(self, states: Tensor, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        return state_at_end(states, ids, mask)


def _without_wrapper(model: Any) -> Any:
    """The network itself, which transformers 4 keeps one level down and transformers 5 does not."""
    return getattr(model, "text_model", model)
