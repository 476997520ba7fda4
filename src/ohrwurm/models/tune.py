"""TUNe, "Tailed U-Net: multi-scale music representation learning" (Vélez Vásquez, Burgoyne; ISMIR 2022).

    level 1   waveform ─conv─▶ f1 ─────────────────────────────▶ f1 ─pool─┐
    level 2            pool ─▶ f2 ──────────────────────▶ f2 ─▲     conv ─▶ t1 ─pool─┐
    ...                       pool ─▶ ... ─▶ ... ─▲ up                     conv ─▶ ... ─▶ mean over time
    level D                          f_D ─▲ up
               contracting            expanding                 tail

Level l works at a third of the rate of level l - 1, with twice the channels. All 33 published sizes (and two hybrids,
`ohrwurm.models.tune_hybrid`) are rows of `ohrwurm.models.tune_variants`. The names are those of the published
checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence

from ohrwurm.errors import ModelError
from ohrwurm.models.base import ModelCard
from ohrwurm.models.registry import architecture, register_card
from ohrwurm.models.tune_variants import VARIANTS, Variant
from ohrwurm.models.unet import Step, UNet, contract_and_expand
from ohrwurm.models.waveform import MEASURED, SAMPLE_RATE, WINDOW


@architecture("tune")
class Tune(UNet):
    """The defaults are TUNe as its authors recommend it (`Tune5Tail`).

    Layers count the blocks from the output back to the input, as the original's `eval_layer`: 0 is the last block of
    the tail, and with the defaults 1 to 8 the others of the tail, 9 to 12 the expanding levels 1 to 4, 13 the
    bottleneck, 14 to 17 the contracting levels 4 to 1.

    Args:
        width, depth, top, tail, links: see `ohrwurm.models.tune_variants.Variant`.
        n_classes: size of the linear head `fc`; 0 (as after contrastive training) for none.
        projection: size of the projection that the contrastive loss looks at; 0 for none.

    >>> import torch
    >>> model = Tune(width=4, depth=3, tail=(8, 16)).eval()
    >>> model.read_out(2)
    ReadOut(dim=4, frame_rate=22050.0)
    >>> encoded = model(torch.randn(2, 81))
    >>> encoded.pooled.shape, encoded.frames.shape
    (torch.Size([2, 4]), torch.Size([2, 81, 4]))
    """

    def __init__(
        self,
        width: int = 11,
        depth: int = 5,
        top: int = 1,
        tail: Sequence[int] = (22, 44, 88, 176, 352, 352, 352, 352, 512),
        links: bool = False,
        n_classes: int = 0,
        projection: int = 64,
    ) -> None:
        if not tail:
            raise ModelError("TUNe without a tail: give the channels of one block or more")
        steps = contract_and_expand(width, depth, top)
        before = steps[-1].width
        for level, after in enumerate(tail, top + 1):
            linked = (width * 2 ** (level - 1),) if links and level <= depth else ()
            steps.append(Step("tail", level, (before, *linked), after))
            before = after
        super().__init__(steps, before, n_classes, projection)


def card_of(row: Variant, architecture: str, dim: int, frame_rate: float, description: str) -> ModelCard:
    """The card of one published size."""
    return ModelCard(
        name=row.name,
        architecture=architecture,
        parameters=row.parameters,
        sample_rate=SAMPLE_RATE,
        window=WINDOW / SAMPLE_RATE,
        hop=WINDOW / SAMPLE_RATE,
        dim=dim,
        frame_rate=frame_rate,
        good_for=("sound",),
        description=description,
        features={"input": "waveform", "normalisation": "none", "published name": row.published},
        published={
            "remainder": "drop-last",
            "short": "refuse",
            "pooling": "mean",
            "note": "jukemir's representation extraction as TUNe's authors run it: whole windows, the last one "
            "dropped, mean over windows.",
        },
        agreement={"bf16": {"cosine": row.bf16, "measured": MEASURED}},
        licence="weights: their authors', who state none",
        paper="Vélez Vásquez, Burgoyne, Tailed U-Net: Multi-Scale Music Representation Learning, ISMIR 2022",
        weights={"wrapper": "state_dict"},
    )


def _description(row: Variant) -> str:
    what = {"Tune5Tail": "TUNe", "TunePlus": "TUNe+"}.get(row.published, f"TUNe, variant {row.published}")
    published = {"Tune5Tail": "tune_5_tail_epoch_10000.ckpt", "TunePlus": "tune_plus_epoch_10000.ckpt"}
    file = published.get(row.published)
    own = (
        f"Its authors give the weights ({file}) on Google Drive: load(name, weights='{file}')."
        if file
        else "No weights of this size are published: train it, or load(name, weights='own.ckpt')."
    )
    linked = " Its tail is linked as that of TUNe+, whatever the name says." if row.links and "Tail" in what else ""
    return (
        f"{what}: a U-Net with a tail on raw waveforms, trained as CLMR without labels (c = {row.width}, depth "
        f"{row.depth}, {len(row.tail)} blocks in the tail).{linked} {own}"
    )


for _row in VARIANTS:
    if _row.samplecnn is None:
        _rate = SAMPLE_RATE / 3 ** (_row.top + len(_row.tail) - 1)
        register_card(card_of(_row, "tune", _row.tail[-1], _rate, _description(_row)))
