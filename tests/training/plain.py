"""An encoder without batch norm, so that two processes can be held against one, and the views task with it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ohrwurm.models.base import AudioEncoder, Encoded, ModelCard
from ohrwurm.models.registry import architecture, register_card
from ohrwurm.training.tasks.views import ViewsTask


@architecture("plain")
class Plain(AudioEncoder):
    """Frames of 81 samples, one layer, mean over time."""

    def __init__(self, dim: int = 8) -> None:
        super().__init__()
        self.frame, self.unused = nn.Linear(81, dim), nn.Linear(dim, dim)

    def forward(self, waveform: Tensor) -> Encoded:
        frames = torch.tanh(self.frame(waveform.unflatten(1, (-1, 81))))
        return Encoded(frames.square().mean(1), frames)


register_card(ModelCard("plain", "plain", 16000, 0.2025, 0.2025, 8, ("sound",), "A test."))


class PlainViews(ViewsTask):
    """Its recipe names this class, whose module registers the encoder."""
