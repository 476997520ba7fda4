"""Masked prediction: what is hidden, what counts, and that nothing masked is no failure.

The published losses and gradients are in tests/models/test_musicfm_loss.py, for they need the network.
"""

from __future__ import annotations

import pytest
import torch

from ohrwurm.objectives.masked import (
    count_codes,
    draw_blocks,
    draw_spans,
    hide_blocks,
    hide_frames,
    masked_prediction,
    perplexity,
    tokens_of_blocks,
    unigram_loss,
)


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


def test_spans_have_their_length_wherever_they_begin() -> None:
    hidden = draw_spans(400, 300, 10, 0.01, torch.Generator().manual_seed(1))
    runs = [len(run) for row in hidden.int().tolist() for run in "".join(map(str, row)).split("0") if run]
    inner = [len(run) for row in hidden.int().tolist() for run in "".join(map(str, row)).strip("1").split("0") if run]
    assert min(inner) == 10
    assert max(runs) > 10  # spans overlap
    assert hidden[:, 20:].float().mean().item() == pytest.approx(1 - 0.99**10, abs=0.01)
    begins = (hidden[:, 1:] & ~hidden[:, :-1]).nonzero()[:, 1]
    assert set((begins % 10).tolist()) == set(range(10))  # on no grid
    assert draw_spans(2, 30, 10, 1.0).all()
    assert not draw_spans(2, 30, 10, 0.0).any()


def test_noise_is_in_the_frames_of_masked_tokens_alone() -> None:
    features, noise = torch.rand(2, 5, 12), -torch.ones(2, 5, 12)
    masked = torch.tensor([[True, False, False], [False, False, True]])
    found = hide_frames(features, masked, noise)
    assert (found == -1).int().sum(dim=(1, 2)).tolist() == [20, 20]
    assert torch.equal(found[0, :, 4:], features[0, :, 4:])
    assert torch.equal(found[1, :, :8], features[1, :, :8])
    assert features.min() >= 0


@pytest.mark.parametrize("offset", range(10))
def test_hidden_samples_are_those_of_masked_tokens_at_any_offset_of_the_grid(offset: int) -> None:
    blocks = torch.tensor([[True, False, True, False, True]])
    masked = tokens_of_blocks(blocks, 10, 40, offset)
    waveform = torch.ones(1, 40 * 96)
    noisy = hide_blocks(waveform, masked, 96, generator=torch.Generator().manual_seed(0))
    assert torch.equal((noisy != 1).view(40, 96).all(1), masked[0])
    assert torch.equal((noisy == 1).view(40, 96).all(1), ~masked[0])
    assert masked[0, :10].sum() == 10 - offset  # the first block, cut


def test_tokens_of_the_grid_are_blocks_of_one_token() -> None:
    """What a task hides, token by token, is what the published code hides, block by block, with the same noise."""
    waveform, blocks = torch.rand(2, 1050), torch.tensor([[True, False], [True, True]])
    noise = torch.randn(1500)
    by_tokens = hide_blocks(waveform, tokens_of_blocks(blocks, 10, 21), 50, noise)
    assert torch.equal(by_tokens, hide_blocks(waveform, blocks, 500, noise))


def test_code_usage_of_several_codebooks() -> None:
    codes = torch.tensor([[[0, 1], [2, 1]], [[2, 1], [0, 1]]])
    counts = count_codes(codes, 4)
    assert counts.tolist() == [[2, 0, 2, 0], [0, 4, 0, 0]]
    assert perplexity(counts) == pytest.approx(1.5)
    assert unigram_loss(counts) == pytest.approx(0.5 * torch.tensor(2.0).log().item())
    assert perplexity(count_codes(torch.zeros(0, 2, dtype=torch.long), 4)) == 0.0
