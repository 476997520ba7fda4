"""Random-projection quantizer (Chiu et al., "Self-supervised learning with random-projection quantizer for speech
recognition", ICML 2022): the fixed, never trained tokeniser whose tokens a masked model learns to predict."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ohrwurm.errors import ModelError

SEED = 142  # of the first codebook in the published models; the i-th has SEED + i


class RandomProjectionQuantizer(nn.Module):
    """Vectors `(..., features)` → the index `(...)` of the code nearest in direction to their random projection.

    Args:
        features: size of the input vectors.
        codes, dim: number and size of the codes.
        seed: of the projection (Xavier normal) and of the codes (standard normal), drawn from a generator of their
            own; a checkpoint brings its own values.

    >>> RandomProjectionQuantizer(512)(torch.randn(2, 10, 512)).shape
    torch.Size([2, 10])
    """

    random_projection: Tensor
    codebook: Tensor

    def __init__(self, features: int, codes: int = 4096, dim: int = 16, seed: int = SEED) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        projection, codebook = torch.empty(features, dim), torch.empty(codes, dim)
        with torch.no_grad():
            nn.init.xavier_normal_(projection, generator=generator)
            codebook.normal_(generator=generator)
        self.register_buffer("random_projection", projection)
        self.register_buffer("codebook", codebook)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        # Nearest on the unit sphere is largest cosine; the length of the projection does not matter for that.
        codes = nn.functional.normalize(self.codebook.float(), dim=-1, eps=1e-12)
        with torch.autocast(x.device.type, enabled=False):
            return (x.float() @ self.random_projection.float() @ codes.T).argmax(dim=-1)


def stack_frames(mel: Tensor, frames: int) -> Tensor:
    """Spectrogram `(B, bands, T)` → `(B, T / frames, frames x bands)`, the bands of the first frame first.

    Raises:
        ModelError: T is no multiple of `frames`.

    >>> stack_frames(torch.arange(6.0).view(1, 2, 3).repeat(1, 1, 2), 2)[0, 0]
    tensor([0., 3., 1., 4.])
    """
    batch, bands, length = mel.shape
    if length % frames:
        raise ModelError(
            f"{length} frames do not divide into tokens of {frames}: cut them to {length - length % frames}"
        )
    return mel.transpose(1, 2).reshape(batch, length // frames, frames * bands)
