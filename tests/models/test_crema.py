"""cremaPCP: Keras 2's recurrence, the weight files as published, the Da-TACOS grid."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from cases_crema import checkpoint, fill, shapes

from ohrwurm.audio.pitch import da_tacos_profile
from ohrwurm.checksums import sha256
from ohrwurm.errors import ModelError
from ohrwurm.models import registry
from ohrwurm.models.crema import VARIANTS, ChordNetwork, CremaPCP, _Bidirectional
from ohrwurm.models.crema_weights import keras_state
from ohrwurm.models.move import tile_pitch_classes


def write_keras(
    file: Path, variant: str, *, group: str = "", prefix: str = "", state: dict[str, np.ndarray] | None = None
) -> Path:
    """A weight file as Keras 2 lays it out: names in attributes (bytes), layers without weights too."""
    state = state or {name: fill(name, shape) for name, shape in shapes(variant).items()}
    layers: dict[str, list[str]] = {"cqt/mag": [], "concatenate_1": []}
    for name in state:
        layers.setdefault(name.split("/")[0], []).append(name)
    with h5py.File(file, "w") as content:
        root = content.create_group(group) if group else content
        root.attrs["layer_names"] = [layer.encode() for layer in layers]
        root.attrs["backend"] = b"tensorflow"
        for layer, names in layers.items():
            folder = root.create_group(layer)
            folder.attrs["weight_names"] = [f"{prefix}{name}".encode() for name in names]
            for name in names:
                folder.create_dataset(f"{prefix}{name}", data=state[name])
        if group:
            content.create_group("optimizer_weights").create_dataset("training/Adam/iterations:0", data=7)
    return file


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in found)


@pytest.mark.parametrize("group", ["", "model_weights"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_weight_files_of_both_layouts_are_read(variant: str, group: str, tmp_path: Path) -> None:
    found = keras_state(write_keras(tmp_path / "model.h5", variant, group=group))
    assert_same(found, checkpoint(variant)())
    model = CremaPCP(variant)
    model.load_state_dict(model.from_published(found))
    assert sum(value.numel() for value in found.values()) == {"0.2": 528_139, "0.1.0": 490_158}[variant]
    assert_same(model.to_published(), found)


@pytest.mark.parametrize("variant", VARIANTS)
def test_published_file_loads_by_name_whole_or_not_at_all(variant: str, tmp_path: Path) -> None:
    name = f"crema-pcp-{variant}"
    file = write_keras(tmp_path / "model.h5", variant, group="model_weights")
    model = registry.load(name, weights=file)
    assert_same(model.to_published(), checkpoint(variant)())
    assert model.card.sha256 == sha256(file)
    state = {key: value.numpy() for key, value in checkpoint(variant)().items()}
    more = state | {"dense_9/kernel:0": np.zeros((2, 2)), "dense_9/bias:0": np.zeros(2)}
    with pytest.raises(ModelError, match=r"2 unexpected.*dense_9"):
        registry.load(name, weights=write_keras(tmp_path / "more.h5", variant, state=more))
    fewer = {key: value for key, value in state.items() if not key.startswith("chord_root")}
    with pytest.raises(ModelError, match=r"2 missing.*chord_root"):
        registry.load(name, weights=write_keras(tmp_path / "fewer.h5", variant, state=fewer))
    other = next(v for v in VARIANTS if v != variant)
    with pytest.raises(ModelError, match="do not fit"):
        registry.load(name, weights=write_keras(tmp_path / "other.h5", other))


def test_names_are_mapped_without_touching_the_tensors() -> None:
    published = checkpoint("0.2")()
    ours = CremaPCP("0.2").from_published(published)
    assert {id(value) for value in ours.values()} == {id(value) for value in published.values()}


def test_weights_go_by_their_order_whatever_their_prefixes(tmp_path: Path) -> None:
    """Wrappers such as TimeDistributed prefix the names inside a layer differently from one Keras to the next."""
    file = write_keras(tmp_path / "model.h5", "0.1.0", prefix="time_distributed_7/")
    assert_same(keras_state(file), checkpoint("0.1.0")())


@pytest.mark.parametrize(
    "name, member",
    [
        ("crema-0.2.0-py2.py3-none-any.whl", "crema/models/chord/model.h5"),
        ("crema-master.zip", "crema-master/training/chords/resources/model.h5"),
    ],
)
def test_wheel_and_source_are_read_and_their_pickles_are_not(name: str, member: str, tmp_path: Path) -> None:
    weights = write_keras(tmp_path / "model.h5", "0.2")
    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        archive.write(weights, member)
        archive.writestr(str(Path(member).with_name("model_spec.pkl")), b"cos\nabort\n(tR.")  # ends the process
        archive.writestr(member.replace("chord", "beat"), b"another model")
    assert_same(keras_state(tmp_path / name), checkpoint("0.2")())


def test_what_is_no_weight_file_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = write_keras(tmp_path / "whole.h5", "0.1.0").read_bytes()
    (tmp_path / "half.h5").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.h5").write_text("no HDF5")
    (tmp_path / "text.whl").write_text("no zip")
    for name in ("half.h5", "text.h5", "text.whl"):
        with pytest.raises(ModelError, match=rf"{name}: not a complete Keras weight file"):
            keras_state(tmp_path / name)
    with h5py.File(tmp_path / "other.h5", "w") as content:
        content.create_dataset("crema", data=np.zeros((3, 12)))
    with pytest.raises(ModelError, match=r"other\.h5: HDF5, but no Keras weight file"):
        keras_state(tmp_path / "other.h5")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    with pytest.raises(ModelError, match=r"empty\.zip: holds no models/chord/model\.h5"):
        keras_state(tmp_path / "empty.zip")
    odd = {"lstm_1/kernel:0": np.zeros((2, 2)), "lstm_1/bias:0": np.zeros(2), "lstm_1/more:0": np.zeros(2)}
    with pytest.raises(ModelError, match="layer lstm_1 has 3 weights"):
        keras_state(write_keras(tmp_path / "odd.h5", "0.2", state=odd))
    texts = {"chord_tag/kernel:0": np.array([b"code"]), "chord_tag/bias:0": np.array([b"code"])}
    with pytest.raises(ModelError, match="no array of floating point"):
        keras_state(write_keras(tmp_path / "texts.h5", "0.2", state=texts))
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ModelError, match=r"needs h5py.*ohrwurm\[crema\]"):
        keras_state(tmp_path / "whole.h5")


@torch.inference_mode()
def test_recurrence_is_that_of_keras_2_step_by_step() -> None:
    """In float64 and one step at a time: hard sigmoid 0.2 v + 0.5, reset before the product, backward reversed."""
    torch.manual_seed(0)
    layer = _Bidirectional(1, 5).double()
    for parameter in layer.parameters():
        parameter.mul_(3.0).add_(0.1 * torch.randn_like(parameter))  # so that the hard sigmoid does saturate
    x = torch.randn(2, 17, 5, dtype=torch.float64)
    expected = []
    for name, sequence in (("forward_gru_1", x), ("backward_gru_1", x.flip(1))):
        w, u, b = layer.get_submodule(name).parameters()
        h, states = torch.zeros(2, 128, dtype=torch.float64), []
        for t in range(17):
            wz, wr, wc = (sequence[:, t] @ w + b).chunk(3, dim=-1)
            uz, ur, uc = u.chunk(3, dim=-1)
            z, r = (0.2 * (wz + h @ uz) + 0.5).clip(0, 1), (0.2 * (wr + h @ ur) + 0.5).clip(0, 1)
            h = z * h + (1 - z) * torch.tanh(wc + (r * h) @ uc)
            states.append(h)
        expected.append(torch.stack(states, 1))
    found = layer(x)
    torch.testing.assert_close(found, torch.cat([expected[0], expected[1].flip(1)], -1), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("variant", VARIANTS)
@torch.inference_mode()
def test_profile_is_the_pitch_output_on_the_frames_of_the_recording(variant: str) -> None:
    torch.manual_seed(0)
    model = registry.build(registry.card(f"crema-pcp-{variant}"))
    waveform = 0.1 * torch.randn(2, 3 * 44100)
    profile = model.profile(waveform)  # type: ignore[operator]
    assert profile.shape == (2, 12, 3 * 44100 // 4096)
    assert 0 < profile.min() < profile.max() < 1
    encoded = model(waveform)
    assert encoded.frames is not None
    torch.testing.assert_close(encoded.frames.transpose(1, 2), profile)
    chords = model.network(model.spectrum(waveform))  # type: ignore[operator]
    torch.testing.assert_close(chords.pitch.transpose(1, 2), profile)
    for distribution in (chords.root, chords.bass, chords.tag):
        torch.testing.assert_close(distribution.sum(-1), torch.ones(2, 32), rtol=0, atol=1e-5)


@torch.inference_mode()
def test_level_of_the_recording_does_not_matter() -> None:
    model = registry.build(registry.card("crema-pcp-0.2"))
    waveform = 0.3 * torch.randn(1, 44100)
    loud, quiet = model.profile(waveform), model.profile(waveform / 8)  # type: ignore[operator]
    torch.testing.assert_close(loud, quiet, rtol=0, atol=1e-4)


def test_da_tacos_rows_become_the_published_input_of_move(move_golden) -> None:
    golden = move_golden["preproc"]
    rows = torch.from_numpy(move_golden.make.pcp12(int(golden["seed"]), int(golden["n"])))
    np.testing.assert_array_equal(tile_pitch_classes(da_tacos_profile(rows)[None])[0].numpy(), golden["out"])


def test_unknown_variant_is_refused() -> None:
    with pytest.raises(ModelError, match=r"no chord network of crema 0\.3; published: 0\.1\.0, 0\.2"):
        ChordNetwork("0.3")
