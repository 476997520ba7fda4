"""SampleCNN (Lee, Park, Kim, Nam; SMC 2017) as CLMR trained it, "Contrastive learning of musical representations"
(Spijkervet, Burgoyne; ISMIR 2021).

    waveform ─conv, stride 3─▶ 128 channels ─9 x (conv, max pool 3)─▶ one frame of 512 every 59,049 samples ─conv─▶ 512

Every convolution spans three samples and is followed by batch norm and ReLU. The names are those of the published
checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from ohrwurm.errors import ModelError
from ohrwurm.models.base import ModelCard, ReadOut
from ohrwurm.models.folding import folded
from ohrwurm.models.registry import architecture, register_card
from ohrwurm.models.waveform import MEASURED, SAMPLE_RATE, WINDOW, WaveformEncoder
from ohrwurm.models.waveform_layers import Taps, convolve, pool3, taps

PUBLISHED_WIDTHS = (128, 128, 128, 256, 256, 256, 256, 256, 256, 512, 512)
BATCHED = 4  # from this block on, windows are computed together; before it one by one, so that frames stay in cache


def _block(inputs: int, outputs: int, *, first: bool, pool: bool) -> nn.Sequential:
    conv = nn.Conv1d(inputs, outputs, 3, stride=3 if first else 1, padding=0 if first else 1)
    return nn.Sequential(conv, nn.BatchNorm1d(outputs), nn.ReLU(), *([nn.MaxPool1d(3, 3)] if pool else []))


@architecture("samplecnn")
class SampleCNN(WaveformEncoder):
    """The defaults are the published network. Layer i is the output of the i-th block, the last is the model's own.

    Args:
        widths: channels of the blocks; all but the first and the last pool.
        n_classes: size of the linear head `fc`; 0 (as after contrastive training) for none.
        projection: size of the projection that the contrastive loss looks at; 0 for none.
        dropout: on the vector before the head (0.5 where CLMR trains with labels).

    >>> model = SampleCNN(widths=(4, 4, 4, 8, 8)).eval()
    >>> model.read_out(2)
    ReadOut(dim=4, frame_rate=816.6666666666666)
    >>> encoded = model(torch.randn(2, 810))
    >>> encoded.pooled.shape, encoded.frames.shape
    (torch.Size([2, 4]), torch.Size([2, 30, 4]))
    """

    def __init__(
        self,
        widths: Sequence[int] = PUBLISHED_WIDTHS,
        n_classes: int = 0,
        projection: int = 64,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(widths[-1], n_classes, projection)
        last = len(widths) - 1
        self.widths = tuple(widths)
        self.sequential = nn.Sequential(
            *(
                _block(before, after, first=i == 0, pool=0 < i < last)
                for i, (before, after) in enumerate(zip([1, *widths], widths, strict=False))
            )
        )
        self.dropout = nn.Dropout(dropout)

    @property
    def output(self) -> int:
        return len(self.widths) - 1

    @property
    def layers(self) -> dict[int, ReadOut]:
        return {i: ReadOut(width, SAMPLE_RATE / self._samples(i)) for i, width in enumerate(self.widths)}

    def _samples(self, layer: int) -> int:
        """Samples that a frame of this layer stands for."""
        return 3 ** min(layer + 1, self.output)

    def logits(self, vectors: Tensor) -> Tensor:
        return super().logits(self.dropout(vectors))

    def _check(self, waveform: Tensor) -> None:
        shortest = self._samples(self.output if self.layer is None else self.layer)
        if waveform.shape[1] < shortest:
            raise ModelError(f"{waveform.shape[1]} samples; SampleCNN takes {shortest} or more: pad with zeros")

    def _published(self, x: Tensor, layer: int) -> Tensor:
        return self.sequential[: layer + 1](x)

    def _fold(self, dtype: torch.dtype) -> tuple[tuple[Tensor, Tensor], list[Taps]]:
        parts = [(cast(nn.Conv1d, block[0]), cast(nn.BatchNorm1d, block[1])) for block in self._blocks()]
        weight, bias = folded(*parts[0])  # stays in float32: it multiplies samples, of 16 bits or more
        return (weight.flatten(1).t().contiguous(), bias), [taps(*part, dtype)[0] for part in parts[1:]]

    def _blocks(self) -> list[nn.Sequential]:
        return [cast(nn.Sequential, block) for block in self.sequential]

    def _fast(self, waveform: Tensor, layer: int, weights: Any) -> Tensor:
        alone = waveform.split(1 if waveform.device.type == "cpu" else len(waveform))
        x = torch.cat([self._run(self._first(one, weights[0]), 1, min(layer, BATCHED), weights[1]) for one in alone])
        return self._run(x, BATCHED + 1, layer, weights[1])

    def _first(self, waveform: Tensor, weights: tuple[Tensor, Tensor]) -> Tensor:
        """The convolution with stride 3 is a matrix product: `(B, samples)` → `(B, samples // 3, C)`."""
        rows = waveform[:, : waveform.shape[1] // 3 * 3].unflatten(1, (-1, 3))  # (B, T, 3)
        return torch.addmm(weights[1], rows.flatten(0, 1), weights[0]).relu_().view(*rows.shape[:2], -1)

    def _run(self, x: Tensor, start: int, stop: int, kernels: list[Taps]) -> Tensor:
        """Blocks `start` to `stop`; what rises can come after the maximum, where there is a third of it."""
        for i in range(start, stop + 1):
            x = convolve(x.to(kernels[i - 1].weight.dtype), kernels[i - 1])
            x = (pool3(x) if i < self.output else x).relu_()
        return x


register_card(
    ModelCard(
        name="samplecnn",
        architecture="samplecnn",
        sample_rate=SAMPLE_RATE,
        window=WINDOW / SAMPLE_RATE,
        hop=WINDOW / SAMPLE_RATE,
        dim=512,
        frame_rate=SAMPLE_RATE / WINDOW,
        good_for=("sound",),
        description="CLMR: SampleCNN trained on raw waveforms without labels, so that two crops of a recording lie "
        "close. Published weights are not bundled: load(name, weights='clmr_epoch=10000.ckpt').",
        features={"input": "waveform", "normalisation": "none"},
        published={
            "window": 59409 / SAMPLE_RATE,
            "hop": 59409 / SAMPLE_RATE,
            "remainder": "drop-last",
            "short": "refuse",
            "pooling": "mean",
            "note": "jukemir's representation extraction: windows of 59,409 samples (two digits of 59,049 changed "
            "places), the last one dropped, mean over windows. CLMR itself tests on windows of 59,049, also without "
            "the last.",
        },
        agreement={"bf16": {"cosine": 0.9952, "measured": MEASURED}},
        licence="weights Apache-2.0",
        paper="Spijkervet, Burgoyne, Contrastive Learning of Musical Representations, ISMIR 2021",
        source="https://github.com/Spijkervet/CLMR/releases",
        weights={
            "url": "https://github.com/Spijkervet/CLMR/releases/download/2.1/clmr_magnatagatune_mlp.zip",
            "file": "clmr_magnatagatune_mlp/clmr_epoch=10000.ckpt",
            "wrapper": "state_dict",
        },
    )
)
