"""One training step of the published text-audio models: loss, every gradient, statistics, and the loss after it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from cases_muscall import GOLDEN
from cases_ttmr import BERT, TTMR_GOLDEN
from torch import nn

from ohrwurm.models.muscall import MusCALL
from ohrwurm.models.ttmr import TTMR
from ohrwurm.objectives.contrastive import clip_logits, clip_loss, in_batch_accuracy

KEYS = GOLDEN.folder / "keys"


def gradient_norms(model: nn.Module, order: str) -> np.ndarray:
    """In the published order; -1 where a parameter has no gradient."""
    gradients = {
        name: -1.0 if p.grad is None else float(p.grad.double().norm()) for name, p in model.named_parameters()
    }
    return np.array([gradients[name] for name in json.loads((KEYS / f"{order}.json").read_text())])


def assert_norms(found: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    np.testing.assert_array_equal(found < 0, expected < 0)
    real = expected > 1e-6  # of biases before a batch norm only rounding is left
    np.testing.assert_allclose(found[real], expected[real], rtol=tolerance)


@pytest.mark.slow
def test_ttmr_step_equals_published() -> None:
    g = TTMR_GOLDEN["ttmr_train_step"]
    model = TTMR_GOLDEN.fill(TTMR(dropout=0.0, **BERT)).train()
    audio = torch.from_numpy(TTMR_GOLDEN.make.batch(int(g["batch_seed"]), int(g["n_samples"]), 4))
    ids = torch.from_numpy(g["ids"])
    optimizer = torch.optim.Adam(model.parameters(), 5e-5)

    def forward():
        text = model.project_text(model.text_encoder.encode_tokens(ids, torch.ones_like(ids))[:, 0])
        pooled = model(audio).pooled
        return clip_logits(pooled, text, model.logit_scale), clip_loss(pooled, text, model.logit_scale)

    logits, loss = forward()
    loss.backward()
    assert float(loss) == pytest.approx(float(g["loss"]), rel=1e-4)
    for found, name in zip(in_batch_accuracy(logits), ("acc_a", "acc_t"), strict=True):
        assert float(found) == pytest.approx(float(g[name]))
    assert_norms(gradient_norms(model, "ttmr_train_param_order"), g["grad_norms"], 1e-3)
    optimizer.step()
    assert float(forward()[1]) == pytest.approx(float(g["loss_after_adam_step"]), rel=1e-4)
    block = model.audio_encoder.frontend.layer4.bn_2  # the statistics are those after both forwards
    for found, name in (
        (block.running_mean, "running_mean_layer4_bn2"),
        (block.running_var, "running_var_layer4_bn2"),
        (model.audio_encoder.frontend.input_bn.running_mean, "input_bn_running_mean"),
    ):
        np.testing.assert_allclose(found.numpy(), g[name], rtol=0, atol=1e-4 * np.abs(g[name]).max())


@pytest.mark.slow
def test_muscall_step_equals_published() -> None:
    """In float64 behind the mel: the gradients of so deep a network, three examples and batch norms differ by half a
    percent between single-precision kernels (and by 0.2 % between the original's and these)."""
    g = GOLDEN["muscall_train_step"]
    model = GOLDEN.fill(MusCALL(text_parameters={"dropout": 0.0, "attention_dropout": 0.0})).train()
    mel = model.features(torch.from_numpy(GOLDEN.make.batch(int(g["batch_seed"]), 320000, 3))).double()
    model = model.double()
    ids = torch.from_numpy(g["ids"])
    optimizer = torch.optim.AdamW(model.parameters(), 5e-5, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.2)

    def forward():
        head = model.text_encoder
        text = model.project_text(head.pool(head.encode_tokens(ids), ids))
        return clip_loss(model.encode_features(mel).pooled, text, model.logit_scale, torch.inf)

    loss = forward()
    loss.backward()
    assert float(loss) == pytest.approx(float(g["loss"]), rel=1e-3)
    assert_norms(gradient_norms(model, "muscall_train_param_order"), g["grad_norms"], 5e-3)
    optimizer.step()
    assert float(forward()) == pytest.approx(float(g["loss_after_adamw_step"]), rel=1e-3)
    found = model.audio_backbone.bn1.running_mean.numpy()  # after both forwards
    np.testing.assert_allclose(found, g["bn1_running_mean"], rtol=1e-3)


def test_muscall_trains_in_single_precision_as_in_double() -> None:
    """Layouts whose batch statistics are inexact would show here first."""
    torch.manual_seed(0)
    model = MusCALL(width=8, audio_seconds=4, text="none", text_dim=8).train()
    mel = model.features(0.1 * torch.randn(4, 64000))
    single = model.encode_features(mel).pooled
    double = model.double().encode_features(mel.double()).pooled
    assert float((single - double).abs().max()) < 1e-4 * float(double.abs().max())
