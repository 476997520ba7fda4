"""Label-aware triplets against the published code: weights, draws, losses and gradients."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from ohrwurm.objectives.classification import binary_cross_entropy
from ohrwurm.objectives.sampling import draw, label_aware_triplet_loss, label_aware_weights


@pytest.fixture(scope="module")
def published(golden, fill):
    """The golden file, both modalities' vectors, the labels, and the random numbers that the original drew."""
    g = golden("ttmr_muscall/ttmr_loss_triplet")
    n, (first, second, third) = int(g["n"]), (int(seed) for seed in g["seeds"])
    audio = fill.normal(first, (n, 128))
    text = 0.08 * audio + fill.normal(second, (n, 128))
    labels = fill.binary_labels(third, n, 40, 0.12)
    source = random.Random(int(g["py_random_seed"]))
    uniform = torch.tensor([[source.random() for _ in range(n)] for _ in range(2)], dtype=torch.float64)
    audio, text, labels = (torch.from_numpy(x.astype(np.float32)) for x in (audio, text, labels))
    return g, audio.requires_grad_(), text.requires_grad_(), labels, uniform


def test_weights_and_draws_equal_published(published) -> None:
    g, audio, text, labels, uniform = published
    at, ta = label_aware_weights(audio, text, labels), label_aware_weights(text, audio, labels)
    np.testing.assert_allclose(at, g["weights_at"], atol=1e-5 * g["weights_at"].max())
    np.testing.assert_allclose(ta, g["weights_ta"], atol=1e-5 * g["weights_ta"].max())
    assert draw(at, uniform[0]).tolist() == g["neg_at"].tolist()
    assert draw(ta, uniform[1]).tolist() == g["neg_ta"].tolist()


def test_loss_and_gradients_equal_published(published) -> None:
    g, audio, text, labels, uniform = published
    loss = label_aware_triplet_loss(audio, text, labels, margin=float(g["margin"]), uniform=uniform)
    gradients = torch.autograd.grad(loss, (audio, text))
    assert loss.item() == pytest.approx(float(g["loss"]), rel=1e-5)
    assert loss.item() == pytest.approx((float(g["loss_at"]) + float(g["loss_ta"])) / 2, rel=1e-5)
    for found, name in zip(gradients, ("g1", "g2"), strict=True):
        np.testing.assert_allclose(found, g[name], atol=1e-5 * np.abs(g[name]).max())


def test_draws_follow_the_weights() -> None:
    weights = torch.tensor([[0.0, 1.0, 0.0, 3.0, 0.0]]).expand(4000, -1)
    uniform = torch.rand(4000, generator=torch.Generator().manual_seed(0))
    counts = torch.bincount(draw(weights, uniform), minlength=5)
    assert counts[[0, 2, 4]].tolist() == [0, 0, 0]
    assert counts[3].item() / 4000 == pytest.approx(0.75, abs=0.03)


def test_draw_never_takes_a_column_without_weight() -> None:
    weights = torch.tensor([[0.0, 0.1, 0.7, 0.0], [0.3, 0.3, 0.0, 0.0]])
    for number in (0.0, 1 - 2**-53):
        found = draw(weights, torch.full((2,), number, dtype=torch.float64))
        assert weights.gather(1, found[:, None]).min() > 0


def test_items_without_a_negative_are_left_out() -> None:
    """The published code fails where every item of the batch has all labels of an anchor."""
    generator = torch.Generator().manual_seed(0)
    audio, text = (torch.randn(3, 8, generator=generator) for _ in range(2))
    audio.requires_grad_()
    labels = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 1.0]])  # only the last one has what others lack
    uniform = torch.full((2, 3), 0.1)
    loss = label_aware_triplet_loss(audio, text, labels, margin=2.0, uniform=uniform)
    a, t = torch.nn.functional.normalize(audio, dim=-1), torch.nn.functional.normalize(text, dim=-1)
    negative = int(draw(label_aware_weights(audio, text, labels), uniform[0])[2])
    other = int(draw(label_aware_weights(text, audio, labels), uniform[1])[2])
    expected = (2 - a[2] @ t[2] + a[2] @ t[negative]) / 2 + (2 - a[2] @ t[2] + t[2] @ a[other]) / 2
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    nothing = label_aware_triplet_loss(audio, text, torch.ones(3, 2))
    nothing.backward()
    assert nothing.item() == 0.0
    assert torch.isfinite(audio.grad).all()


def test_seeded_generator_repeats_the_draw() -> None:
    vectors, labels = torch.randn(8, 4), torch.eye(8)
    once, again = (
        label_aware_triplet_loss(vectors, vectors.flip(0), labels, generator=torch.Generator().manual_seed(3))
        for _ in range(2)
    )
    assert once == again


def test_loss_of_the_classification_objective_equals_published(golden, fill) -> None:
    g = golden("ttmr_muscall/ttmr_loss_bce")
    n, seeds = int(g["n"]), [int(seed) for seed in g["seeds"]]
    vectors = torch.from_numpy(fill.normal(seeds[0], (n, 128))).requires_grad_()
    labels = torch.from_numpy(fill.binary_labels(seeds[-1], n, 1054, 0.01))
    weight = torch.from_numpy(fill.fill_array("head.fc_cls.weight", (1054, 128)))
    loss = binary_cross_entropy(torch.nn.functional.normalize(vectors, dim=-1) @ weight.T, labels)
    (gradient,) = torch.autograd.grad(loss, vectors)
    assert loss.item() == pytest.approx(float(g["loss"]), rel=1e-5)
    np.testing.assert_allclose(gradient, g["g1"], atol=1e-5 * np.abs(g["g1"]).max())
