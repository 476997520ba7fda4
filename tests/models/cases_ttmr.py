"""TTMR in its three published objectives, with BERT (reduced) and GloVe, and both `mix_type`s."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from cases import Case, golden
from torch import Tensor

from ohrwurm.models.base import AudioEncoder
from ohrwurm.models.ttmr import TTMR, TTMRClassifier
from ohrwurm.models.ttmr_fine_tuned import TTMRFineTuned

TTMR_GOLDEN = golden("ttmr_muscall")
TINY_BERT = {
    "config": {
        "vocab_size": 200,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 64,
        "type_vocab_size": 2,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }
}
BERT = {"text": "bert", "text_dim": 32, "text_parameters": TINY_BERT}


def checkpoint(keys: str, without: tuple[str, ...] = ()) -> Callable[[], dict[str, Tensor]]:
    """Every key of a published list, with the golden weights and the original's mel constants."""

    def make() -> dict[str, Tensor]:
        constants = {"spec_fn.window": torch.hann_window(1024), "mel_scale.fb": TTMR_GOLDEN["ttmr_mel"]["fb"]}
        state = {}
        for key, (shape, dtype) in TTMR_GOLDEN.keys(keys).items():
            constant = next((value for end, value in constants.items() if key.endswith(end)), None)
            if key in without:
                continue
            if constant is not None:
                value = torch.as_tensor(constant)
            elif dtype.startswith("float"):
                value = torch.from_numpy(TTMR_GOLDEN.make.fill_array(key, shape))
            else:
                value = torch.zeros(shape)
            assert list(value.shape) == shape
            state[key] = value.to(getattr(torch, dtype))
        return state

    return make


def audio(file: str, clips: int) -> tuple[Tensor, dict[str, np.ndarray]]:
    """The waveforms of a golden file, and its arrays."""
    arrays = TTMR_GOLDEN[file]
    waveform = TTMR_GOLDEN.make.batch(int(arrays["batch_seed"]), int(arrays["n_samples"]), clips)
    return torch.from_numpy(waveform), arrays


def contrastive_numbers(model: AudioEncoder) -> list[tuple[np.ndarray, np.ndarray]]:
    waveform, expected = audio("ttmr_audio", 2)
    encoded = model(waveform)
    assert encoded.frames is not None
    return [
        (encoded.pooled.numpy(), expected["z_audio"]),
        (encoded.frames.numpy(), expected["transformer"][:, 1:]),
        *bert_numbers(model),
    ]


def bert_numbers(model: AudioEncoder) -> list[tuple[np.ndarray, np.ndarray]]:
    assert isinstance(model, TTMR)
    expected = TTMR_GOLDEN["ttmr_text_bert"]
    ids, mask = torch.from_numpy(expected["ids"]), torch.from_numpy(expected["mask"])
    hidden = model.text_encoder.encode_tokens(ids, mask)  # type: ignore[union-attr, operator]
    alone = model.text_encoder.encode_tokens(ids[1:2, : int(mask[1].sum())])  # type: ignore[union-attr, operator]
    return [
        (hidden.numpy(), expected["last_hidden"]),
        (model.project_text(hidden[:, 0]).numpy(), expected["z_text"]),
        (model.project_text(alone[:, 0]).numpy(), expected["z_text_row1_unpadded_nomask"]),
    ]


def glove_numbers(model: AudioEncoder) -> list[tuple[np.ndarray, np.ndarray]]:
    assert isinstance(model, TTMR)
    waveform, expected = audio("ttmr_audio_mixft", 1)
    glove = TTMR_GOLDEN["ttmr_glove"]
    vectors = torch.from_numpy(TTMR_GOLDEN.make.normal(int(glove["emb_seed"]), (5, 300), 0.4))
    return [
        (model(waveform).pooled.numpy(), expected["z_audio"]),
        (model.project_text(vectors).numpy(), glove["z_text"]),
    ]


def classification_numbers(model: AudioEncoder) -> list[tuple[np.ndarray, np.ndarray]]:
    assert isinstance(model, TTMRClassifier)
    waveform, _ = audio("ttmr_audio", 2)
    expected = TTMR_GOLDEN["ttmr_classification"]
    z = model(waveform).pooled
    return [(z.numpy(), expected["z_audio"]), (torch.sigmoid(model.tag_logits(z)).numpy(), expected["prob"])]


def fine_tuned_checkpoint() -> dict[str, Tensor]:
    """The audio encoder of the original with the head of its fine-tuning, on 10 classes."""
    encoder = checkpoint("ttmr_contrastive_bert_tiny")()
    head = {
        key: torch.from_numpy(TTMR_GOLDEN.make.fill_array(key, shape))
        for key, (shape, _) in TTMR_GOLDEN.keys("finetune_head_only").items()
    }
    return {key: value for key, value in encoder.items() if key.startswith("audio_encoder.")} | head


def fine_tuned_numbers(model: AudioEncoder) -> list[tuple[np.ndarray, np.ndarray]]:
    assert isinstance(model, TTMRFineTuned)
    waveform, expected = audio("ttmr_audio", 2)
    golden_head = TTMR_GOLDEN["ttmr_probe"]
    tokens = TTMR_GOLDEN.make.normal(int(golden_head["seeds"][3]), (9, 4, 256))
    return [
        (model(waveform).pooled.numpy(), expected["transformer"][:, 0]),
        (model.logits(torch.from_numpy(tokens[:, 0])).numpy(), golden_head["ft_test"]),
    ]


SCALES = ("logit_scale", "head.logit_scale")  # what the triplet objective's checkpoints do not have
CASES = {
    "ttmr-contrastive-bert-stochastic": Case(
        checkpoint("ttmr_contrastive_bert_tiny"), contrastive_numbers, 1e-5, {"parameters": BERT}
    ),
    "ttmr-triplet-bert-caption": Case(
        checkpoint("ttmr_contrastive_bert_tiny", without=SCALES),
        bert_numbers,
        1e-5,
        {"parameters": {"objective": "triplet", **BERT}},
    ),
    "ttmr-triplet-glove-tag": Case(
        checkpoint("ttmr_contrastive_glove_mixft", without=SCALES),
        glove_numbers,
        1e-5,
        {"parameters": {"objective": "triplet", "text": "glove", "text_dim": 300, "mix_type": "ft"}},
    ),
    "ttmr-cls": Case(fine_tuned_checkpoint, fine_tuned_numbers, 2e-5, {"parameters": {"n_classes": 10}}),
    "ttmr-classification": Case(checkpoint("ttmr_classification"), classification_numbers, 2e-5),
}
