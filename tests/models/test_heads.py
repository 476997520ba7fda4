"""Probes and fine-tuning heads against the published code: names, losses, and what its evaluation computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cases import Golden
from torch import Tensor, nn

from ohrwurm.models.heads import FineTuneHead, ProbeHead
from ohrwurm.objectives.classification import binary_cross_entropy


def inputs(golden: Golden) -> tuple[Tensor, dict[str, Tensor], Tensor]:
    """Vectors, targets by task, and tokens."""
    vectors, classes, labels, tokens = (int(seed) for seed in golden["ttmr_probe"]["seeds"])
    make = golden.make
    targets = {
        "multiclass": torch.from_numpy(make.binary_labels(classes, 9, 10, 0)),
        "multilabel": torch.from_numpy(make.binary_labels(labels, 9, 42, 0.3)),
    }
    return (
        torch.from_numpy(make.normal(vectors, (9, 128), 0.5)),
        targets,
        torch.from_numpy(make.normal(tokens, (9, 4, 256))),
    )


def names_and_shapes(head: nn.Module) -> dict[str, list]:
    return {k: [list(v.shape), str(v.dtype).removeprefix("torch.")] for k, v in head.state_dict().items()}


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("kind, hidden", [("linear", None), ("mlp", 512)])
@torch.inference_mode()
def test_probe_equals_published(ttmr_golden: Golden, kind: str, hidden: int | None, task: str, norm: bool) -> None:
    vectors, targets, _ = inputs(ttmr_golden)
    target, expected = targets[task], ttmr_golden["ttmr_probe"]
    head = ttmr_golden.fill(ProbeHead(128, target.shape[1], hidden, norm, dropout=0.25))
    assert isinstance(head, ProbeHead)
    assert names_and_shapes(head) == ttmr_golden.keys(f"probe_{kind}_{task}_norm{int(norm)}")
    logits, evaluated = head(vectors), head.published_evaluation(vectors)
    name = f"{kind}_{task}_{int(norm)}"
    if task == "multilabel":
        loss, evaluated = binary_cross_entropy(logits, target), evaluated.sigmoid()
    else:
        loss = nn.functional.cross_entropy(logits, target)
    assert loss.item() == pytest.approx(float(expected[f"{name}_loss"]), rel=1e-5)
    reference = expected[f"{name}_test"]
    np.testing.assert_allclose(evaluated, reference, rtol=0, atol=1e-5 * np.abs(reference).max())


@torch.inference_mode()
def test_fine_tuning_head_equals_published(ttmr_golden: Golden) -> None:
    _, targets, tokens = inputs(ttmr_golden)
    expected = ttmr_golden["ttmr_probe"]
    head = ttmr_golden.fill(FineTuneHead(256, 10))
    assert names_and_shapes(head) == ttmr_golden.keys("finetune_head_only")
    logits = head(tokens[:, 0])
    loss = nn.functional.cross_entropy(logits, targets["multiclass"])
    assert loss.item() == pytest.approx(float(expected["ft_loss"]), rel=1e-5)
    np.testing.assert_allclose(logits, expected["ft_test"], rtol=0, atol=1e-5 * np.abs(expected["ft_test"]).max())
