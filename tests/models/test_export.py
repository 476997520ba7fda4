"""Models for other programs: what is written is the model, or it is not written."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from ohrwurm.checksums import sha256
from ohrwurm.errors import ModelError
from ohrwurm.models import export as exports
from ohrwurm.models import registry
from ohrwurm.models.base import AudioEncoder, Encoded, ModelCard
from ohrwurm.models.convert import read_weights
from ohrwurm.models.export import export

TINY_TTMR = ModelCard(
    "tiny-ttmr", "ttmr", 16000, 2.0, 2.0, 8, ("sound",), "A tiny joint model.", source="a test",
    parameters={
        "channels": [4, 4, 4, 4], "n_mels": 32, "attention_dim": 16, "heads": 2, "layers": 1, "dim": 8, "text": "none"
    },
    weights={"wrapper": "state_dict", "prefix": "module."},
)  # fmt: skip


def test_safetensors_hold_the_weights_and_the_card(tmp_path: Path) -> None:
    model = registry.load("pitchnet")
    made = export(model, "safetensors", tmp_path / "pitchnet.safetensors")
    state = load_file(made.path)
    assert state.keys() == model.state_dict().keys()
    assert made.tensors == len(state)
    assert registry.load("pitchnet", weights=made.path).card.sha256 == sha256(made.path)


def test_published_checkpoint_is_as_the_original_code_saved_it(tmp_path: Path) -> None:
    trained, fresh = registry.build(TINY_TTMR), registry.build(TINY_TTMR)
    made = export(trained, "published", tmp_path / "best.pth")
    content = torch.load(made.path, weights_only=True)
    assert content.keys() == {"state_dict"}
    assert content["state_dict"].keys() == {f"module.{key}" for key in trained.to_published()}
    report = read_weights(fresh, made.path)
    assert len(report.mapped) == len(fresh.state_dict())
    assert all(
        torch.equal(a, b) for a, b in zip(trained.state_dict().values(), fresh.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize(
    "name, window",
    [
        ("mel-statistics", 2.0),
        pytest.param("ohrwurm-text", 5.0, marks=pytest.mark.slow),
        pytest.param("pitchnet", 3.0, marks=pytest.mark.slow),
    ],
)
def test_onnx_gives_the_models_vectors_from_the_waveform(tmp_path: Path, name: str, window: float) -> None:
    model = registry.load(name, window=window)
    made = export(model, "onnx", tmp_path / "model.onnx")
    assert made.takes == "waveform"
    assert made.difference is not None
    assert made.difference <= 1e-5
    assert made.inputs == {"waveform": ["batch", round(window * model.card.sample_rate)]}
    session = onnxruntime.InferenceSession(str(made.path))
    assert [node.name for node in session.get_outputs()] == list(made.outputs)
    waveform = torch.randn(2, made.inputs["waveform"][1]) * 0.1  # type: ignore[arg-type]
    with torch.inference_mode():
        ours = model(waveform).pooled
    theirs = torch.from_numpy(session.run(["pooled"], {"waveform": waveform.numpy()})[0])
    assert float((ours - theirs).abs().max()) <= 1e-4 * float(ours.abs().max())
    written = {entry.key: entry.value for entry in onnx.load(made.path).metadata_props}
    assert json.loads(written["ohrwurm"])["name"] == name
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]


class Tiny(AudioEncoder):
    """Its front-end has a step that ONNX does not; `encode_features` and `forward` are plain."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(9, 4)
        self.card = ModelCard("tiny", "tiny", 8000, 1.0, 1.0, 4, ("sound",), "")

    def features(self, waveform: torch.Tensor) -> torch.Tensor:
        return torch.fft.rfftfreq(16) * waveform[:, :9]

    def encode_features(self, features: torch.Tensor) -> Encoded:
        return Encoded(self.linear(features))

    def forward(self, waveform: torch.Tensor) -> Encoded:
        return self.encode_features(self.features(waveform))


def test_onnx_starts_at_the_features_where_the_front_end_has_no_operators(tmp_path: Path) -> None:
    made = export(Tiny().eval(), "onnx", tmp_path / "tiny.onnx")
    assert (made.takes, made.inputs, made.outputs) == ("features", {"features": ["batch", 9]}, {"pooled": ["batch", 4]})
    assert "rfftfreq" in made.why
    assert any("not from the waveform" in line for line in made.lines())


def test_published_network_without_its_front_end_starts_at_the_features(tmp_path: Path) -> None:
    card = registry.registered("re-move-256")
    parameters = {"pitch": "none", "dim": 16, "channels": 8, "short_input": "repeat"}
    model = registry.build(dataclasses.replace(card, parameters=parameters, dim=16, window=60.0))
    made = export(model, "onnx", tmp_path / "move.onnx")
    assert made.inputs == {"features": ["batch", 12, 646]}
    assert "no pitch extractor" in made.why


def test_model_without_a_way_to_onnx_says_which_operator(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"chroma-cross-correlation: has operators that ONNX does not.*rfftfreq"):
        export("chroma-cross-correlation", "onnx", tmp_path / "chroma.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_graph_that_differs_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "_difference", lambda *_: 2e-4)
    with pytest.raises(ModelError, match=r"differ by 2\.0e-04.*Nothing was written"):
        export(Tiny().eval(), "onnx", tmp_path / "tiny.onnx")
    monkeypatch.setattr(exports, "_difference", lambda *_: float("nan"))
    with pytest.raises(ModelError, match="Nothing was written"):
        export(Tiny().eval(), "onnx", tmp_path / "tiny.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_differences_are_measured_on_what_onnxruntime_gives(tmp_path: Path) -> None:
    encoder = Tiny().eval()
    made = export(encoder, "onnx", tmp_path / "tiny.onnx")
    features = torch.randn(2, 9)
    pooled = encoder.encode_features(features).pooled.detach()
    off = pooled + 0.01 * float(pooled.abs().max())
    found = exports._difference(made.path, "features", [features], [(off,)])
    assert found == pytest.approx(0.01 * float(pooled.abs().max() / off.abs().max()), rel=1e-3)


def test_wrong_places_and_lowered_models_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="a folder is there"):
        export("pitchnet", "safetensors", tmp_path)
    lowered = registry.load("pitchnet")
    monkeypatch.setattr(lowered, "precision", "bf16")
    with pytest.raises(ModelError, match="is in bf16"):
        export(lowered, "safetensors", tmp_path / "x.safetensors")
