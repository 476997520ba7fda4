"""Weights files: all or nothing, published layouts, and never any code."""

from __future__ import annotations

import dataclasses
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch
from cases import all_cases
from safetensors.torch import save_file
from torch import nn

from ohrwurm.checksums import sha256
from ohrwurm.errors import ModelError
from ohrwurm.models import registry
from ohrwurm.models.base import ModelCard
from ohrwurm.models.convert import convert, published_state, read_weights
from ohrwurm.models.ttmr import TTMR

CASES = all_cases()
LIGHT = {"channels": (4, 4, 4, 4), "n_mels": 32, "attention_dim": 16, "heads": 2, "layers": 1, "dim": 8}
BERT = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 16,
}


def small() -> TTMR:
    return TTMR(**LIGHT, text_dim=16, text_parameters={"config": BERT})


def as_published(model: TTMR) -> dict[str, torch.Tensor]:
    """What the original trainer would have written: wrapper prefix, the alias, constants and old BERT buffers."""
    state = dict(model.state_dict())
    state["head.logit_scale"] = state["logit_scale"]
    state["audio_encoder.audio_representation.spec_fn.window"] = model.mel.window
    state["audio_encoder.audio_representation.mel_scale.fb"] = model.mel.bank
    state["text_encoder.embeddings.position_ids"] = torch.arange(16)[None]
    return {f"module.{key}": value for key, value in state.items()}


def same(a: nn.Module, b: nn.Module) -> bool:
    ours, theirs = a.state_dict(), b.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_published_ttmr_checkpoint_fills_the_model(tmp_path: Path) -> None:
    trained, fresh = small(), small()
    optimizer = torch.optim.Adam(trained.parameters())
    content = {"epoch": 7, "state_dict": as_published(trained), "optimizer": optimizer.state_dict()}
    torch.save(content, tmp_path / "best.pth")
    assert not same(fresh, trained)
    read_weights(fresh, tmp_path / "best.pth")
    assert same(fresh, trained)


def test_checkpoint_without_wrapper_prefix_or_pooler_works_too(tmp_path: Path) -> None:
    trained, fresh = small(), small()
    state = {k.removeprefix("module."): v for k, v in as_published(trained).items() if ".pooler." not in k}
    torch.save(state, tmp_path / "plain.pt")
    pooler = fresh.state_dict()["text_encoder.pooler.dense.weight"].clone()
    read_weights(fresh, tmp_path / "plain.pt")
    assert torch.equal(fresh.audio_projector[1].weight, trained.audio_projector[1].weight)
    assert torch.equal(fresh.state_dict()["text_encoder.pooler.dense.weight"], pooler)


@pytest.mark.parametrize("constant", ["spec_fn.window", "mel_scale.fb"])
def test_checkpoint_of_another_front_end_is_refused(tmp_path: Path, constant: str) -> None:
    state = as_published(small())
    state[f"module.audio_encoder.audio_representation.{constant}"] = (
        state[f"module.audio_encoder.audio_representation.{constant}"] * 0.9
    )
    torch.save({"state_dict": state}, tmp_path / "other.pth")
    with pytest.raises(ModelError, match="another n_fft, n_mels or sample_rate"):
        read_weights(small(), tmp_path / "other.pth")


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_weights_that_do_not_fit_are_listed_and_nothing_is_loaded(tmp_path: Path, suffix: str) -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    before = {k: v.clone() for k, v in model.state_dict().items()}
    wrong = {"0.weight": torch.zeros(2, 4), "0.bias": torch.zeros(2), "extra": torch.zeros(1)}
    file = tmp_path / f"wrong{suffix}"
    if suffix == ".pt":
        torch.save(wrong, file)
    else:
        save_file(wrong, file)
    with pytest.raises(ModelError) as caught:
        read_weights(model, file)
    message = str(caught.value)
    for part in (
        file.name,
        "2 missing (1.bias, 1.weight)",
        "1 unexpected (extra)",
        "0.weight (2, 4) instead of (2, 3)",
    ):
        assert part in message
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_long_lists_of_keys_are_shortened(tmp_path: Path) -> None:
    save_file({f"k{i}": torch.zeros(1) for i in range(9)}, tmp_path / "many.safetensors")
    with pytest.raises(ModelError, match=r"9 unexpected \(k0, k1, k2, k3, and 5 more\)"):
        read_weights(nn.Linear(1, 1), tmp_path / "many.safetensors")


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("content", [b"", b"not weights at all", b"\x80\x02}q\x00."])
def test_damaged_files_are_named(tmp_path: Path, suffix: str, content: bytes) -> None:
    file = tmp_path / f"damaged{suffix}"
    file.write_bytes(content)
    with pytest.raises(ModelError, match=file.name):
        read_weights(nn.Linear(1, 1), file)


