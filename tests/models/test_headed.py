"""An encoder with heads: saved, loaded, searched with and exported as any model, with the encoder's own vectors."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file
from small_headed import SPECS, small_encoder, small_headed
from torch import Tensor

import ohrwurm
from ohrwurm.audio.writing import write_audio
from ohrwurm.checksums import sha256
from ohrwurm.errors import ModelError
from ohrwurm.models import registry
from ohrwurm.models.base import AudioEncoder
from ohrwurm.models.export import export
from ohrwurm.models.frame_heads import HeadSpec
from ohrwurm.models.headed import HeadedEncoder
from ohrwurm.models.readme import metadata, readme

BEATS = (HeadSpec("beats", hidden=8),)
Heard = dict[str, dict[str, Tensor]]


def noise(seconds: float = 6.0, rate: int = 24000, batch: int = 1) -> Tensor:
    return torch.randn(batch, round(seconds * rate), generator=torch.Generator().manual_seed(0)) * 0.1


def same(ours: Heard, theirs: Heard) -> bool:
    assert ours.keys() == theirs.keys()
    return all(torch.equal(ours[task][name], theirs[task][name]) for task in ours for name in ours[task])


@torch.inference_mode()
def test_heads_hear_what_their_encoder_says(headed: HeadedEncoder) -> None:
    waveform = noise(batch=2)
    heard = headed.hear(waveform)
    assert list(heard) == list(headed.specs) == ["beats", "chords", "sections", "key", "tags"]
    states = headed.encoder.hidden_states(headed.encoder.features(waveform))
    assert len(states) == 3
    assert all(torch.equal(heard["chords"][k], v) for k, v in headed.heads["chords"](states).items())
    features = headed.features(waveform)
    assert features.shape == (2, 128, 600)
    assert same(headed.hear_features(features), heard)
    assert list(headed.hear(waveform, ["key", "beats"])) == ["key", "beats"]
    with pytest.raises(ModelError, match="small-headed has no head for chord-parts, but for beats, chords"):
        headed.hear(waveform, ["chord-parts"])


@torch.inference_mode()
def test_one_pass_gives_vectors_and_logits(headed: HeadedEncoder) -> None:
    waveform = noise(batch=2)
    for layer in (2, 1):
        headed.read_out(layer)
        encoded, heard = headed.encode_and_hear(headed.features(waveform))
        assert torch.equal(encoded.pooled, headed(waveform).pooled)
        assert same(heard, headed.hear(waveform))
    headed.read_out(2)


@torch.inference_mode()
def test_logits_do_not_depend_on_the_batch(headed: HeadedEncoder) -> None:
    waveform = noise(batch=3)
    together, alone = headed.hear(waveform), headed.hear(waveform[1:2])
    for task, outputs in alone.items():
        for name, logits in outputs.items():
            assert torch.allclose(together[task][name][1:2], logits, atol=1e-5)


@torch.inference_mode()
def test_comes_back_bit_for_bit(headed: HeadedEncoder, headed_folder: Path) -> None:
    again = ohrwurm.load(headed_folder)
    assert isinstance(again, HeadedEncoder)
    assert again.specs == headed.specs
    assert not again.training
    assert all(
        torch.equal(a, b) for a, b in zip(headed.state_dict().values(), again.state_dict().values(), strict=True)
    )
    assert again.card.sha256 == sha256(headed_folder / "model.safetensors")
    assert same(again.hear(noise()), headed.hear(noise()))
    assert sorted(p.name for p in headed_folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]


def test_card_says_what_it_hears_and_whose_encoder_it_is(headed: HeadedEncoder, headed_folder: Path) -> None:
    card = registry.card(headed_folder)
    assert (card.window, card.hop, card.sample_rate, card.layer, card.frame_rate) == (6.0, 3.0, 24000, 2, 25.0)
    assert card.good_for == ("sound",)
    assert card.features["heads"] == ["beats", "chords", "sections", "key", "tags"]
    assert card.parameters["encoder"]["name"] == "small-musicfm"
    assert "| hears | beats, chords, sections, key, tags |" in readme(card)
    assert {"beat-tracking", "chord-recognition", "key-estimation"} <= set(metadata(card)["tags"])


def test_other_heads_encoders_and_windows_have_other_provenance(tmp_path: Path) -> None:
    made = [
        small_headed(BEATS),
        small_headed(BEATS, seed=1),
        small_headed((HeadSpec("beats", hidden=8, states="last"),)),
        small_headed(BEATS, window=5.0),
    ]
    cards = [registry.card(registry.save(model, tmp_path / str(i))) for i, model in enumerate(made)]
    assert len({card.provenance for card in cards}) == len(made)
    assert registry.card(registry.save(small_headed(BEATS), tmp_path / "again")).provenance == cards[0].provenance


def test_layers_and_precisions_are_the_encoders(headed_folder: Path) -> None:
    model = registry.load(headed_folder, layer=1)
    bare = small_encoder()
    assert isinstance(model, HeadedEncoder)
    assert model.layers == bare.layers
    assert model.precisions == bare.precisions
    bare.read_out(1)
    with torch.inference_mode():
        assert torch.equal(model(noise()).pooled, bare(noise()).pooled)
        assert same(model.hear(noise()), registry.load(headed_folder).hear(noise()))
    with pytest.raises(ModelError, match="layers 0 to 2; 3 was asked for"):
        registry.load(headed_folder, layer=3)


@torch.inference_mode()
def test_lowered_encoder_is_heard_in_float32(headed_folder: Path) -> None:
    full = registry.load(headed_folder)
    for precision in full.precisions[1:]:
        model = registry.load(headed_folder, precision=precision)
        assert isinstance(model, HeadedEncoder)
        assert model.encoder.precision == precision
        for task, outputs in model.hear(noise()).items():
            for name, logits in outputs.items():
                assert logits.dtype == torch.float32
                assert torch.allclose(logits, full.hear(noise())[task][name], atol=0.1)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    file = tmp_path / "noise.wav"
    write_audio(file, noise(13.0)[0].numpy(), 24000, "WAV", "FLOAT")
    return file


def test_files_have_the_vectors_of_the_bare_encoder(headed_folder: Path, recording: Path) -> None:
    bare = small_encoder()
    bare.card = dataclasses.replace(bare.card, window=6.0, hop=3.0)
    ours, theirs = ohrwurm.embed(recording, registry.load(headed_folder)), ohrwurm.embed(recording, bare)
    assert np.array_equal(ours.windows, theirs.windows)
    assert np.array_equal(ours.vector, theirs.vector)


# Heads without their encoder ------------------------------------------------------------------------------------------


@pytest.fixture
def encoder_folder(tmp_path: Path) -> Path:
    return registry.save(small_encoder(), tmp_path / "small-musicfm")


@pytest.fixture
def probe(encoder_folder: Path, tmp_path: Path) -> tuple[HeadedEncoder, Path]:
    """Heads on a frozen encoder, and their folder."""
    model = HeadedEncoder.around(
        registry.load(encoder_folder), BEATS, name="probe", own_encoder=False, found_at={"model": str(encoder_folder)}
    )
    return model, registry.save(model, tmp_path / "probe")


@torch.inference_mode()
def test_probe_holds_its_heads_alone_and_comes_back(
    probe: tuple[HeadedEncoder, Path], encoder_folder: Path
) -> None:  # fmt: skip
    model, folder = probe
    stored = load_file(folder / "model.safetensors")
    assert stored
    assert all(name.startswith("heads.beats.") for name in stored)
    assert (folder / "model.safetensors").stat().st_size < (encoder_folder / "model.safetensors").stat().st_size / 20
    again = registry.load(folder)
    assert isinstance(again, HeadedEncoder)
    assert same(again.hear(noise()), model.hear(noise()))
    assert torch.equal(again(noise()).pooled, registry.load(encoder_folder)(noise()).pooled)
    assert again.card.parameters["encoder"]["sha256"] == sha256(encoder_folder / "model.safetensors")


def test_encoder_of_a_probe_learns_nothing(probe: tuple[HeadedEncoder, Path]) -> None:
    model, _ = probe
    before = {name: tensor.clone() for name, tensor in model.encoder.state_dict().items()}
    model.train()
    assert model.heads["beats"].training
    assert not any(part.training for part in model.encoder.modules())
    model.hear(noise())["beats"]["beats"].square().mean().backward()
    assert all(parameter.grad is None for parameter in model.encoder.parameters())
    assert all(parameter.grad is not None for parameter in model.heads.parameters())
    # nor do its batch norms take in what is heard
    assert all(torch.equal(before[name], tensor) for name, tensor in model.encoder.state_dict().items())


def test_probe_inside_another_module_keeps_its_heads_alone(probe: tuple[HeadedEncoder, Path]) -> None:
    """As a training task keeps it, whose checkpoints need no gigabyte that never changes."""
    task, other = torch.nn.ModuleDict({"model": probe[0]}), torch.nn.ModuleDict({"model": small_headed(BEATS)})
    state = task.state_dict()
    assert state
    assert all(name.startswith("model.heads.") for name in state)
    assert task.load_state_dict(state).missing_keys == []
    with pytest.raises(RuntimeError, match=r"Missing key.*model\.encoder"):
        other.load_state_dict(state)


def test_probe_whose_encoder_moved_is_found_by_its_name(
    probe: tuple[HeadedEncoder, Path], encoder_folder: Path
) -> None:  # fmt: skip
    cached = registry.cached("small-musicfm")
    cached.parent.mkdir(parents=True, exist_ok=True)
    encoder_folder.rename(cached)
    try:
        with torch.inference_mode():
            assert same(registry.load(probe[1]).hear(noise()), probe[0].hear(noise()))
    finally:
        cached.rename(encoder_folder)


def test_missing_encoder_says_how_to_give_it(probe: tuple[HeadedEncoder, Path], encoder_folder: Path) -> None:
    model, folder = probe
    encoder = registry.load(encoder_folder)
    encoder_folder.rename(encoder_folder.with_name("elsewhere"))
    with pytest.raises(ModelError, match=r"need their encoder small-musicfm, which is not here .*reunited"):
        registry.load(folder)
    again = HeadedEncoder.reunited(folder, encoder)
    assert again.card == registry.card(folder)
    with torch.inference_mode():
        assert same(again.hear(noise()), model.hear(noise()))


def test_encoder_with_other_weights_is_refused(probe: tuple[HeadedEncoder, Path], encoder_folder: Path) -> None:
    registry.save(small_encoder(seed=3), encoder_folder)
    with pytest.raises(ModelError, match=r"small-musicfm has other weights than the encoder small-musicfm that these"):
        registry.load(probe[1])
    with pytest.raises(ModelError, match="has other weights"):
        HeadedEncoder.reunited(probe[1], small_encoder(seed=3))
    with pytest.raises(ModelError, match=r"is no folder of heads without their encoder"):
        HeadedEncoder.reunited(encoder_folder, small_encoder())


def test_weights_are_the_same_whatever_file_they_came_from(probe: tuple[HeadedEncoder, Path], tmp_path: Path) -> None:
    torch.save(small_encoder().to_published(), tmp_path / "published.pt")
    file = probe[1] / "config.json"
    card = json.loads(file.read_text())
    for place in (str(tmp_path / "small-musicfm"), "nowhere"):
        card["parameters"]["found_at"] = {"model": place, "weights": str(tmp_path / "published.pt")}
        file.write_text(json.dumps(card))
        if place == "nowhere":
            with pytest.raises(ModelError, match="no model named 'nowhere'"):
                registry.load(probe[1])
        else:
            assert isinstance(registry.load(probe[1]), HeadedEncoder)


@torch.inference_mode()
def test_heads_on_the_encoder_of_a_model_with_heads(headed_folder: Path, tmp_path: Path) -> None:
    base = registry.load(headed_folder)
    place = {"model": str(headed_folder)}
    model = HeadedEncoder.around(base, BEATS, name="more", own_encoder=False, found_at=place)
    assert not isinstance(model.encoder, HeadedEncoder)
    assert (model.card.window, model.card.layer, model.card.features["heads"]) == (6.0, 2, ["beats"])
    assert model.card.parameters["encoder"]["name"] == "small-headed"
    again = registry.load(registry.save(model, tmp_path / "more"))
    assert isinstance(again, HeadedEncoder)
    assert same(again.hear(noise()), model.hear(noise()))
    assert torch.equal(again(noise()).pooled, base(noise()).pooled)
    whole = HeadedEncoder.around(registry.load(headed_folder), BEATS, name="whole")
    assert torch.equal(registry.load(registry.save(whole, tmp_path / "whole"))(noise()).pooled, base(noise()).pooled)


OWN = """
import torch
from ohrwurm.models.base import Encoded

