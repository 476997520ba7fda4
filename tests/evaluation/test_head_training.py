"""Heads trained by epochs: they learn, stop, slow down and choose as the two papers have it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from ohrwurm.errors import DataError, TrainingError
from ohrwurm.evaluation.protocols import head_training
from ohrwurm.evaluation.protocols.head_training import Course, Examples, Patience, logits, probabilities, train_head
from ohrwurm.models.heads import EvaluationHead, ProbeHead


def separable(count: int, classes: int = 3, windows: int = 1, seed: int = 0) -> Examples:
    """Tracks of classes that lie apart, each with some windows."""
    draw = np.random.default_rng(seed)
    y = np.arange(count) % classes
    x = [5 * np.eye(8)[c] + draw.normal(size=(windows, 8)) for c in y]
    return Examples.of([v.astype(np.float32) for v in x], y)


def head(classes: int = 3) -> EvaluationHead:
    torch.manual_seed(0)
    return EvaluationHead(8, classes)


def rates(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Will hold the rate of every step."""
    found: list[float] = []

    class Watched(torch.optim.Adam):
        def step(self, closure=None):  # type: ignore[no-untyped-def]
            found.append(self.param_groups[0]["lr"])
            return super().step(closure)

    monkeypatch.setattr(head_training.torch.optim, "Adam", Watched)
    return found


@pytest.mark.parametrize(
    "schedule, windows, several",
    [("plateau", 1, False), ("plateau", 4, True), ("cosine", 4, False), ("cosine", 1, True)],
)
def test_a_head_learns_what_is_there(schedule: str, windows: int, several: bool) -> None:
    parts = [separable(90, windows=windows, seed=s) for s in range(3)]
    if several:
        parts = [Examples(p.x, np.eye(3, dtype=np.float32)[p.y], p.counts) for p in parts]
    learned = head()
    course = Course(0.05, 1e-6, 16, epochs=15, schedule=schedule, patience=10)  # type: ignore[arg-type]
    trained = train_head(learned, parts[0], parts[1], course)
    assert trained.validation[trained.best_epoch - 1] == min(trained.validation)
    learned.load_state_dict(trained.best)
    scores = probabilities(logits(learned, parts[2].x), parts[2])
    assert scores.shape == (90, 3)
    truth = parts[2].y.argmax(1) if several else parts[2].y
    assert (scores.argmax(1) == truth).mean() > 0.95


def test_patience_is_the_published_one(golden) -> None:
    g = golden("ttmr_muscall/ttmr_schedule")
    patience, counts, end = Patience(20, in_a_row=False), [], None
    for epoch, loss in enumerate(g["val_losses"]):
        if patience.ends(float(loss)) and end is None:
            end = epoch
        counts.append(patience.waited)
    np.testing.assert_array_equal(counts, g["counter"])
    assert end == int(g["stop_epoch"])
    resetting = Patience(3, in_a_row=True)
    assert [resetting.ends(x) for x in (3.0, 4.0, 4.0, 2.0, 2.0, 2.0, 2.0)] == [False] * 6 + [True]


def test_training_ends_when_it_no_longer_helps_and_gives_best_and_last() -> None:
    """Labels that mean nothing: the validation loss rises at once."""
    train, valid = separable(60), separable(60, seed=1)
    wrong = Examples(valid.x, (valid.y + 1) % 3, valid.counts)
    trained = train_head(head(), train, wrong, Course(0.1, batch_size=16, patience=7))
    assert (trained.best_epoch, len(trained.validation)) == (1, 8)
    assert any(not torch.equal(trained.best[k], trained.last[k]) for k in trained.best)


def test_rate_falls_to_a_tenth_after_more_than_five_epochs_without_a_lower_loss(monkeypatch) -> None:
    train, wrong = separable(32), separable(32, seed=1)
    wrong = Examples(wrong.x, (wrong.y + 1) % 3, wrong.counts)
    found = rates(monkeypatch)
    train_head(head(), train, wrong, Course(0.1, batch_size=32, patience=10))
    assert found == pytest.approx([0.1] * 7 + [0.01] * 4)


def test_rate_follows_half_a_cosine_over_all_epochs(monkeypatch) -> None:
    found = rates(monkeypatch)
    part = separable(20)
    train_head(head(), part, part, Course(0.01, batch_size=8, epochs=10, schedule="cosine", patience=99))
    expected = [1e-9 + (0.01 - 1e-9) * 0.5 * (1 + math.cos(math.pi * step / 30)) for step in range(30)]
    assert found == pytest.approx(expected, rel=1e-6)


def test_long_tracks_weigh_no_more_than_short_ones() -> None:
    part = separable(4, classes=2)
    longer = Examples.of([np.repeat(x[None], n, 0) for x, n in zip(part.x, (1, 9, 2, 5), strict=True)], part.y)
    course = Course(0.05, batch_size=2, epochs=5)
    one, two = (train_head(head(2), p, p, course) for p in (part, longer))
    assert one.validation == pytest.approx(two.validation, rel=1e-5)
    assert one.training == pytest.approx(two.training, rel=1e-5)


def test_the_same_seed_gives_the_same_head() -> None:
    parts = separable(60, windows=3), separable(30, seed=1)
    found = []
    for seed in (0, 0, 1):
        torch.manual_seed(0)
        probe = ProbeHead(8, 3, hidden=16, norm=True, dropout=0.25)
        torch.manual_seed(len(found))  # whatever state the global generator is in
        found.append(train_head(probe, *parts, Course(epochs=3), seed=seed).last)
    assert all(torch.equal(found[0][k], found[1][k]) for k in found[0])
    assert any(not torch.equal(found[0][k], found[2][k]) for k in found[0])


def test_what_cannot_be_trained_is_told() -> None:
    part = separable(9)
    with pytest.raises(DataError, match="NaN"):
        Examples.of([np.full(8, np.nan, np.float32)], np.zeros(1, int))
    with pytest.raises(DataError, match="every track needs a vector"):
        Examples(np.zeros((1, 2), np.float32), np.zeros(2, int), np.array([1, 0]))
    with pytest.raises(DataError, match="do not fit"):
        Examples(np.zeros((1, 2), np.float32), np.zeros(2, int), np.array([1, 1]))
    with pytest.raises(DataError, match="of one size"):
        train_head(head(), part, Examples.of([np.zeros(4, np.float32)], np.zeros(1, int)), Course())
    broken = head()
    nn.init.constant_(broken[0].weight, torch.inf)
    with pytest.raises(TrainingError, match="not a number in epoch 1"):
        train_head(broken, part, part, Course())
