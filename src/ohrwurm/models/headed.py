"""An encoder and heads on its hidden states: one model that hears beats, chords, sections, keys and tags.

    waveform ─encoder's front-end─▶ features ─encoder─▶ hidden states, (B, L, D) each ─one `FrameHead` a task─▶ logits
                                                  └──────▶ the encoder's own vectors: search by sound, as without heads

It is saved and loaded as any other model. Its folder holds the encoder too, unless that was left as it was found
(`own_encoder=False`): then it holds the heads alone, and names the encoder, whose weights are compared when it is
loaded.

    encoder = ohrwurm.load("musicfm-msd")
    model = HeadedEncoder.around(encoder, [HeadSpec("beats"), HeadSpec("key")], name="mine", window=12.0)
    model.hear(waveform)["beats"]["beats"]  # (B, 600, 2) logits
    registry.save(model, "mine")
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from ohrwurm.errors import ModelError, TransferError
from ohrwurm.models import own, registry
from ohrwurm.models.base import AudioEncoder, Encoded, ModelCard, Precision, ReadOut
from ohrwurm.models.frame_heads import FrameHead, HeadSpec, Target
from ohrwurm.models.registry import architecture

_NOT_KEPT = ("results", "published", "agreement", "features", "description")  # of the encoder's card: words, figures


@runtime_checkable
class FrontEnded(Protocol):
    """An encoder whose features can be had, and cached."""

    def features(self, waveform: Tensor) -> Tensor: ...

    def encode_features(self, features: Tensor) -> Encoded: ...


@runtime_checkable
class Layered(FrontEnded, Protocol):
    """An encoder whose hidden states can be had too, all of one size and rate; what it encodes is one of them, by
    `layer`, and its mean."""

    def hidden_states(self, features: Tensor) -> list[Tensor]: ...


@architecture("headed")
class HeadedEncoder(AudioEncoder):
    """The encoder is a part of this module; one that is not its own is frozen: no gradients, always in eval mode.

    Args:
        encoder: its card, as JSON has it; or the encoder itself.
        heads: their specifications, one a task; as JSON has them, or themselves.
        own_encoder: whether the encoder's weights are among this model's. If not, and it was not given itself, it is
            loaded from where `found_at` says, or else by its name.
        found_at: "model", as `ohrwurm.load` takes it, and "weights" if there was such a file.
        identity: of the weights of an encoder that is not this model's own (`own.identity`).
        window: seconds that the heads are given at a time. The frames of an encoder that shows no layers are counted
            in it: at its edges there may be one more or less than its rate says.

    Raises:
        ModelError: a task twice; the encoder has no frames, or cannot be found, or has other weights.

    >>> card = {"name": "small", "architecture": "musicfm", "sample_rate": 24000, "window": 6.0, "hop": 6.0, "dim": 16,
    ...         "good_for": ["sound"], "description": "",
    ...         "parameters": {"stats": {"mean": 0.0, "std": 9.0}, "channels": 8, "dim": 16, "depth": 2, "heads": 2,
    ...                        "ffn": 32, "codes": 8}}
    >>> model = HeadedEncoder(card, [{"task": "beats"}, {"task": "key", "hidden": None}]).eval()
    >>> heard = model.hear(0.1 * torch.randn(1, 6 * 24000))
    >>> heard["beats"]["beats"].shape, heard["key"]["key"].shape
    (torch.Size([1, 300, 2]), torch.Size([1, 3, 24]))
    >>> model(0.1 * torch.randn(1, 24000)).pooled.shape
    torch.Size([1, 16])
    """

    def __init__(
        self,
        encoder: Mapping[str, Any] | AudioEncoder,
        heads: Sequence[Mapping[str, Any] | HeadSpec],
        own_encoder: bool = True,
        found_at: Mapping[str, str] | None = None,
        identity: str = "",
        window: float | None = None,
    ) -> None:
        super().__init__()
        self.own_encoder = own_encoder
        if isinstance(encoder, AudioEncoder):
            self.encoder = encoder
        elif own_encoder:
            self.encoder = registry.build(_card(encoder))
        else:
            self.encoder = _found(_card(encoder), dict(found_at or {}), identity)
        self.layer = self.encoder.layer if isinstance(self.encoder, Layered) else None
        specs = [spec if isinstance(spec, HeadSpec) else HeadSpec.from_dict(spec) for spec in heads]
        self.specs: dict[Target, HeadSpec] = {spec.task: spec for spec in specs}
        if len(self.specs) < len(specs):
            raise ModelError(f"two heads for one task among {', '.join(spec.task for spec in specs)}; give one each")
        states, out = self._states(window)
        assert out.frame_rate is not None
        self.heads = nn.ModuleDict(
            {task: FrameHead(spec, out.dim, states, out.frame_rate) for task, spec in self.specs.items()}
        )
        if not own_encoder:
            self.encoder.requires_grad_(False).eval()
            self.register_state_dict_post_hook(_heads_alone)
            self.register_load_state_dict_post_hook(_heads_suffice)

    @classmethod
    def around(
        cls,
        encoder: AudioEncoder,
        heads: Sequence[HeadSpec],
        *,
        name: str,
        window: float | None = None,
        own_encoder: bool = True,
        found_at: Mapping[str, str] | None = None,
        **changes: Any,
    ) -> HeadedEncoder:
        """Untrained heads on a loaded encoder, its card made of the encoder's; of a model with heads, on its encoder.

        Args:
            name: of the new model.
            window: seconds that the heads are given at a time; the encoder's unless given. Hop is half of it.
            own_encoder, found_at: as in the class; an encoder of a class of one's own cannot be a model's own.
            **changes: fields of the card.

        Raises:
            ModelError: as the class; or the encoder was lowered.
        """
        window = encoder.card.window if window is None else window
        encoder = _bare(encoder)
        theirs = encoder.card
        if encoder.precision != "fp32":
            raise ModelError(f"{theirs.name}: is in {encoder.precision}; heads go on an encoder in fp32")
        if own_encoder and theirs.architecture == own.ARCHITECTURE:
            raise ModelError(
                f"{theirs.name}: is a class of one's own, and no model folder holds code. Give own_encoder=False: the "
                "folder has the heads then, and HeadedEncoder.reunited(folder, encoder) loads it."
            )
        model = cls(encoder, heads, own_encoder, window=window)
        parameters: dict[str, Any] = {
            "encoder": _fields(theirs),
            "heads": [spec.as_dict() for spec in model.specs.values()],
            "window": window,
        }
        if not own_encoder:
            parameters |= {"own_encoder": False, "identity": own.identity(encoder)}
            parameters |= {"found_at": dict(found_at)} if found_at else {}
        card = dataclasses.replace(
            theirs,
            name=name,
            architecture="headed",
            parameters=parameters,
            window=window,
            hop=window / 2,
            minimum=None if theirs.minimum is None else min(theirs.minimum, window),
            layer=model.layer,
            joint=False,
            good_for=("sound",),
            features={**theirs.features, "learned": True, "heads": list(model.specs)},
            description=f"{theirs.name} with heads for {', '.join(model.specs)}.",
            agreement={} if own_encoder else theirs.agreement,  # an encoder of its own may be trained on
            sha256="",
            results=(),
            weights={},
        )
        model.card = dataclasses.replace(card, **changes)
        return model.train(encoder.training)

    @classmethod
    def reunited(cls, folder: str | Path, encoder: AudioEncoder) -> HeadedEncoder:
        """A model folder of heads alone, with their encoder given by hand: one that is not found under its name.

        Raises:
            ModelError: no such folder, or the heads were trained on an encoder with other weights.
        """
        from ohrwurm.checksums import sha256
        from ohrwurm.models.convert import read_weights

        card, file = registry.card(folder), Path(folder) / "model.safetensors"
        encoder = _bare(encoder)
        if card.architecture != "headed" or card.parameters.get("own_encoder", True):
            raise ModelError(f"{folder}: is no folder of heads without their encoder. ohrwurm.load takes it.")
        wanted = _card(card.parameters["encoder"])
        if own.identity(encoder) != card.parameters.get("identity"):
            raise ModelError(_differs(wanted, encoder.card.name))
        if wanted.layer is not None:
            encoder.read_out(wanted.layer)
        model = cls(encoder, card.parameters["heads"], own_encoder=False, window=card.parameters.get("window"))
        read_weights(model, file)
        model.card = dataclasses.replace(card, sha256=sha256(file))
        if card.layer is not None:
            model.read_out(card.layer)
        return model.eval()

    # What it hears ---------------------------------------------------------------------------------------------------

    def features(self, waveform: Tensor) -> Tensor:
        """Waveform `(B, samples)` → what the encoder's front-end makes of it, e.g. `(B, bands, T)`; or itself."""
        return self.encoder.features(waveform) if isinstance(self.encoder, FrontEnded) else waveform

    def states(self, features: Tensor) -> list[Tensor]:
        """Features → all hidden states, `(B, L, D)` each; of an encoder that does not show them, its frames.

        Raises:
            ModelError: the encoder has no frames.
        """
        if isinstance(self.encoder, Layered):
            return self.encoder.hidden_states(features)
        return [self._frames(self.encode_features(features))]

    def hear(self, waveform: Tensor, tasks: Iterable[Target] | None = None) -> dict[Target, dict[str, Tensor]]:
        """Waveform `(B, samples)` → logits: task → name of the output → `(B, frames, n)`, tags `(B, n)`.

        Raises:
            ModelError: there is no head for one of `tasks` (default: all there are).
        """
        return self.hear_features(self.features(waveform), tasks)

    def hear_features(self, features: Tensor, tasks: Iterable[Target] | None = None) -> dict[Target, dict[str, Tensor]]:
        """As `hear`, of what `features` gave."""
        return self.hear_states(self.states(features), tasks)

    def encode_and_hear(self, features: Tensor) -> tuple[Encoded, dict[Target, dict[str, Tensor]]]:
        """What `encode_features` and `hear_features` give, in one pass of the encoder."""
        if isinstance(self.encoder, Layered):
            states = self.states(features)
            frames = states[-1 if self.layer is None else self.layer]
            return Encoded(pooled=frames.mean(dim=1), frames=frames), self.hear_states(states)
        encoded = self.encode_features(features)
        return encoded, self.hear_states([self._frames(encoded)])

    def hear_states(
        self, states: Sequence[Tensor], tasks: Iterable[Target] | None = None
    ) -> dict[Target, dict[str, Tensor]]:
        """As `hear`, of what `states` gave."""
        asked = tuple(self.specs) if tasks is None else tuple(tasks)
        for task in asked:
            if task not in self.specs:
                raise ModelError(f"{self._name()} has no head for {task}, but for {', '.join(self.specs) or 'nothing'}")
        return {task: self.heads[task](states) for task in asked}

    # What its encoder does -------------------------------------------------------------------------------------------

    def forward(self, waveform: Tensor) -> Encoded:
        return self.encoder(waveform)

    def encode_features(self, features: Tensor) -> Encoded:
        """As `forward`, of what `features` gave."""
        return (
            self.encoder.encode_features(features) if isinstance(self.encoder, FrontEnded) else self.encoder(features)
        )

    def similarity(self, query: Tensor, candidates: Tensor) -> Tensor:
        return self.encoder.similarity(query, candidates)

    @property
    def layers(self) -> Mapping[int, ReadOut]:
        """The encoder's, where heads hear all of them; else none, as another layer is not what its heads know."""
        return self.encoder.layers if isinstance(self.encoder, Layered) else {}

    def read_out(self, layer: int) -> ReadOut:
        """As `AudioEncoder.read_out`, for the vectors; what the heads hear stays the same."""
        super().read_out(layer)
        return self.encoder.read_out(layer)

    @property
    def precisions(self) -> tuple[Precision, ...]:
        return self.encoder.precisions

    def lower(self, precision: Precision) -> None:
        """As `AudioEncoder.lower`; heads stay in float32."""
        super().lower(precision)
        self.encoder.lower(precision)

    def train(self, mode: bool = True) -> HeadedEncoder:
        super().train(mode)
        if not self.own_encoder:
            self.encoder.eval()
        return self

    # -----------------------------------------------------------------------------------------------------------------

    def _name(self) -> str:
        return self.card.name if hasattr(self, "card") else self.encoder.card.name

    def _frames(self, encoded: Encoded) -> Tensor:
        if encoded.frames is None:
            raise ModelError(
                f"{self._name()} has no frames, one vector a window alone, so that a head hears nothing move. "
                "Take an encoder with frames: musicfm, samplecnn, a TUNe, ttmr-cls."
            )
        return encoded.frames

    def _states(self, window: float | None) -> tuple[int, ReadOut]:
        """How many states heads are given, their size and rate."""
        if isinstance(self.encoder, Layered):
            layers = self.encoder.layers
            return len(layers), layers[max(layers)]
        card, training = self.encoder.card, self.encoder.training
        place = next((t.device for t in (*self.encoder.parameters(), *self.encoder.buffers())), torch.device("cpu"))
        # Without a window of its heads: the encoder's; of one that hears songs as a whole, half a minute.
        seconds = window or min(card.window, max(card.minimum or card.window, 30.0))
        self.encoder.eval()
        with torch.inference_mode():
            silence = torch.zeros(1, round(seconds * card.sample_rate), device=place)
            frames = self.states(self.features(silence))[0]
        self.encoder.train(training)
        return 1, ReadOut(frames.shape[2], frames.shape[1] / seconds)