def test_truncated_checkpoint_is_named(tmp_path: Path) -> None:
    torch.save(nn.Linear(100, 100).state_dict(), tmp_path / "whole.pt")
    data = (tmp_path / "whole.pt").read_bytes()
    (tmp_path / "part.pt").write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelError, match=r"part\.pt"):
        read_weights(nn.Linear(100, 100), tmp_path / "part.pt")


def test_missing_file_and_unknown_kind_say_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such weights file"):
        read_weights(nn.Linear(1, 1), tmp_path / "none.pth")
    (tmp_path / "model.onnx").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"weights are \.safetensors"):
        read_weights(nn.Linear(1, 1), tmp_path / "model.onnx")


def test_prefix_is_stripped_only_where_every_key_has_it(tmp_path: Path) -> None:
    state = {"module.a": torch.zeros(1), "b": torch.zeros(1)}
    torch.save(state, tmp_path / "mixed.pt")
    assert published_state(tmp_path / "mixed.pt").keys() == state.keys()
    torch.save({"module.model.a": torch.zeros(1)}, tmp_path / "both.pt")
    assert published_state(tmp_path / "both.pt").keys() == {"a"}


def test_every_tensor_of_a_checkpoint_is_accounted_for(tmp_path: Path) -> None:
    trained, fresh = small(), small()
    state = {k: v for k, v in as_published(trained).items() if ".pooler." not in k} | {"module.epoch": 3}
    torch.save({"state_dict": state}, tmp_path / "best.pth")
    report = read_weights(fresh, tmp_path / "best.pth")
    assert ("module.audio_projector.1.weight", "audio_projector.1.weight") in report.mapped
    assert report.ignored == {
        "module.head.logit_scale": "the same as module.logit_scale",
        "module.text_encoder.embeddings.position_ids": "not needed",
        "module.epoch": "a int, no tensor",
    }
    constants = {f"module.audio_encoder.audio_representation.{c}" for c in ("spec_fn.window", "mel_scale.fb")}
    assert set(report.compared) == constants
    assert report.kept == ("text_encoder.pooler.dense.bias", "text_encoder.pooler.dense.weight")
    told = {theirs for theirs, _ in report.mapped} | report.ignored.keys() | set(report.compared)
    assert told == state.keys()
    assert len(report.mapped) + len(report.kept) == len(fresh.state_dict())
    assert "renamed), 2 compared, 3 ignored, 2 kept" in report.summary()
    assert len(report.lines()) == len(state) + len(report.kept)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.slow])
