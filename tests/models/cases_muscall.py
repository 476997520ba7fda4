"""MusCALL's published checkpoints: both poolings, both text sides, with and without self-supervision."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from cases import Case, golden
from torch import Tensor

from ohrwurm.models.base import AudioEncoder
from ohrwurm.models.muscall import MusCALL

GOLDEN = golden("ttmr_muscall")
TINY_CLIP = {
    "config": {
        "vocab_size": 300,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 77,
        "bos_token_id": 298,
        "eos_token_id": 299,
        "pad_token_id": 0,
    }
}
Pairs = list[tuple[np.ndarray, np.ndarray]]


def checkpoint(keys: str, vocabulary: int | None = None) -> dict[str, Tensor]:
    """Every key of the published list `keys`; `vocabulary` shortens the token table, which is most of it."""
    state: dict[str, Tensor] = {}
    for key, (shape, dtype) in GOLDEN.keys(keys).items():
        if key.endswith("textual_head.token_embedding.weight") and vocabulary is not None:
            shape = [vocabulary, shape[1]]
        if key.endswith("spectrogram.window"):
            state[key] = torch.hann_window(1024)
        elif key.endswith("mel_scale.fb"):
            state[key] = torch.from_numpy(GOLDEN["muscall_mel"]["fb"])
        elif dtype == "int64":
            state[key] = torch.zeros(shape, dtype=torch.int64)
        else:
            state[key] = torch.from_numpy(GOLDEN.make.fill_array(key, shape))
    return state


def waveform(name: str, size: int = 2) -> Tensor:
    """The audio that golden file `name` was made from."""
    data = GOLDEN[name]
    return torch.from_numpy(GOLDEN.make.batch(int(data["batch_seed"]), int(data["n_samples"]), size))


def text_vectors(model: MusCALL, ids: np.ndarray) -> np.ndarray:
    """Token ids → joint space, through the largest id as in the published code."""
    tokens = torch.from_numpy(ids)
    head: Any = model.text_encoder
    return model.project_text(head.pool(head.encode_tokens(tokens), tokens)).numpy()


def nt_xent(a: Tensor, b: Tensor, temperature: float = 0.5) -> Tensor:
    """SimCLR's loss as the specification states it; the mean over the 2 N rows."""
    z = torch.nn.functional.normalize(torch.cat([a, b]), dim=-1)
    similarity = (z @ z.T / temperature).fill_diagonal_(-torch.inf)
    places = torch.arange(len(a))
    return torch.nn.functional.cross_entropy(similarity, torch.cat([places + len(a), places]))


def default(model: AudioEncoder) -> Pairs:
    assert isinstance(model, MusCALL)
    audio, text = GOLDEN["muscall_audio"], GOLDEN["muscall_text"]
    return [
        (model(waveform("muscall_audio")).pooled.numpy(), audio["z_audio"]),
        (text_vectors(model, text["ids"]), text["z_text"]),
    ]


def clip_text(model: AudioEncoder) -> Pairs:
    assert isinstance(model, MusCALL)
    audio, text = GOLDEN["muscall_audio"], GOLDEN["muscall_text_clip"]
    return [
        (model(waveform("muscall_audio")).pooled.numpy(), audio["z_audio"]),
        (text_vectors(model, text["ids"]), text["z_text"]),
    ]


def average(model: AudioEncoder) -> Pairs:
    return [(model(waveform("muscall_audio_average")).pooled.numpy(), GOLDEN["muscall_audio_average"]["z_audio"])]


def self_supervised(model: AudioEncoder) -> Pairs:
    assert isinstance(model, MusCALL)
    data = GOLDEN["muscall_ssl"]
    x, other = (torch.from_numpy(GOLDEN.make.batch(int(s), int(data["n_samples"]), 4)) for s in data["batch_seeds"])

    def project(view: Tensor) -> Tensor:
        return model.project_ssl(model.audio_backbone(model.features(view)))

    loss = nt_xent(project(0.9 * x + 0.02 * other), project(-0.5 * x)).numpy()
    return [*average(model), (loss, data["loss_ssl"])]


CASES = {
    "muscall": Case(lambda: checkpoint("muscall_default"), default, 1e-5, slow=True),
    "muscall-clip-text": Case(
        lambda: checkpoint("muscall_cliptext_tiny"),
        clip_text,
        1e-5,
        {"parameters": {"text": "clip", "text_parameters": TINY_CLIP}},
        card="muscall",
    ),
    "muscall-average": Case(
        lambda: checkpoint("muscall_average_pooling"),
        average,
        5e-5,
        {"parameters": {"pooling": "average"}},
        slow=True,
        card="muscall",
    ),
    "muscall-self-supervised": Case(
        lambda: checkpoint("muscall_ssl_average_pooling"),
        self_supervised,
        1e-5,
        {"parameters": {"pooling": "average", "ssl_dim": 128}},
        slow=True,
        card="muscall",
    ),
}
