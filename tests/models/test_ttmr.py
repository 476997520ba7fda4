"""TTMR against numbers of the published code, and what a lighter form of it must keep."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from cases_ttmr import TINY_BERT
from torch import nn

from ohrwurm.errors import ModelError
from ohrwurm.models import nnpack, registry
from ohrwurm.models.ttmr import PUBLISHED, TTMR, TTMRClassifier, TTMRResNet
from ohrwurm.models.ttmr_cnn import ResidualBlock

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


@pytest.mark.parametrize("gradients", [True, False], ids=["layers", "fast"])
def test_mix_type_ft_matches_the_published_code(ttmr_golden, gradients: bool) -> None:
    model = TTMR(mix_type="ft", text="none", text_dim=300)
    ttmr_golden.fill(model)
    expected = ttmr_golden.keys("ttmr_contrastive_glove_mixft")
    assert {k: list(v.shape) for k, v in model.state_dict().items()} == {
        k: v[0] for k, v in expected.items() if ".audio_representation." not in k and k != "head.logit_scale"
    }
    golden = ttmr_golden["ttmr_audio_mixft"]
    waveform = torch.from_numpy(ttmr_golden.make.batch(int(golden["batch_seed"]), int(golden["n_samples"]), 1))
    with torch.set_grad_enabled(gradients):
        mel = model.features(waveform)
        assert relative(model.audio_encoder.frontend(mel), golden["frontend"]) < 2e-5
        assert relative(model.encode_features(mel).pooled, golden["z_audio"]) < 2e-5


@torch.inference_mode()
def test_unused_resnet_encoder_matches_the_published_code(ttmr_golden) -> None:
    model = ttmr_golden.fill(TTMRResNet())
    expected = ttmr_golden.keys("ttmr_resnet_encoder_unused")
    published = model.to_published()
    assert {k: [list(v.shape), str(v.dtype).removeprefix("torch.")] for k, v in published.items()} == expected
    assert model.from_published(published).keys() == model.state_dict().keys()
    golden = ttmr_golden["ttmr_resnet_encoder"]
    waveform = torch.from_numpy(ttmr_golden.make.batch(int(golden["batch_seed"]), int(golden["n_samples"]), 2))
    assert relative(model(waveform).pooled[:, None], golden["h_audio"]) < 2e-5


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
    [
        ({"text": "gpt"}, "text must be .*'none'"),
        ({"level": "loud"}, "level"),
        ({"mix_type": "fc"}, "'cf' or 'ft'"),
        ({"objective": "tag"}, "'triplet'"),
        ({"pools": [(2, 2)]}, "one pool"),
    ],
)
def test_wrong_parameters_say_what_is_allowed(wrong: dict, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        TTMR(**{**LIGHT, **WORDS, **wrong})


def test_every_published_checkpoint_has_its_card() -> None:
    cards = {name: registry.card(name) for name in registry.names() if name.startswith("ttmr-")}
    del cards["ttmr-cls"]  # what lies before the projection, of any of these checkpoints
    assert len(cards) == 1 + len(PUBLISHED) == 10
    folders = [card.weights["file"] for card in cards.values()]
    assert len(set(folders)) == 10
    assert "mtr/triplet/exp/transformer_cnn_cf_mel/glove_caption/best.pth" in folders
    assert "mtr/classification/exp/transformer_cnn_cf_mel/binary_tag/best.pth" in folders
    assert {card.licence for card in cards.values()} == {"weights CC-BY-NC-4.0"}


def settle(model: nn.Module, seed: int = 0) -> nn.Module:
    """Batch norms and biases away from their initial values, as training leaves them; eval mode."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                assert tensor is not None
                tensor.data.uniform_(0.2, 1.5, generator=generator)
    return model.eval()


SHAPES = [(16, 32, 40, 80), (32, 32, 33, 71), (1, 16, 6, 7), (1, 32, 64, 201), (16, 16, 4, 3)]


@pytest.mark.parametrize("pool", [(2, 2), (4, 1), (1, 3)])
@pytest.mark.parametrize("channels_in, channels_out, rows, columns", SHAPES)
def test_fast_block_equals_the_layers_it_replaces(channels_in, channels_out, rows, columns, pool, monkeypatch) -> None:
    monkeypatch.setattr("ohrwurm.models.ttmr_cnn.STRIP", 40 * 40 * 18)  # several strips, the last of them short
    block = settle(ResidualBlock(channels_in, channels_out, pool))
    x = torch.randn(2, channels_in, rows, columns, generator=torch.Generator().manual_seed(1))
    with_layers = block(x)
    assert with_layers.requires_grad
    with torch.no_grad():
        fast = block(x)
        assert torch.equal(fast[1:], block(x[1:])), "an image depends on its neighbour in the batch"
    assert fast.shape == with_layers.shape
    assert relative(fast, with_layers.detach().numpy()) < 2e-5


