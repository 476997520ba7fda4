"""Every model that can be named is walked here: card, family docstring, vectors, and a round trip through a folder."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from cases import all_cases
from safetensors.torch import load_file

from ohrwurm.checksums import sha256
from ohrwurm.errors import ModelError
from ohrwurm.models import registry
from ohrwurm.models.base import AudioEncoder, JointModel, ModelCard
from ohrwurm.models.readme import readme
from ohrwurm.models.ttmr import TTMR

# Other test modules register models of their own in the same process; those are not ours to walk.
NAMES = [n for n in registry.names() if registry.builder(registry.card(n)).__module__.startswith("ohrwurm.")]
# Cards that differ in words alone, as those of one network's checkpoints do, are built once.
_BY_NETWORK = {
    json.dumps([c.architecture, c.parameters, c.layer, c.window, c.minimum, c.sha256], sort_keys=True): c.name
    for c in map(registry.card, reversed(NAMES))
}
NETWORKS = sorted(_BY_NETWORK.values())
USES = {"words", "sound", "versions"}
CASES = all_cases()
# Cards whose golden case is too heavy for `make test` are walked in `make test-all`, and not kept in memory.
SLOW = {case.card or name for name, case in CASES.items()} - {
    case.card or name for name, case in CASES.items() if not case.slow
}
# Of TTMR's networks, which share the costly audio side, `make test` walks one.
LATER = SLOW | {name for name in NETWORKS if name.startswith("ttmr-")} - {"ttmr-classification"}
WALKED = [pytest.param(name, marks=pytest.mark.slow) if name in LATER else name for name in NETWORKS]


def on_hand(name: str) -> bool:
    """Loads without a file of one's own. (The others are published, large ones: half a gigabyte to write.)"""
    return name in registry.bundled() or not registry.card(name).features.get("learned", True)


def model_of(name: str) -> AudioEncoder:
    """The model, kept for the next test where it is not too large."""
    return _made(name) if name in SLOW else _kept(name)


def _made(name: str) -> AudioEncoder:
    """The model with its weights, or where they are not bundled, as built: at the size of its golden file, which of a
    network of hundreds of millions of parameters is a small one."""
    torch.manual_seed(0)
    if on_hand(name):
        return registry.load(name)
    reduced = CASES[name].changes if name in CASES else {}
    return registry.build(dataclasses.replace(registry.card(name), **reduced))


_kept = cache(_made)


def listening(card: ModelCard) -> float:
    """Seconds that a test gives a model: a window, and half a minute where a window is a whole song."""
    return card.window if card.window <= 60 else max(card.minimum or card.window, 30.0)


def noise(card: ModelCard, seconds: float, batch: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, round(seconds * card.sample_rate), generator=generator) * 0.1


@pytest.mark.parametrize("name", NAMES)
def test_card_says_all_that_the_pipeline_and_a_person_need(name: str) -> None:
    card = registry.card(name)
    assert card.name == name
    assert card.description
    assert card.licence
    assert card.paper or card.source
    assert set(card.good_for) <= USES
    assert ("words" in card.good_for) <= card.joint
    assert 8000 <= card.sample_rate <= 48000
    assert 0 < card.hop <= card.window
    assert card.minimum is None or 0 < card.minimum <= card.window
    assert card.dim > 0
    assert ModelCard.from_json(card.to_json()) == ModelCard.from_json(ModelCard.from_json(card.to_json()).to_json())
    assert f"\n---\n\n# {name}\n" in readme(card)


@pytest.mark.parametrize("name", WALKED)
def test_family_and_class_are_documented(name: str) -> None:
    model = model_of(name)
    assert (sys.modules[type(model).__module__].__doc__ or "").strip()
    assert ">>>" in (inspect.getdoc(type(model)) or ""), f"{type(model).__name__} has no runnable example"


