"""Convolution of a pitch-class profile with kernels that span all pitch classes and many frames, through the
frequency domain.

MOVE's first kernel is 12 pitches high and 180 frames wide, and slides over all twelve keys: four fifths of the
network's multiplications. A tiled profile repeats after 12 rows, so its keys are one circular correlation of length
12, and time is one of any length: a product per frequency replaces 12 x 180 products per output.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

CHUNK_BYTES = 2**19  # of spectra at a time on a CPU: what its second-level cache holds beside the kernels


def pitch_convolution_fft(pcp: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """What `conv2d(pcp, weight, bias)` computes for `(B, 1, rows, T)` and `(C, 1, 12, k)`; gradients flow through it.

    Long songs go in overlap-save blocks. Rows that do not repeat after 12 (the published augmentation rolls all 23)
    take a circle as large as they are.
    """
    pitches, kernel_time = weight.shape[2], weight.shape[3]
    outputs, frames = pcp.shape[2] - pitches + 1, pcp.shape[-1] - kernel_time + 1
    circle = pitches if repeats(pcp, pitches) else fast_length(pcp.shape[2])
    length = min(fast_length(pcp.shape[-1]), fast_length(8 * kernel_time))
    x = _blocks(pcp[:, 0, :circle], kernel_time, length)  # (B blocks, rows, length)
    spectrum = torch.fft.rfft2(x, s=(circle, length))  # (B blocks, circle, length // 2 + 1)
    kernels = torch.fft.rfft2(weight.squeeze(1), s=(circle, length)).conj()  # (C, circle, length // 2 + 1)
    y = torch.fft.irfft2(spectrum[:, None] * kernels, s=(circle, length))  # (B blocks, C, circle, length)
    y = y[:, :, :outputs, : length - kernel_time + 1].unflatten(0, (len(pcp), -1))
    y = y.movedim(1, 3).flatten(3, 4)[..., :frames]  # (B, C, outputs, T - k + 1)
    return y if bias is None else y + bias[:, None, None]


class KernelSpectra:
    """The kernels of a pitch convolution in the frequency domain, for one block length whatever the song's length.

    Args:
        weight: `(C, 1, 12, k)`.
        keys: 12 to slide over all keys of a tiled profile; 1 to take its 12 rows in their own key alone.
    """

    def __init__(self, weight: Tensor, keys: int) -> None:
        self.kernel_time = weight.shape[-1]
        self.keys = keys
        self.length = 1 << (5 * self.kernel_time - 1).bit_length()  # short enough for caches, little overlap
        kernels = torch.fft.rfft(weight.squeeze(1), self.length)
        if keys > 1:
            kernels = torch.fft.fft(kernels, dim=1)
        self.kernels = kernels.conj().resolve_conj()  # (C, 12, length // 2 + 1)

    def extremes(
        self, pcp: Tensor, *, bias: Tensor | None = None, lowest: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Highest and, if asked for, lowest value over the keys, `(B, C, T - k + 1)` each; for inference.

        Args:
            pcp: `(B, 1, rows, T)`, of which the first 12 rows are used: the others must repeat them.
        """
        x = torch.fft.rfft(_blocks(pcp[:, 0, :12], self.kernel_time, self.length))  # (B blocks, 12, length // 2 + 1)
        if self.keys > 1:
            x = torch.fft.fft(x, dim=1)
        step = self.length - self.kernel_time + 1
        high = x.real.new_empty(len(x), len(self.kernels), step)
        low = torch.empty_like(high) if lowest else None
        # A few channels at a time, so that their twelve keys never leave the cache.
        chunk = max(1, CHUNK_BYTES // (x.nbytes + 1)) if x.device.type == "cpu" else len(self.kernels)
        for i in range(0, len(self.kernels), chunk):
            product = x[:, None] * self.kernels[i : i + chunk]  # (B blocks, chunk, 12, length // 2 + 1)
            if self.keys > 1:
                y = torch.fft.irfft2(product, s=(self.keys, self.length))
            else:
                y = torch.fft.irfft(product.sum(2, keepdim=True), self.length)
            torch.amax(y[..., :step], 2, out=high[:, i : i + chunk])
            if low is not None:
                torch.amin(y[..., :step], 2, out=low[:, i : i + chunk])
        frames = pcp.shape[-1] - self.kernel_time + 1
        highest = _joined(high, len(pcp), frames, bias)
        return highest, None if low is None else _joined(low, len(pcp), frames, bias)


def repeats(pcp: Tensor, pitches: int = 12) -> bool:
    """Whether the rows of `(B, 1, rows, T)` are a profile tiled up to all keys: 2 x 12 - 1 rows, equal 12 apart."""
    return pcp.shape[2] == 2 * pitches - 1 and torch.equal(pcp[:, :, : pitches - 1], pcp[:, :, pitches:])


def fast_length(n: int) -> int:
    """The smallest length >= n without prime factors above 5: what FFTs like.

    >>> fast_length(1801), fast_length(23)
    (1875, 24)
    """
    while True:
        rest = n
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return n
        n += 1


def _blocks(x: Tensor, kernel_time: int, length: int) -> Tensor:
    """`(B, rows, T)` → `(B blocks, rows, length)`, each block overlapping the next by kernel_time - 1 frames."""
    step = length - kernel_time + 1  # new frames that each block yields
    blocks = -(-(x.shape[-1] - kernel_time + 1) // step)
    x = nn.functional.pad(x, (0, (blocks - 1) * step + length - x.shape[-1]))
    return x.unfold(-1, length, step).transpose(1, 2).flatten(0, 1)


def _joined(y: Tensor, batch: int, frames: int, bias: Tensor | None) -> Tensor:
    """`(B blocks, C, step)` → `(B, C, frames)`, with the bias of each channel."""
    y = y.unflatten(0, (batch, -1)).transpose(1, 2).flatten(2)[..., :frames]
    return y if bias is None else y + bias[:, None]
