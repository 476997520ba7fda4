"""CLMR's linear evaluation: the published numbers, what is put right, and where the two have to differ."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ohrwurm.data.tracks import Track
from ohrwurm.errors import DataError, ModelError
from ohrwurm.evaluation.protocols import linear
from ohrwurm.evaluation.protocols.head_training import Course
from ohrwurm.evaluation.protocols.targets import Fold, Targets, folds_of
from ohrwurm.models.heads import EvaluationHead, FineTuneHead, ProbeHead, read_head, save_head

SHORT = Course(0.05, 1e-6, 16, epochs=12, patience=10)


def task(count: int = 60, windows: int = 3, several: bool = False, seed: int = 0) -> tuple[Targets, dict, dict]:
    """Tracks of three classes with splits, their windows (the last of them misleading), one crop each."""
    draw = np.random.default_rng(seed)
    split = np.array(["train", "train", "validation", "test"])[np.arange(count) % 4]
    tracks = tuple(Track(f"t{i:03d}", "", split=str(s)) for i, s in enumerate(split))
    y = draw.integers(3, size=count)
    vectors = {}
    for i, c in enumerate(y):
        x = 2.5 * np.eye(6)[c] + draw.normal(size=(windows, 6))
        x[-1] = 10 * np.eye(6)[(c + 1) % 3]
        vectors[i] = x.astype(np.float32)
    names, kind = ("blues", "jazz", "rock"), "multiclass"
    target = Targets(kind, names, tracks, y.astype(np.int64))
    if several:
        target = Targets("multilabel", names, tracks, np.eye(3, dtype=np.float32)[y])
    return target, vectors, {i: v[:1] for i, v in vectors.items()}


def identity(size: int) -> EvaluationHead:
    """A head that gives the vectors back as logits."""
    head = EvaluationHead(size, size)
    head.load_state_dict({"0.weight": torch.eye(size), "0.bias": torch.zeros(size)})
    return head


@pytest.mark.parametrize("name", ["magnatagatune", "gtzan"])
def test_published_numbers_are_those_of_the_original(golden, name: str) -> None:
    """Its encoder returned the first samples of each chunk as logits."""
    g = {key.removeprefix(f"{name}/"): v for key, v in golden("tune/clmr_evaluate").items() if key.startswith(name)}
    chunk, count = int(g["chunk"]), int(g["n_classes"])
    windows = {}
    for i, audio in enumerate(np.split(g["audio_concat"], np.cumsum(g["audio_len"])[:-1])):
        starts = list(range(0, len(audio) - chunk + 1, chunk))
        starts += [len(audio) - chunk] if len(audio) % chunk else []  # our last window is aligned to the end
        windows[i] = np.stack([audio[s : s + count] for s in starts])
    tracks = tuple(Track(str(i), "") for i in windows)
    labels = g["labels"].astype(np.float32 if name == "magnatagatune" else np.int64)
    kind = "multilabel" if name == "magnatagatune" else "multiclass"
    targets = Targets(kind, tuple(map(str, range(count))), tracks, labels)  # type: ignore[arg-type]
    everyone = np.arange(len(tracks))
    found = linear.evaluate(targets, [Fold(everyone, everyone, everyone)], windows, {}, head=identity(count)).outcome
    for figure in ("PR-AUC", "ROC-AUC") if kind == "multilabel" else ("accuracy",):
        published = float(g[figure if kind == "multilabel" else "Accuracy"])
        assert found.published[figure] == pytest.approx(published, abs=1e-6)
        assert found.figures[figure].value != pytest.approx(published, abs=1e-4)  # all windows say more
    assert "the last chunk of every test track left out" in found.published_as


@pytest.mark.parametrize("several", [False, True])
def test_it_learns_and_the_published_way_differs(several: bool) -> None:
    targets, windows, crops = task(several=several)
    folds, said = folds_of(targets)
    assert said == ()
    found = linear.evaluate(targets, folds, windows, crops, course=SHORT)
    outcome, main = found.outcome, "ROC-AUC" if several else "accuracy"
    assert outcome.published[main] > 0.9  # trained on first windows, tested without the last: it is another class's
    assert outcome.figures[main].chance + 0.1 < outcome.figures[main].value < outcome.published[main]
    assert outcome.counts["training tracks"] == 30
    assert set(outcome.items[0].values) >= {main}
    assert found.head is not None
    again = linear.evaluate(targets, folds, windows, crops, course=SHORT)
    assert again.outcome == outcome
    mlp = linear.evaluate(targets, folds, windows, crops, hidden=6, course=SHORT)
    assert mlp.head is not None
    assert mlp.head[0].weight.shape == (6, 6)


def test_published_takes_the_last_head_and_the_corrected_the_best() -> None:
    """Validation tracks that get worse with every epoch: the best head is the first one."""
    targets, windows, crops = task(windows=2)
    for i, t in enumerate(targets.tracks):
        if t.split == "validation":
            crops[i] = windows[i] = np.roll(windows[i], 1, axis=1)
    (fold,), _ = folds_of(targets)
    long = Course(0.05, 1e-6, 16, epochs=10, patience=10)
    found = linear.evaluate(targets, [fold], windows, crops, course=long)
    part = linear._examples(fold.train, crops, targets.y)
    valid = linear._examples(fold.validation, crops, targets.y)
    head = linear._new(part, targets, None, 0)
    trained = linear.train_head(head, part, valid, long)
    assert trained.best_epoch < len(trained.validation)
    chunks = linear._examples(fold.test, {i: w[:-1] for i, w in windows.items()}, targets.y)
    head.load_state_dict(trained.last)
    answers = linear.probabilities(linear.logits(head, chunks.x), chunks).argmax(1)
    assert found.outcome.published["accuracy"] == float((answers == chunks.y).mean())


def test_a_track_of_one_window_counts_but_was_never_published() -> None:
    targets, windows, crops = task(windows=2)
    tests = [i for i, t in enumerate(targets.tracks) if t.split == "test"]
    for i in tests:
        windows[i] = windows[i][:1]
    folds, _ = folds_of(targets)
    found = linear.evaluate(targets, folds, windows, crops, course=SHORT)
    assert found.outcome.counts["tracks"] == len(tests)
    assert found.outcome.published == {}
    assert found.warnings == ("no published numbers: no recording of a split is longer than one window",)


def test_folds_test_every_track_once() -> None:
    targets, windows, _ = task()
    bare = Targets(targets.kind, targets.names, tuple(Track(t.track_id, "") for t in targets.tracks), targets.y)
    folds, said = folds_of(bare, 4)
    found = linear.evaluate(bare, folds, windows, None, course=SHORT)
    assert said == ()
    assert sorted(found.outcome.items[0].ids) == [t.track_id for t in bare.tracks]
    assert "4 folds" in found.outcome.protocol
    assert found.outcome.published == {}
    assert found.head is None


def test_a_split_without_usable_recordings_is_told() -> None:
    targets, windows, crops = task()
    folds, _ = folds_of(targets)
    left = {i: w for i, w in windows.items() if targets.tracks[i].split != "test"}
    with pytest.raises(DataError, match="no recording of a split could be used"):
        linear.evaluate(targets, folds, left, crops, course=SHORT)


@pytest.mark.parametrize("hidden", [None, 6])
def test_heads_are_saved_under_their_published_names_and_read_back(tmp_path, hidden) -> None:
    head = EvaluationHead(6, 3, hidden)
    save_head(head, tmp_path / "head.safetensors")
    encoder = {"encoder.fc.weight": torch.zeros(1), **head.to_published()}  # a fine-tuner's file has the encoder, too
    torch.save({"state_dict": encoder, "pytorch-lightning_version": "1.0"}, tmp_path / "finetuner.ckpt")
    for file in ("head.safetensors", "finetuner.ckpt"):
        read = read_head(tmp_path / file)
        assert isinstance(read, EvaluationHead)
        assert read.state_dict().keys() == head.state_dict().keys()
        assert all(torch.equal(read.state_dict()[k], v) for k, v in head.state_dict().items())


def test_the_head_of_a_fine_tuned_checkpoint_is_read_from_it(tmp_path) -> None:
    head = FineTuneHead(6, 3)
    state = {"audio_encoder.cls_token": torch.zeros(6), **head.state_dict()}
    torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}}, tmp_path / "best.pth")
    read = read_head(tmp_path / "best.pth")
    vectors = torch.randn(4, 6)
    torch.testing.assert_close(read(vectors), head.eval()(vectors))


def test_other_heads_are_refused(tmp_path) -> None:
    from ohrwurm.models import registry

    card = registry.card("mel-statistics")
    targets, _, _ = task()
    save_head(ProbeHead(card.dim, 3), tmp_path / "probe.safetensors")
    save_head(EvaluationHead(6, 3), tmp_path / "small.safetensors")
    torch.save({"weight": torch.zeros(2, 2)}, tmp_path / "other.pt")
    for name, message in (
        ("probe.safetensors", "ttmr-probe tests it"),
        ("small.safetensors", "a head from 6 numbers to 3 labels; mel-statistics gives 192"),
        ("other.pt", "holds no head"),
        ("gone.pt", "no such weights file"),
    ):
        with pytest.raises(ModelError, match=message):
            linear._given(tmp_path / name, card, targets)
