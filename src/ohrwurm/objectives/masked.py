"""Masked prediction: parts of the audio become noise, and their tokens are to be predicted.

As MusicFM is trained:

    blocks = draw_blocks(...)                         which 0.4 s blocks are hidden, 60 % of them
    noisy = hide_blocks(waveform, blocks, block)      what the model gets to hear
    masked = tokens_of_blocks(blocks, 10, tokens)     which tokens count
    loss, accuracy = masked_prediction(logits of noisy, targets of waveform, masked)

Blocks lie on a grid from the first sample on; what is left at the end is never hidden. Frames at the edge of a block
hear a little of what is beside it, as published.

As BEST-RQ is: `draw_spans` says which tokens, spans that start anywhere and may overlap, and `hide_frames` puts the
noise into the normalised features, where no frame hears what its neighbour hides.

Source: Won, Hung, Le, "A foundation model for music informatics", 2024; Chiu et al., "Self-supervised learning with
random-projection quantizer for speech recognition", 2022.
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


def draw_spans(
    batch: int, tokens: int, span: int, probability: float, generator: torch.Generator | None = None
) -> Tensor:
    """Which tokens are hidden, bool `(batch, tokens)`: at each one a span of `span` begins with `probability`.

    Spans may overlap and run past the end; the share of hidden tokens tends to 1 - (1 - probability) ** span.

    >>> hidden = draw_spans(8, 1000, 10, 0.05, torch.Generator().manual_seed(0))
    >>> bool(0.37 < hidden.float().mean() < 0.43)
    True
    """
    begins = (torch.rand(batch, tokens, generator=generator) < probability).cumsum(dim=1)
    before = functional.pad(begins, (span, 0))[:, :tokens]  # spans that have begun, and are over
    return begins > before


def hide_blocks(
    waveform: Tensor,
    blocks: Tensor,
    block: int,
    noise: Tensor | None = None,
    generator: torch.Generator | None = None,
    level: float = NOISE_LEVEL,
) -> Tensor:
    """The waveform with white noise in place of its hidden blocks.

    Args:
        waveform: `(B, samples)`; stays as it is.
        blocks: bool `(B, samples // block)` from `draw_blocks`.
        block: samples of a block.
        noise: standard normal numbers, one a hidden sample, item after item; drawn if not given.
        generator: to draw them from; on the CPU.
        level: deviation of the noise.

    >>> hide_blocks(torch.ones(1, 5), torch.tensor([[False, True]]), 2, noise=torch.tensor([3.0, -1.0]))
    tensor([[ 1.0000,  1.0000,  0.3000, -0.1000,  1.0000]])
    """
    hidden = functional.pad(
        blocks.to(waveform.device).repeat_interleave(block, dim=1), (0, waveform.shape[1] - blocks.shape[1] * block)
    )
    if noise is None:
        noise = torch.randn(int(blocks.sum()) * block, generator=generator)
    return waveform.masked_scatter(hidden, (level * noise).to(waveform))


def hide_frames(features: Tensor, masked: Tensor, noise: Tensor) -> Tensor:
    """Features with noise in place of the frames of masked tokens.

    Args:
        features: `(B, bands, T)`, normalised; stays as it is.
        masked: bool `(B, tokens)`; T is a multiple of the tokens.
        noise: as `features`; its level is the caller's.

    >>> hide_frames(torch.ones(1, 1, 4), torch.tensor([[False, True]]), torch.zeros(1, 1, 4))
    tensor([[[1., 1., 0., 0.]]])
    """
    per_token = features.shape[-1] // masked.shape[1]
    hidden = masked.to(features.device).repeat_interleave(per_token, dim=1)[:, None]  # (B, 1, T)
    return torch.where(hidden, noise.to(features), features)


def tokens_of_blocks(blocks: Tensor, per_block: int, tokens: int, offset: int = 0) -> Tensor:
    """Which tokens lie in hidden blocks: bool `(B, tokens)` of `(B, blocks)`; what follows the last block does not.

    The grid of blocks begins `offset` tokens before the first token.

    >>> tokens_of_blocks(torch.tensor([[False, True]]), 2, 5).int()
    tensor([[0, 0, 1, 1, 0]], dtype=torch.int32)
    >>> tokens_of_blocks(torch.tensor([[False, True]]), 2, 5, offset=1).int()
    tensor([[0, 1, 1, 0, 0]], dtype=torch.int32)
    """
    masked = blocks.repeat_interleave(per_block, dim=1)[:, offset : offset + tokens]
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


def count_codes(codes: Tensor, size: int) -> Tensor:
    """How often each code occurs in `codes (..., codebooks)`: int64 `(codebooks, size)`, on the CPU.

    >>> count_codes(torch.tensor([[0], [2], [2]]), 4)
    tensor([[1, 0, 2, 0]])
    """
    books = codes.flatten(0, -2).T.cpu()  # (codebooks, n)
    return torch.stack([torch.bincount(book, minlength=size) for book in books])


def perplexity(counts: Tensor) -> float:
    """In how many codes, equally often, there would be as much information: exp of the entropy, the mean over codebooks
    of `(codebooks, size)`; 0 where nothing was counted.

    >>> perplexity(torch.tensor([[5, 5, 0, 0]])), perplexity(torch.zeros(1, 4))
    (2.0, 0.0)
    """
    total = counts.sum(dim=1, keepdim=True).double()
    if not total.all():
        return 0.0
    share = counts / total
    return float(torch.special.entr(share).sum(dim=1).exp().mean())


def unigram_loss(counts: Tensor) -> float:
    """Cross-entropy, in nats, of the best guess that hears nothing: each code by how often it occurs; over codebooks
    `(codebooks, size)` the mean.

    >>> round(unigram_loss(torch.tensor([[5, 5, 0, 0]])), 4)
    0.6931
    """
    share = counts / counts.sum(dim=1, keepdim=True).clamp(min=1).double()
    return float(torch.special.entr(share).sum(dim=1).mean())
