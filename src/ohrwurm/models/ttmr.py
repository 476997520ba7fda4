"""TTMR, "Toward Universal Text-to-Music Retrieval" (Doh, Won, Choi, Nam; ICASSP 2023), in its three objectives.

    waveform ─mel dB─▶ CNN (residual, max-pooled) ─tokens─▶ Transformer ─CLS─▶ LayerNorm, Linear ─▶ joint space
    text     ─BERT [CLS] or word vectors─────────────────────────────────────▶ LayerNorm, Linear ─▶ joint space

*Contrastive* and *triplet* are one network (`TTMR`), trained by `objectives.contrastive` and `objectives.sampling`;
*classification* (`TTMRClassifier`) has a tag layer in place of the text side. Whether the text is a tag, a caption or
a random subset of the tags ("stochastic") changes the training alone. The CNN is in `ttmr_cnn`, the Transformer in
`ttmr_transformer`.

The module and parameter names are those of the published checkpoints. A lighter model is the same class with other
numbers (`channels`, `n_mels`, `hop`, ...), not another class.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ohrwurm.audio.spectral import MelSpectrogram, Power
from ohrwurm.errors import ModelError
from ohrwurm.models.base import AudioEncoder, Encoded, JointModel, ModelCard, TextEncoder, check_texts, unit
from ohrwurm.models.registry import architecture, register_card
from ohrwurm.models.text import text_encoder
from ohrwurm.models.ttmr_cnn import Frontend, MixType, ResidualStack
from ohrwurm.models.ttmr_transformer import AudioTransformer

CONSTANTS = {"spec_fn.window": "window", "mel_scale.fb": "bank"}  # torchaudio's buffers → those of `MelSpectrogram`


class TTMRAudio(AudioEncoder):
    """The audio side that all three objectives share: waveform → CLS token → `dim` numbers.

    Args:
        sample_rate, n_fft, hop, n_mels, f_min, power: mel front-end (`ohrwurm.audio.spectral.MelSpectrogram`).
        level: "absolute" takes decibels as they are (published); "peak" takes them relative to the loudest cell of
            the window, floored at -80 dB, so that the vector does not depend on the recording's gain.
        channels: output channels of the residual stages; `pools` their max pooling (frequency, time), 2 x 2 published.
        mix_type: how CNN cells become tokens, see `Frontend`.
        attention_dim, layers, heads, ffn, max_tokens, dropout: the Transformer; `ffn` defaults to 4 x `attention_dim`.
        dim: size of the joint space.
    """

    def __init__(
        self,
        sample_rate: int = 16000,
        n_fft: int = 1024,
        hop: int = 160,
        n_mels: int = 128,
        f_min: float = 0.0,
        power: Power = "real-squared",
        level: Literal["absolute", "peak"] = "absolute",
        channels: Sequence[int] = (128, 128, 128, 128),
        pools: Sequence[Sequence[int]] | None = None,
        mix_type: MixType = "cf",
        attention_dim: int = 256,
        layers: int = 4,
        heads: int = 8,
        ffn: int | None = None,
        max_tokens: int = 512,
        dropout: float = 0.1,
        dim: int = 128,
    ) -> None:
        super().__init__()
        stage_pools = [(int(f), int(t)) for f, t in pools or [(2, 2)] * len(channels)]
        if len(stage_pools) != len(channels):
            raise ModelError(f"{len(channels)} channels but {len(stage_pools)} pools: give one pool a stage")
        if level not in ("absolute", "peak"):
            raise ModelError(f"level must be 'absolute' or 'peak', not {level!r}")
        if mix_type not in ("cf", "ft"):
            raise ModelError(f"mix_type must be 'cf' or 'ft', not {mix_type!r}")
        self.level = level
        self.mel = MelSpectrogram(sample_rate, n_fft, hop, n_mels, f_min, power=power)
        self.audio_encoder = AudioTransformer(
            Frontend(n_mels, channels, stage_pools, attention_dim, mix_type),
            attention_dim,
            layers,
            heads,
            ffn or 4 * attention_dim,
            max_tokens,
            dropout,
        )
        self.audio_projector = nn.Sequential(nn.LayerNorm(attention_dim), nn.Linear(attention_dim, dim, bias=False))

    def features(self, waveform: Tensor) -> Tensor:
        """Waveform `(B, samples)` → mel in dB `(B, n_mels, samples // hop + 1)`; what training may cache."""
        return self.mel(waveform)

    def tokens(self, features: Tensor) -> Tensor:
        """Mel in dB → `(B, 1 + tokens, attention_dim)`, the CLS state first."""
        if self.level == "peak":
            features = (features - features.amax(dim=(-2, -1), keepdim=True)).clamp(min=-80.0)
        tokens: Tensor = self.audio_encoder(features)
        return tokens

    def encode_features(self, features: Tensor) -> Encoded:
        """Mel in dB → `pooled (B, dim)` not normalised, `frames (B, tokens, attention_dim)` before the projection."""
        tokens = self.tokens(features)
        return Encoded(pooled=self.audio_projector(tokens[:, 0]), frames=tokens[:, 1:])

    def forward(self, waveform: Tensor) -> Encoded:
        return self.encode_features(self.features(waveform))

    def from_published(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The state dict of an original checkpoint in this class's form; see `without_constants`."""
        return without_constants(state, "audio_encoder.audio_representation.", self.mel)

    def to_published(self) -> dict[str, Tensor]:
        """The state dict with the mel constants that the original stores as buffers."""
        return with_constants(self.state_dict(), "audio_encoder.audio_representation.", self.mel)


