"""Masked prediction, as MusicFM is trained: blocks of the waveform become noise, and their tokens are to be predicted.

    blocks = draw_blocks(...)                         which 0.4 s blocks are hidden, 60 % of them
    noisy = hide_blocks(waveform, blocks, block)      what the model gets to hear
    masked = tokens_of_blocks(blocks, 10, tokens)     which tokens count
    loss, accuracy = masked_prediction(logits of noisy, targets of waveform, masked)

Blocks lie on a grid from the first sample on; what is left at the end is never hidden. Frames at the edge of a block
hear a little of what is beside it, as published.

Source: Won, Hung, Le, "A foundation model for music informatics", 2024; after Chiu et al., "Self-supervised learning
with random-projection quantizer for speech recognition", 2022, where spans start anywhere and may overlap.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

BLOCK_SECONDS = 0.4
PROBABILITY = 0.6
NOISE_LEVEL = 0.1


def draw_blocks(
    batch: int,
    samples: int,
    block: int,
    probability: float = PROBABILITY,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Which of the `samples // block` blocks of each item are hidden: bool `(batch, blocks)`, each on its own account.

    >>> draw_blocks(2, 48000, 9600, generator=torch.Generator().manual_seed(0)).shape
    torch.Size([2, 5])
    """
    return torch.rand(batch, samples // block, generator=generator) < probability


def hide_blocks(
    waveform: Tensor,
    blocks: Tensor,
    block: int,
    noise: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """The waveform with white noise of deviation 0.1 in place of its hidden blocks.

    Args:
        waveform: `(B, samples)`; stays as it is.
        blocks: bool `(B, samples // block)` from `draw_blocks`.
        block: samples of a block.
        noise: standard normal numbers, one a hidden sample, item after item; drawn if not given.
        generator: to draw them from; on the CPU.

    >>> hide_blocks(torch.ones(1, 5), torch.tensor([[False, True]]), 2, noise=torch.tensor([3.0, -1.0]))
    tensor([[ 1.0000,  1.0000,  0.3000, -0.1000,  1.0000]])
    """
    hidden = functional.pad(
        blocks.to(waveform.device).repeat_interleave(block, dim=1), (0, waveform.shape[1] - blocks.shape[1] * block)
    )
    if noise is None:
        noise = torch.randn(int(blocks.sum()) * block, generator=generator)
    return waveform.masked_scatter(hidden, (NOISE_LEVEL * noise).to(waveform))


def tokens_of_blocks(blocks: Tensor, per_block: int, tokens: int) -> Tensor:
    """Which tokens lie in hidden blocks: bool `(B, tokens)` of `(B, blocks)`; what follows the last block does not.

    >>> tokens_of_blocks(torch.tensor([[False, True]]), 2, 5).int()
    tensor([[0, 0, 1, 1, 0]], dtype=torch.int32)
    """
    masked = blocks.repeat_interleave(per_block, dim=1)[:, :tokens]
    return functional.pad(masked, (0, tokens - masked.shape[1]))


def masked_prediction(logits: Tensor, targets: Tensor, masked: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the masked tokens, and the share of them that the likeliest code gets right.

    Args:
        logits: `(B, tokens, codebooks, codes)`.
        targets: code of each token, of the audio before it was masked, `(B, tokens, codebooks)`.
        masked: bool `(B, tokens)`; other tokens do not count.

    Returns:
        loss, accuracy: means over all masked tokens of the batch and all codebooks; with nothing masked both are 0.

    >>> logits = torch.tensor([[[[0.0, 4.0]], [[9.0, 0.0]]]])
    >>> loss, accuracy = masked_prediction(logits, torch.tensor([[[1], [1]]]), torch.tensor([[True, False]]))
    >>> round(loss.item(), 4), accuracy.item()
    (0.0181, 1.0)
    """
    masked = masked.to(logits.device)
    scores, codes = logits[masked].flatten(0, 1), targets[masked].flatten()  # (n, codes), (n,)
    count = max(1, len(codes))
    loss = functional.cross_entropy(scores, codes, reduction="sum") / count
    return loss, (scores.argmax(-1) == codes).sum() / count
