"""One masked step of MusicFM, forward and backward, against numbers of the published code."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from cases_musicfm import GOLDEN, audio, filled
from torch import Tensor

from ohrwurm.models.musicfm import MusicFM
from ohrwurm.objectives.masked import hide_blocks, masked_prediction, tokens_of_blocks

BLOCK, TOKENS_PER_BLOCK = 9600, 10


def step(model: MusicFM, golden: dict[str, Any], seed: int) -> tuple[Tensor, Tensor]:
    """Loss and accuracy; on the way all that the golden file knows of tokens, mask and noise is compared."""
    waveform = audio(seed, golden, int(golden["batch"]))
    blocks = GOLDEN.make.make_mask(int(golden["mask_seed"]), len(waveform), waveform.shape[1] // BLOCK)
    np.testing.assert_array_equal(blocks, golden["mask"])
    noise = GOLDEN.make.make_noise(int(golden["noise_seed"]), int(blocks.sum()) * BLOCK)
    noisy = hide_blocks(waveform, torch.from_numpy(blocks), BLOCK, torch.from_numpy(noise))
    around_the_first_border = noisy[:, BLOCK - 32 : BLOCK + 32]
    np.testing.assert_allclose(around_the_first_border, golden["masked_wave_head"], rtol=0, atol=1e-7)
    means = noisy[:, : blocks.shape[1] * BLOCK].unflatten(1, (-1, BLOCK)).double().mean(-1)
    np.testing.assert_allclose(means, golden["masked_wave_block_means"], rtol=0, atol=1e-8)
    targets = model.targets(model.features(waveform))
    np.testing.assert_array_equal(targets[..., 0], golden["tokens"])
    masked = tokens_of_blocks(torch.from_numpy(blocks), TOKENS_PER_BLOCK, targets.shape[1])
    np.testing.assert_array_equal(masked.nonzero(), golden["masked_indices"])
    logits = model.logits(model.features(noisy))
    likelihood = logits.log_softmax(-1).gather(-1, targets[..., None])[..., 0, 0]
    np.testing.assert_allclose(likelihood.detach(), golden["target_logprob"], rtol=0, atol=5e-5)
    return masked_prediction(logits, targets, masked)


def compare_loss(golden: dict[str, Any], loss: Tensor, accuracy: Tensor) -> None:
    assert loss.item() == pytest.approx(float(golden["loss"]), abs=1e-5)
    assert accuracy.item() == pytest.approx(float(golden["accuracy"]), abs=1e-6)


@torch.inference_mode()
def test_loss_matches_the_published_code() -> None:
    golden = GOLDEN["tiny_a_loss"]
    compare_loss(golden, *step(filled("tiny_a"), golden, 1005))


@pytest.mark.slow
@torch.inference_mode()
def test_full_size_loss_matches_the_published_code() -> None:
    golden = GOLDEN["full_loss_12s"]
    compare_loss(golden, *step(filled("full"), golden, 1014))


@pytest.mark.parametrize("mode, seed", [("eval", 1007), ("train", 1008)])
def test_gradients_match_the_published_code(mode: str, seed: int) -> None:
    golden = GOLDEN[f"tiny_b_loss_grad_{mode}"]
    model = filled("tiny_b", dropout=0.0).train(mode == "train")
    loss, accuracy = step(model, golden, seed)
    compare_loss(golden, loss, accuracy)
    loss.backward()
    gradients = {name: p.grad for name, p in model.named_parameters()}
    norms = dict(zip(golden["grad_names"].tolist(), golden["grad_norms"].tolist(), strict=True))
    assert gradients.keys() == norms.keys()
    for name, expected in norms.items():
        gradient = gradients[name]
        assert gradient is not None, name
        norm = gradient.double().norm().item()
        if name.endswith("linear_k.bias") or (mode == "train" and re.fullmatch(r"conv\.conv.*conv\d\.bias", name)):
            # Zero but for rounding: softmax, and batch statistics, take out what is added to all.
            assert max(norm, expected) < 1e-5 * max(norms.values()), name
        else:
            assert norm == pytest.approx(expected, rel=1e-4), name
    linear = gradients["conv.linear.weight"]
    assert linear is not None
    np.testing.assert_allclose(linear[:8, :64], golden["grad_conv_linear_slice"], rtol=1e-3, atol=1e-7)
    unused = {"cls_token", *(f"conformer.pos_conv_embed.conv.{part}" for part in ("bias", "weight_g", "weight_v"))}
    assert set(golden["grad_none"]) == unused
    assert not unused & model.state_dict().keys()


def test_training_moves_the_statistics_as_the_published_code() -> None:
    golden = GOLDEN["tiny_b_loss_grad_train"]
    model = filled("tiny_b", dropout=0.0).train()
    step(model, golden, 1008)
    state = model.state_dict()
    after = {key.removeprefix("after_"): value for key, value in golden.items() if key.startswith("after_")}
    assert len(after) == 9
    for key, expected in after.items():
        np.testing.assert_allclose(state[key], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_mixed_precision_stays_near_and_every_weight_gets_its_gradient(training: bool) -> None:
    torch.manual_seed(0)
    model = MusicFM({"mean": 0.0, "std": 20.0}, channels=64, dim=32, depth=2, heads=2, ffn=64, codes=16, dropout=0.0)
    model.train(training)
    features = model.features(0.1 * torch.randn(2, 24000))
    with torch.set_grad_enabled(training):
        exact = model.logits(features)
        with torch.autocast("cpu", torch.bfloat16):
            mixed = model.logits(features)
    assert 0 < (mixed - exact).norm() / exact.norm() < 0.05
    if training:
        mixed.square().sum().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
