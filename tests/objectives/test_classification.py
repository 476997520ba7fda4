"""Binary cross-entropy over the known entries."""

from __future__ import annotations

import numpy as np
import torch

from ohrwurm.objectives.classification import binary_cross_entropy


def test_equals_its_definition() -> None:
    rng = np.random.default_rng(0)
    logits, targets = rng.standard_normal((5, 7)), rng.random((5, 7))
    p = 1 / (1 + np.exp(-logits))
    expected = -(targets * np.log(p) + (1 - targets) * np.log(1 - p)).mean()
    found = binary_cross_entropy(torch.from_numpy(logits), torch.from_numpy(targets))
    np.testing.assert_allclose(float(found), expected, rtol=1e-12)


def test_unknown_entries_change_neither_loss_nor_gradient() -> None:
    torch.manual_seed(0)
    logits, targets = torch.randn(4, 6, requires_grad=True), torch.rand(4, 6).round()
    known = torch.rand(4, 6) > 0.4
    loss = binary_cross_entropy(logits, targets, known)
    torch.testing.assert_close(loss, binary_cross_entropy(logits[known], targets[known]))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert torch.equal(gradient[~known], torch.zeros(int((~known).sum())))
    assert float(binary_cross_entropy(logits.detach(), targets, torch.zeros(4, 6, dtype=torch.bool))) == 0.0
