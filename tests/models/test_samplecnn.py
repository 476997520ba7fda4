"""SampleCNN against numbers of the published code: layers, head, projector, every layout of its checkpoints."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from cases_tune import TOLERANCE, TUNE, filled, lightning, shapes, signals
from torch import Tensor

from ohrwurm.errors import ModelError
from ohrwurm.models import registry
from ohrwurm.models.precision import has_bf16
from ohrwurm.models.samplecnn import SampleCNN

SMALL = {"widths": (4, 6, 6, 8, 8), "projection": 0}


@pytest.fixture(scope="module")
def published() -> SampleCNN:
    model = SampleCNN(n_classes=50, projection=0)
    model.load_state_dict(filled(shapes("SampleCNN")))
    return model.eval()


@pytest.fixture(scope="module")
def small() -> SampleCNN:
    """Untrained, its batch norms away from their start."""
    torch.manual_seed(0)
    model = SampleCNN(**SMALL).train()
    for _ in range(20):
        model(torch.randn(4, 810))
    return model.eval()


def test_head_and_both_ways_of_computing_give_the_published_numbers(published: SampleCNN) -> None:
    expected = TUNE["encoders"]
    for gradients in (True, False):  # with gradients through the modules, without on folded weights
        with torch.set_grad_enabled(gradients):
            vectors = published(signals()).pooled
            logits = published.logits(vectors)
            assert vectors.requires_grad == gradients
        np.testing.assert_allclose(vectors.detach(), expected["SampleCNN/h"], rtol=0, atol=TOLERANCE)
        np.testing.assert_allclose(logits.detach(), expected["SampleCNN/logits"], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("layer", range(5))
def test_every_layer_is_the_same_through_modules_and_on_folded_weights(small: SampleCNN, layer: int) -> None:
    out = small.read_out(layer)
    waveform = torch.randn(3, 1000)
    plain = small(waveform)  # gradients are on
    with torch.inference_mode():
        fast = small(waveform)
    torch.testing.assert_close(fast.frames, plain.frames.detach(), rtol=1e-5, atol=1e-5)
    assert fast.pooled.shape == (3, out.dim)
    assert fast.frames is not None
    assert fast.frames.shape[1] == int(1000 / 22050 * out.frame_rate)
    small.layer = None


@torch.inference_mode()
def test_layer_needs_no_more_audio_than_it_hears_and_says_how_much(small: SampleCNN) -> None:
    small.read_out(1)
    assert small(torch.randn(1, 9)).pooled.shape == (1, 6)
    with pytest.raises(ModelError, match="8 samples; SampleCNN takes 9 or more"):
        small(torch.randn(1, 8))
    small.layer = None
    with pytest.raises(ModelError, match="80 samples; SampleCNN takes 81 or more"):
        small(torch.randn(1, 80))
    with pytest.raises(ModelError, match="layers 0 to 4; 5 was asked for"):
        small.read_out(5)


@torch.inference_mode()
def test_window_that_jukemir_gave_by_mistake_has_one_frame_too(published: SampleCNN) -> None:
    card = registry.card("samplecnn")
    samples = round(card.published["window"] * card.sample_rate)
    assert samples == 59409
    encoded = published(torch.nn.functional.pad(signals(), (0, samples - 59049), mode="reflect"))
    assert encoded.frames is not None
    assert encoded.frames.shape == (2, 1, 512)


@torch.inference_mode()
def test_folded_weights_follow_the_weights() -> None:
    model = SampleCNN(**SMALL).eval()
    waveform = torch.randn(1, 81)
    before = model(waveform).pooled
    with torch.inference_mode(False), torch.no_grad():
        learned = SampleCNN(**SMALL).eval()
        first = learned(waveform).pooled
        learned.load_state_dict(model.state_dict())
        assert not torch.allclose(learned(waveform).pooled, first)
        assert torch.equal(learned(waveform).pooled, before)
        learned.sequential[2][0].weight.mul_(2.0)
        assert not torch.allclose(learned(waveform).pooled, before)


def layouts(state: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """One set of weights as each published file stores it."""
    encoder = {k.removeprefix("encoder."): v for k, v in state.items() if k.startswith("encoder.")}
    projector = {k.removeprefix("model."): v for k, v in state.items() if k.startswith("model.projector.")}
    head = filled({"fc.weight": (50, 512), "fc.bias": (50,)})
    once = {f"encoder.{k}": v for k, v in encoder.items()}
    return {
        "lightning": state,
        "plain": once | projector,
        "fine-tuner": once | {"model.0.weight": head["fc.weight"], "model.0.bias": head["fc.bias"]},
        "bare": encoder | head,
    }


def test_every_layout_of_a_checkpoint_gives_the_same_encoder(tmp_path) -> None:
    state = lightning("SampleCNN")
    assert {k: list(v.shape) for k, v in state.items()} == json.loads(
        (TUNE.folder / "lightning_state_dict_SampleCNN.json").read_text()
    )
    for name, layout in layouts(state).items():
        torch.save({"state_dict": layout, "pytorch-lightning_version": "1.9"}, tmp_path / f"{name}.ckpt")
        model = registry.load("samplecnn", weights=tmp_path / f"{name}.ckpt")
        assert isinstance(model, SampleCNN)
        for key, value in model.sequential.state_dict().items():
            assert torch.equal(value, state[f"encoder.sequential.{key}"])
        if name in ("lightning", "plain"):
            assert torch.equal(model.projector[2].weight, state["model.projector.2.weight"])
        if name in ("fine-tuner", "bare"):
            changes = {"parameters": {"n_classes": 50, "projection": 0}}
            headed = registry.load("samplecnn", weights=tmp_path / f"{name}.ckpt", **changes)
            assert torch.equal(headed.fc.weight, layout.get("fc.weight", layout.get("model.0.weight")))
            assert headed.to_published().keys() == layouts(state)["bare"].keys()


def test_checkpoint_whose_two_encoders_differ_is_refused(tmp_path) -> None:
    state = lightning("SampleCNN")
    del state["model.encoder.sequential.3.0.bias"]
    torch.save({"state_dict": state}, tmp_path / "torn.ckpt")
    with pytest.raises(ModelError, match=r"1 missing in one of the two copies.*sequential\.3\.0\.bias"):
        registry.load("samplecnn", weights=tmp_path / "torn.ckpt")
    state = lightning("SampleCNN")
    state["model.encoder.sequential.3.0.bias"] = state["model.encoder.sequential.3.0.bias"] + 1
    torch.save({"state_dict": state}, tmp_path / "changed.ckpt")
    with pytest.raises(ModelError, match=r"1 tensors differ between the two copies.*sequential\.3\.0\.bias"):
        registry.load("samplecnn", weights=tmp_path / "changed.ckpt")


def test_head_or_projector_that_is_not_there_is_named(small: SampleCNN) -> None:
    with pytest.raises(ModelError, match="has no head: build it with n_classes"):
        small.classify(torch.randn(1, 81))
    with pytest.raises(ModelError, match="has no projector: build it with projection=64"):
        small.project(torch.randn(1, 8))


def test_network_serves_contrastive_training() -> None:
    model = SampleCNN(**{**SMALL, "projection": 3}).train()
    first, second = (model.project(model(torch.randn(4, 81)).pooled) for _ in range(2))
    assert first.shape == (4, 3)
    (first * second).sum().backward()
    assert all(p.grad is not None for name, p in model.named_parameters())
    assert all(int(v) == 2 for k, v in model.state_dict().items() if k.endswith("num_batches_tracked"))


@pytest.mark.skipif(not has_bf16(torch.device("cpu")), reason="this CPU has no bfloat16 instructions")
@torch.inference_mode()
def test_bf16_vectors_are_float32_and_agree(published: SampleCNN, small: SampleCNN) -> None:
    model = SampleCNN(n_classes=50, projection=0).eval()
    model.load_state_dict(published.state_dict())
    exact = model(signals()).pooled
    model.lower("bf16")
    lowered = model(signals())
    assert lowered.pooled.dtype == torch.float32
    assert lowered.frames is not None
    assert lowered.frames.dtype == torch.float32
    assert not torch.equal(lowered.pooled, exact)
    assert torch.nn.functional.cosine_similarity(lowered.pooled, exact).min() > 0.999
    with pytest.raises(ModelError, match="not in fp16"):
        small.lower("fp16")
