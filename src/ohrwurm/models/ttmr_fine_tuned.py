"""TTMR's audio side without its projection, and the head with which it is fine-tuned on labels.

    waveform ─mel dB─▶ CNN ─▶ Transformer ─CLS (256)─▶ dropout, LayerNorm, Linear ─▶ labels

Source: Doh et al., "Toward universal text-to-music retrieval", ICASSP 2023, and its code, which trains all of it. The
names are those of its checkpoints: `audio_encoder.*`, `cls_head.0.*`, `cls_head.1.*`.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from torch import Tensor, nn

from ohrwurm.errors import ModelError
from ohrwurm.models.base import Encoded
from ohrwurm.models.heads import FineTuneHead
from ohrwurm.models.registry import architecture, register_card
from ohrwurm.models.ttmr import TTMRAudio, published_card

PRE_TRAINED = ("audio_projector.", "text_encoder.", "text_projector.", "head.", "logit_scale")  # what is left behind


@architecture("ttmr-cls")
class TTMRFineTuned(TTMRAudio):
    """The vector of a window is the CLS state, `(B, attention_dim)`, not normalised.

    Args:
        n_classes: labels of the head; 0 for none.
        head_dropout: before the head.
        attention_dim: size of the CLS state.
        **audio: other arguments of `TTMRAudio`.

    >>> import torch
    >>> model = TTMRFineTuned(n_classes=3, channels=(8, 8, 8, 8), attention_dim=32, layers=1).eval()
    >>> model.logits(model(torch.randn(2, 32000)).pooled).shape
    torch.Size([2, 3])
    """

    def __init__(self, n_classes: int = 0, head_dropout: float = 0.0, attention_dim: int = 256, **audio: Any) -> None:
        super().__init__(attention_dim=attention_dim, **audio)
        del self.audio_projector
        self.head_dropout = nn.Dropout(head_dropout)
        self.cls_head = FineTuneHead(attention_dim, n_classes).cls_head if n_classes else None

    def encode_features(self, features: Tensor) -> Encoded:
        """Mel in dB → `pooled (B, attention_dim)`, `frames (B, tokens, attention_dim)`."""
        tokens = self.tokens(features)
        return Encoded(pooled=tokens[:, 0], frames=tokens[:, 1:])

    def logits(self, vectors: Tensor) -> Tensor:
        """Vectors `(..., attention_dim)` → `(..., n_classes)`.

        Raises:
            ModelError: the model has no head.
        """
        if self.cls_head is None:
            raise ModelError("this TTMR has no head: build it with n_classes, or load one that was fine-tuned")
        logits: Tensor = self.cls_head(self.head_dropout(vectors))
        return logits

    def from_published(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Of a fine-tuned checkpoint all; of a pre-trained one (any objective) the audio encoder.

        A head that this model has and the checkpoint lacks, which no vector depends on, keeps its values: so a
        fine-tuning starts. One that this model does not have is left.
        """
        state = {key: value for key, value in super().from_published(state).items() if not key.startswith(PRE_TRAINED)}
        own = {key: value for key, value in self.state_dict().items() if key.startswith("cls_head.")}
        if not any(key.startswith("cls_head.") for key in state):
            return state | own
        return state if own else {key: value for key, value in state.items() if not key.startswith("cls_head.")}


register_card(
    dataclasses.replace(
        published_card(
            "ttmr-cls",
            "contrastive/exp/transformer_cnn_cf_mel/bert_stochastic",
            "TTMR's audio encoder before the joint space, to be fine-tuned on labels (recipes ttmr/finetune-*); any of "
            "its checkpoints will do.",
            architecture="ttmr-cls",
            good_for=("sound",),
        ),
        dim=256,
    )
)
