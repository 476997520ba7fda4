"""Latent space reconfiguration, Re-MOVE's ``lsr``: a trained version encoder learns to give fewer dimensions.

Its last layer is replaced by a smaller one, which learns alone at first, then together with the rest, which hardly
moves. Source: Yesiler, Serrà, Gómez, "Less is more", ISMIR 2020, section 3.3.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ohrwurm.errors import DataError, RecipeError
from ohrwurm.models import registry
from ohrwurm.models.base import AudioEncoder
from ohrwurm.models.move_reduction import reconfigure
from ohrwurm.models.version_encoder import VersionEncoder
from ohrwurm.training.encoders import base_card
from ohrwurm.training.pitch_features import takes_profiles_of
from ohrwurm.training.tasks.versions import VersionTask, version_encoder
from ohrwurm.training.version_scores import comparison_of


class ReconfigureTask(VersionTask):
    """Give a trained MOVE another dimension. Settings beside these are those of `VersionTask`.

    Args:
        model: the trained encoder: a model folder, or a published name.
        weights: its weights: ``own``, those that come with it, or the published checkpoint.
        dim: that the embedding shall have.
        finetune_lr: learning rate of all but the new layer and the proxies.
        frozen_epochs: in which nothing but these learns.
    """

    def __init__(
        self,
        model: str = "move-16000",
        weights: str = "own",
        dim: int = 256,
        finetune_lr: float = 1e-6,
        frozen_epochs: int = 1,
        **settings: Any,
    ) -> None:
        super().__init__(model=model, weights=weights, dim=dim, **settings)
        if not takes_profiles_of(self.before, self.songs.extractor):
            raise DataError(
                f"{model} was trained on profiles of {self.before.card.parameters['pitch']}, and the data has those of "
                f"{self.songs.extractor.name}. Give profiles of the former, or audio with task.pitch."
            )

    def build(self) -> AudioEncoder:
        settings = self.settings
        if registry.builder(base_card(settings.model, {})) is not VersionEncoder:
            raise RecipeError(f"only MOVE's latent space is reconfigured, and {settings.model} is none")
        if settings.parameters:
            raise RecipeError(
                "the network is that of the trained encoder: task.parameters has no place here, task.dim has"
            )
        if not settings.weights:
            raise RecipeError(
                "reconfiguration needs a trained encoder: task.weights=own, or a checkpoint of task.model"
            )
        given = registry.load(settings.model, weights=None if settings.weights == "own" else settings.weights)
        assert isinstance(given, VersionEncoder)
        # In a list: not part of what learns, nor of checkpoints.
        self._before = [given.requires_grad_(False)]
        encoder = version_encoder(base_card(settings.model, {"dim": settings.dim}))
        encoder.move = reconfigure(given.move, settings.dim).requires_grad_()
        return encoder.train()

    @property
    def before(self) -> VersionEncoder:
        """The trained encoder that was given."""
        return self._before[0]

    def parameter_groups(self) -> list[dict[str, Any]]:
        new = [*self.model.move.lin1.parameters(), *([] if self.proxies is None else [self.proxies])]
        return [{"params": self.old_parameters(), "lr": self.settings.finetune_lr}, {"params": new}]

    def old_parameters(self) -> list[nn.Parameter]:
        """The parameters that were trained before."""
        named = self.model.named_parameters()
        return [p for name, p in named if p.requires_grad and not name.startswith("move.lin1.")]

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        # Gradients are dropped rather than not made: of a parameter that has none at first, several processes would
        # never exchange any. An optimiser begins with a parameter at its first gradient.
        if self.current_epoch < self.settings.frozen_epochs:
            for parameter in self.old_parameters():
                parameter.grad = None

    def report(self) -> dict[str, Any]:
        """As ever, and what the encoder found before it was reconfigured."""
        before = self.before.to(self.device).eval()
        found = self.measure(before, self.report_rows, comparison_of(before.card))
        return {**super().report(), "before": {"dim": before.move.dim, **found}}
