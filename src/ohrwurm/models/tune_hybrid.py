"""The two hybrids of the TUNe paper: a U-Net listens first, and what it makes of the waveform, SampleCNN hears.

waveform ─U-Net─▶ one channel at full rate, not negative ─SampleCNN (`model_down`)─▶ 512
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ohrwurm.models.base import ReadOut
from ohrwurm.models.registry import architecture, register_card
from ohrwurm.models.samplecnn import PUBLISHED_WIDTHS, SampleCNN
from ohrwurm.models.tune import card_of
from ohrwurm.models.tune_variants import VARIANTS
from ohrwurm.models.unet import UNet, contract_and_expand
from ohrwurm.models.waveform import SAMPLE_RATE, WINDOW


@architecture("tune-hybrid")
class TuneHybrid(UNet):
    """U-Net and SampleCNN, one after the other. The defaults are the published sizes.

    Layers count the blocks from the output back to the input: with the defaults 0 to 10 are those of SampleCNN, 11 to
    14 the expanding levels 1 to 4 of the U-Net, 15 its bottleneck, 16 to 19 its contracting levels 4 to 1.

    Args:
        width, depth: of the U-Net, which climbs back to the full rate.
        widths: of SampleCNN.
        frozen: give SampleCNN no gradients. (Its batch norms still follow the batches in training, as published.) It
            starts from CLMR's published weights then, which `start_from` takes over.
        n_classes, projection: as `ohrwurm.models.tune.Tune`.

    >>> model = TuneHybrid(width=2, depth=3, widths=(4, 4, 8, 8)).eval()
    >>> model(torch.randn(2, 81)).frames.shape
    torch.Size([2, 3, 8])
    """

    def __init__(
        self,
        width: int = 10,
        depth: int = 5,
        widths: Sequence[int] = PUBLISHED_WIDTHS,
        frozen: bool = False,
        n_classes: int = 0,
        projection: int = 64,
    ) -> None:
        *steps, last = contract_and_expand(width, depth, top=1)
        super().__init__([*steps, dataclasses.replace(last, width=1)], widths[-1], n_classes, projection)
        self.model_down = SampleCNN(widths, n_classes=0, projection=0)
        self.model_down.requires_grad_(not frozen)

    def start_from(self, samplecnn: SampleCNN) -> None:
        """Take over the weights of a SampleCNN, without its head and projector."""
        self.model_down.sequential.load_state_dict(samplecnn.sequential.state_dict())

    @property
    def layers(self) -> dict[int, ReadOut]:
        down = self.model_down.layers
        blocks = [down[layer] for layer in reversed(down)] + list(super().layers.values())
        return dict(enumerate(blocks))

    def _published(self, x: Tensor, layer: int) -> Tensor:
        last = self.model_down.output
        heard = super()._published(x, max(0, layer - last - 1))
        return heard if layer > last else self.model_down._published(heard, last - layer)

    def _fold(self, dtype: torch.dtype) -> dict[str, Any]:
        # The one channel between the two is a waveform, for which 8 bits are too few: all before it stays in float32.
        return {**super()._fold(torch.float32), "model_down": self.model_down._fold(dtype)}

    def _fast(self, waveform: Tensor, layer: int, weights: dict[str, Any]) -> Tensor:
        last = self.model_down.output
        heard = super()._fast(waveform, max(0, layer - last - 1), weights)
        if layer > last:
            return heard
        return self.model_down._fast(heard.squeeze(2), last - layer, weights["model_down"])


for _row in VARIANTS:
    if _row.samplecnn is not None:
        register_card(
            card_of(
                _row,
                "tune-hybrid",
                PUBLISHED_WIDTHS[-1],
                SAMPLE_RATE / WINDOW,
                f"Hybrid of the TUNe paper: a U-Net before a SampleCNN, the latter {_row.samplecnn}. No weights are "
                "published: train it, or load(name, weights='own.ckpt').",
            )
        )