@torch.no_grad()
def test_strips_make_no_difference(monkeypatch) -> None:
    block, x = settle(ResidualBlock(16, 16)), torch.randn(1, 16, 32, 120)
    whole = block(x)
    monkeypatch.setattr("ohrwurm.models.ttmr_cnn.STRIP", 1)
    assert relative(block(x), whole.numpy()) < 2e-5


@torch.no_grad()
@pytest.mark.parametrize("missing", ["NNPACK", "a single thread"])
def test_direct_convolutions_give_the_same_numbers(missing: str, monkeypatch) -> None:
    block, x = settle(ResidualBlock(16, 32)), torch.randn(2, 16, 32, 60)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    fast = block(x)
    assert nnpack._faster(x[:1], block.conv_1.weight) == torch._nnpack_available()
    if missing == "NNPACK":
        monkeypatch.setattr(nnpack, "_ready", lambda: False)
    else:
        monkeypatch.setattr(torch, "get_num_threads", lambda: 16)
    assert not nnpack._faster(x[:1], block.conv_1.weight)
    assert relative(block(x), fast.numpy()) < 2e-5


def test_nnpack_leaves_the_number_of_threads_alone() -> None:
    before = torch.get_num_threads()
    nnpack._ready.cache_clear()
    nnpack._ready()
    assert torch.get_num_threads() == before


@torch.no_grad()
def test_a_step_of_training_reaches_the_fast_path() -> None:
    model, waveform = settle(TTMR(**LIGHT, **WORDS)), torch.randn(2, 32000)
    before = model(waveform).pooled
    model.train()
    for parameter in model.parameters():
        parameter.mul_(1.1)
    model.eval()
    after = model(waveform).pooled
    with torch.enable_grad():
        layers = model(waveform).pooled
    assert not torch.allclose(after, before, rtol=1e-2)
    torch.testing.assert_close(after, layers.detach(), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_bundled_model_keeps_its_vectors() -> None:
    """The vectors that the weights were measured with came from the layers themselves."""
    model = registry.load("ohrwurm-text")
    waveform = torch.randn(3, 80000, generator=torch.Generator().manual_seed(0)) * torch.tensor([[0.3], [0.01], [0.0]])
    waveform[2] = 0.2 * torch.sin(torch.arange(80000) * 0.05)
    fast = model(waveform).pooled
    with torch.enable_grad():
        layers = model(waveform).pooled.detach()
    assert float((fast - layers).abs().max()) <= 1e-5 * float(layers.abs().max())


def test_classifier_learns_and_names_tags() -> None:
    model = TTMRClassifier(["jazz", "rock", "hip hop"], **LIGHT).train()
    logits = model.tag_logits(model(torch.randn(4, 32000)).pooled)
    nn.functional.binary_cross_entropy_with_logits(logits, torch.eye(4)[:, :3]).backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []
    model.eval()
    with torch.no_grad():
        waveform = torch.randn(2, 32000)
        pooled = model(waveform).pooled
        torch.testing.assert_close(pooled.norm(dim=-1), torch.ones(2))
        by_name = pooled @ model.encode_tags(["hip hop", "jazz"]).T
        torch.testing.assert_close(torch.sigmoid(by_name), model.classify(waveform)[:, [2, 0]])
    with pytest.raises(ModelError, match="no tag 'polka'"):
        model.encode_tags(["jazz", "polka"])
    with pytest.raises(ModelError, match="known: ecals_1054"):
        TTMRClassifier("ecals", **LIGHT)


def test_triplet_model_has_no_temperature_and_learns() -> None:
    model = TTMR("triplet", **LIGHT, **WORDS).train()
    assert model.logit_scale is None
    assert not any("logit_scale" in key for key in itertools.chain(model.state_dict(), model.to_published()))
    (model(torch.randn(2, 32000)).pooled * model.encode_text(["jazz", "piano"])).sum().backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_checkpoint_of_another_front_end_is_refused_and_old_ones_are_taken() -> None:
    model = TTMR(**LIGHT, **WORDS)
    published = model.to_published()
    old = {**published, "text_encoder.embeddings.position_ids": torch.arange(512)[None]}
    assert model.from_published(old).keys() == model.state_dict().keys()
    bank = "audio_encoder.audio_representation.mel_scale.fb"
    assert model.from_published({k: v for k, v in published.items() if k != bank}).keys() == model.state_dict().keys()
    with pytest.raises(ModelError, match=r"mel_scale\.fb .*another n_fft, n_mels or sample_rate"):
        model.from_published({**published, bank: published[bank] + 0.01})
