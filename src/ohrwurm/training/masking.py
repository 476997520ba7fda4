"""What is hidden of a crop, and by which noise: as MusicFM's published code does it, as BEST-RQ's paper, or mixed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ohrwurm.errors import RecipeError
from ohrwurm.models.musicfm import FRAMES_PER_TOKEN, HOP, SAMPLE_RATE
from ohrwurm.objectives.masked import draw_blocks, draw_spans, hide_blocks, tokens_of_blocks

TOKEN = HOP * FRAMES_PER_TOKEN  # samples of a token, 40 ms


@dataclass(frozen=True)
class Masking:
    """How to mask; the settings are those of `ohrwurm.training.tasks.masked.MaskedTask`.

    >>> masking = Masking("blocks", "waveform", 0.4, 0.6, 0.1, False)
    >>> masking.span, masking.draw(25, torch.Generator().manual_seed(1)).int().tolist()[-5:]
    (10, [0, 0, 0, 0, 0])
    """

    kind: Literal["blocks", "spans"]
    where: Literal["waveform", "features"]
    seconds: float
    probability: float
    level: float
    random_grid: bool

    def __post_init__(self) -> None:
        if self.span < 1 or abs(self.span * TOKEN / SAMPLE_RATE - self.seconds) > 1e-6:
            raise RecipeError(f"mask_seconds={self.seconds}: tokens last 0.04 s; give 0.4, 0.44 or 0.48")
        if not 0 < self.probability <= 1:
            raise RecipeError(f"mask_probability={self.probability}: above 0, at most 1")
        if self.random_grid and self.kind == "spans":
            raise RecipeError("random_grid is for mask=blocks; spans are on no grid")

    @property
    def span(self) -> int:
        """Tokens that are hidden at a time."""
        return round(self.seconds * SAMPLE_RATE) // TOKEN

    def draw(self, tokens: int, draw: torch.Generator) -> Tensor:
        """Which tokens of a crop are hidden: bool `(tokens,)`."""
        if self.kind == "spans":
            return draw_spans(1, tokens, self.span, self.probability, draw)[0]
        offset, length = 0, tokens
        if self.random_grid:  # the first and the last block may be cut
            offset = int(torch.randint(self.span, (1,), generator=draw))
            length = -(-(tokens + offset) // self.span) * self.span
        blocks = draw_blocks(1, length, self.span, self.probability, draw)
        return tokens_of_blocks(blocks, self.span, tokens, offset)[0]

    def hide(self, audio: Tensor, masked: Tensor, bands: int, draw: torch.Generator) -> dict[str, Tensor]:
        """`hidden (samples,)`, the audio with noise in it; or `noise (bands, frames)`, for its features.

        Token by token the same samples, and the same order of random numbers, as the published code's block by block.
        """
        if self.where == "waveform":
            return {"hidden": hide_blocks(audio[None], masked[None], TOKEN, generator=draw, level=self.level)[0]}
        return {"noise": self.level * torch.randn(bands, len(masked) * FRAMES_PER_TOKEN, generator=draw)}
