"""The contrastive losses are the published ones, with their gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ohrwurm.objectives.contrastive import (
    clip_logits,
    clip_loss,
    content_weights,
    in_batch_accuracy,
    nt_xent,
    weighted_clip_loss,
)


@pytest.mark.parametrize("case", ["init", "sat"])
def test_clip_loss_equals_published(golden, fill, case: str) -> None:
    g = golden("ttmr_muscall/ttmr_loss_contrastive")
    n = int(g["n"])
    h1 = fill.normal(int(g["seeds"][0]), (n, 128))
    h2 = 0.08 * h1 + fill.normal(int(g["seeds"][1]), (n, 128))
    audio, text = (torch.from_numpy(h).requires_grad_() for h in (h1, h2))
    scale = torch.from_numpy(g[f"{case}_logit_scale"]).requires_grad_()
    loss = clip_loss(audio, text, scale)
    loss.backward()
    torch.testing.assert_close(loss.detach(), torch.tensor(float(g[f"{case}_loss"])), rtol=1e-5, atol=1e-6)
    for found, name in ((audio.grad, "g1"), (text.grad, "g2"), (scale.grad, "gscale")):
        torch.testing.assert_close(found, torch.from_numpy(g[f"{case}_{name}"]), rtol=1e-4, atol=1e-6)
    rows, columns = in_batch_accuracy(clip_logits(audio, text, scale))
    assert float(rows) == pytest.approx(float(g[f"{case}_acc_a"]))
    assert float(columns) == pytest.approx(float(g[f"{case}_acc_t"]))


def test_clip_loss_does_not_depend_on_batch_order_or_length_of_vectors() -> None:
    torch.manual_seed(0)
    audio, text, scale = torch.randn(7, 5), torch.randn(7, 5), torch.tensor(1.6)
    order = torch.randperm(7)
    expected = clip_loss(audio, text, scale)
    torch.testing.assert_close(clip_loss(audio[order], text[order], scale), expected)
    torch.testing.assert_close(clip_loss(3 * audio, 0.1 * text, scale), expected)
    assert clip_loss(audio, text[order.roll(1)], scale) != expected


def test_clip_loss_of_chance_is_log_of_batch_size() -> None:
    same = torch.ones(8, 3)
    torch.testing.assert_close(clip_loss(same, same, torch.tensor(2.0)), torch.tensor(8.0).log())


def test_content_weights_and_loss_equal_published(golden) -> None:
    g = golden("ttmr_muscall/muscall_loss")
    weights = content_weights(torch.from_numpy(g["sim"]))
    torch.testing.assert_close(weights, torch.from_numpy(g["weights"]), rtol=1e-5, atol=0)


@pytest.mark.parametrize("case", ["learned", "wlearned", "fixed"])
def test_muscall_forward_equals_published(golden, fill, case: str) -> None:
    """The model's whole way from features to loss; fixed: temperature 0.07 instead of a parameter."""
    g = golden(f"ttmr_muscall/muscall_forward_{case}")
    n = int(g["n"])
    za = fill.normal(int(g["seeds"][0]), (n, 512))
    zt = fill.normal(int(g["seeds"][1]), (n, 512)) + np.float32(0.3) * za
    audio, text = (torch.from_numpy(z).requires_grad_() for z in (za, zt))
    scale = torch.tensor(math.log(1 / 0.07)).requires_grad_()
    weights = content_weights(torch.from_numpy(golden("ttmr_muscall/muscall_loss")["sim"]))
    loss = weighted_clip_loss(audio, text, scale, weights if case == "wlearned" else torch.ones(n))
    loss.backward()
    torch.testing.assert_close(loss.detach(), torch.from_numpy(g["loss"]), rtol=1e-5, atol=0)
    torch.testing.assert_close(clip_logits(audio, text, scale).detach(), torch.from_numpy(g["logits_per_audio"]),
                               rtol=1e-5, atol=1e-5)  # fmt: skip
    for found, name in ((audio.grad, "ga"), (text.grad, "gt"), (scale.grad, "gscale")):
        if name == "gscale" and case == "fixed":
            continue
        expected = torch.from_numpy(g[name])
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


def test_texts_that_resemble_nothing_weigh_alike() -> None:
    assert torch.equal(content_weights(-torch.rand(4, 4)), torch.ones(4))
    assert torch.equal(content_weights(torch.zeros(4, 4)), torch.ones(4))


@pytest.mark.parametrize("case", ["B4_D64_T0.5", "B48_D64_T0.5", "B7_D32_T0.1", "B1_D8_T0.5"])
def test_nt_xent_equals_clmr(golden, case: str) -> None:
    g = golden("tune/ntxent")
    batch, dim, temperature = (float(part[1:]) for part in case.split("_"))
    shape = (int(batch), int(dim))
    views = [
        torch.from_numpy(np.random.Generator(np.random.PCG64(int(s))).standard_normal(shape, dtype=np.float32))
        for s in g[f"{case}/seeds"]
    ]
    check_nt_xent(views, temperature, g[f"{case}/loss"], g[f"{case}/grad_i"], g[f"{case}/grad_j"])


@pytest.mark.parametrize("temperature", [0.5, 0.1])
def test_nt_xent_equals_muscall(golden, fill, temperature: float) -> None:
    g = golden("ttmr_muscall/muscall_ntxent")
    n = int(g["n"])
    first = fill.normal(int(g["seeds"][0]), (n, 128))
    second = fill.normal(int(g["seeds"][1]), (n, 128)) + np.float32(0.5) * first
    views = [torch.from_numpy(first), torch.from_numpy(second)]
    check_nt_xent(views, temperature, g[f"loss_{temperature}"], g[f"gi_{temperature}"], g[f"gj_{temperature}"])


def check_nt_xent(views, temperature: float, loss, *gradients) -> None:
    views = [view.requires_grad_() for view in views]
    found = nt_xent(*views, temperature)
    found.backward()
    assert float(found) == pytest.approx(float(loss), rel=1e-5, abs=1e-7)
    for view, expected in zip(views, gradients, strict=True):
        torch.testing.assert_close(view.grad, torch.from_numpy(expected), rtol=1e-4, atol=1e-7)
