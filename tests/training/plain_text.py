"""A model of text and audio without batch norm, so that two processes can be held against one, and the task with it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from ohrwurm.models.base import Encoded, JointModel, ModelCard
from ohrwurm.models.registry import architecture, register_card
from ohrwurm.models.text_static import StaticTextEncoder
from ohrwurm.training.tasks.audio_text import AudioTextTask


@architecture("plain-text")
class PlainText(JointModel):
    """Frames of 80 samples, one layer, mean over time; the mean of words' vectors."""

    def __init__(self, text: str = "static", text_parameters: dict | None = None, dim: int = 8) -> None:
        super().__init__()
        self.frame, self.unused = nn.Linear(80, dim), nn.Linear(dim, dim)
        self.text_encoder = StaticTextEncoder(dim=dim, **(text_parameters or {}))
        self.logit_scale = nn.Parameter(torch.tensor(1.0))

    def forward(self, waveform: Tensor) -> Encoded:
        frames = torch.tanh(self.frame(waveform.unflatten(1, (-1, 80))))
        return Encoded(frames.square().mean(1), frames)

    def encode_text(self, texts: list[str]) -> Tensor:
        return self.text_encoder(texts)


register_card(
    ModelCard(
        "plain-text", "plain-text", 16000, 1.0, 1.0, 8, ("words",), "A test.", joint=True, parameters={"text": "static"}
    )
)


class PlainTextTask(AudioTextTask):
    """Its recipe names this class, whose module registers the model; sentences are as alike as their first letters."""

    def prepare(self, cache: Path, workers: int) -> None:
        if self.settings.loss == "content-aware":
            texts = [self.examples.text(row) for row in range(len(self.examples.recordings.tracks))]
            codes = torch.tensor([[float(ord(c)) for c in (text + 99 * " ")[15:31]] for text in texts])
            self.sentences = nn.functional.normalize(codes - codes.mean(0), dim=1)