def _bare(model: AudioEncoder) -> AudioEncoder:
    """The encoder of a model with heads, its card that of the model but for them; any other as it is."""
    if not isinstance(model, HeadedEncoder):
        return model
    encoder = model.encoder
    if model.own_encoder:  # its weights are to be had under the model's name
        encoder.card = dataclasses.replace(
            model.card,
            architecture=encoder.card.architecture,
            parameters=encoder.card.parameters,
            layer=encoder.layer,
            features={name: value for name, value in model.card.features.items() if name != "heads"},
        )
    return encoder


def _heads_alone(model: nn.Module, state: dict[str, Any], prefix: str, _: Any) -> None:
    """The weights of an encoder that is not the model's own are not among its own."""
    for key in [key for key in state if key.startswith(f"{prefix}encoder.")]:
        del state[key]


def _heads_suffice(model: nn.Module, keys: Any) -> None:
    """Nor are they missing when those are loaded."""
    keys.missing_keys[:] = [key for key in keys.missing_keys if "encoder." not in key]


def _fields(card: ModelCard) -> dict[str, Any]:
    """What of an encoder's card it takes to make it again and to say what it is."""
    values = json.loads(card.to_json())
    return {name: value for name, value in values.items() if name not in _NOT_KEPT and value not in (None, "", {}, [])}


