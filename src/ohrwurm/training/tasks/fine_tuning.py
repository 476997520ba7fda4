"""A trained encoder goes on learning, on labels: TTMR's fine-tuning, and that of any other encoder.

Source: Doh et al., "Toward universal text-to-music retrieval", ICASSP 2023, and its code (no results are published).
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from ohrwurm.audio.windows import Windowing, plan
from ohrwurm.errors import RecipeError
from ohrwurm.models import registry
from ohrwurm.training.encoders import base_card
from ohrwurm.training.schedules import by_step, counted, warm_cosine_epochs
from ohrwurm.training.tasks.tagging import TaggingTask


class FineTuningTask(TaggingTask):
    """Train all of an encoder with a head on labels. Settings beside these are those of `TaggingTask`.

    Args:
        model: the encoder: a name, a model folder or a run; ``ttmr-cls`` has TTMR's head (LayerNorm, Linear) in it, on
            the state before the joint space. Others get a linear head on their vectors.
        weights: a checkpoint (for ``ttmr-cls`` any of TTMR's), ``own`` for those that come with the model, or
            ``random``.
        dropout: before the head.
        lr, min_lr, warmup_epochs: of Adam: linear from 0, then half a cosine to `min_lr`.
        chunks: windows of a test track, evenly from its start; probabilities of tags, logits of classes are averaged.
    """

    def __init__(
        self,
        model: str = "ttmr-cls",
        weights: str = "",
        parameters: dict[str, Any] | None = None,
        batch_size: int = 32,
        dropout: float = 0.0,
        lr: float = 5e-5,
        min_lr: float = 1e-6,
        warmup_epochs: int = 20,
        chunks: int = 8,
        **settings: Any,
    ) -> None:
        if not weights:
            raise RecipeError(
                "fine-tuning goes on from trained weights: task.weights=FILE, or own for those that come with "
                "task.model (random for none)"
            )
        takes = inspect.signature(registry.builder(base_card(model, parameters or {}))).parameters
        own_head = {"head_dropout": dropout} if "head_dropout" in takes else {}
        super().__init__(
            model=model,
            weights="" if weights == "random" else weights,
            parameters={**own_head, **(parameters or {})},
            batch_size=batch_size,
            lr=lr,
            **settings,
        )

    def logits(self, audio: Tensor) -> Tensor:
        """`(B, samples)` → `(B, classes)`."""
        if self.head is None:
            return super().logits(audio)
        vectors = nn.functional.dropout(self.model(audio).pooled, self.settings.dropout, self.training)
        logits: Tensor = self.head(vectors)
        return logits

    def configure_optimizers(self) -> Any:
        settings = self.settings
        adam = torch.optim.Adam([p for p in self.parameters() if p.requires_grad], lr=settings.lr)
        epochs, steps = counted(self.trainer, len(self.crops.training) // settings.batch_size, "warm-cosine-epochs")
        lr, warm, minimum = settings.lr, settings.warmup_epochs, settings.min_lr
        return by_step(adam, lambda step: warm_cosine_epochs(step / steps, epochs, warm, lr, minimum) / lr)

    def windows(self, length: int) -> list[int]:
        samples = self.crops.samples
        evenly = Windowing(samples, samples, place="even", count=self.settings.chunks)
        return [window.start for window in plan(length, evenly)]

    def joined(self, logits: Tensor) -> Tensor:
        return (logits.sigmoid() if self.settings.labels == "tags" else logits).mean(0)

    @property
    def protocol(self) -> str:
        what = "probabilities" if self.settings.labels == "tags" else "logits"
        return f"{what} averaged over {self.settings.chunks} windows, evenly from the start"
