"""What the encoders of raw waveforms (SampleCNN, TUNe) share: read-outs, heads, checkpoint layouts, the fast path.

Both were trained by the same contrastive module, whose checkpoints hold the encoder twice (`encoder.*` and
`model.encoder.*`, the same tensors) beside a projector. In eval mode, with no gradient asked for, the network runs on
folded weights with channels last (`ohrwurm.models.waveform_layers`); otherwise through its own modules, as published.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ohrwurm.errors import ModelError
from ohrwurm.models.base import AudioEncoder, Encoded, Precision, ReadOut
from ohrwurm.models.folding import Derived, folds, tensors_of
from ohrwurm.models.precision import has_bf16

SAMPLE_RATE = 22050
WINDOW = 59049  # samples: 3 to the power of 10, 2.678 s
MEASURED = (
    "random weights, batch norms adapted to the audio, which errors grow in; lowest of 8 windows of made-up audio"
)


class WaveformEncoder(AudioEncoder):
    """Waveform → frames → their mean over time.

    A subclass names its read-outs in `layers`, and computes frames in `_published` (through its modules) and in
    `_fast` (on what `_fold` derives from them).

    Args:
        dim: size R of the vectors.
        n_classes: outputs of the linear head `fc` on top of them; 0 for none.
        projection: outputs of the `projector` that the contrastive loss looks at; 0 for none.
    """

    def __init__(self, dim: int, n_classes: int, projection: int) -> None:
        super().__init__()
        self.dim = dim
        self.n_classes = n_classes
        self._folded = Derived[Any]()
        self.projector = (
            nn.Sequential(nn.Linear(dim, dim, bias=False), nn.ReLU(), nn.Linear(dim, projection, bias=False))
            if projection
            else None
        )
        self.fc = self._head(dim) if n_classes else None

    def _head(self, dim: int) -> nn.Linear:
        return nn.Linear(dim, self.n_classes)

    @property
    def output(self) -> int:
        """The layer that is the model's own output."""
        raise NotImplementedError

    def forward(self, waveform: Tensor) -> Encoded:
        """`(B, samples)` at 22,050 Hz → mean over time of the read-out's frames, and the frames."""
        self._check(waveform)
        layer = self.output if self.layer is None else self.layer
        if self.precision == "fp32" and not folds(self):
            frames = self._published(waveform.unsqueeze(1), layer).transpose(1, 2)  # (B, T, C)
        else:
            dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
            weights = self._folded.of(tensors_of(self), lambda: self._fold(dtype))
            frames = self._fast(waveform, layer, weights).float()
        return Encoded(pooled=_means(frames, frames.shape[1]).squeeze(1), frames=frames)

    def classify(self, waveform: Tensor) -> Tensor:
        """`(B, samples)` → logits `(B, windows, n_classes)` of the head, one a window of 59,049 samples.

        The network hears the input as one; its frames are averaged within each window, as the original does.

        Raises:
            ModelError: the model has no head, or the input is shorter than a window.
        """
        if self.fc is None:
            raise ModelError(f"this {type(self).__name__} has no head: build it with n_classes, or load one with `fc`")
        frames = self(waveform).frames  # (B, T, C)
        windows = waveform.shape[1] // WINDOW
        if windows == 0:
            raise ModelError(f"{waveform.shape[1]} samples; to classify takes {WINDOW} or more: pad with zeros")
        length = max(1, round(WINDOW * frames.shape[1] / waveform.shape[1]))
        return self.logits(_means(frames, length)[:, :windows])

    def logits(self, vectors: Tensor) -> Tensor:
        """Vectors of the read-out `(..., dim)` → `(..., n_classes)`."""
        assert self.fc is not None
        return self.fc(vectors)

    def project(self, vectors: Tensor) -> Tensor:
        """Vectors of the model's own output `(B, R)` → `(B, projection)`, what the contrastive loss looks at."""
        if self.projector is None:
            raise ModelError(f"this {type(self).__name__} has no projector: build it with projection=64")
        return self.projector(vectors)

    def read_out(self, layer: int) -> ReadOut:
        """As `AudioEncoder.read_out`. A head is learned for one layer: another layer gets a new, untrained one."""
        out = super().read_out(layer)
        if self.fc is not None and self.fc.in_features != out.dim:
            self.fc = self._head(out.dim).to(self.fc.weight)
        return out

    @property
    def precisions(self) -> tuple[Precision, ...]:
        return ("fp32", "bf16") if has_bf16(next(self.parameters()).device) else ("fp32",)

    def lower(self, precision: Precision) -> None:
        super().lower(precision)
        self._folded.drop()

    def train(self, mode: bool = True) -> WaveformEncoder:
        self._folded.drop()
        super().train(mode)
        return self

    def from_published(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The state dict of an original checkpoint under this class's names.

        Takes the training module of Lightning (the encoder twice, `model.projector`), the plain layout before it
        (`encoder.*`, `projector.*`), a fine-tuner's (`encoder.*` and a linear `model.0` as head) and a bare encoder's.
        A head or projector that this model does not have is left; a projector that the checkpoint lacks, which no
        vector depends on, keeps its values.

        Raises:
            ModelError: the two copies of the encoder are not the same.
        """
        first, second = _under("encoder.", state), _under("model.encoder.", state)
        if first and second and first.keys() != second.keys():
            missing = sorted(first.keys() ^ second.keys())
            raise ModelError(
                f"{len(missing)} missing in one of the two copies of the encoder ({', '.join(missing[:4])}). "
                "A training checkpoint holds it as `encoder` and as `model.encoder`: get the file again."
            )
        differing = [key for key in sorted(first.keys() & second.keys()) if not torch.equal(first[key], second[key])]
        if differing:
            raise ModelError(
                f"{len(differing)} tensors differ between the two copies of the encoder ({', '.join(differing[:4])}): "
                "`encoder` and `model.encoder` are one network in training. Keep the right one, and remove the other."
            )
        encoder = second or first
        if encoder:
            rest = {k: v for k, v in state.items() if not k.startswith(("encoder.", "model.encoder."))}
            encoder |= {_RENAMED.get(key, key): value for key, value in rest.items()}
        else:
            encoder = dict(state)
        for name, head in (("fc.", self.fc), ("projector.", self.projector)):
            if head is None:
                encoder = {key: value for key, value in encoder.items() if not key.startswith(name)}
        if not _under("projector.", encoder):
            encoder |= {key: value for key, value in self.state_dict().items() if key.startswith("projector.")}
        return encoder

    def to_published(self) -> dict[str, Tensor]:
        """As the contrastive training module stores it, or with a head as the bare encoder with `fc`."""
        state = self.state_dict()
        projector = {f"model.{key}": value for key, value in state.items() if key.startswith("projector.")}
        encoder = {key: value for key, value in state.items() if not key.startswith("projector.")}
        if self.fc is not None or not projector:
            return encoder
        twice = {f"{prefix}{key}": value for prefix in ("encoder.", "model.encoder.") for key, value in encoder.items()}
        return twice | projector

    def _check(self, waveform: Tensor) -> None:
        """Refuse a length that the network cannot divide."""
        raise NotImplementedError

    def _published(self, x: Tensor, layer: int) -> Tensor:
        """`(B, 1, samples)` → the layer's output `(B, C, T)`, through the modules."""
        raise NotImplementedError

    def _fold(self, dtype: torch.dtype) -> Any:
        """What `_fast` computes with, derived from the weights."""
        raise NotImplementedError

    def _fast(self, waveform: Tensor, layer: int, weights: Any) -> Tensor:
        """`(B, samples)` → the layer's output `(B, T, C)`, without gradients."""
        raise NotImplementedError


_RENAMED = {
    "model.projector.0.weight": "projector.0.weight",
    "model.projector.2.weight": "projector.2.weight",
    "model.0.weight": "fc.weight",
    "model.0.bias": "fc.bias",
}


def _means(frames: Tensor, length: int) -> Tensor:
    """Means of `length` frames each: `(B, T, C)` → `(B, T // length, C)`.

    Summed in the order of the original. `mean` is more exact, by 1e-6 where there are 59,049 frames, but then vectors
    are not those that were published.
    """
    return nn.functional.avg_pool1d(frames.transpose(1, 2), length).transpose(1, 2)


def _under(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
