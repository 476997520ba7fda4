"""The contrastive loss is the published one, with its gradients."""

from __future__ import annotations

import pytest
import torch

from ohrwurm.objectives.contrastive import clip_logits, clip_loss, in_batch_accuracy


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
