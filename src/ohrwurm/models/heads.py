"""Small heads on an encoder's vectors: TTMR's probes and the head of its fine-tuning, CLMR's linear evaluation.

They return logits. Parameter names are those of the published code.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from ohrwurm.errors import ModelError


class ProbeHead(nn.Module):
    """A vector of a frozen encoder `(B, dim)` → logits `(B, classes)`: LayerNorm if asked for, dropout, then layers.

    The published evaluation leaves the LayerNorm out although the head was trained with it; its figures of probes with
    `norm` are such. `published_evaluation` gives those numbers.

    Args:
        dim: size of the vectors.
        classes: number of classes.
        hidden: width of the hidden layer (published MLP: 512); None is a linear probe.
        norm: a LayerNorm before all else.
        dropout: before the first layer.

    >>> import torch
    >>> ProbeHead(128, 50, hidden=512)(torch.zeros(2, 128)).shape
    torch.Size([2, 50])
    """

    def __init__(
        self, dim: int, classes: int, hidden: int | None = None, norm: bool = False, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.norm_layer = nn.LayerNorm(dim) if norm else None
        self.dropout = nn.Dropout(dropout)
        self.cls_head: nn.Module
        if hidden is None:
            self.cls_head = nn.Linear(dim, classes)
        else:
            self.cls_head = nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, classes))

    def forward(self, vectors: Tensor) -> Tensor:
        if self.norm_layer is not None:
            vectors = self.norm_layer(vectors)
        return self.published_evaluation(vectors)

    def published_evaluation(self, vectors: Tensor) -> Tensor:
        """Logits without the LayerNorm."""
        return self.cls_head(self.dropout(vectors))


class FineTuneHead(nn.Module):
    """The CLS state of an encoder that is trained along, `(B, dim)` → logits `(B, classes)`: LayerNorm, Linear.

    >>> import torch
    >>> FineTuneHead(256, 10)(torch.zeros(2, 256)).shape
    torch.Size([2, 10])
    """

    def __init__(self, dim: int, classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.cls_head = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, classes))

    def forward(self, cls: Tensor) -> Tensor:
        return self.cls_head(self.dropout(cls))

    def from_published(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The head of a fine-tuned checkpoint, which also holds the encoder (`audio_encoder.*`)."""
        return {key: tensor for key, tensor in state.items() if key.startswith("cls_head.")}


class EvaluationHead(nn.Sequential):
    """CLMR's head on a frozen encoder, `(..., dim)` → logits `(..., classes)`: Linear, or Linear, ReLU, Linear.

    Args:
        dim: size of the vectors.
        classes: number of classes.
        hidden: width of the hidden layer (published MLP: `dim`); None is the linear head.

    >>> import torch
    >>> EvaluationHead(512, 50)(torch.zeros(2, 512)).shape
    torch.Size([2, 50])
    >>> list(EvaluationHead(512, 50, hidden=512).to_published())
    ['model.0.weight', 'model.0.bias', 'model.2.weight', 'model.2.bias']
    """

    def __init__(self, dim: int, classes: int, hidden: int | None = None) -> None:
        if hidden is None:
            super().__init__(nn.Linear(dim, classes))
        else:
            super().__init__(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, classes))

    def from_published(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The head of a published fine-tuner's checkpoint, which also holds the frozen encoder (`encoder.*`)."""
        return {
            name: tensor
            for key, tensor in state.items()
            if (name := key.removeprefix("model.")) in {"0.weight", "0.bias", "2.weight", "2.bias"}
        }

    def to_published(self) -> dict[str, Tensor]:
        """The weights under the names of a fine-tuner's checkpoint, without the encoder."""
        return {f"model.{key}": tensor for key, tensor in self.state_dict().items()}


def read_head(file: str | Path) -> ProbeHead | EvaluationHead | FineTuneHead:
    """A trained head, its kind and size told by the file: a checkpoint of TTMR's probing (`cls_head.*`,
    `norm_layer.*`), of its fine-tuning (`cls_head.0.*` a LayerNorm), or of CLMR's linear evaluation (`model.0.*`),
    published or our own (`.safetensors`).

    Raises:
        ModelError: the file is missing or damaged, or holds no such head.
    """
    from ohrwurm.models.convert import published_state, read_weights

    state = {key.removeprefix("model."): tensor for key, tensor in published_state(file).items()}
    if "cls_head.1.weight" in state:
        classes, dim = state["cls_head.1.weight"].shape
        fine_tuned = FineTuneHead(dim, classes)
        read_weights(fine_tuned, file)
        return fine_tuned.eval()
    for first, second in (
        ("cls_head.weight", ""),
        ("cls_head.0.weight", "cls_head.2.weight"),
        ("0.weight", "2.weight"),
    ):
        if first not in state or state[first].ndim != 2:
            continue
        width, dim = state[first].shape
        hidden, classes = (width, state[second].shape[0]) if second in state else (None, width)
        head: ProbeHead | EvaluationHead
        if first.startswith("cls_head"):
            head = ProbeHead(dim, classes, hidden, norm="norm_layer.weight" in state)
        else:
            head = EvaluationHead(dim, classes, hidden)
        read_weights(head, file)
        return head.eval()
    raise ModelError(
        f"{file}: holds no head, neither of TTMR's probing (cls_head.*) nor of CLMR's fine-tuner (model.0.*)"
    )


def save_head(head: ProbeHead | EvaluationHead, file: Path) -> None:
    """Write a head as safetensors under its published names; `read_head` reads it."""
    from safetensors.torch import save_file

    from ohrwurm.atomic import replacing

    state = head.to_published() if isinstance(head, EvaluationHead) else head.state_dict()
    with replacing(file) as temporary:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}, temporary)