@pytest.mark.parametrize("name", WALKED)
@torch.inference_mode()
def test_vectors_are_finite_deterministic_and_of_the_stated_size(name: str) -> None:
    model = model_of(name)
    assert not model.training
    waveform = noise(model.card, listening(model.card))
    first, second = model(waveform), model(waveform)
    assert first.pooled.shape == (1, model.card.dim)
    assert first.pooled.dtype == torch.float32
    assert torch.isfinite(first.pooled).all()
    assert torch.equal(first.pooled, second.pooled)
    assert first.frames is None or (first.frames.shape[0] == 1 and torch.isfinite(first.frames).all())
    similarity = model.similarity(first.pooled[0], first.pooled)
    assert similarity.shape == (1,)
    assert similarity.item() == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("name", WALKED)
@torch.inference_mode()
def test_shortest_window_and_silence_have_finite_vectors(name: str) -> None:
    model = model_of(name)
    card = model.card
    shortest = torch.zeros(2, round((card.minimum or card.window) * card.sample_rate))
    shortest[1] = noise(card, shortest.shape[1] / card.sample_rate)[0]
    encoded = model(shortest).pooled
    assert encoded.shape == (2, card.dim)
    assert torch.isfinite(encoded).all()


@pytest.mark.parametrize("name", WALKED)
@torch.inference_mode()
def test_same_vector_for_any_batch_size(name: str) -> None:
    model = model_of(name)
    batch = noise(model.card, model.card.minimum or model.card.window, batch=3)
    together, alone = model(batch).pooled, torch.cat([model(one[None]).pooled for one in batch])
    assert float((together - alone).abs().max()) <= 1e-5 * float(together.abs().max())


@pytest.mark.parametrize("name", WALKED)
def test_wrong_input_is_refused_by_name(name: str) -> None:
    model = model_of(name)
    card = model.card
    right = torch.zeros(1, round(card.window * card.sample_rate))
    with pytest.raises(ModelError, match=rf"{name}.*{card.sample_rate // 2} Hz.*takes {card.sample_rate} Hz"):
        model.encode(right, card.sample_rate // 2)
    for shape in (right[None], right[:0], right.short()):
        with pytest.raises(ModelError, match=rf"{name}: takes floating point"):
            model.encode(shape, card.sample_rate)
    for length in (10, right.shape[1] + card.sample_rate):
        with pytest.raises(ModelError, match=rf"{name}: .* s of audio; it takes"):
            model.encode(torch.zeros(1, length), card.sample_rate)
    with pytest.raises(ModelError, match=rf"{name}: NaN or infinity"):
        model.encode(torch.full_like(right, torch.nan), card.sample_rate)
    with pytest.raises(ModelError, match=rf"{name}: takes a tensor, not a ndarray.*from_numpy"):
        model.encode(right.numpy(), card.sample_rate)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_model_cast_as_a_whole_is_refused_and_works_again_when_cast_back(dtype: torch.dtype) -> None:
    model = registry.load("mel-statistics")
    waveform = noise(model.card, listening(model.card))
    before = model.encode(waveform, model.card.sample_rate).pooled
    kind = str(dtype).removeprefix("torch.")
    with pytest.raises(ModelError, match=rf"mel-statistics: was cast to {kind} as a whole.*float\(\)"):
        model.to(dtype).encode(waveform, model.card.sample_rate)
    assert torch.allclose(model.float().encode(waveform, model.card.sample_rate).pooled, before, atol=0.1)


def test_precision_that_a_model_does_not_have_is_refused_by_name() -> None:
    with pytest.raises(ModelError, match=r"mel-statistics computes in fp32 here, not in bf16\. .*auto"):
        registry.load("mel-statistics", precision="bf16")
    with pytest.raises(ModelError, match="mel-statistics computes in fp32 here, not in int4"):
        registry.load("mel-statistics", precision="int4")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [n for n in NETWORKS if registry.card(n).joint])
