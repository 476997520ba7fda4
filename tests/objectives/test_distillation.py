"""Distillation losses against plain loops, and what they must ignore."""

from __future__ import annotations

import numpy as np
import torch

from ohrwurm.objectives.distillation import cosine_distillation, distance_distillation


def test_distance_distillation_equals_loops_over_pairs() -> None:
    rng = np.random.default_rng(0)
    student, teacher = rng.standard_normal((6, 4)), rng.standard_normal((6, 50))
    gaps = [
        abs(((student[i] - student[j]) ** 2).sum() / 4 - ((teacher[i] - teacher[j]) ** 2).sum() / 50)
        for i in range(6)
        for j in range(6)
        if i != j
    ]
    found = distance_distillation(torch.from_numpy(student), torch.from_numpy(teacher))
    np.testing.assert_allclose(float(found), np.mean(gaps), rtol=1e-9)


def test_distance_distillation_teaches_the_student_only() -> None:
    student, teacher = torch.randn(5, 3, requires_grad=True), torch.randn(5, 8, requires_grad=True)
    distance_distillation(student, teacher).backward()
    assert teacher.grad is None
    assert student.grad is not None
    assert torch.isfinite(student.grad).all()
    assert distance_distillation(student[:1], teacher[:1]).item() == 0.0


def test_cosine_distillation_weights_rows_and_ignores_length() -> None:
    student = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    teacher = torch.tensor([[5.0, 0.0], [0.0, 1.0]])
    torch.testing.assert_close(cosine_distillation(student, teacher), torch.tensor(0.5))
    torch.testing.assert_close(cosine_distillation(student, teacher, torch.tensor([3.0, 1.0])), torch.tensor(0.25))
