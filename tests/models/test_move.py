"""MOVE against numbers of the published code; the frequency-domain convolution against the direct one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ohrwurm.errors import ModelError
from ohrwurm.models.convert import read_weights
from ohrwurm.models.move import MOVE, VersionEncoder, pitch_convolution_fft, tile_pitch_classes

SMALL = {"dim": 16, "channels": 8, "kernel_time": 24, "convolutions": ((5, 1), (5, 3))}


@pytest.fixture(scope="module", params=["direct", "fft"])
def published(request, move_golden):
    return move_golden.fill(MOVE(first_convolution=request.param, short_input="raise"))


@pytest.mark.parametrize("frames", [320, 321, 447, 1000, 1800])
@torch.inference_mode()
def test_embedding_matches_the_published_code(published, move_golden, frames: int) -> None:
    golden = move_golden["move_emb256"]
    pcp = torch.from_numpy(move_golden.make.pcp23(int(golden[f"T{frames}_seed"]), frames))[None]
    assert pcp.sum(dtype=torch.float64).item() == pytest.approx(float(golden[f"T{frames}_input_sum"]), rel=1e-6)
    single = published.float()(pcp)[0].numpy()
    np.testing.assert_allclose(single, golden[f"T{frames}_emb32"], rtol=1e-4, atol=1e-5)
    assert np.linalg.norm(single) == pytest.approx(float(golden[f"T{frames}_norm32"]), rel=1e-4)
    if frames <= 447:  # double precision costs four times as much, and tells the same about any length
        double = published.double()(pcp.double())[0].numpy()
        np.testing.assert_allclose(double, golden[f"T{frames}_emb64"], rtol=1e-9, atol=1e-12)


@torch.inference_mode()
def test_published_form_refuses_319_frames(published) -> None:
    with pytest.raises(ModelError, match="319 frames; MOVE needs at least 320"):
        published.float()(torch.rand(1, 1, 23, 319))


@torch.inference_mode()
def test_true_transposition_changes_nothing_and_the_legacy_roll_does(published, move_golden) -> None:
    golden = move_golden["move_transposition"]
    profile = torch.from_numpy(move_golden.make.pcp12(int(golden["seed"]), int(golden["T"])).T.copy())
    transposed = tile_pitch_classes(torch.stack([profile.roll(s, 0) for s in range(12)]))
    found = published.float()(transposed).numpy()
    np.testing.assert_allclose(found, golden["true_transposed"], rtol=1e-4, atol=1e-5)
    assert np.abs(found - found[0]).max() < 1e-6
    rolled = torch.stack([transposed[0].roll(s, 1) for s in range(12)])
    np.testing.assert_allclose(published(rolled).numpy(), golden["legacy_rolled"], rtol=1e-4, atol=1e-5)


def test_training_output_statistics_and_gradients_match_the_published_code(move_golden) -> None:
    """Direct convolution, as in the published code: batch norm over 3 songs magnifies float32 rounding too much for
    another order of summation; that the frequency domain learns the same is shown in float64 below."""
    golden = move_golden["move_variants"]
    model = move_golden.fill(MOVE(dim=int(golden["emb"]), first_convolution="direct"))
    pcp = np.stack([move_golden.make.pcp23(int(seed), int(golden["T"])) for seed in golden["seeds"]])
    with torch.inference_mode():
        np.testing.assert_allclose(model(torch.from_numpy(pcp)).numpy(), golden["sum4_act3"], rtol=1e-4, atol=1e-5)
    out = model.train()(torch.from_numpy(pcp))
    np.testing.assert_allclose(out.detach().numpy(), golden["train_out"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.lin_bn.running_mean.numpy(), golden["train_running_mean"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.lin_bn.running_var.numpy(), golden["train_running_var"], rtol=1e-4, atol=1e-5)
    out.pow(3).sum().backward()
    for name, parameter in model.named_parameters():
        norm, expected = float(golden[f"gradnorm_{name}"]), golden[f"grad_{name}"]
        assert float(parameter.grad.double().norm()) == pytest.approx(norm, rel=1e-4, abs=1e-5), name
        found = parameter.grad.numpy()
        if found.shape != expected.shape:  # large ones were thinned
            found = found.ravel()[:: max(1, found.size // 2048)][:2048]
        assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max() + 1e-5, name


@pytest.mark.parametrize("tiled", [True, False])
@pytest.mark.parametrize("frames, kernel", [(40, 40), (61, 40), (300, 24), (777, 24)])
def test_frequency_domain_equals_direct_forward_and_backward(frames: int, kernel: int, tiled: bool) -> None:
    generator = torch.Generator().manual_seed(frames)
    for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 1e-4)):
        pcp = torch.rand(2, 12, frames, generator=generator, dtype=dtype)
        pcp = tile_pitch_classes(pcp) if tiled else torch.rand(2, 1, 23, frames, generator=generator, dtype=dtype)
        weight = torch.randn(3, 1, 12, kernel, generator=generator, dtype=dtype)
        bias = torch.randn(3, generator=generator, dtype=dtype)
        wanted = torch.randn(2, 3, 12, frames - kernel + 1, generator=generator, dtype=dtype)
        results = []
        for convolve in (torch.nn.functional.conv2d, pitch_convolution_fft):
            inputs = [t.clone().requires_grad_() for t in (pcp, weight, bias)]
            out = convolve(*inputs)
            (out * wanted).sum().backward()
            gradients = [t.grad for t in inputs]
            if tiled:  # rows that are one pitch class share their gradient; where it goes is free
                gradients[0] = gradients[0][:, :, :12] + torch.nn.functional.pad(gradients[0][:, :, 12:], (0, 0, 0, 1))
            results.append([out.detach(), *gradients])
        for direct, fft in zip(*results, strict=True):
            assert direct.shape == fft.shape
            assert (direct - fft).abs().max() <= tolerance * direct.abs().max()


def test_whole_network_learns_the_same_through_the_frequency_domain() -> None:
    pcp = tile_pitch_classes(torch.rand(4, 12, 130, dtype=torch.float64))
    model = MOVE(**SMALL, first_convolution="direct").double()
    gradients = []
    for first in ("direct", "fft"):
        model.first_convolution = first
        model.zero_grad()
        model(pcp).pow(3).sum().backward()
        gradients.append({name: p.grad.clone() for name, p in model.named_parameters()})
    for name, direct in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], direct, rtol=1e-9, atol=1e-9)


@torch.inference_mode()
def test_prelu_with_a_negative_slope_still_comes_before_the_maximum() -> None:
    model = MOVE(**SMALL).eval()
    model.prelu1.weight.fill_(-0.7)
    pcp = torch.rand(2, 1, 23, 60)
    expected = model.prelu1(model.conv1(pcp)).amax(2)
    seen = {}
    model.conv2.register_forward_hook(lambda _, inputs, __: seen.update(x=inputs[0]))
    model(pcp)
    assert torch.allclose(seen["x"].squeeze(2), expected, atol=1e-5)


@torch.inference_mode()
def test_short_songs_are_repeated_padded_or_refused_as_asked() -> None:
    pcp = torch.rand(1, 1, 23, 17)
    model = MOVE(**SMALL).eval()
    need = model.receptive_field
    assert need == 24 + 4 + 12
    assert torch.equal(model(pcp), model(pcp.repeat(1, 1, 1, 3)[..., :need]))
    model.short_input = "zeros"
    assert torch.equal(model(pcp), model(torch.nn.functional.pad(pcp, (0, need - 17))))
    model.short_input = "raise"
    with pytest.raises(ModelError, match=f"17 frames; MOVE needs at least {need}"):
        model(pcp)
    with pytest.raises(ModelError, match="0 frames"):
        MOVE(**SMALL)(pcp[..., :0])


def test_state_dict_is_laid_out_as_published() -> None:
    """specs of the published checkpoints: names, order and shapes at D = 16000 make 6,288,902 parameters."""
    with torch.device("meta"):
        model = MOVE(dim=16000)
    shapes = {k: tuple(v.shape) for k, v in model.state_dict().items()}
    assert shapes["autopool_p"] == ()
    assert shapes["conv1.weight"] == (256, 1, 12, 180)
    assert shapes["conv5.weight"] == (512, 256, 1, 5)
    assert shapes["lin1.weight"] == (16000, 256)
    assert shapes["lin_bn.running_var"] == (16000,)
    assert {k.split(".")[0] for k in shapes} == {"autopool_p", "lin1", "lin_bn"} | {
        f"{kind}{i}" for kind in ("conv", "prelu") for i in range(1, 6)
    }
    assert sum(p.numel() for p in model.parameters()) == 6_288_902


@torch.inference_mode()
def test_published_move_fills_the_version_encoder(tmp_path) -> None:
    move = MOVE(**SMALL)
    torch.save(move.state_dict(), tmp_path / "model_move.pt")
    encoder = VersionEncoder(pitch="chroma", **SMALL).eval()
    read_weights(encoder, tmp_path / "model_move.pt")
    profile = torch.rand(1, 12, 80)
    assert torch.equal(encoder.encode_features(profile).pooled, move.eval()(tile_pitch_classes(profile)))


@pytest.mark.parametrize("pitch", ["chroma", "pitchnet"])
@torch.inference_mode()
def test_version_encoder_of_a_waveform_is_move_of_its_pitch_classes(pitch: str) -> None:
    encoder = VersionEncoder(pitch=pitch, **SMALL).eval()
    waveform = torch.randn(2, 22050 * 6) * 0.1
    profile = encoder.features(waveform)
    assert profile.shape[:2] == (2, 12)
    assert profile.min() >= 0
    assert profile.max() <= 1
    assert torch.equal(encoder(waveform).pooled, encoder.encode_features(profile).pooled)
    assert {key.split(".")[0] for key in encoder.state_dict()} == {"move"} | (
        {"pitch"} if pitch == "pitchnet" else set()
    )


@torch.inference_mode()
def test_transposed_song_gets_the_same_vector() -> None:
    encoder = VersionEncoder(pitch="chroma", **SMALL).eval()
    profile = torch.rand(1, 12, 100)
    vectors = torch.cat([encoder.encode_features(profile.roll(s, 1)).pooled for s in range(12)])
    assert (vectors - vectors[0]).abs().max() < 1e-5 * vectors.abs().max()


def test_wrong_settings_say_what_is_allowed() -> None:
    with pytest.raises(ModelError, match="'auto', 'direct' or 'fft'"):
        MOVE(first_convolution="winograd")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="'raise', 'repeat' or 'zeros'"):
        MOVE(short_input="reflect")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="pitchnet, chroma"):
        VersionEncoder(pitch="crepe")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="12, time"):
        tile_pitch_classes(torch.rand(1, 23, 50))


def test_input_is_that_of_the_published_preparation(move_golden) -> None:
    golden = move_golden["preproc"]
    hop_512 = move_golden.make.pcp12(int(golden["seed"]), int(golden["n"]))  # eight rows a feature frame
    profile = torch.from_numpy(hop_512[::8].T.copy())[None]
    np.testing.assert_array_equal(tile_pitch_classes(profile)[0].numpy(), golden["out"])