def _card(fields: Mapping[str, Any]) -> ModelCard:
    try:
        return ModelCard.from_json(json.dumps({"description": "", **fields}))
    except TypeError as error:
        raise ModelError(f"the card of a headed model does not say what its encoder is ({error})") from error


def _found(card: ModelCard, place: dict[str, str], identity: str) -> AudioEncoder:
    """The encoder of heads that were saved alone: where it was, or else under its name."""
    tried, differ = [], []
    for name, weights in dict.fromkeys([(place.get("model", ""), place.get("weights")), (card.name, None)]):
        if not name or own.named(name):  # a model folder never runs code
            continue
        try:
            found = _bare(registry.load(name, weights=weights))
        except (ModelError, TransferError) as error:
            tried.append(str(error))
            continue
        if own.identity(found) != identity:
            differ.append(name)
            continue
        if card.layer is not None and found.layer != card.layer:
            found.read_out(card.layer)
        return found
    if differ:
        raise ModelError(_differs(card, " and ".join(differ)))
    raise ModelError(
        f"these heads need their encoder {card.name}, which is not here ({'; '.join(tried) or 'a class'}). Give it: "
        "HeadedEncoder.reunited(folder, ohrwurm.load(...))."
    )


def _differs(card: ModelCard, found: str) -> str:
    return (
        f"{found} has other weights than the encoder {card.name} that these heads were trained on. Load that one and "
        "give it to HeadedEncoder.reunited(folder, encoder), or train the heads anew."
    )
