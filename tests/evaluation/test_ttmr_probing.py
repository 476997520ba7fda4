"""TTMR's probing: the published losses and outputs, its grid, and where the corrected protocol has to differ."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ohrwurm.errors import DataError, ModelError
from ohrwurm.evaluation.protocols import ttmr_probing
from ohrwurm.evaluation.protocols.head_training import Examples, validation_loss
from ohrwurm.evaluation.protocols.ttmr_probing import Setting, grid, probe, published_numbers, select
from ohrwurm.models.heads import EvaluationHead, ProbeHead, read_head, save_head

FEW = [Setting(1e-2, 16, 0.0, False), Setting(1e-2, 16, 0.25, True), Setting(3e-2, 64, 0.0, False)]


def separable(count: int, several: bool = False, seed: int = 0) -> Examples:
    draw = np.random.default_rng(seed)
    y = draw.integers(3, size=count)
    x = 2.0 * np.eye(8)[y] + draw.normal(size=(count, 8)) + 40  # an offset that a LayerNorm takes away
    return Examples.of(list(x.astype(np.float32)), np.eye(3, dtype=np.float32)[y] if several else y)


@pytest.fixture
def published(golden, golden_fill):
    """One of the golden heads with its examples and numbers."""

    def read(kind: str, task: str, norm: int):
        g, fill = golden("ttmr_muscall/ttmr_probe"), golden_fill("ttmr_muscall")
        vectors, classes, several, _ = (int(s) for s in g["seeds"])
        y = fill.binary_labels(classes, 9, 10, 0).argmax(1)
        if task == "multilabel":
            y = fill.binary_labels(several, 9, 42, 0.3).astype(np.float32)
        part = Examples.of(list(fill.normal(vectors, (9, 128), 0.5)), y)
        head = ProbeHead(128, 42 if task == "multilabel" else 10, 512 if kind == "mlp" else None, bool(norm), 0.25)
        head.load_state_dict({k: torch.from_numpy(fill.fill_array(k, v.shape)) for k, v in head.state_dict().items()})
        name = f"{kind}_{task}_{norm}"
        return head, part, float(g[f"{name}_loss"]), g[f"{name}_test"]

    return read


@pytest.mark.parametrize("norm", [0, 1])
@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_loss_and_test_are_those_of_the_original(published, kind: str, task: str, norm: int) -> None:
    head, part, loss, expected = published(kind, task, norm)
    assert validation_loss(head, part) == pytest.approx(loss, rel=1e-5)
    tested = ttmr_probing._outputs(head, part, "cpu", published=True)
    np.testing.assert_allclose(tested, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    corrected = ttmr_probing._outputs(head, part, "cpu")
    if norm:  # the published test leaves out what the head was trained with
        assert np.abs(corrected - expected).max() > 1e-2
    else:
        np.testing.assert_array_equal(corrected, tested)


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("hidden", [None, 512])
def test_saved_heads_have_the_published_names(golden_json, tmp_path, hidden, norm: bool) -> None:
    kind = "linear" if hidden is None else "mlp"
    expected = golden_json(f"ttmr_muscall/keys/probe_{kind}_multilabel_norm{int(norm)}")
    head = ProbeHead(128, 42, hidden, norm)
    save_head(head, tmp_path / "best.safetensors")
    torch.save({"state_dict": {f"module.{k}": v for k, v in head.state_dict().items()}}, tmp_path / "best.pth")
    for file in ("best.safetensors", "best.pth"):
        read = read_head(tmp_path / file)
        assert {k: list(v.shape) for k, v in read.state_dict().items()} == {k: v[0] for k, v in expected.items()}
        assert all(torch.equal(v, head.state_dict()[k]) for k, v in read.state_dict().items())


def test_grid_is_the_scripted_one() -> None:
    assert [s.name for s in grid("mlp")][:3] == ["0.001_16_0_0", "0.001_16_0.25_0", "0.001_64_0_0"]
    shipped = {"0.0005_512_0_0", "0.0005_64_0_1", "0.001_512_0.25_0", "0.001_64_0.25_0", "0.0005_64_0_0"}
    assert shipped <= {s.name for s in grid("mlp", every_norm=True)}
    assert shipped - {s.name for s in grid("mlp")} == {"0.0005_64_0_1"}
    assert {s.norm for s in grid("linear")} == {True, False}


@pytest.mark.parametrize("several", [False, True])
def test_probes_learn_and_the_skipped_norm_costs_points(several: bool) -> None:
    train, valid, test = (separable(n, several, s) for s, n in enumerate((120, 90, 90)))
    found = probe(train, valid, 3, FEW, hidden=16)
    best = select(found)
    assert best.score == max(p.score for p in found)
    scores = ttmr_probing._outputs(found[1].head, test, "cpu")
    skipped = ttmr_probing._outputs(found[1].head, test, "cpu", published=True)
    right, wrong = (ttmr_probing._score(s, test) for s in (scores, skipped))
    assert right > 0.85
    assert wrong < right - (0.01 if several else 0.05)  # ranks suffer less than decisions
    name, numbers, each = published_numbers(found, test, ("a", "b", "c"))
    assert each[FEW[1].name] == pytest.approx(wrong, abs=0.03)  # ties
    assert next(iter(numbers.values())) == max(each.values()) == each[name]
    assert set(numbers) >= ({"macro_roc", "macro_pr", "macro_fl"} if several else {"accuracy"})


def test_the_best_on_validation_is_selected_and_of_equals_the_surest() -> None:
    one, two, three = (ttmr_probing.Probed(None, ProbeHead(2, 2), *s) for s in ((0.5, 0.1), (0.9, 0.4), (0.9, 0.3)))
    assert select([one, two, three]) is three
    assert select([ttmr_probing.Probed(None, ProbeHead(2, 2), 0.9, 0.3), three]) is not three
    with pytest.raises(DataError, match="no probe can be selected"):
        select([ttmr_probing.Probed(None, ProbeHead(2, 2), float("nan"), 0.1)])


def test_a_killed_grid_goes_on_where_it_was(tmp_path, monkeypatch) -> None:
    parts = separable(60), separable(30, seed=1)
    whole = probe(*parts, 3, FEW, hidden=8)
    probe(*parts, 3, FEW[:2], hidden=8, folder=tmp_path)
    trained: list[Setting] = []
    original = ttmr_probing.train_head

    def counted(head, *arguments, **more):
        trained.append(head)
        return original(head, *arguments, **more)

    monkeypatch.setattr(ttmr_probing, "train_head", counted)
    steps: list[tuple[int, int]] = []
    again = probe(*parts, 3, FEW, hidden=8, folder=tmp_path, progress=lambda *now: steps.append(now))
    assert len(trained) == 1
    assert steps == [(0, 3), (1, 3), (2, 3), (3, 3)]
    for a, b in zip(whole, again, strict=True):
        assert (a.score, a.loss) == (b.score, b.loss)
        assert all(torch.equal(v, b.head.state_dict()[k]) for k, v in a.head.state_dict().items())
    assert (tmp_path / FEW[0].name / "best.safetensors").is_file()


def test_other_heads_are_refused(tmp_path) -> None:
    save_head(EvaluationHead(8, 3), tmp_path / "clmr.safetensors")
    save_head(ProbeHead(8, 3, norm=True), tmp_path / "probe.safetensors")
    for name, dim, labels, message in (
        ("clmr", 8, "abc", "linear tests it"),
        ("probe", 9, "abc", "for vectors of another size than 9"),
        ("probe", 8, "ab", "a head for 3 labels, and there are 2"),
    ):
        with pytest.raises(ModelError, match=message):
            ttmr_probing._given(tmp_path / f"{name}.safetensors", dim, labels)