class Mine(torch.nn.Module):
    sample_rate, window, hop = 8000, 4.0, 4.0

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.linear = torch.nn.Linear(800, 6)

    def forward(self, waveform):
        frames = self.linear(waveform.unflatten(1, (-1, 800)))
        return Encoded(pooled=frames.mean(1), frames=frames)
"""


def test_class_of_ones_own_is_never_named_by_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_with_frames.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    encoder = registry.load("mine_with_frames:Mine")
    with pytest.raises(ModelError, match=r"no model folder holds code.*own_encoder=False"):
        HeadedEncoder.around(encoder, BEATS, name="mine")
    place = {"model": registry.located("mine_with_frames:Mine")}
    model = HeadedEncoder.around(encoder, BEATS, name="mine", own_encoder=False, found_at=place)
    assert model.hear(noise(4.0, 8000))["beats"]["beats"].shape == (1, 200, 2)
    folder = registry.save(model, tmp_path / "mine")
    with pytest.raises(ModelError, match=r"which is not here .*reunited"):
        registry.load(folder)
    again = HeadedEncoder.reunited(folder, registry.load("mine_with_frames:Mine"))
    assert same(again.hear(noise(4.0, 8000)), model.hear(noise(4.0, 8000)))


# Other encoders -------------------------------------------------------------------------------------------------------


def _built(name: str, **changes: object) -> AudioEncoder:
    torch.manual_seed(0)
    return registry.build(dataclasses.replace(registry.card(name), **changes))


ENCODERS: dict[str, Callable[[], AudioEncoder]] = {
    "samplecnn": lambda: _built("samplecnn", layer=3, parameters={"widths": [4, 4, 4, 8, 8]}),
    "tune": lambda: _built("tune-plus", layer=3, parameters={"width": 4}),
    "pitchnet": lambda: registry.load("pitchnet", window=3.0),
    "ttmr": lambda: _built(
        "ttmr-cls",
        window=2.0,
        parameters={"channels": [4] * 4, "n_mels": 32, "attention_dim": 16, "heads": 2, "layers": 1},
    ),
}


@pytest.mark.parametrize("name", ENCODERS)
@torch.inference_mode()
def test_heads_on_any_encoder_with_frames(name: str, tmp_path: Path) -> None:
    encoder = ENCODERS[name]()
    card = encoder.card
    model = HeadedEncoder.around(encoder, (*BEATS, HeadSpec("tags", classes=("a", "b"))), name=f"headed-{name}")
    waveform = noise(card.window, card.sample_rate, batch=2)
    heard = model.hear(waveform)
    assert heard["beats"]["beats"].shape == (2, round(card.window * 50), 2)
    assert heard["tags"]["tags"].shape == (2, 2)
    again = registry.load(registry.save(model, tmp_path / name))
    assert isinstance(again, HeadedEncoder)
    assert same(again.hear(waveform), heard)
    assert torch.equal(again(waveform).pooled, encoder(waveform).pooled)
    encoded, at_once = again.encode_and_hear(again.features(waveform))
    assert same(at_once, heard)
    assert torch.equal(encoded.pooled, encoder(waveform).pooled)
    assert again.layers == {}  # another layer is not what the heads know
    with pytest.raises(ModelError, match="no choice of layers"):
        again.read_out(1)


@torch.inference_mode()
def test_frames_are_counted_in_the_window_of_the_heads(tmp_path: Path) -> None:
    encoder = ENCODERS["ttmr"]()  # as many frames as whole patches fit: its rate depends on the length
    model = HeadedEncoder.around(encoder, BEATS, name="other-window", window=6.0)
    waveform = noise(6.0, encoder.card.sample_rate)
    assert model.hear(waveform)["beats"]["beats"].shape == (1, 300, 2)
    again = registry.load(registry.save(model, tmp_path / "other-window"))
    assert isinstance(again, HeadedEncoder)
    assert again.hear(waveform)["beats"]["beats"].shape == (1, 300, 2)


@pytest.mark.parametrize("name", ["mel-statistics", "ohrwurm-versions"])
def test_encoder_without_frames_is_refused_by_name(name: str) -> None:
    encoder = registry.load(name, window=10.0)
    with pytest.raises(ModelError, match=rf"{name} has no frames, one vector a window alone.*musicfm"):
        HeadedEncoder.around(encoder, BEATS, name="deaf")


def test_two_heads_for_one_task_and_lowered_encoders_are_refused(headed_folder: Path) -> None:
    with pytest.raises(ModelError, match="two heads for one task among beats, beats"):
        small_headed((*BEATS, *BEATS))
    lowered = small_encoder()
    lowered.precision = "bf16"
    with pytest.raises(ModelError, match="small-musicfm: is in bf16; heads go on an encoder in fp32"):
        HeadedEncoder.around(lowered, BEATS, name="low")


# Smaller, and for other programs --------------------------------------------------------------------------------------


@torch.inference_mode()
def test_half_precision_is_stored_and_float32_comes_back(headed: HeadedEncoder, tmp_path: Path) -> None:
    full, half = registry.save(headed, tmp_path / "full"), registry.save(headed, tmp_path / "half", half=True)
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (full, half)]
    assert sizes[1] < 0.62 * sizes[0]
    learned = {name for name, _ in headed.named_parameters()}
    for name, tensor in load_file(half / "model.safetensors").items():
        expected = headed.state_dict()[name]
        assert torch.equal(tensor, expected.half() if name in learned else expected)
    again = registry.load(half)
    assert {tensor.dtype for tensor in again.state_dict().values()} == {torch.float32, torch.int64}
    assert registry.card(half).provenance != registry.card(full).provenance
    assert next(headed.parameters()).dtype == torch.float32
    for task, outputs in again.hear(noise()).items():
        for name, logits in outputs.items():
            assert torch.allclose(logits, headed.hear(noise())[task][name], atol=5e-3)
    twice = registry.save(again, tmp_path / "twice", half=True)
    assert registry.card(twice).sha256 == registry.card(half).sha256


def test_weights_beyond_half_precision_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    model = small_headed(BEATS)
    with torch.no_grad():
        model.heads["beats"].weights[0] = 1e6
    with pytest.raises(ModelError, match=r"heads\.beats\.weights does not fit into 16 bits"):
        registry.save(model, tmp_path / "half", half=True)
    assert not (tmp_path / "half").exists()


@pytest.mark.slow
def test_onnx_holds_the_heads(tmp_path: Path) -> None:
    model = small_headed(SPECS, window=3.0)
    made = export(model, "onnx", tmp_path / "model.onnx")
    assert made.takes == "waveform"
    assert made.outputs["beats.beats"] == ["batch", 150, 2]
    waveform = noise(3.0, batch=2)
    session = onnxruntime.InferenceSession(str(made.path))
    boundaries = session.run(["sections.boundaries"], {"waveform": waveform.numpy()})[0]
    with torch.inference_mode():
        assert np.allclose(boundaries, model.hear(waveform)["sections"]["boundaries"].numpy(), atol=1e-4)
