"""What every model looks like from outside: encoders, what they return, and the card that describes them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ohrwurm.errors import ModelError

Pooling = Literal["mean-then-l2", "l2-then-mean", "first", "mean"]
Precision = Literal["fp32", "bf16", "fp16", "int8"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16", "fp16", "int8")


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
class ReadOut:
    """What comes out of one layer: the size of its vectors, and of its frames how many there are a second."""

    dim: int
    frame_rate: float | None = None


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
        pooling: how window vectors become a track vector; ``first`` keeps the first window only, ``mean`` does not
            normalise (only papers do that).
        good_for: some of ``words`` (text queries), ``sound`` (similar tracks), ``versions`` (same work).
        comparison: ``cosine``, or the name of a similarity that the encoder itself implements.
        front_end: version of the feature code; a change makes stored vectors incomparable.
        published: the paper's own windowing (`protocol="published"`), where it differs from the fields above:
            `window`, `hop` and `minimum` in seconds, `pooling`;
            `place`: "all" (the default), one window at the "start" or in the "centre", "even" (`count` windows, the
            k-th at k times the whole number of samples that is (length - window) / count), or the "whole" track;
            `remainder` at the end, with "all": "align" (the default: one more window, up to the end), "drop",
            "drop-last" (drops the last window even if it is whole, unless it is the only one), "pad" (zeros up to a
            window) or "keep" (given as long as it is);
            `short`, what is done with a track shorter than a window: "keep" (given as long as it is, or zero-padded to
            `minimum`; the default unless `remainder` is "pad"), "pad" or "refuse" (with "whole": below `minimum`);
            a `note` that says where this is written; `tasks`, an evaluation's name → what its paper cuts otherwise
            there. All windows count the same.
        protocol: which of the two windowings its vectors are made with.
        layer: the layer read out, for architectures with a choice; None is the model's own output.
        precision: in what the network computes; the front-end always computes in float32.
        agreement: for each faster precision, its measured `cosine` to fp32 (the lowest of all vectors) and on what
            it was `measured`.
        results: measured figures, each with protocol, data, count and chance level.
        weights: where its authors published the weights: `url`, `sha256` if known, `file` (inside an archive); and how
            their code stores them: the `wrapper` under which, and the `prefix` before each name.
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
    published: dict[str, Any] = field(default_factory=dict)
    protocol: Literal["ohrwurm", "published"] = "ohrwurm"
    layer: int | None = None
    frame_rate: float | None = None
    precision: Precision = "fp32"
    agreement: dict[str, dict[str, Any]] = field(default_factory=dict)
    joint: bool = False
    licence: str = "Apache-2.0"
    paper: str = ""
    source: str = ""
    sha256: str = ""
    results: tuple[dict[str, Any], ...] = ()
    weights: dict[str, str] = field(default_factory=dict)

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
    def aligns(self) -> bool:
        """Whether its vectors are sequences slid over each other: the best for versions, and slow to compare."""
        return self.comparison == "cross-correlation"

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
        parts: tuple[Any, ...] = (
            self.architecture, self.version, self.sha256, self.front_end, self.sample_rate, self.window, self.hop,
            self.minimum, self.pooling, self.layer, self.dim, sorted(self.parameters.items()),
        )  # fmt: skip
        if self.precision != "fp32":
            parts += (self.precision,)
        if self.protocol != "ohrwurm":
            parts += (self.protocol, {k: v for k, v in self.published.items() if k not in ("note", "tasks")})
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
        return f"{self.name}:{digest}"


class AudioEncoder(nn.Module):
    """A network that turns waveforms into vectors. `card` is set by the registry when it is loaded by name.

    A family with a choice of layers overrides `layers` and obeys `layer` in `forward`; one that has a faster precision
    overrides `precisions` and `lower`; one whose published checkpoints are laid out differently has `from_published`
    and `to_published`.
    """

    card: ModelCard
    layer: int | None = None
    precision: Precision = "fp32"

    def forward(self, waveform: Tensor) -> Encoded:
        """Encode `(batch, samples)` float32 in [-1, 1] at `card.sample_rate`."""
        raise NotImplementedError

    @torch.inference_mode()
    def encode(self, waveform: Tensor, sample_rate: int) -> Encoded:
        """Encode windows after checking them: what to call from Python (files go to `ohrwurm.embed`).

        Args:
            waveform: `(samples,)` or `(batch, samples)` floating point, in [-1, 1], between `card.minimum` and
                `card.window` long.
            sample_rate: of the waveform in Hz; has to be the card's.

        Raises:
            ModelError: another rate or shape, too short or too long, no floating point, NaN or infinity in it; or the
                model was cast as a whole.

        >>> from ohrwurm.models.registry import load
        >>> load("mel-statistics").encode(torch.zeros(160000), 16000).pooled.shape
        torch.Size([1, 192])
        >>> load("mel-statistics").encode(torch.zeros(160000), 44100)
        Traceback (most recent call last):
            ...
        ohrwurm.errors.ModelError: mel-statistics: a waveform at 44100 Hz; it takes 16000 Hz. Resample it with ...
        """
        check_waveform(waveform, sample_rate, self.card)
        check_cast(self)
        place = next((t.device for t in (*self.parameters(), *self.buffers())), torch.device("cpu"))
        return self(waveform.reshape(-1, waveform.shape[-1]).to(place, torch.float32))

    @property
    def layers(self) -> Mapping[int, ReadOut]:
        """The layers that `read_out` takes; empty where there is no choice."""
        return {}

    def read_out(self, layer: int) -> ReadOut:
        """Make `forward` return this layer's vectors, and do no work past it.

        Raises:
            ModelError: there is no such layer.
        """
        if layer not in self.layers:
            known = f"layers {min(self.layers)} to {max(self.layers)}" if self.layers else "no choice of layers"
            raise ModelError(f"{type(self).__name__} has {known}; {layer} was asked for")
        self.layer = layer
        return self.layers[layer]

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """What `lower` takes on the device where the model is."""
        return ("fp32",)

    def lower(self, precision: Precision) -> None:
        """Let the network, not the front-end, compute in `precision`; vectors come out as float32. Once only.

        Raises:
            ModelError: this model, or this device, does not have it.
        """
        name = self.card.name if hasattr(self, "card") else type(self).__name__
        if self.precision not in ("fp32", precision):
            raise ModelError(f"{name} is in {self.precision} already: load it again for {precision}")
        if precision not in self.precisions:
            raise ModelError(
                f"{name} computes in {', '.join(self.precisions)} here, not in {precision}. "
                "Precision auto takes the fastest that a model has and that agrees with fp32."
            )
        self.precision = precision

    def from_published(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The state dict of an original checkpoint in this class's form; the same tensors under other names."""
        return state

    def to_published(self) -> dict[str, Tensor]:
        """The weights as the original code stores them: the inverse of `from_published`."""
        return self.state_dict()

    def similarity(self, query: Tensor, candidates: Tensor) -> Tensor:
        """Similarity of `query (dim,)` to each of `candidates (n, dim)`, higher is nearer; cosine unless overridden."""
        return nn.functional.cosine_similarity(query[None], candidates, dim=-1)