@torch.inference_mode()
def test_joint_models_put_text_beside_audio(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(name)
    assert isinstance(model, JointModel)
    with pytest.raises(ModelError, match=r"takes a list of texts, not 'piano': give \['piano'\]"):
        model.encode_text("piano")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="takes a list of texts; None in it"):
        model.encode_text(["piano", None])  # type: ignore[list-item]
    if name not in registry.bundled():  # its tokeniser or word vectors are not here: what is asked is that this is said
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        model.text_encoder.tokenizer_name = "/nowhere"  # type: ignore[union-attr, assignment]
        with pytest.raises(ModelError, match=r"tokeniser|word vectors"):
            model.encode_text(["piano"])
        return
    vectors = model.encode_text(["jazz piano", "angry heavy metal", ""])
    assert vectors.shape == (3, model.card.dim)
    assert torch.isfinite(vectors).all()
    assert not torch.allclose(vectors[0], vectors[1])


@pytest.mark.parametrize("name", [n if on_hand(n) else pytest.param(n, marks=pytest.mark.slow) for n in NETWORKS])
@torch.inference_mode()
def test_saved_model_comes_back_the_same(name: str, tmp_path: Path) -> None:
    model = model_of(name)
    saved = registry.save(model, tmp_path / "model")
    again = registry.load(saved)
    ours, theirs = model.state_dict(), again.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert again.card.sha256 == sha256(saved / "model.safetensors")
    assert sorted(p.name for p in saved.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    waveform = noise(model.card, listening(model.card))
    assert torch.equal(model(waveform).pooled, again(waveform).pooled)


@pytest.mark.parametrize("name", registry.bundled())
def test_bundled_weights_are_small_whole_and_measured(name: str) -> None:
    folder = registry.WEIGHTS / name
    card = registry.card(name)
    assert card.sha256 == sha256(folder / "model.safetensors")
    assert (folder / "model.safetensors").stat().st_size <= 16 * 2**20
    assert load_file(folder / "model.safetensors")
    assert card.results, "a bundled model states what it achieves"
    assert all({"data", "metric", "value"} <= result.keys() for result in card.results)


@pytest.mark.parametrize("family", registry.FAMILIES)
def test_every_family_registers_something(family: str) -> None:
    module = importlib.import_module(f"ohrwurm.models.{family}")
    assert any(builder.__module__ == module.__name__ for builder in registry._builders.values())


LIGHT_TTMR = ModelCard(
    name="light",
    architecture="ttmr",
    sample_rate=16000,
    window=2.0,
    hop=2.0,
    dim=8,
    good_for=("words", "sound"),
    joint=True,
    description="A light joint model.",
    parameters={
        "channels": [4, 4, 4, 4],
        "n_mels": 32,
        "attention_dim": 16,
        "heads": 2,
        "layers": 1,
        "dim": 8,
        "text": "static",
        "text_dim": 8,
        "text_parameters": {"size": 3, "vocabulary_bytes": 16},
    },
)


def test_light_joint_model_comes_back_with_its_words(tmp_path: Path) -> None:
    trained = TTMR(**{**LIGHT_TTMR.parameters, "text_parameters": {"vocabulary": ["jazz", "piano", "rock 90"]}}).eval()
    assert trained.text_encoder.parameters_for_card == {"size": 3, "vocabulary_bytes": 18}  # type: ignore[union-attr]
    parameters = {**LIGHT_TTMR.parameters, "text_parameters": trained.text_encoder.parameters_for_card}  # type: ignore[union-attr]
    trained.card = ModelCard(**{**vars(LIGHT_TTMR), "parameters": parameters})
    registry.save(trained, tmp_path / "light")
    again = registry.load(tmp_path / "light")
    assert isinstance(again, TTMR)
    with torch.inference_mode():
        assert torch.equal(again.encode_text(["jazz piano"]), trained.encode_text(["jazz piano"]))


def test_card_and_changes_reach_the_provenance() -> None:
    plain = registry.load("mel-statistics")
    assert plain.card.provenance == registry.load("mel-statistics").card.provenance
    assert plain.card.provenance != registry.load("mel-statistics", hop=5.0).card.provenance


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"hop": 0}, "hop must be a number above 0, not 0"),
        ({"window": -1.0}, "window must be"),
        ({"window": "long"}, "window must be a number above 0, not 'long'"),
        ({"minimum": float("nan")}, "minimum must be"),
        ({"pooling": "median"}, "pooling is mean-then-l2, l2-then-mean, first, mean, not 'median'"),
        ({"protocol": "paper"}, "protocol is ohrwurm, published, not 'paper'"),
        ({"layer": 3}, "no choice of layers; 3 was asked for"),
        ({"layers": 3}, "no field layers"),
        ({"device": "abacus"}, "no device 'abacus'"),
    ],
)
def test_changes_that_make_no_sense_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        registry.load("mel-statistics", **changes)


