"""What every model looks like from outside: encoders, what they return, and the card that describes them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor, nn

Pooling = Literal["mean-then-l2", "l2-then-mean", "first"]


@dataclass(frozen=True)
class Encoded:
    """What an audio encoder returns.

    Attributes:
        pooled: `(batch, dim)`, one vector a window, not normalised unless the published model does so.
        frames: `(batch, time, dim)` or None, where the model has a time axis of its own.
    """

    pooled: Tensor
    frames: Tensor | None = None


@dataclass(frozen=True)
class ModelCard:
    """The input contract, the origin and the measured quality of one model (after timm's `PretrainedCfg`).

    The pipeline reads everything it needs here; no constant is repeated elsewhere.

    Attributes:
        architecture: name of the registered builder; called with `parameters`.
        sample_rate: Hz the encoder expects.
        window, hop: seconds of audio per vector and between vectors.
        minimum: shortest window in seconds that the network accepts; shorter files are zero-padded to it,
            files between `minimum` and `window` are given as they are. Equal to `window` unless stated.
        pooling: how window vectors become a track vector; ``first`` keeps the first window only.
        good_for: some of ``words`` (text queries), ``sound`` (similar tracks), ``versions`` (same work).
        comparison: ``cosine``, or the name of a similarity that the encoder itself implements.
        front_end: version of the feature code; a change makes stored vectors incomparable.
        results: measured figures, each with protocol, data, count and chance level.
    """

    name: str
    architecture: str
    sample_rate: int
    window: float
    hop: float
    dim: int
    good_for: tuple[str, ...]
    description: str
    version: str = "1"
    parameters: dict[str, Any] = field(default_factory=dict)
    minimum: float | None = None
    pooling: Pooling = "mean-then-l2"
    comparison: str = "cosine"
    front_end: str = "1"
    mono: str = "mean of channels"
    features: dict[str, Any] = field(default_factory=dict)
    layer: int | None = None
    frame_rate: float | None = None
    joint: bool = False
    licence: str = "Apache-2.0"
    paper: str = ""
    source: str = ""
    sha256: str = ""
    results: tuple[dict[str, Any], ...] = ()

    def to_json(self) -> str:
        """The card as JSON, the content of a model folder's `config.json`."""
        return json.dumps(dataclasses.asdict(self), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> ModelCard:
        """The card of a model folder; unknown fields (of a later version) are ignored."""
        known = {f.name for f in dataclasses.fields(cls)}
        values = {k: v for k, v in json.loads(text).items() if k in known}
        for name in ("good_for", "results"):
            values[name] = tuple(values.get(name, ()))
        return cls(**values)

    @property
    def provenance(self) -> str:
        """Identity of vectors made under this card: model, weights, front-end and window parameters.

        Vectors with different provenance are never compared.

        >>> a = ModelCard("m", "mel-statistics", 16000, 10.0, 5.0, 80, ("sound",), "")
        >>> a.provenance == dataclasses.replace(a, description="other words").provenance
        True
        >>> a.provenance == dataclasses.replace(a, hop=10.0).provenance
        False
        """
        parts = (
            self.architecture, self.version, self.sha256, self.front_end, self.sample_rate, self.window, self.hop,
            self.minimum, self.pooling, self.layer, self.dim, sorted(self.parameters.items()),
        )  # fmt: skip
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
        return f"{self.name}:{digest}"


class AudioEncoder(nn.Module):
    """A network that turns waveforms into vectors. `card` is set by the registry when it is loaded by name."""

    card: ModelCard

    def forward(self, waveform: Tensor) -> Encoded:
        """Encode `(batch, samples)` float32 in [-1, 1] at `card.sample_rate`."""
        raise NotImplementedError

    def similarity(self, query: Tensor, candidates: Tensor) -> Tensor:
        """Similarity of `query (dim,)` to each of `candidates (n, dim)`, higher is nearer; cosine unless overridden."""
        return nn.functional.cosine_similarity(query[None], candidates, dim=-1)


class TextEncoder(nn.Module):
    """A network that turns texts into vectors."""

    def forward(self, texts: list[str]) -> Tensor:
        """Encode n texts to `(n, dim)`."""
        raise NotImplementedError


class JointModel(AudioEncoder):
    """An audio encoder with a text encoder into the same space."""

    def encode_text(self, texts: list[str]) -> Tensor:
        """Encode n texts to `(n, card.dim)`, comparable by cosine with what `forward` pools."""
        raise NotImplementedError


def unit(x: Tensor) -> Tensor:
    """L2-normalise the last axis; the zero vector stays zero.

    >>> import torch
    >>> unit(torch.tensor([3.0, 4.0]))
    tensor([0.6000, 0.8000])
    """
    return nn.functional.normalize(x, dim=-1, eps=1e-12)
