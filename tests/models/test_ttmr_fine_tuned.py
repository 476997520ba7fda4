"""TTMR's fine-tuned form takes what it needs of a pre-trained checkpoint, and refuses what it cannot explain."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cases_ttmr import TTMR_GOLDEN, audio, checkpoint, fine_tuned_checkpoint

from ohrwurm.errors import ModelError
from ohrwurm.models import registry
from ohrwurm.models.ttmr_fine_tuned import TTMRFineTuned


@torch.inference_mode()
def test_any_pre_trained_checkpoint_gives_the_audio_encoder(tmp_path) -> None:
    for keys in ("ttmr_contrastive_bert_tiny", "ttmr_classification"):
        torch.save({"state_dict": checkpoint(keys)()}, tmp_path / f"{keys}.pth")
        model = registry.load("ttmr-cls", weights=tmp_path / f"{keys}.pth")
        waveform, expected = audio("ttmr_audio", 2)
        reference = expected["transformer"][:, 0]
        assert float(np.abs(model(waveform).pooled.numpy() - reference).max()) <= 2e-5 * np.abs(reference).max()
        with pytest.raises(ModelError, match="no head"):
            model.logits(torch.zeros(1, 256))  # type: ignore[operator]


def test_a_pre_trained_checkpoint_leaves_the_head_as_it_is_and_a_fine_tuned_one_fills_it() -> None:
    model = TTMRFineTuned(n_classes=10)
    before = {k: v.clone() for k, v in model.state_dict().items() if k.startswith("cls_head.")}
    model.load_state_dict(model.from_published(checkpoint("ttmr_contrastive_bert_tiny")()))
    assert all(torch.equal(model.state_dict()[k], v) for k, v in before.items())
    model.load_state_dict(model.from_published(fine_tuned_checkpoint()))
    filled = TTMR_GOLDEN.make.fill_array("cls_head.1.weight", (10, 256))
    np.testing.assert_array_equal(model.state_dict()["cls_head.1.weight"], filled)
    encoder = TTMRFineTuned()
    encoder.load_state_dict(encoder.from_published(fine_tuned_checkpoint()))  # its head is left


def test_a_head_for_other_labels_is_refused(tmp_path) -> None:
    torch.save(fine_tuned_checkpoint(), tmp_path / "ten.pth")
    with pytest.raises(ModelError, match=r"cls_head\.1\.weight \(10, 256\) instead of \(3, 256\)"):
        registry.load("ttmr-cls", weights=tmp_path / "ten.pth", parameters={"n_classes": 3})
