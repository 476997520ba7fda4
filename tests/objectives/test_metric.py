"""The metric-learning losses are the published ones, with their gradients, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ohrwurm.objectives.metric import group_loss, normalized_softmax, proxy_nca, squared_distances, triplet_loss

MININGS = ("random", "hard-random", "hard", "all-positives")


@pytest.mark.parametrize("case", ["a", "b", "c"])
@pytest.mark.parametrize("strategy", range(4))
def test_triplet_loss_equals_published(golden, case: str, strategy: int) -> None:
    g = golden("remove/loss_triplet")
    embedding = torch.from_numpy(g[f"{case}_emb"]).double().requires_grad_()
    noise = torch.from_numpy(g[f"{case}_noise"]).double()
    loss = triplet_loss(
        embedding,
        torch.from_numpy(g[f"{case}_labels"]),
        margin=float(g[f"{case}_margin"]),
        mining=MININGS[strategy],
        uniform=list(noise),
    )
    loss.backward()
    assert loss.item() == pytest.approx(float(g[f"{case}_ms{strategy}_loss64"]), rel=1e-9)
    np.testing.assert_allclose(embedding.grad, g[f"{case}_ms{strategy}_grad64"], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("mining", MININGS)
def test_triplet_loss_leaves_out_anchors_without_a_positive(mining: str) -> None:
    """A single version in the batch must neither crash nor be pulled to a stranger."""
    torch.manual_seed(0)
    embedding = torch.randn(5, 4, requires_grad=True)
    labels = torch.tensor([0, 0, 1, 1, 2])
    loss = triplet_loss(embedding, labels, margin=100.0, mining=mining)  # a margin that keeps every triplet active
    d = squared_distances(embedding).detach().numpy()
    positives = np.mean([d[0, 1], d[1, 0], d[2, 3], d[3, 2]])
    negatives = [d[i, labels.numpy() != int(labels[i])] for i in range(4)]
    nearest, farthest = np.mean([n.min() for n in negatives]), np.mean([n.max() for n in negatives])
    assert positives + 100 - farthest - 1e-4 <= loss.item() <= positives + 100 - nearest + 1e-4
    if mining == "hard":
        assert loss.item() == pytest.approx(positives + 100 - nearest, rel=1e-6)
    (gradient,) = torch.autograd.grad(loss, embedding)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("mining", MININGS)
@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2], [5]])
def test_batch_without_a_triplet_has_loss_zero(mining: str, labels: list[int]) -> None:
    embedding = torch.randn(len(labels), 4).requires_grad_()
    loss = triplet_loss(embedding, torch.tensor(labels), mining=mining)
    assert float(loss) == 0.0
    loss.backward()
    assert torch.equal(embedding.grad, torch.zeros_like(embedding))


def test_hard_mining_does_not_depend_on_batch_order() -> None:
    torch.manual_seed(0)
    embedding, labels = torch.randn(12, 6, dtype=torch.float64), torch.arange(12) % 4
    order = torch.randperm(12)
    expected = triplet_loss(embedding, labels)
    torch.testing.assert_close(triplet_loss(embedding[order], labels[order]), expected)


def test_random_mining_follows_its_generator() -> None:
    embedding, labels = torch.randn(16, 6), torch.arange(16) % 4
    draws = [
        float(triplet_loss(embedding, labels, mining="random", generator=torch.Generator().manual_seed(s)))
        for s in (1, 1, 2)
    ]
    assert draws[0] == draws[1] != draws[2]


@pytest.mark.parametrize("case", ["a", "b"])
@pytest.mark.parametrize("name", ["normsoftmax", "proxynca"])
def test_proxy_losses_equal_published(golden, case: str, name: str) -> None:
    g = golden("remove/loss_proxy")
    embedding, proxies = (torch.from_numpy(g[f"{case}_{k}"]).double().requires_grad_() for k in ("emb", "proxies"))
    loss_of = {"normsoftmax": normalized_softmax, "proxynca": proxy_nca}[name]
    loss = loss_of(embedding, torch.from_numpy(g[f"{case}_labels"]).long(), proxies)
    loss.backward()
    assert loss.item() == pytest.approx(float(g[f"{case}_{name}_loss64"]), rel=1e-9)
    np.testing.assert_allclose(embedding.grad, g[f"{case}_{name}_grad_emb64"], rtol=1e-6, atol=1e-9)
    key = f"{case}_{name}_grad_proxies"
    if f"{key}64" in g.files:
        np.testing.assert_allclose(proxies.grad, g[f"{key}64"], rtol=1e-9, atol=1e-12)
    else:
        np.testing.assert_allclose(proxies.grad, g[f"{key}32"], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("case", ["a", "b"])
def test_group_loss_equals_published(golden, case: str) -> None:
    g = golden("remove/loss_proxy")
    embedding, proxies = (torch.from_numpy(g[f"{case}_{k}"]).double().requires_grad_() for k in ("emb", "proxies"))
    loss = group_loss(embedding, torch.from_numpy(g[f"{case}_labels"]), proxies)
    loss.backward()
    assert loss.item() == pytest.approx(float(g[f"{case}_group_loss64"]), rel=1e-9)
    np.testing.assert_allclose(embedding.grad, g[f"{case}_group_grad_emb64"], rtol=1e-9, atol=1e-12)
    if f"{case}_group_grad_proxies64" in g.files:
        np.testing.assert_allclose(proxies.grad, g[f"{case}_group_grad_proxies64"], rtol=1e-9, atol=1e-12)
    else:
        np.testing.assert_allclose(proxies.grad, g[f"{case}_group_grad_proxies32"], rtol=1e-4, atol=1e-7)


def test_group_loss_wants_whole_blocks_of_one_work() -> None:
    with pytest.raises(ValueError, match="8 items is not made of blocks of 4"):
        group_loss(torch.randn(8, 3), torch.tensor([0, 0, 0, 1, 1, 1, 1, 1]), torch.randn(2, 3))
    with pytest.raises(ValueError, match="6 items is not made of blocks of 4"):
        group_loss(torch.randn(6, 3), torch.zeros(6, dtype=torch.long), torch.randn(2, 3))


def test_group_loss_falls_under_its_gradient() -> None:
    torch.manual_seed(0)
    embedding, proxies = torch.randn(16, 12, requires_grad=True), torch.randn(4, 12, requires_grad=True)
    labels = torch.arange(4).repeat_interleave(4)
    optimizer = torch.optim.SGD([embedding, proxies], lr=0.5)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = group_loss(embedding, labels, proxies)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 3
