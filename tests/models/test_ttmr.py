"""TTMR against numbers of the published code, and what a lighter form of it must keep."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ohrwurm.errors import ModelError
from ohrwurm.models.ttmr import TTMR

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
LIGHT = {"channels": (4, 8, 8, 8), "n_mels": 32, "attention_dim": 16, "heads": 2, "layers": 1, "dim": 8}
WORDS = {"text": "static", "text_dim": 8, "text_parameters": {"vocabulary": ["jazz", "piano"]}}


@pytest.fixture(scope="module")
def published(ttmr_golden):
    return ttmr_golden.fill(TTMR(text_dim=32, text_parameters=TINY_BERT))


def relative(found: torch.Tensor, expected: np.ndarray) -> float:
    return float(np.abs(found.detach().numpy() - expected).max() / np.abs(expected).max())


def test_state_dict_has_the_published_keys_shapes_and_types(published, ttmr_golden) -> None:
    expected = ttmr_golden.keys("ttmr_contrastive_bert_tiny")
    not_ours = {k for k in expected if ".audio_representation." in k} | {"head.logit_scale"}
    ours = {k: (list(v.shape), str(v.dtype).removeprefix("torch.")) for k, v in published.state_dict().items()}
    assert ours == {k: tuple(v) for k, v in expected.items() if k not in not_ours}
    assert len(not_ours) == 3


@torch.inference_mode()
def test_audio_side_matches_the_published_code(published, ttmr_golden) -> None:
    golden = ttmr_golden["ttmr_audio"]
    waveform = torch.from_numpy(ttmr_golden.make.batch(int(golden["batch_seed"]), int(golden["n_samples"]), 2))
    stages = {}
    for name in ("frontend.layer1", "frontend", "transformer"):
        module = published.audio_encoder.get_submodule(name)
        module.register_forward_hook(lambda _, __, out, name=name: stages.update({name: out}))
    encoded = published(waveform)
    assert relative(stages["frontend.layer1"].mean((2, 3)), golden["layer1_mean_ft"]) < 2e-5
    assert relative(stages["frontend"], golden["frontend"]) < 2e-5
    assert relative(stages["transformer"], golden["transformer"]) < 2e-5
    assert relative(encoded.pooled, golden["z_audio"]) < 2e-5
    assert relative(encoded.frames, golden["transformer"][:, 1:]) < 2e-5


@torch.inference_mode()
def test_mix_type_ft_and_vectors_as_text_match_the_published_code(ttmr_golden) -> None:
    model = TTMR(mix_type="ft", text="none", text_dim=300)
    ttmr_golden.fill(model)
    expected = ttmr_golden.keys("ttmr_contrastive_glove_mixft")
    assert {k: list(v.shape) for k, v in model.state_dict().items()} == {
        k: v[0] for k, v in expected.items() if ".audio_representation." not in k and k != "head.logit_scale"
    }
    golden = ttmr_golden["ttmr_audio_mixft"]
    waveform = torch.from_numpy(ttmr_golden.make.batch(int(golden["batch_seed"]), int(golden["n_samples"]), 1))
    assert relative(model.audio_encoder.frontend(model.features(waveform)), golden["frontend"]) < 2e-5
    assert relative(model(waveform).pooled, golden["z_audio"]) < 2e-5
    glove = ttmr_golden["ttmr_glove"]
    vectors = torch.from_numpy(ttmr_golden.make.normal(int(glove["emb_seed"]), (5, 300), 0.4))
    assert relative(model.project_text(vectors), glove["z_text"]) < 1e-5


@torch.inference_mode()
def test_bert_text_matches_the_published_code(published, ttmr_golden) -> None:
    golden = ttmr_golden["ttmr_text_bert"]
    ids, mask = torch.from_numpy(golden["ids"]), torch.from_numpy(golden["mask"])
    hidden = published.text_encoder.encode_tokens(ids, mask)
    assert relative(hidden, golden["last_hidden"]) < 1e-5
    assert relative(published.project_text(hidden[:, 0]), golden["z_text"]) < 1e-5
    alone = published.text_encoder.encode_tokens(ids[1:2, : int(mask[1].sum())])
    assert relative(published.project_text(alone[:, 0]), golden["z_text_row1_unpadded_nomask"]) < 1e-5


@torch.inference_mode()
def test_cached_features_give_the_same_vector_as_the_waveform() -> None:
    model = TTMR(**LIGHT, **WORDS).eval()
    waveform = torch.randn(3, 32000) * 0.1
    assert torch.equal(model(waveform).pooled, model.encode_features(model.features(waveform)).pooled)


@torch.inference_mode()
def test_level_peak_ignores_gain_and_level_absolute_does_not() -> None:
    waveform = torch.randn(1, 32000) * 0.1
    for level, same in (("peak", True), ("absolute", False)):
        model = TTMR(**LIGHT, **WORDS, level=level).eval()
        assert torch.allclose(model(waveform).pooled, model(0.1 * waveform).pooled, atol=1e-4) is same


def test_both_towers_and_the_temperature_learn() -> None:
    model = TTMR(**LIGHT, **WORDS).train()
    audio = torch.nn.functional.normalize(model(torch.randn(4, 32000)).pooled, dim=-1)
    text = torch.nn.functional.normalize(model.encode_text(["jazz", "piano", "jazz piano", "jazz"]), dim=-1)
    logits = model.logit_scale.exp() * (audio @ text.T)
    torch.nn.functional.cross_entropy(logits, torch.arange(4)).backward()
    without = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert without == []


def test_stages_may_pool_differently() -> None:
    model = TTMR(**LIGHT, **WORDS, pools=[(2, 2), (2, 2), (2, 1), (4, 1)]).eval()
    encoded = model(torch.randn(1, 16000))
    assert encoded.frames is not None
    assert encoded.frames.shape == (1, 101 // 4, 16)


@torch.inference_mode()
def test_windows_of_an_impossible_length_are_refused() -> None:
    model = TTMR(**LIGHT, **WORDS).eval()
    assert model(torch.randn(1, 15 * 160)).pooled.shape == (1, 8)  # 16 frames, one token
    with pytest.raises(ModelError, match="use longer windows"):
        model(torch.randn(1, 15 * 160 - 1))
    with pytest.raises(ModelError, match="use shorter windows"):
        model(torch.randn(1, 513 * 16 * 160))


@pytest.mark.parametrize(
    "wrong, message",
    [({"text": "gpt"}, "'bert', 'static' or 'none'"), ({"level": "loud"}, "level"), ({"pools": [(2, 2)]}, "one pool")],
)
def test_wrong_parameters_say_what_is_allowed(wrong: dict, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        TTMR(**{**LIGHT, **WORDS, **wrong})
