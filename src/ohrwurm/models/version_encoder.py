"""Recordings → vectors that versions of one work share: a pitch extractor and MOVE behind it, as one encoder.

    waveform ─pitch extractor─▶ 12 pitch classes every 93 ms ─tile─▶ MOVE ─▶ vector

The published checkpoints hold MOVE alone, and were trained on cremaPCP, whose weights are another file by other people.
So a published checkpoint takes the extractor that the card names if that is installed (converted or downloaded before),
and else makes an encoder of features, which refuses waveforms until an extractor with weights of its own is attached.
Saved then, both are one model folder.

    encoder = ohrwurm.load("move-16000", weights="model_move.pt")
    encoder.encode_features(profile)  # (B, 12, T) cremaPCP, as Da-TACOS has it
    encoder.attach_pitch(ohrwurm.load("crema-pcp-0.1.0", weights="model.h5"))
    registry.save(encoder, "move")  # load("move") takes waveforms
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import importlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ohrwurm.audio.pitch import FRAME_RATE
from ohrwurm.errors import ModelError
from ohrwurm.models import registry
from ohrwurm.models.base import AudioEncoder, Encoded, ModelCard, Precision
from ohrwurm.models.move import MOVE, tile_pitch_classes
from ohrwurm.models.move_reduction import prune, rows_kept
from ohrwurm.models.precision import has_bf16
from ohrwurm.models.registry import architecture, register_card

# Name → where it is. Each has `profile(waveform (B, samples)) -> (B, 12, T)` in [0, 1], 92.88 ms a frame.
EXTRACTORS = {
    "pitchnet": ("ohrwurm.models.pitchnet", "PitchNet"),
    "crema": ("ohrwurm.models.crema", "CremaPCP"),
    "chroma": ("ohrwurm.audio.spectral", "Chroma"),
}


@architecture("version-encoder")
class VersionEncoder(AudioEncoder):
    """Waveform → pitch classes → MOVE. Vectors are not normalised; the card says how they are compared.

    Args:
        pitch: "pitchnet" or "crema" (learned; their weights are in this model's state dict under `pitch.`), "chroma"
            (plain), or "none": takes pitch classes alone, through `encode_features`.
        pitch_parameters: arguments of the extractor.
        **move: arguments of `MOVE`, whose weights are under `move.`.

    >>> encoder = VersionEncoder(pitch="chroma", dim=16, channels=8, kernel_time=20).eval()
    >>> encoder(torch.randn(1, 22050 * 20)).pooled.shape
    torch.Size([1, 16])
    """

    def __init__(self, pitch: str = "pitchnet", pitch_parameters: Mapping[str, Any] | None = None, **move: Any) -> None:
        super().__init__()
        self.pitch: Any = None if pitch == "none" else extractor_class(pitch)(**(pitch_parameters or {}))
        self.move = MOVE(**move)
        self.pitch_has_weights = False  # of its own, not those it was born with
        self._without_pitch = False  # the weights about to be loaded are those of MOVE alone
        if self.pitch is not None:
            self.pitch.register_load_state_dict_post_hook(self._pitch_filled)
            self.pitch_has_weights = not self.pitch.state_dict()

    def features(self, waveform: Tensor) -> Tensor:
        """Waveform `(B, samples)` → pitch classes `(B, 12, T)` in [0, 1]; what training may cache.

        Raises:
            ModelError: there is no extractor, because its weights were never given.
        """
        if self.pitch is None:
            name = self.card.name if hasattr(self, "card") else "this version encoder"
            raise ModelError(
                f"{name} has no pitch extractor: its weights are those of MOVE alone. Give pitch classes to "
                "encode_features, or attach an extractor that has its weights, for published MOVE: "
                "encoder.attach_pitch(ohrwurm.load('crema-pcp-0.1.0', weights='model.h5'))"
            )
        return self.pitch.profile(waveform)

    @property
    def feature_shape(self) -> tuple[int, int]:
        """(12, frames) of a whole window: what `encode_features` takes of each song, extractor or not."""
        return 12, round(self.card.window * FRAME_RATE)

    @property
    def shortest(self) -> int:
        """Frames that the network sees at once; shorter songs are filled up."""
        return self.move.receptive_field

    @property
    def extractor(self) -> str:
        """Name of what makes the pitch classes that it was trained on."""
        return str(self.card.parameters.get("pitch", "pitchnet"))

    def encode_features(self, features: Tensor) -> Encoded:
        """Pitch classes `(B, 12, T)` → one vector a song."""
        return Encoded(pooled=self.move(tile_pitch_classes(features)))

    def forward(self, waveform: Tensor) -> Encoded:
        return self.encode_features(self.features(waveform))

    def similarity(self, query: Tensor, candidates: Tensor) -> Tensor:
        """Cosine, or as the card says: "euclidean" is 1 / (1 + mean squared difference), which is 1 at the same vector;
        "pearson" is correlation, the cosine of what is left without the mean of each vector.

        The published MOVE was trained and evaluated by squared Euclidean distance divided by the dimension, Re-MOVE's
        Group loss by correlation.
        """
        comparison = self.card.comparison if hasattr(self, "card") else "cosine"
        if comparison == "euclidean":
            return 1 / (1 + (candidates - query).square().mean(-1))
        if comparison == "pearson":
            query, candidates = query - query.mean(), candidates - candidates.mean(-1, keepdim=True)
        return super().similarity(query, candidates)

    # Faster and smaller ---------------------------------------------------------------------------------------------

    @property
    def precisions(self) -> tuple[Precision, ...]:
        place = self.move.lin1.weight.device
        return ("fp32", "bf16") if has_bf16(place) else ("fp32",)

    def lower(self, precision: Precision) -> None:
        """In bf16 MOVE's convolutions after the first; extractor, first convolution and head stay in float32."""
        super().lower(precision)
        if precision == "bf16":
            self.move.lower_later_layers(torch.bfloat16)

    def pruned(self, dim: int) -> VersionEncoder:
        """A smaller encoder that gives, of this one's vectors, exactly the `dim` whose weights are largest."""
        smaller = copy.deepcopy(self)
        smaller.move = prune(self.move, rows_kept(self.move.lin1.weight, dim))
        if hasattr(self, "card"):
            smaller.card = dataclasses.replace(
                self.card,
                name=f"{self.card.name}-pruned-{dim}",
                dim=dim,
                parameters={**self.card.parameters, "dim": dim},
                sha256=_digest(self.card.sha256, f"pruned to {dim}"),
                description=f"{self.card.description} Pruned to {dim} of {self.card.dim} dimensions.",
                results=(),
            )
        return smaller

    # Weights from two places ----------------------------------------------------------------------------------------

    def attach_pitch(self, extractor: AudioEncoder) -> None:
        """Take waveforms from now on, by an extractor that `ohrwurm.load` gave; the card then names it.

        Raises:
            ModelError: it is no extractor of pitch classes.
        """
        name = next((n for n, (_, kind) in EXTRACTORS.items() if kind == type(extractor).__name__), None)
        if name is None:
            raise ModelError(f"{type(extractor).__name__} extracts no pitch classes; known: {', '.join(EXTRACTORS)}")
        self.pitch, self.pitch_has_weights = extractor, True
        if hasattr(self, "card"):
            self._card(
                pitch=name,
                pitch_parameters=dict(extractor.card.parameters),
                sample_rate=extractor.card.sample_rate,
                sha256=_digest(self.card.sha256, extractor.card.sha256),
            )

    def from_published(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """A published MOVE checkpoint fills `move.` and keeps `pitch.`.

        An extractor without weights gets those of an installed model like it; if there is none, it is taken off.
        """
        if any(key.startswith("move.") for key in state):
            return state
        if self.pitch is not None and not self.pitch_has_weights:
            self._fill_pitch()
            self._without_pitch = not self.pitch_has_weights
        kept = {} if self.pitch is None else {f"pitch.{key}": value for key, value in self.pitch.state_dict().items()}
        return kept | {f"move.{key}": value for key, value in state.items()}

    def to_published(self) -> dict[str, Tensor]:
        """MOVE's weights alone; the extractor's go back by its own `to_published`."""
        return self.move.state_dict()

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        ours = {} if self.pitch is None else {f"pitch.{k}": v.data_ptr() for k, v in self.pitch.state_dict().items()}
        kept = all(key in state_dict and state_dict[key].data_ptr() == place for key, place in ours.items())
        result = super().load_state_dict(state_dict, strict, assign)
        if self._without_pitch and kept:
            self.pitch, self.pitch_has_weights = None, False
            if hasattr(self, "card"):
                self._card(pitch="none", pitch_parameters={})
        self._without_pitch = False
        return result

    def _fill_pitch(self) -> None:
        """Take the extractor's weights from an installed model of its class and shapes, if there is one."""
        shapes = {key: value.shape for key, value in self.pitch.state_dict().items()}
        for name in registry.names():
            installed = name in registry.bundled() or (registry.cached(name) / "config.json").is_file()
            if not installed or registry.builder(registry.card(name)) is not type(self.pitch):
                continue
            found = registry.load(name)
            if {key: value.shape for key, value in found.state_dict().items()} == shapes:
                self.pitch.load_state_dict(found.state_dict())
                if hasattr(self, "card"):
                    self.card = dataclasses.replace(self.card, sha256=_digest(self.card.sha256, found.card.sha256))
                return

    def _pitch_filled(self, *_: Any) -> None:
        self.pitch_has_weights = True

    def _card(self, pitch: str, pitch_parameters: dict[str, Any], **changes: Any) -> None:
        parameters = {**self.card.parameters, "pitch": pitch, "pitch_parameters": pitch_parameters}
        self.card = dataclasses.replace(self.card, parameters=parameters, **changes)


def extractor_class(name: str) -> type[nn.Module]:
    """The class of a pitch extractor.

    Raises:
        ModelError: there is none of that name.
    """
    if name not in EXTRACTORS:
        raise ModelError(f"no pitch extractor named {name!r}; known: {', '.join(EXTRACTORS)}, none")
    module, kind = EXTRACTORS[name]
    return getattr(importlib.import_module(module), kind)


def _digest(*parts: str) -> str:
    """Identity of weights that come from several places."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


AGREEMENT = {
    "bf16": {
        "cosine": 0.99997,
        "measured": "random weights of the published sizes, 12 synthetic profiles of 320 to 2400 frames, CPU with "
        "AVX512-BF16; of vectors less their mean 0.989, as random weights hardly tell songs apart. "
        "Trained weights (ohrwurm-versions, 24 recordings of 30 s): 0.99997 with and without the mean",
    }
}
MOVE_PAPER = (
    "Yesiler, Serra, Gomez, Accurate and scalable version identification using musically-motivated embeddings, "
    "ICASSP 2020 (arXiv 1910.12551)"
)


def _published(name: str, dim: int, comparison: str, description: str, paper: str, repository: str, file: str) -> None:
    register_card(
        ModelCard(
            name=name,
            architecture="version-encoder",
            parameters={
                "pitch": "crema",
                "pitch_parameters": {"variant": "0.1.0"},
                "dim": dim,
                "short_input": "repeat",
            },
            sample_rate=44100,
            window=600.0,
            hop=600.0,
            minimum=5.0,
            pooling="mean-then-l2" if comparison == "cosine" else "mean",
            comparison=comparison,
            dim=dim,
            good_for=("versions",),
            description=f"{description} Transposition invariant. Published weights are not bundled, and are MOVE's "
            "alone: load(name, weights=...) takes pitch classes; for waveforms, attach_pitch(...) cremaPCP.",
            features={"profile": "cremaPCP, 12 pitch classes", "hop": 4096, "rows": 23},
            published={
                "place": "whole",
                "short": "refuse",
                "minimum": 29.64,  # 320 frames of 4096 samples, the last of which may be incomplete
                "note": "evaluation embeds songs at full length, and fails under 320 frames (29.7 s); training takes "
                "patches of 1800 frames",
            },
            agreement=AGREEMENT,
            licence="AGPL-3.0 (of the repository that holds the weights)",
            paper=paper,
            source=f"https://github.com/{repository}",
            weights={"url": f"https://github.com/{repository}/raw/HEAD/{file}"},
        )
    )


_published(
    "move-16000",
    16000,
    "euclidean",
    "Version identification (covers) by MOVE at its published size, 16,000 dimensions.",
    MOVE_PAPER,
    "furkanyesiler/move",
    "saved_models/model_move.pt",
)
_published(
    "move-4000",
    4000,
    "euclidean",
    "Version identification (covers) by MOVE with 4,000 dimensions.",
    MOVE_PAPER,
    "furkanyesiler/move",
    "saved_models/model_move_emb_4000.pt",
)
_published(
    "re-move-256",
    256,
    "cosine",
    "Version identification (covers) by Re-MOVE: MOVE's latent space reconfigured to 256 dimensions.",
    "Yesiler, Serra, Gomez, Less is more: faster and better music version identification with embedding distillation, "
    "ISMIR 2020",
    "furkanyesiler/re-move",
    "saved_models/lsr_models/model_re-move_lsr.pt",
)