def test_every_tensor_of_every_published_model_is_accounted_for(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    published = {f"module.{key}": value for key, value in case.checkpoint().items()}
    torch.save({"epoch": 3, "state_dict": published}, tmp_path / "best.pth")
    model = registry.build(dataclasses.replace(registry.registered(case.card or name), **case.changes))
    report = read_weights(model, tmp_path / "best.pth")
    told = {*dict(report.mapped), *report.ignored, *report.compared, *sum(report.derived.values(), ())}
    assert told == published.keys()
    assert all(report.derived.values()), "a value from nowhere"
    filled = {ours for _, ours in report.mapped} | report.derived.keys() | set(report.kept)
    assert filled == model.state_dict().keys()


class Rearranging(nn.Module):
    """Its original kept queries and keys apart, transposed, with a counter in float32 and a constant of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.both = nn.Linear(3, 4, bias=False)
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def from_published(self, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        weight = torch.empty(4, 3)
        weight[:2], weight[2:] = state["q"].T, state["k"].T
        return {"both.weight": weight, "num_batches_tracked": state["num_batches_tracked"]}


def test_computed_tensors_name_what_they_were_made_from(tmp_path: Path) -> None:
    state = {"q": torch.randn(3, 2), "k": torch.randn(3, 2), "num_batches_tracked": torch.tensor(7.0)}
    torch.save({**state, "unused": torch.ones(1)}, tmp_path / "apart.pt")
    model = Rearranging()
    report = read_weights(model, tmp_path / "apart.pt")
    assert report.derived == {"both.weight": ("k", "q")}
    assert report.mapped == (("num_batches_tracked", "num_batches_tracked"),)
    assert report.ignored == {"unused": "not needed"}
    assert torch.equal(model.both.weight, torch.cat([state["q"].T, state["k"].T]))
    assert model.num_batches_tracked.dtype == torch.int64
    assert model.num_batches_tracked.item() == 7


@pytest.mark.parametrize("prefix", ["module.", "model.", "encoder.", "module.model.encoder.", "_orig_mod.net."])
def test_prefixes_of_trainers_are_stripped(tmp_path: Path, prefix: str) -> None:
    trained, fresh = nn.Linear(2, 2), nn.Linear(2, 2)
    torch.save({prefix + key: value for key, value in trained.state_dict().items()}, tmp_path / "wrapped.pt")
    report = read_weights(fresh, tmp_path / "wrapped.pt")
    assert same(fresh, trained)
    assert report.mapped == ((f"{prefix}bias", "bias"), (f"{prefix}weight", "weight"))


def test_part_called_encoder_is_no_prefix(tmp_path: Path) -> None:
    trained = nn.ModuleDict({"encoder": nn.Linear(2, 2)})
    torch.save({f"module.{key}": value for key, value in trained.state_dict().items()}, tmp_path / "part.pt")
    fresh = nn.ModuleDict({"encoder": nn.Linear(2, 2)})
    read_weights(fresh, tmp_path / "part.pt")
    assert same(fresh, trained)


@pytest.mark.parametrize("published, ours", [("legacy", "new"), ("new", "legacy"), ("new", "new")])
def test_weight_norm_under_either_name(tmp_path: Path, published: str, ours: str) -> None:
    def make(kind: str) -> nn.Module:
        layer = nn.Conv1d(2, 2, 3)
        if kind == "new":
            return nn.utils.parametrizations.weight_norm(layer)
        return nn.utils.weight_norm(layer)

    trained, fresh = make(published), make(ours)
    torch.save(trained.state_dict(), tmp_path / "normed.pt")
    report = read_weights(fresh, tmp_path / "normed.pt")
    assert len(report.mapped) == 3
    x = torch.randn(1, 2, 8)
    assert torch.allclose(trained(x), fresh(x))


@pytest.mark.parametrize("wrap", [lambda s: {"checkpoint": {"state_dict": s}}, lambda s: {"weights": s, "step": 3}])
def test_weights_are_found_in_whatever_wraps_them(tmp_path: Path, wrap) -> None:
    trained, fresh = nn.Linear(2, 2), nn.Linear(2, 2)
    torch.save(wrap(trained.state_dict()), tmp_path / "wrapped.pt")
    read_weights(fresh, tmp_path / "wrapped.pt")
    assert same(fresh, trained)


def test_several_sets_of_weights_are_not_guessed_among(tmp_path: Path) -> None:
    state = nn.Linear(2, 2).state_dict()
    torch.save({"student": state, "teacher": state}, tmp_path / "two.pt")
    with pytest.raises(ModelError, match=r"several sets of weights \(student, teacher\)"):
        read_weights(nn.Linear(2, 2), tmp_path / "two.pt")


@pytest.mark.parametrize("wrong", [torch.zeros(1, 1, dtype=torch.int64), torch.zeros(1, 1).to_sparse()])
def test_tensors_of_another_kind_are_refused(tmp_path: Path, wrong: torch.Tensor) -> None:
    torch.save({"weight": wrong, "bias": torch.zeros(1)}, tmp_path / "kind.pt")
    with pytest.raises(ModelError, match=r"1 of another kind \(weight"):
        read_weights(nn.Linear(1, 1), tmp_path / "kind.pt")


def test_authors_own_safetensors_load_too(tmp_path: Path) -> None:
    trained, fresh = small(), small()
    state = {k.removeprefix("module."): v.clone() for k, v in as_published(trained).items()}
    save_file(state, tmp_path / "published.safetensors")
    report = read_weights(fresh, tmp_path / "published.safetensors")
    assert same(fresh, trained)
    assert "head.logit_scale" in report.ignored


def tiny_card() -> ModelCard:
    return ModelCard(
        "tiny-ttmr", "ttmr", 16000, 2.0, 2.0, 8, ("sound",), "A tiny joint model.", source="a test",
        parameters={**LIGHT, "text": "none"}, weights={"wrapper": "state_dict", "prefix": "module."},
    )  # fmt: skip


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> ModelCard:
    monkeypatch.setitem(registry._cards, "tiny-ttmr", tiny_card())
    return registry.card("tiny-ttmr")


def published_tiny(card: ModelCard, file: Path) -> nn.Module:
    trained = registry.build(card)
    torch.save({"epoch": 1, "state_dict": {f"module.{k}": v for k, v in trained.state_dict().items()}}, file)
    return trained


def test_checkpoint_becomes_a_model_folder(tiny: ModelCard, tmp_path: Path) -> None:
    trained = published_tiny(tiny, tmp_path / "best.pth")
    folder, report = convert(tmp_path / "best.pth", "tiny-ttmr", tmp_path / "model")
    again = registry.load(folder)
    assert same(again, trained)
    assert len(report.mapped) == len(trained.state_dict())
    assert again.card.weights["file"] == "best.pth"
    assert again.card.weights["sha256"] == sha256(tmp_path / "best.pth")
    assert sorted(p.name for p in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    convert(tmp_path / "best.pth", "tiny-ttmr", folder)  # a model folder may be made again
    with pytest.raises(ModelError, match="nothing is learned"):
        convert(tmp_path / "best.pth", "mel-statistics", tmp_path / "none")


def test_conversion_erases_nobodys_folder_and_leaves_no_half(tiny: ModelCard, tmp_path: Path) -> None:
    published_tiny(tiny, tmp_path / "best.pth")
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "config.json").write_text("{}")
    (tmp_path / "music" / "song.flac").write_bytes(b"dear")
    with pytest.raises(ModelError, match="holds other files"):
        convert(tmp_path / "best.pth", "tiny-ttmr", tmp_path / "music")
    assert (tmp_path / "music" / "song.flac").read_bytes() == b"dear"
    torch.save({"alien": torch.zeros(1)}, tmp_path / "alien.pth")
    with pytest.raises(ModelError, match="do not fit"):
        convert(tmp_path / "alien.pth", "tiny-ttmr", tmp_path / "half")
    assert {p.name for p in tmp_path.iterdir()} == {"best.pth", "alien.pth", "music"}


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_checkpoint_in_an_archive(tiny: ModelCard, tmp_path: Path, kind: str) -> None:
    trained = published_tiny(tiny, tmp_path / "best.pth")
    packed = tmp_path / f"release.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(tmp_path / "best.pth", "release/best.pth")
    else:
        with tarfile.open(packed, "w:gz") as archive:
            archive.add(tmp_path / "best.pth", "release/best.pth")
            archive.add(tmp_path, "release/../../outside", recursive=False)
    folder, _ = convert(packed, "tiny-ttmr", tmp_path / "model")
    assert same(registry.load(folder), trained)


def test_weights_of_a_training_that_diverged_are_refused(tmp_path: Path) -> None:
    state = registry.load("pitchnet").state_dict()
    torch.save(state | {"salience.weight": torch.full_like(state["salience.weight"], torch.nan)}, tmp_path / "nan.pth")
    with pytest.raises(ModelError, match=r"do not fit the model: 1 with NaN in them \(salience\.weight\)"):
        convert(tmp_path / "nan.pth", "pitchnet", tmp_path / "model")
    assert not (tmp_path / "model").exists()
