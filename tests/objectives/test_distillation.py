"""Distillation losses against plain loops, and what they must ignore."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ohrwurm.objectives.distillation import cluster_distillation, cosine_distillation, distance_distillation


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


@pytest.mark.parametrize("case", ["a", "b"])
@pytest.mark.parametrize("kind", ["distance", "cluster"])
def test_distillation_of_versions_equals_published(golden, move_inputs, case: str, kind: str) -> None:
    g = golden("remove/loss_kd")
    student = torch.from_numpy(g[f"{case}_student"]).double().requires_grad_()
    projection = torch.from_numpy(g[f"{case}_W"]).double().requires_grad_()
    if kind == "distance":
        shape, scale = (len(student), 16000), float(g[f"{case}_teacher_scale"])
        teacher = torch.from_numpy(move_inputs.gauss(int(g[f"{case}_teacher_seed"]), shape, scale)).double()
        loss = distance_distillation(student, teacher)
    else:
        centroids = torch.full((50, 64), torch.nan, dtype=torch.float64)  # works not in the batch must not matter
        centroids[g[f"{case}_centroid_labels"]] = torch.from_numpy(g[f"{case}_centroids"]).double()
        loss = cluster_distillation(student, torch.from_numpy(g[f"{case}_labels"]), centroids, projection)
    loss.backward()
    assert loss.item() == pytest.approx(float(g[f"{case}_kd_{kind}_loss64"]), rel=1e-9)
    np.testing.assert_allclose(student.grad, g[f"{case}_kd_{kind}_grad64"], rtol=1e-9, atol=1e-12)
    if kind == "cluster":
        np.testing.assert_allclose(projection.grad, g[f"{case}_kd_cluster_gradW64"], rtol=1e-9, atol=1e-12)


def test_cluster_distillation_of_one_work_is_zero_with_a_finite_gradient() -> None:
    student, projection = torch.randn(4, 3, requires_grad=True), torch.randn(3, 8, requires_grad=True)
    loss = cluster_distillation(student, torch.tensor([1, 1, 1, 1]), torch.randn(2, 8), projection)
    loss.backward()
    assert loss.item() == 0.0
    assert torch.isfinite(student.grad).all()
    assert torch.isfinite(projection.grad).all()