def test_lowered_model_is_not_saved_and_a_card_says_what_is_computed_in(tmp_path: Path) -> None:
    model = registry.load("mel-statistics")
    model.precision = "bf16"
    with pytest.raises(ModelError, match=r"mel-statistics: is in bf16\. Save it .* in fp32"):
        registry.save(model, tmp_path / "low")
    assert not (tmp_path / "low").exists()
    model.precision, model.card = "fp32", dataclasses.replace(model.card, precision="bf16")
    assert registry.load(registry.save(model, tmp_path / "said")).card.precision == "fp32"


def test_model_without_its_weights_is_not_loaded() -> None:
    with pytest.raises(ModelError, match=r"not bundled.*zenodo.*weights='best.pth'"):
        registry.load("ttmr-contrastive-bert-stochastic")
    with pytest.raises(ModelError, match=r"weights='pretrained_fma.pt'\)\. Or fetch them once"):
        registry.load("musicfm-fma")


def test_published_weights_load_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`load(name, weights=...)` with the checkpoint as its trainer wrote it; a tiny card keeps it fast."""
    card = ModelCard(**{**vars(LIGHT_TTMR), "parameters": {**LIGHT_TTMR.parameters, "text": "none"}})
    monkeypatch.setitem(registry._cards, "light", ModelCard(**vars(card)))
    monkeypatch.setitem(card.parameters, "text_parameters", {})
    trained = registry.build(card)
    state = {f"module.{k}": v for k, v in trained.state_dict().items()}
    torch.save({"epoch": 1, "state_dict": state, "optimizer": {}}, tmp_path / "best.pth")
    model = registry.load("light", weights=tmp_path / "best.pth")
    assert model.card.sha256 == sha256(tmp_path / "best.pth")
    waveform = noise(card, 2.0)
    with torch.inference_mode():
        assert torch.equal(model(waveform).pooled, trained(waveform).pooled)


def test_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    torch.save(registry.load("pitchnet").state_dict(), tmp_path / "other.pth")
    with pytest.raises(ModelError, match=r"do not fit.*missing.*unexpected"):
        registry.load("ohrwurm-text", weights=tmp_path / "other.pth")


def test_unknown_names_parameters_and_cards_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="mel-statistics"):
        registry.load("mel-statistic")
    with pytest.raises(ModelError, match="unknown architecture"):
        registry.build(ModelCard(**{**vars(LIGHT_TTMR), "architecture": "vgg"}))
    with pytest.raises(ModelError, match="do not fit 'ttmr'"):
        registry.build(ModelCard(**{**vars(LIGHT_TTMR), "parameters": {"chanels": 3}}))
    with pytest.raises(ModelError, match=r"no weights at .*none\.pth"):
        registry.load("mel-statistics", weights=tmp_path / "none.pth")
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(ModelError, match="not a model card"):
        registry.load(tmp_path)


def test_describe_is_json_of_all_cards() -> None:
    described = [entry["name"] for entry in json.loads(registry.describe())]
    assert described == registry.names()
    assert set(NAMES) <= set(described)


@pytest.mark.parametrize("name", registry.bundled())
def test_readme_of_a_bundled_model_is_that_of_its_card(name: str) -> None:
    assert (registry.WEIGHTS / name / "README.md").read_text(encoding="utf-8") == readme(registry.card(name))
