"""A class of one's own is a model like any other: embedded, measured, indexed; its weights never run code."""

from __future__ import annotations

import dataclasses
import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

import ohrwurm
from ohrwurm.cli import app
from ohrwurm.embedding import read_embeddings
from ohrwurm.errors import ModelError
from ohrwurm.models import registry
from ohrwurm.models.base import JointModel

SOURCE = '''\
"""Two encoders of somebody's."""
import torch
from torch import nn


class Bands(nn.Module):
    """Energy in bands, mixed by a layer."""

    sample_rate = 8000
    window, hop = 1.0, 0.5
    minimum = 0.1

    def __init__(self, bands: int = 16):
        super().__init__()
        self.mix = nn.Linear(bands, 4, bias=False)

    def forward(self, waveform):
        spectrum = torch.fft.rfft(waveform).abs()
        bands = nn.functional.adaptive_avg_pool1d(spectrum[:, None], self.mix.in_features)[:, 0]
        return self.mix(torch.log1p(bands))


class Words(Bands):
    def encode_text(self, texts):
        return torch.tensor([[float(len(text)), 1.0, 0.0, 0.0] for text in texts])


class Frames(Bands):
    def forward(self, waveform):
        return super().forward(waveform)[:, None].expand(-1, 5, -1)


class Broken(Bands):
    def forward(self, waveform):
        raise RuntimeError("no cells left")


class Silent(nn.Module):
    def forward(self, waveform):
        return waveform[:, :2]


class Needy(Bands):
    def __init__(self, size):
        super().__init__()


class Wide(Bands):
    dim = 99


def make():
    return Bands()
'''


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder, with a package of encoders, two songs, and nothing left of it afterwards."""
    package = tmp_path / "mine"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "audio.py").write_text(SOURCE)
    torch.manual_seed(0)
    save_file({"mix.weight": torch.randn(4, 16)}, tmp_path / "bands.safetensors")
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        soundfile.write(tmp_path / f"{name}.wav", rng.uniform(-0.5, 0.5, 12000), 8000)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OHRWURM_CACHE", str(tmp_path / "cache"))
    path = list(sys.path)
    yield tmp_path
    sys.path[:] = path
    for name in [n for n in sys.modules if n == "mine" or n.startswith("mine.")]:
        del sys.modules[name]
    importlib.invalidate_caches()


def test_a_module_is_wrapped_by_what_it_says_of_itself(place: Path) -> None:
    model = ohrwurm.load("mine.audio:Bands", weights="bands.safetensors")
    card = model.card
    assert (card.name, card.sample_rate, card.window, card.hop, card.minimum) == (
        "mine.audio.Bands",
        8000,
        1.0,
        0.5,
        0.1,
    )
    assert (card.dim, card.good_for, card.description) == (4, ("sound",), "Energy in bands, mixed by a layer.")
    assert card.sha256 == registry.sha256(place / "bands.safetensors")
    assert not model.training
    audio = torch.from_numpy(soundfile.read("a.wav", dtype="float32")[0])
    kind = sys.modules["mine.audio"].Bands
    plain = kind()
    plain.mix.weight.data = model.state_dict()["module.mix.weight"]
    torch.testing.assert_close(model.encode(audio[:8000], 8000).pooled, plain(audio[None, :8000]))
    found = ohrwurm.embed("a.wav", "mine.audio:Bands", weights="bands.safetensors")
    assert found.windows.shape == (2, 4)
    assert found.provenance == card.provenance


def test_other_weights_and_another_version_of_the_file_are_another_provenance(place: Path) -> None:
    with_file = ohrwurm.load("mine.audio:Bands", weights="bands.safetensors").card.provenance
    torch.manual_seed(0)
    first = ohrwurm.load("mine.audio:Bands").card.provenance
    second = ohrwurm.load("mine.audio:Bands").card.provenance
    assert len({with_file, first, second}) == 3  # filled at random, differently each time
    file = place / "mine" / "audio.py"
    file.write_text(file.read_text() + "\n# another version\n")
    assert ohrwurm.load("mine.audio:Bands", weights="bands.safetensors").card.provenance != with_file
    assert ohrwurm.load("mine.audio:Bands", weights="bands.safetensors", hop=1.0).card.hop == 1.0


def test_an_audio_encoder_keeps_its_own_card(place: Path) -> None:
    (place / "mine" / "whole.py").write_text(
        "import torch\n"
        "from ohrwurm.models.base import AudioEncoder, Encoded, ModelCard\n"
        "class Level(AudioEncoder):\n"
        "    card = ModelCard('level', 'own', 8000, 0.5, 0.5, 1, ('sound',), 'how loud', minimum=0.1)\n"
        "    def forward(self, waveform):\n"
        "        return Encoded(pooled=waveform.abs().mean(1, keepdim=True))\n"
    )
    model = ohrwurm.load("mine.whole:Level")
    assert type(model).__name__ == "Level"
    assert (model.card.name, model.card.window, model.card.sha256) == ("level", 0.5, "")
    assert ohrwurm.embed("a.wav", model).windows.shape == (3, 1)


def test_a_module_with_texts_is_a_joint_model(place: Path) -> None:
    model = ohrwurm.load("mine.audio:Words", weights="bands.safetensors")
    assert isinstance(model, JointModel)
    assert model.card.joint
    assert model.card.good_for == ("words", "sound")
    assert model.encode_text(["four"]).tolist() == [[4.0, 1.0, 0.0, 0.0]]


def test_the_class_may_name_its_weights(place: Path) -> None:
    file = place / "mine" / "audio.py"
    file.write_text(
        file.read_text().replace("    minimum = 0.1\n", "    minimum = 0.1\n    weights = '../bands.safetensors'\n")
    )
    model = ohrwurm.load("mine.audio:Bands")
    assert model.card.sha256 == registry.sha256(place / "bands.safetensors")


def test_arguments_of_the_class(place: Path) -> None:
    assert ohrwurm.load("mine.audio:Bands", parameters={"bands": 8}).state_dict()["module.mix.weight"].shape == (4, 8)


@pytest.mark.parametrize(
    "name, message",
    [
        ("mine.audio:Band", r"has no class Band\. It has Bands"),
        ("mine.audio:make", "is a function, and a model is a class of torch"),
        ("mine.video:Bands", r"no module mine\.video in .*, nor installed\. Start in the folder that holds it"),
        ("yours:Bands", "no module yours in"),
        ("mine.audio:Silent", "does not say its sample rate; give the class an attribute, sample_rate = 16000"),
        ("mine.audio:Needy", r"cannot be made \(TypeError: .*size.*\)\. Its arguments need defaults"),
        ("mine.audio:Broken", r"fails on a window of 1 s at 8000 Hz \(RuntimeError: no cells left\)"),
        ("mine.audio:Frames", r"returned \(2, 5, 4\) for 2 windows; forward must return \(batch, dim\)"),
        ("mine.audio:Wide", "vectors of 4 numbers where its dim says 99"),
        ("os:system", "is a builtin_function_or_method, and a model is a class"),
    ],
)
def test_what_cannot_be_a_model_is_told(place: Path, name: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        ohrwurm.load(name)


def test_a_module_that_does_not_import_is_told(place: Path) -> None:
    (place / "mine" / "bad.py").write_text("import no_such_package\n")
    (place / "mine" / "worse.py").write_text("1 / 0\n")
    with pytest.raises(ModelError, match=r"mine\.bad needs the package no_such_package, which is not installed"):
        ohrwurm.load("mine.bad:Bands")
    with pytest.raises(ModelError, match=r"importing mine\.worse failed \(ZeroDivisionError"):
        ohrwurm.load("mine.worse:Bands")


def test_weights_never_run_code(place: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {place / 'ran'}",)

    torch.save({"mix.weight": torch.zeros(4, 16), "more": Evil()}, place / "evil.pth")
    with pytest.raises(ModelError, match="holds code"):
        ohrwurm.load("mine.audio:Bands", weights="evil.pth")
    assert not (place / "ran").exists()
    save_file({"mix.weight": torch.zeros(4, 15)}, place / "small.safetensors")
    with pytest.raises(ModelError, match=r"mix\.weight"):
        ohrwurm.load("mine.audio:Bands", weights="small.safetensors")
    with pytest.raises(ModelError, match=r"no weights at .*gone\.safetensors"):
        ohrwurm.load("mine.audio:Bands", weights="gone.safetensors")


def test_a_model_folder_cannot_name_a_class(place: Path) -> None:
    """A card from elsewhere never makes this import anything."""
    folder = place / "folder"
    registry.save(ohrwurm.load("mel-statistics"), folder)
    card = dataclasses.replace(registry.card(folder), architecture="mine.audio:Bands")
    (folder / "config.json").write_text(card.to_json())
    with pytest.raises(ModelError, match="unknown architecture"):
        ohrwurm.load(folder)
    assert "mine.audio" not in sys.modules


def test_another_module_of_that_name_is_not_taken_for_it(place: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    ohrwurm.load("mine.audio:Bands")
    other = tmp_path_factory.mktemp("other")
    (other / "mine").mkdir()
    (other / "mine" / "audio.py").write_text(SOURCE)
    with pytest.raises(ModelError, match=r"a module mine\.audio was loaded from .*; give .* another name"):
        ohrwurm.load(f"{other}:mine.audio:Bands")


def test_embed_evaluate_and_index_take_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = place / "mine" / "audio.py"
    file.write_text(
        file.read_text().replace("    minimum = 0.1\n", "    minimum = 0.1\n    weights = '../bands.safetensors'\n")
    )
    (place / "mine.csv").write_text("path,work_id\na.wav,x\nb.wav,x\n")
    runner = CliRunner()
    for arguments in (
        ["embed", "a.wav", "b.wav", "--model", "mine.audio:Bands", "--out", "out.npz"],
        [
            "evaluate",
            "versions",
            "--model",
            "mine.audio:Bands",
            "--weights",
            "bands.safetensors",
            "--manifest",
            "mine.csv",
        ],
        ["index", "a.wav", "b.wav", "--model", "mine.audio:Bands", "--collection", str(place / "collection")],
    ):
        done = runner.invoke(app, arguments)
        assert done.exit_code == 0, done.output
    assert read_embeddings(place / "out.npz").vectors.shape == (2, 4)
    elsewhere = place / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    done = runner.invoke(
        app, ["search", "--like", str(place / "a.wav"), "--collection", str(place / "collection"), "--json"]
    )
    assert done.exit_code == 0, done.output
    assert "b.wav" in done.stdout


@pytest.mark.slow
def test_the_example_of_the_documentation_runs(place: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text()
    blocks = dict(re.findall(r"```python\n# (\w+\.py).*?\n(.*?)```", text, re.DOTALL))
    assert set(blocks) == {"my_encoder.py", "train.py"}
    for name, code in blocks.items():
        (place / name).write_text(code)
    subprocess.run([sys.executable, "train.py"], check=True, cwd=place)
    try:
        model = ohrwurm.load("my_encoder:Encoder", weights="my_encoder.pt")
        assert ohrwurm.embed("a.wav", model).vector.shape == (64,)
    finally:
        sys.modules.pop("my_encoder", None)
    for command in ("evaluate probe --model my_encoder:Encoder", "embed ~/Music --model my_encoder:Encoder"):
        assert f"ohrwurm {command} --weights my_encoder.pt" in text
