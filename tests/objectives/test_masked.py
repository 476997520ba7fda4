"""Masked prediction: what is hidden, what counts, and that nothing masked is no failure.

The published losses and gradients are in tests/models/test_musicfm_loss.py, for they need the network.
"""

from __future__ import annotations

import pytest
import torch

from ohrwurm.objectives.masked import draw_blocks, hide_blocks, masked_prediction, tokens_of_blocks


def test_share_of_hidden_blocks_is_the_probability() -> None:
    blocks = draw_blocks(100, 9600 * 100 + 5, 9600, generator=torch.Generator().manual_seed(0))
    assert blocks.shape == (100, 100)
    assert blocks.float().mean().item() == pytest.approx(0.6, abs=0.02)
    assert not draw_blocks(2, 9599, 9600).numel()


def test_noise_is_where_blocks_are_hidden_and_the_tail_is_left() -> None:
    waveform, blocks = torch.rand(2, 1050) + 5.0, torch.tensor([[True, False], [False, False]])
    noisy = hide_blocks(waveform, blocks, 500, generator=torch.Generator().manual_seed(0))
    assert noisy[0, :500].std().item() == pytest.approx(0.1, rel=0.1)
    assert noisy[0, :500].abs().max() < 1.0
    assert torch.equal(noisy[0, 500:], waveform[0, 500:])
    assert torch.equal(noisy[1], waveform[1])
    assert waveform.min() >= 5.0


def test_same_seed_hides_the_same() -> None:
    def step() -> torch.Tensor:
        generator = torch.Generator().manual_seed(4)
        blocks = draw_blocks(3, 4000, 400, generator=generator)
        return hide_blocks(torch.zeros(3, 4000), blocks, 400, generator=generator)

    assert torch.equal(step(), step())


def test_only_masked_tokens_count() -> None:
    logits, targets = torch.randn(2, 6, 1, 5), torch.randint(0, 5, (2, 6, 1))
    masked = tokens_of_blocks(torch.tensor([[True, False], [False, True]]), 3, 6)
    loss, _ = masked_prediction(logits, targets, masked)
    changed = torch.where(masked[..., None, None], logits, 100 * torch.randn(2, 6, 1, 5))
    assert masked_prediction(changed, targets, masked)[0] == loss


def test_codebooks_count_alike() -> None:
    logits, targets, masked = torch.randn(2, 4, 3, 5), torch.randint(0, 5, (2, 4, 3)), torch.ones(2, 4).bool()
    loss, _ = masked_prediction(logits, targets, masked)
    each = [masked_prediction(logits[:, :, i : i + 1], targets[:, :, i : i + 1], masked)[0] for i in range(3)]
    torch.testing.assert_close(loss, torch.stack(each).mean())


def test_nothing_masked_is_no_loss_and_no_gradient() -> None:
    logits = torch.randn(1, 4, 1, 5, requires_grad=True)
    loss, accuracy = masked_prediction(logits, torch.zeros(1, 4, 1, dtype=torch.long), torch.zeros(1, 4).bool())
    loss.backward()
    assert (loss.item(), accuracy.item()) == (0.0, 0.0)
    assert logits.grad is not None
    assert not logits.grad.any()
