"""MOVE against numbers of the published code, in all its variants, and its fast paths against the plain one."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from cases_move import checkpoint, published_shapes

from ohrwurm.errors import ModelError
from ohrwurm.models.move import ACTIVATIONS, MOVE, tile_pitch_classes, transpose
from ohrwurm.models.move_pooling import POOLINGS

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
    assert torch.equal(torch.cat([transpose(transposed[:1], s) for s in range(12)]), transposed)
    rolled = torch.cat([transpose(transposed[:1], s, legacy=True) for s in range(12)])
    np.testing.assert_allclose(published(rolled).numpy(), golden["legacy_rolled"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sum_method", range(5))
@pytest.mark.parametrize("final_activation", range(4))
@torch.inference_mode()
def test_every_pooling_and_activation_matches_the_published_code(
    move_golden, sum_method: int, final_activation: int
) -> None:
    golden = move_golden["move_variants"]
    dim = int(golden["emb"])
    model = MOVE(dim=dim, pooling=POOLINGS[sum_method], activation=ACTIVATIONS[final_activation])
    model.load_state_dict(checkpoint(dim, sum_method, final_activation))
    found = model.eval()(variant_inputs(move_golden))
    np.testing.assert_allclose(found, golden[f"sum{sum_method}_act{final_activation}"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("first", ["direct", "fft"])
@torch.inference_mode()
def test_network_without_transposition_matches_the_published_code(move_golden, first: str) -> None:
    golden = move_golden["move_variants"]
    model = MOVE(dim=32, transposition_invariant=False, first_convolution=first)  # type: ignore[arg-type]
    model.load_state_dict(checkpoint(32))
    tiled = variant_inputs(move_golden)
    found = model.eval()(tiled[:, :, :12])
    np.testing.assert_allclose(found, golden["nt_out"], rtol=1e-4, atol=1e-5)
    assert torch.equal(model(tiled), found), "of 23 rows it takes the first 12"
    with torch.enable_grad():  # the way that gradients can flow through
        np.testing.assert_allclose(model(tiled).detach(), golden["nt_out"], rtol=1e-4, atol=1e-5)


def variant_inputs(move_golden) -> torch.Tensor:
    golden = move_golden["move_variants"]
    pcp = [move_golden.make.pcp23(int(seed), int(golden["T"])) for seed in golden["seeds"]]
    return torch.from_numpy(np.stack(pcp))


def test_training_output_statistics_and_gradients_match_the_published_code(move_golden) -> None:
    """Direct convolution, as in the published code: batch norm over 3 songs magnifies float32 rounding too much for
    another order of summation; that the frequency domain learns the same is shown in float64 below."""
    golden = move_golden["move_variants"]
    model = move_golden.fill(MOVE(dim=int(golden["emb"]), first_convolution="direct"))
    out = model.train()(variant_inputs(move_golden))
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


@pytest.mark.parametrize(
    "dim, parameters",
    [(16000, 6_288_902), (4000, 3_216_902), (512, 2_323_974), (256, 2_258_438), (128, 2_225_670)],
)
def test_state_dict_is_laid_out_as_published(dim: int, parameters: int) -> None:
    with torch.device("meta"):
        model = MOVE(dim=dim)
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    assert shapes == published_shapes(dim)
    assert list(shapes) == list(published_shapes(dim))
    assert sum(p.numel() for p in model.parameters()) == parameters


@torch.inference_mode()
def test_kept_spectra_and_lowered_weights_follow_the_weights() -> None:
    """What is derived from the weights must never outlive them: loading, an optimiser's step, a copy, another dtype."""
    torch.manual_seed(0)
    pcp = tile_pitch_classes(torch.rand(1, 12, 90))
    with torch.inference_mode(False):
        model, other = MOVE(**SMALL).eval(), MOVE(**SMALL).eval()
    for dtype in (torch.float32, torch.bfloat16):
        model.lower_later_layers(dtype)
        other.lower_later_layers(dtype)
        before = model(pcp)
        assert torch.equal(model(pcp), before)
        model.load_state_dict(other.state_dict())
        assert torch.equal(model(pcp), other(pcp))
        assert not torch.allclose(model(pcp), before)
        twin = copy.deepcopy(model)
        for module in (twin.conv1, twin.conv3):
            module.weight.mul_(2)
        other.load_state_dict(twin.state_dict())
        assert torch.equal(twin(pcp), other(pcp))
        assert not torch.allclose(twin(pcp), model(pcp))
        with torch.inference_mode(False):
            other.load_state_dict(MOVE(**SMALL).state_dict())
    model.lower_later_layers(torch.float32)
    single = model(pcp)
    assert (model.double()(pcp.double()) - single).abs().max() < 1e-5


def test_bf16_stays_near_fp32_and_leaves_the_weights_alone() -> None:
    torch.manual_seed(0)
    model = MOVE(dim=32, channels=32, kernel_time=40).eval()
    weights = copy.deepcopy(model.state_dict())
    pcp = tile_pitch_classes(torch.rand(3, 12, 300))
    with torch.inference_mode():
        single = model(pcp)
        model.lower_later_layers(torch.bfloat16)
        lower = model(pcp)
    assert lower.dtype == torch.float32
    assert not torch.equal(lower, single)
    assert torch.nn.functional.cosine_similarity(lower, single).min() > 0.999
    assert all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())
    model.train()(pcp).sum().backward()  # and it can still learn
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


@torch.inference_mode()
def test_same_vector_in_eval_mode_with_and_without_gradients() -> None:
    """The fast path is for inference alone; both must give the same, and so must direct convolution."""
    torch.manual_seed(0)
    pcp = tile_pitch_classes(torch.rand(2, 12, 777))
    for settings in ({}, {"transposition_invariant": False}):
        with torch.inference_mode(False):
            model = MOVE(**SMALL, **settings).eval()
        for slope in (0.2, -0.7):
            with torch.inference_mode(False), torch.no_grad():
                model.prelu1.weight.fill_(slope)
            fast = model(pcp)
            with torch.enable_grad():
                plain = model(pcp)
            model.first_convolution = "direct"
            direct = model(pcp)
            model.first_convolution = "auto"
            assert (fast - direct).abs().max() < 1e-5 * direct.abs().max()
            assert (plain - direct).abs().max() < 1e-5 * direct.abs().max()


def test_wrong_settings_say_what_is_allowed() -> None:
    with pytest.raises(ModelError, match="'auto', 'direct' or 'fft'"):
        MOVE(first_convolution="winograd")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="'raise', 'repeat' or 'zeros'"):
        MOVE(short_input="reflect")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=r"pooling must be 'max', .* or 'adaptive-attention', not 'median'"):
        MOVE(pooling="median")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="activation must be 'none', 'sigmoid', 'tanh' or 'batch-norm', not 'relu'"):
        MOVE(activation="relu")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=r"MOVE takes \(batch, 1, 23, time\), not \(1, 1, 12, 50\)"):
        MOVE(**SMALL)(torch.rand(1, 1, 12, 50))
    with pytest.raises(ValueError, match="12, time"):
        tile_pitch_classes(torch.rand(1, 23, 50))


def test_input_is_that_of_the_published_preparation(move_golden) -> None:
    golden = move_golden["preproc"]
    hop_512 = move_golden.make.pcp12(int(golden["seed"]), int(golden["n"]))  # eight rows a feature frame
    profile = torch.from_numpy(hop_512[::8].T.copy())[None]
    np.testing.assert_array_equal(tile_pitch_classes(profile)[0].numpy(), golden["out"])
