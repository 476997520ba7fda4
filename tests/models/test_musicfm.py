"""MusicFM against numbers of the published code, at two reduced sizes and at full size; layers, precisions, sizes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cases_musicfm import GOLDEN, MSD, SIZES, audio, checkpoint, filled
from torch import Tensor, nn

from ohrwurm.errors import ModelError
from ohrwurm.models import registry
from ohrwurm.models.musicfm import MusicFM, read_statistics
from ohrwurm.models.quantizer import RandomProjectionQuantizer, stack_frames
from ohrwurm.models.tiled_convolution import convolution, point_weight, rectified_residual

HIDDEN = [("tiny_a", "tiny_a_hidden", 1002), ("tiny_a", "tiny_a_hidden_odd", 1003), ("tiny_b", "tiny_b_hidden", 1006)]
SMALL: dict[str, Any] = {"channels": 8, "dim": 32, "depth": 4, "heads": 2, "ffn": 64}


@pytest.fixture(scope="module", autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


@pytest.mark.parametrize("case, batch, silence", [("a", 2, (24000, 36000)), ("b", 1, None), ("c", 1, None)])
def test_mel_matches_the_published_front_end(case: str, batch: int, silence: tuple[int, int] | None) -> None:
    golden = GOLDEN["mel"]
    model = MusicFM(MSD, **SMALL)
    samples = int(golden[f"{case}_n_samples"])
    waveform = torch.from_numpy(GOLDEN.make.make_audio(1001, samples, batch, silence))
    np.testing.assert_array_equal(waveform[:, :64], golden[f"{case}_audio_head"])
    np.testing.assert_allclose(model.spectrogram(waveform)[..., :-1], golden[f"{case}_db"], rtol=0, atol=1e-3)
    np.testing.assert_allclose(model.features(waveform), golden[f"{case}_norm"], rtol=0, atol=1e-4)
    assert model.spectrogram.window[:8].numpy() == pytest.approx(golden["window_first8"], abs=1e-7)
    np.testing.assert_allclose(model.spectrogram.bank.sum(0), golden["fb_band_sums"], rtol=1e-5)
    np.testing.assert_allclose(model.spectrogram.bank.sum(1), golden["fb_bin_sums"], rtol=1e-5, atol=1e-5)
    if silence is not None:
        assert model.spectrogram(waveform).min() == -100.0


@pytest.mark.parametrize("way", ["direct", "winograd"])
@pytest.mark.parametrize("size, file, seed", HIDDEN, ids=[file for _, file, _ in HIDDEN])
def test_states_and_logits_match_the_published_code(size: str, file: str, seed: int, way: str) -> None:
    golden = GOLDEN[file]
    model = filled(size, convolution=way)
    seen = {name: _record(module) for name, module in _parts(model).items()}
    blocks = [_record(block) for block in model.conv.conv]
    features = model.features(audio(seed, golden, int(golden["batch"])))
    states = model.hidden_states(features)
    assert _relative(model.conv(features), golden["conv_out"]) < 1e-5
    for i, block in enumerate(blocks):
        found = torch.cat(block[: len(states[0])])[:, :4, :, :40]  # items went one by one
        np.testing.assert_allclose(found, golden[f"conv_block{i}_slice"], rtol=0, atol=2e-5)
    for layer, state in enumerate(states):
        np.testing.assert_allclose(state, golden[f"hidden_{layer}"], rtol=0, atol=2e-5)
    for name in _parts(model):
        np.testing.assert_allclose(seen[name][0][:1], golden[name], rtol=0, atol=2e-5)
    logits = model.logits(features)[:, :, 0]
    np.testing.assert_allclose(logits[:, :16, :128], golden["logits_slice"], rtol=0, atol=2e-5)
    np.testing.assert_allclose(logits.logsumexp(-1), golden["logits_lse"], rtol=0, atol=2e-5)
    np.testing.assert_array_equal(logits.argmax(-1), golden["logits_argmax"])


def _parts(model: MusicFM) -> dict[str, nn.Module]:
    """Golden name → part of the first Conformer layer whose output it is."""
    layer = model.conformer.layers[0]
    return {
        "L0_ffn1_out": layer.ffn1,
        "L0_attn_out": layer.self_attn,
        "L0_conv_module_out": layer.conv_module,
        "L0_ffn2_out": layer.ffn2,
        "L0_out": layer,
    }


def _record(module: nn.Module) -> list[Tensor]:
    outputs: list[Tensor] = []
    module.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    return outputs


def _relative(found: Tensor, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found.numpy() - expected) / np.linalg.norm(expected))


def test_tokens_match_the_published_quantizer() -> None:
    golden = GOLDEN["quantizer"]
    features = MusicFM(MSD, **SMALL).features(audio(1004, golden, 2))
    stacked = stack_frames(features, 4)
    np.testing.assert_allclose(stacked[:, :4], golden["rearranged_head"], rtol=0, atol=1e-4)
    generator = np.random.Generator(np.random.PCG64(int(golden["given_input_seed"])))
    given = torch.from_numpy(generator.standard_normal((2, 40, 512), dtype=np.float32))
    seeded, from_checkpoint = RandomProjectionQuantizer(512), filled("tiny_a").quantizers[0]
    np.testing.assert_array_equal(seeded.random_projection[:8], golden["seed142_proj_head"])
    np.testing.assert_array_equal(seeded.codebook[:8], golden["seed142_codebook_head"])
    assert seeded.codebook.double().sum().item() == pytest.approx(float(golden["seed142_codebook_sum"]), rel=1e-9)
    for quantizer, tokens, margin, tokens_of_given in (
        (seeded, "tokens_seed142", "tokens_seed142_margin", "tokens_given_seed142"),
        (from_checkpoint, "tokens_filled_weights", "top1_minus_top2_cos", "tokens_given_filled"),
    ):
        sure = golden[margin] > 1e-5
        np.testing.assert_array_equal(quantizer(stacked).numpy()[sure], golden[tokens][sure])
        np.testing.assert_array_equal(quantizer(given), golden[tokens_of_given])


def test_making_a_model_leaves_the_global_random_numbers_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    RandomProjectionQuantizer(8)
    assert torch.equal(torch.rand(2), expected)


@pytest.fixture(scope="module")
def full() -> MusicFM:
    return filled("full")


@pytest.mark.slow
@pytest.mark.parametrize("file, seed", [("full_6s", 1013), ("full_24s", 1012), ("full_30s", 1011)])
def test_full_size_matches_the_published_code(full: MusicFM, file: str, seed: int) -> None:
    golden = GOLDEN[file]
    features = full.features(audio(seed, golden))
    states = full.hidden_states(features)
    assert states[0].shape == tuple(golden["shape"])
    for layer in (0, 7, 12):
        state = states[layer][0]
        for part, found in {"head": state[:32, :64], "tail": state[-8:, -64:], "every25": state[::25, ::16]}.items():
            expected = golden[f"hidden_{layer}_{part}"]
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
            assert _relative(found, expected) < 1e-5
    together = torch.cat(states).double()  # (13, L, 1024)
    np.testing.assert_allclose(together.mean(1), golden["time_means_all_layers"], rtol=0, atol=1e-4)
    np.testing.assert_allclose(together.std(1, correction=0), golden["time_stds_all_layers"], rtol=0, atol=1e-4)
    logits = full.linear(states[-1])[0]
    np.testing.assert_allclose(logits[:8, :64], golden["logits_head"], rtol=0, atol=1e-4)
    np.testing.assert_allclose(logits.logsumexp(-1), golden["logits_lse"], rtol=0, atol=1e-4)
    assert (logits.argmax(-1).numpy() == golden["logits_argmax"]).mean() > 0.995


@pytest.mark.slow
def test_full_size_has_the_published_layout(full: MusicFM) -> None:
    expected = json.loads((GOLDEN.folder / "keys.json").read_text())["full"]
    assert {key: list(value.shape) for key, value in full.to_published().items()} == expected
    assert sum(p.numel() for p in full.parameters()) == 328_932_480 - 1024 - (1024 + 128 + 1024 * 64 * 128)


@pytest.mark.parametrize("layer", range(5))
def test_no_work_is_done_past_the_layer_asked_for(layer: int) -> None:
    model = MusicFM(MSD, **SMALL).eval()
    ran: list[str] = []
    for name, module in model.named_modules():
        module.register_forward_hook(lambda _module, _inputs, _output, name=name: ran.append(name))
    assert model.read_out(layer) == model.layers[layer]
    waveform = 0.1 * torch.randn(1, 24000)
    frames = model(waveform).frames
    assert {name for name in ran if name.startswith("conformer.layers.") and name.count(".") == 2} == {
        f"conformer.layers.{i}" for i in range(layer)
    }
    assert ("conformer.layer_norm" in ran) == (layer == 4)
    assert not {"linear", "quantizers.0"} & set(ran)
    torch.testing.assert_close(frames, model.hidden_states(model.features(waveform))[layer])


def test_layers_outside_of_the_model_are_refused() -> None:
    model = MusicFM(MSD, **SMALL)
    with pytest.raises(ModelError, match="layers 0 to 4; 5 was asked for"):
        model.read_out(5)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
@pytest.mark.parametrize("samples", [1025, 24000, 50321])
def test_same_vector_for_any_batch_size(samples: int, precision: str) -> None:
    model = filled("tiny_b", convolution="winograd")
    if precision not in model.precisions:
        pytest.skip(f"no {precision} on this machine")
    if precision != "fp32":
        model.lower(precision)  # type: ignore[arg-type]
    batch = 0.1 * torch.randn(3, samples, generator=torch.Generator().manual_seed(0))
    together = model(batch)
    for i, one in enumerate(batch):
        alone = model(one[None])
        torch.testing.assert_close(together.pooled[i], alone.pooled[0], rtol=0, atol=1e-5)
        assert alone.frames is not None
        assert alone.frames.shape == (1, -(-(samples // 240) // 4), 64)


@pytest.mark.parametrize("precision", ["bf16", "int8"])
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_lower_precision_agrees_with_float32(precision: str, layer: int) -> None:
    exact, lowered = (filled("tiny_b", convolution="winograd") for _ in range(2))
    if precision not in lowered.precisions:
        pytest.skip(f"no {precision} on this machine")
    lowered.lower(precision)  # type: ignore[arg-type]
    waveform = audio(1006, GOLDEN["tiny_b_hidden"], 2)
    features = lowered.features(waveform)
    assert torch.equal(features, exact.features(waveform))
    for model in (exact, lowered):
        model.read_out(layer)
    ours, right = lowered.encode_features(features), exact.encode_features(features)
    assert ours.pooled.dtype == torch.float32
    assert ours.frames is not None
    assert ours.frames.dtype == torch.float32
    assert nn.functional.cosine_similarity(ours.frames, right.frames, dim=-1).min() > 0.999
    assert nn.functional.cosine_similarity(ours.pooled, right.pooled).min() > 0.999
    assert lowered.logits(features).dtype == torch.float32


PLANES = [(1, 1), (4, 4), (5, 9), (13, 2), (32, 70)]
TYPES = [(torch.float32, 3e-6), (torch.bfloat16, 0.03)]


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("dtype, limit", TYPES)
@pytest.mark.parametrize("stride", [1, 2])
def test_tiled_convolution_is_the_direct_one(
    plane: tuple[int, int], dtype: torch.dtype, limit: float, stride: int
) -> None:
    generator = torch.Generator().manual_seed(2)
    x, bias = torch.randn(*plane, 24, generator=generator), torch.randn(40, generator=generator)
    kernels = torch.randn(40, 24, 3, 3, generator=generator) / 15
    found = convolution(x.to(dtype), point_weight(kernels, dtype, stride), bias.to(dtype), stride)
    direct = nn.functional.conv2d(
        x.permute(2, 0, 1).double(), kernels.double(), bias.double(), stride=stride, padding=1
    )
    assert _relative(found.double(), direct.permute(1, 2, 0).numpy()) < limit


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("dtype, limit", TYPES)
def test_tiled_residual_is_the_direct_one(plane: tuple[int, int], dtype: torch.dtype, limit: float) -> None:
    generator = torch.Generator().manual_seed(2)
    x, shortcut = torch.randn(*plane, 24, generator=generator), torch.randn(*plane, 40, generator=generator)
    kernels = torch.randn(40, 24, 3, 3, generator=generator) / 15
    found = rectified_residual(x.to(dtype), point_weight(kernels, dtype), shortcut.to(dtype))
    direct = nn.functional.conv2d(x.relu().permute(2, 0, 1).double(), kernels.double(), padding=1).permute(1, 2, 0)
    assert _relative(found.double(), torch.relu(direct + shortcut).numpy()) < limit


def test_statistics_come_from_the_file_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"needs the statistics .*read_statistics"):
        MusicFM(**SMALL)
    with pytest.raises(ModelError, match="needs the statistics"):
        MusicFM({"mean": 6.8}, **SMALL)
    file = tmp_path / "stats.json"
    with pytest.raises(ModelError, match=r"stats\.json: no statistics file"):
        read_statistics(file)
    file.write_text('{"spec_2048_mean": 1.0}')
    with pytest.raises(ModelError, match="holds no melspec_2048_mean"):
        read_statistics(file)
    file.write_text(json.dumps({"cqt_mean": 0.0, "melspec_2048_mean": 1.5, "melspec_2048_std": 2.5}))
    model = MusicFM(read_statistics(file), **SMALL)
    waveform = 0.1 * torch.randn(1, 4800)
    torch.testing.assert_close(model.features(waveform), (model.spectrogram(waveform)[..., :-1] - 1.5) / 2.5)


def test_corpora_have_statistics_of_their_own() -> None:
    msd, fma = (registry.card(f"musicfm-{corpus}").parameters["stats"] for corpus in ("msd", "fma"))
    assert msd == MSD
    assert fma != msd


def test_checkpoints_in_every_published_form_load(tmp_path: Path) -> None:
    """Lightning's prefix, no prefix, torch's newer names of weight norm, no dead tensors, integer counters."""
    published = checkpoint("tiny_b")
    forms = {
        "lightning": {"state_dict": {f"model.{key}": value for key, value in published.items()}},
        "bare": published,
        "parametrised": {
            key.replace("conv.weight_g", "conv.parametrizations.weight.original0").replace(
                "conv.weight_v", "conv.parametrizations.weight.original1"
            ): value
            for key, value in published.items()
        },
        "without dead tensors": {k: v for k, v in published.items() if "pos_conv_embed" not in k and k != "cls_token"},
        "integer counters": {k: v.long() if k.endswith("tracked") else v for k, v in published.items()},
    }
    assert all(value.is_floating_point() for key, value in published.items() if key.endswith("tracked"))
    expected = filled("tiny_b").state_dict()
    for name, content in forms.items():
        file = tmp_path / f"{name}.pt"
        torch.save(content, file)
        changes = {"parameters": {"stats": MSD, **SIZES["tiny_b"]}, "layer": 2}
        found = registry.load("musicfm-msd", weights=file, **changes).state_dict()
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[key], expected[key]) for key in expected), name


def test_checkpoint_of_other_heads_is_refused() -> None:
    with pytest.raises(ModelError, match=r"inv_freq .* another n_mels, dim or heads"):
        MusicFM(MSD, **SIZES["tiny_a"]).from_published(checkpoint("tiny_b"))


def test_several_codebooks_have_their_own_targets_and_logits() -> None:
    model = MusicFM(MSD, **SMALL, codebooks=3, codes=10).eval()
    features = model.features(0.1 * torch.randn(2, 9600))
    targets, logits = model.targets(features), model.logits(features)
    assert targets.shape == (2, 10, 3)
    assert logits.shape == (2, 10, 3, 10)
    assert not torch.equal(targets[..., 0], targets[..., 1])


def test_wrong_sizes_say_what_is_wrong() -> None:
    with pytest.raises(ModelError, match="dim 30 is no multiple of twice the 2 heads"):
        MusicFM(MSD, **{**SMALL, "dim": 30})
    with pytest.raises(ModelError, match="kernel of 4 has no middle"):
        MusicFM(MSD, **SMALL, kernel=4)
    with pytest.raises(ModelError, match="'auto', 'direct' or 'winograd', not 'fast'"):
        MusicFM(MSD, **SMALL, convolution="fast")  # type: ignore[arg-type]
    model = MusicFM(MSD, **SMALL)
    with pytest.raises(ModelError, match="201 frames do not divide into tokens of 4: cut them to 200"):
        model.targets(model.features(torch.zeros(1, 48313)))


def test_five_million_parameters_are_the_same_class() -> None:
    model = MusicFM(MSD, channels=64, dim=192, depth=5, heads=4, ffn=768)
    assert 4e6 < sum(p.numel() for p in model.parameters()) < 6e6


def test_the_log_frequency_front_end_is_another_input_of_the_same_network() -> None:
    small = {"channels": 4, "dim": 16, "depth": 2, "heads": 2, "ffn": 32, "codes": 16}
    model = MusicFM({"mean": -50.0, "std": 15.0}, front_end="log-frequency", **small).eval()
    waveform = 0.1 * torch.randn(2, 24000)
    features = model.features(waveform)
    assert features.shape == (2, 192, 100)
    assert model.bands_per_semitone == 2
    assert MusicFM({"mean": 0.0, "std": 1.0}, **small).bands_per_semitone is None
    assert model(waveform).frames.shape == (2, 25, 16)
    assert model.targets(features).shape == (2, 25, 1)
    lighter = MusicFM({"mean": 0.0, "std": 1.0}, first_channels=2, **small)
    assert [block.conv2.weight.shape[0] for block in lighter.conv.conv] == [2, 4]
    with pytest.raises(ModelError, match="mel or log-frequency"):
        MusicFM({"mean": 0.0, "std": 1.0}, front_end="cqt", **small)  # type: ignore[arg-type]