def check_waveform(waveform: Tensor, sample_rate: int, card: ModelCard) -> None:
    """Refuse what `card`'s model cannot take, with a message that says what it takes."""
    if not isinstance(waveform, Tensor):
        raise ModelError(
            f"{card.name}: takes a tensor, not a {type(waveform).__name__}. "
            "Make one with torch.from_numpy or torch.tensor."
        )
    if sample_rate != card.sample_rate:
        raise ModelError(
            f"{card.name}: a waveform at {sample_rate} Hz; it takes {card.sample_rate} Hz. "
            "Resample it with ohrwurm.audio.files.resample, or give files to ohrwurm.embed."
        )
    if waveform.ndim not in (1, 2) or not waveform.is_floating_point() or waveform.shape[0] == 0:
        raise ModelError(
            f"{card.name}: takes floating point (samples,) or (batch, samples), "
            f"not {waveform.dtype} {tuple(waveform.shape)}. Mix channels down to one first."
        )
    seconds = waveform.shape[-1] / card.sample_rate
    shortest = card.window if card.minimum is None else card.minimum
    if not round(shortest * card.sample_rate) <= waveform.shape[-1] <= round(card.window * card.sample_rate):
        raise ModelError(
            f"{card.name}: {seconds:g} s of audio; it takes "
            + (f"{shortest:g} to " if shortest < card.window else "")
            + f"{card.window:g} s at a time. Give files to ohrwurm.embed, which cuts and pads them."
        )
    if not torch.isfinite(waveform).all():
        raise ModelError(f"{card.name}: NaN or infinity in the waveform")


def check_cast(model: AudioEncoder) -> None:
    """Refuse a model that was cast as a whole: its front-end, which `lower` leaves alone, is made for float32."""
    others = {b.dtype for b in model.buffers() if b.is_floating_point()} - {torch.float32}
    if others:
        kind = str(min(others, key=str)).removeprefix("torch.")
        raise ModelError(
            f"{model.card.name}: was cast to {kind} as a whole, its front-end included, which computes in float32. "
            "Cast it back (.float()), or load it again: ohrwurm.load(name, precision='bf16') lowers the network alone."
        )


def check_texts(texts: Sequence[str]) -> None:
    """Refuse what is no list of texts; of one text alone, each letter would count as a text.

    >>> check_texts("jazz")
    Traceback (most recent call last):
        ...
    ohrwurm.errors.ModelError: takes a list of texts, not 'jazz': give ['jazz']
    """
    if isinstance(texts, str):
        raise ModelError(f"takes a list of texts, not {texts!r}: give [{texts!r}]")
    for text in texts:
        if not isinstance(text, str):
            raise ModelError(f"takes a list of texts; {text!r} in it is a {type(text).__name__}")


class TextEncoder(nn.Module):
    """A network that turns texts into vectors of `dim` numbers."""

    dim: int

    def forward(self, texts: list[str]) -> Tensor:
        """Encode n texts to `(n, dim)`."""
        raise NotImplementedError


class JointModel(AudioEncoder):
    """An audio encoder with a text encoder into the same space."""

    def encode_text(self, texts: list[str]) -> Tensor:
        """Encode n texts to `(n, card.dim)`, comparable by cosine with what `forward` pools.

        Raises:
            ModelError: no list of texts, or the model has no text encoder, or that not its tokeniser.
        """
        raise NotImplementedError


def unit(x: Tensor) -> Tensor:
    """L2-normalise the last axis; the zero vector stays zero.

    >>> import torch
    >>> unit(torch.tensor([3.0, 4.0]))
    tensor([0.6000, 0.8000])
    """
    return nn.functional.normalize(x, dim=-1, eps=1e-12)