def without_constants(state: Mapping[str, Tensor], prefix: str, mel: MelSpectrogram) -> dict[str, Tensor]:
    """A published state dict without its mel constants, which may be missing.

    Raises:
        ModelError: they are not `mel`'s, so that the checkpoint was made with another front-end.
    """
    state = dict(state)
    for key, name in CONSTANTS.items():
        ours, theirs = getattr(mel, name), state.pop(prefix + key, None)
        if theirs is not None and (theirs.shape != ours.shape or (theirs.float() - ours).abs().max() > 1e-4):
            raise ModelError(
                f"the checkpoint's {key} {tuple(theirs.shape)} is not this model's {tuple(ours.shape)}: "
                "it was trained with another n_fft, n_mels or sample_rate. Set them in the card."
            )
    return state


def with_constants(state: Mapping[str, Tensor], prefix: str, mel: MelSpectrogram) -> dict[str, Tensor]:
    """A state dict with `mel`'s constants under their published names: the inverse of `without_constants`."""
    return {**state, **{prefix + key: getattr(mel, name) for key, name in CONSTANTS.items()}}


@architecture("ttmr")
class TTMR(TTMRAudio, JointModel):
    """Contrastive or triplet text-audio model. The defaults are the published contrastive model with BERT.

    Args:
        objective: "contrastive" has a learned temperature, `logit_scale`; in "triplet" it is None.
        text: one of `ohrwurm.models.text.KINDS`: "bert" and "glove" as published, "static" (word vectors held in the
            weights), ...; or "none" (`project_text` only).
        text_dim: size of the text encoder's output: 768 of BERT-base, 300 of the published GloVe vectors.
        text_parameters: arguments of the text encoder's class.
        temperature: initial temperature of the contrastive loss (`logit_scale` = log 1/temperature).
        **audio: arguments of `TTMRAudio`.

    >>> model = TTMR(channels=(8, 8, 8, 8), attention_dim=32, layers=1, dim=16, text="none", text_dim=8).eval()
    >>> encoded = model(torch.randn(2, 32000))
    >>> encoded.pooled.shape, encoded.frames.shape
    (torch.Size([2, 16]), torch.Size([2, 12, 32]))
    """

    text_encoder: TextEncoder | None
    logit_scale: nn.Parameter

    def __init__(
        self,
        objective: Literal["contrastive", "triplet"] = "contrastive",
        dim: int = 128,
        text: str = "bert",
        text_dim: int = 768,
        text_parameters: Mapping[str, Any] | None = None,
        temperature: float = 0.2,
        **audio: Any,
    ) -> None:
        super().__init__(dim=dim, **audio)
        if objective == "contrastive":
            # One-element float64, as published; the loss multiplies by exp(logit_scale), clamped to 100.
            self.logit_scale = nn.Parameter(torch.tensor([math.log(1 / temperature)], dtype=torch.float64))
        elif objective == "triplet":
            self.register_parameter("logit_scale", None)
        else:
            raise ModelError(f"objective must be 'contrastive' or 'triplet', not {objective!r}")
        self.text_encoder = text_encoder(text, text_dim, **(text_parameters or {}))
        self.text_projector = nn.Sequential(nn.LayerNorm(text_dim), nn.Linear(text_dim, dim, bias=False))

    def project_text(self, vectors: Tensor) -> Tensor:
        """Text vectors `(n, text_dim)` of any encoder → `(n, dim)` in the joint space, not normalised."""
        return self.text_projector(vectors)

    def encode_text(self, texts: list[str]) -> Tensor:
        if self.text_encoder is None:
            raise ModelError("this TTMR was built with text='none': give text vectors to project_text instead")
        check_texts(texts)
        return self.project_text(self.text_encoder(texts))

    def from_published(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The state dict of an original TTMR checkpoint in this class's form.

        The second name of `logit_scale` and BERT's position ids (stored by old versions of transformers) are dropped,
        a missing BERT pooler (never used) keeps its values, and the stored mel constants are compared with this
        model's: a checkpoint made with another front-end is refused.
        """
        state = super().from_published(state)
        if self.logit_scale is not None:
            state.pop("head.logit_scale", None)
        state.pop("text_encoder.embeddings.position_ids", None)
        for key, value in self.state_dict().items():
            if key.startswith("text_encoder.pooler."):
                state.setdefault(key, value)
        return state

    def to_published(self) -> dict[str, Tensor]:
        """The weights as the original code stores them (with transformers 4.31 or later: without position ids)."""
        state = super().to_published()
        if self.logit_scale is not None:
            state["head.logit_scale"] = state["logit_scale"]
        return state


@architecture("ttmr-classification")
class TTMRClassifier(TTMRAudio):
    """TTMR trained to name tags. Vectors are of unit length, and a tag's score is bounded by its weights' norm.

    Args:
        tags: names of the tags in the order of `head`, or the name of a list in `ohrwurm/models/labels`.
        dim: size of the vectors.
        **audio: arguments of `TTMRAudio`.

    >>> model = TTMRClassifier(["jazz", "rock"], channels=(8, 8, 8, 8), attention_dim=32, layers=1, dim=16).eval()
    >>> model.classify(torch.randn(3, 32000)).shape
    torch.Size([3, 2])
    >>> model.encode_tags(["rock"]).shape
    torch.Size([1, 16])
    """

    def __init__(self, tags: str | Sequence[str] = "ecals_1054", dim: int = 128, **audio: Any) -> None:
        super().__init__(dim=dim, **audio)
        self.tags = label_list(tags) if isinstance(tags, str) else tuple(tags)
        self.head = nn.ModuleDict({"fc_cls": nn.Linear(dim, len(self.tags), bias=False)})

    @property
    def fc_cls(self) -> nn.Linear:
        """The tag layer."""
        layer = self.head["fc_cls"]
        assert isinstance(layer, nn.Linear)
        return layer

    def encode_features(self, features: Tensor) -> Encoded:
        """Mel in dB → `pooled (B, dim)` of unit length, `frames (B, tokens, attention_dim)` before the projection."""
        encoded = super().encode_features(features)
        return Encoded(pooled=unit(encoded.pooled), frames=encoded.frames)

    def tag_logits(self, vectors: Tensor) -> Tensor:
        """What `forward` pools, `(B, dim)`, → `(B, tags)`; what the loss takes (`objectives.classification`)."""
        return self.fc_cls(vectors)

    def classify(self, waveform: Tensor) -> Tensor:
        """Waveform `(B, samples)` → probabilities of `tags`, `(B, tags)`; a track's are the mean of its windows'."""
        return torch.sigmoid(self.tag_logits(self(waveform).pooled))

    def encode_tags(self, names: Sequence[str]) -> Tensor:
        """The weights `(n, dim)` of tags: what stands for a tag where a text would in a joint model.

        Raises:
            ModelError: a tag that the model was not trained on.
        """
        unknown = [name for name in names if name not in self.tags]
        if unknown:
            raise ModelError(f"no tag {unknown[0]!r}: the model knows {len(self.tags)} tags, listed as its `tags`")
        rows = torch.tensor([self.tags.index(name) for name in names], dtype=torch.long)
        return self.fc_cls.weight[rows.to(self.fc_cls.weight.device)]


@architecture("ttmr-resnet")
class TTMRResNet(ResidualStack, AudioEncoder):
    """The plain ResNet in TTMR's code, which no published experiment uses: seven blocks, then the mean of all cells.

    Args:
        channels: output channels of the blocks, each of which halves both axes.
        sample_rate, n_fft, hop, n_mels, power: mel front-end.

    >>> TTMRResNet(channels=[8] * 7).eval()(torch.randn(2, 32000)).pooled.shape
    torch.Size([2, 8])
    """

    def __init__(
        self,
        channels: Sequence[int] = (128,) * 7,
        sample_rate: int = 16000,
        n_fft: int = 1024,
        hop: int = 160,
        n_mels: int = 128,
        power: Power = "real-squared",
    ) -> None:
        super().__init__(channels, [(2, 2)] * len(channels))
        self.mel = MelSpectrogram(sample_rate, n_fft, hop, n_mels, power=power)

    def forward(self, waveform: Tensor) -> Encoded:
        return Encoded(pooled=self.cells(self.mel(waveform)).mean(dim=(2, 3)))

    def from_published(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        return without_constants(state, "audio_representation.", self.mel)

    def to_published(self) -> dict[str, Tensor]:
        return with_constants(self.state_dict(), "audio_representation.", self.mel)


def label_list(name: str) -> tuple[str, ...]:
    """The tags of a published label list, in the order of its classes.

    >>> len(label_list("ecals_1054")), label_list("ecals_1054")[:2]
    (1054, ('pop rock', 'alternative indie rock'))
    """
    folder = files("ohrwurm.models") / "labels"
    file = folder / f"{name}.json"
    if not file.is_file():
        known = sorted(entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.endswith(".json"))
        raise ModelError(f"no label list {name!r}; known: {', '.join(known)}. Or give the tags themselves.")
    return tuple(json.loads(file.read_text(encoding="utf-8")))


TEXTS = {
    "bert": "BERT",
    "glove": "GloVe vectors (of a file of their own: text_parameters.vectors)",
    "tag": "one tag",
    "caption": "all tags",
    "stochastic": "a random subset of the tags",
}
# Objective, text encoder, text: the published checkpoints, each under its folder's name in the archive.
PUBLISHED = (
    ("contrastive", "bert", "tag"),
    ("contrastive", "bert", "caption"),
    ("contrastive", "bert", "stochastic"),
    ("triplet", "bert", "tag"),
    ("triplet", "bert", "caption"),
    ("triplet", "bert", "stochastic"),
    ("triplet", "glove", "tag"),
    ("triplet", "glove", "caption"),
    ("triplet", "glove", "stochastic"),
)


def published_card(name: str, folder: str, description: str, **fields: Any) -> ModelCard:
    """The card of a published checkpoint, by its folder in the archive."""
    return ModelCard(
        name=name,
        sample_rate=16000,
        window=9.91,
        hop=9.91,
        dim=128,
        description=f"{description} Published weights are not bundled: load(name, weights='best.pth').",
        pooling="mean-then-l2",
        features={"n_fft": 1024, "hop": 160, "n_mels": 128, "power": "real-squared"},
        published={
            "remainder": "drop",
            "short": "refuse",
            "pooling": "mean",
            "tasks": {
                **{task: {"place": "even", "count": 3} for task in ("retrieval", "tag-retrieval")},
                **{task: {"place": "even", "count": 8} for task in ("zero-shot", "probe")},
            },
            "note": "the authors' inference example; their evaluation on ECALS takes 3 windows a track, that on other "
            "sets 8",
        },
        frame_rate=6.25,
        licence="weights CC-BY-NC-4.0",
        paper="Doh et al., Toward Universal Text-to-Music Retrieval, ICASSP 2023",
        source="https://zenodo.org/record/7322135",
        weights={
            "url": "https://zenodo.org/record/7322135/files/mtr.tar.gz",
            "file": f"mtr/{folder}/best.pth",
            "wrapper": "state_dict",
            "prefix": "module.",
        },
        **fields,
    )


register_card(
    published_card(
        "ttmr-classification",
        "classification/exp/transformer_cnn_cf_mel/binary_tag",
        "Music tagging with the 1,054 tags of ECALS, and vectors for similar tracks: TTMR's classification form.",
        architecture="ttmr-classification",
        good_for=("sound",),
    )
)
for _objective, _encoder, _text in PUBLISHED:
    register_card(
        published_card(
            f"ttmr-{_objective}-{_encoder}-{_text}",
            f"{_objective}/exp/transformer_cnn_cf_mel/{_encoder}_{_text}",
            f"Text-to-music retrieval, {_objective} objective, {TEXTS[_encoder]} over {TEXTS[_text]}.",
            architecture="ttmr",
            good_for=("words", "sound"),
            joint=True,
            parameters={"objective": _objective, "text": _encoder, "text_dim": {"bert": 768, "glove": 300}[_encoder]},
        )
    )
