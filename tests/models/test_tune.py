"""TUNe in all its sizes against numbers of the published code: vectors, logits, every layer, every tap."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from cases_tune import PUBLISHED, QUICK, TOLERANCE, TUNE, filled, lightning, shapes, signals

from ohrwurm.errors import ModelError
from ohrwurm.models import registry
from ohrwurm.models.samplecnn import SampleCNN
from ohrwurm.models.tune import Tune
from ohrwurm.models.tune_hybrid import TuneHybrid
from ohrwurm.models.tune_variants import VARIANTS, variant
from ohrwurm.models.unet import UNet

ROWS = {row.published: row for row in VARIANTS}
GOLDEN_NAMES = [name for name in PUBLISHED.values() if name in ROWS]
HEAVY = {row.published for row in VARIANTS if row.width >= 28}  # up to 78 million parameters: `make test-all`
READ_OUTS = ("Tune5Tail", "TunePlus")


def build(published: str, **more) -> UNet:
    row = variant(published)
    return (Tune if row.samplecnn is None else TuneHybrid)(**row.parameters, **{"projection": 0, **more})


def golden_model(published: str) -> UNet:
    model = build(published, n_classes=50)
    model.load_state_dict(filled(shapes(published)))
    return model.eval()


@pytest.mark.parametrize("published", sorted(set(GOLDEN_NAMES)))
def test_row_of_the_table_has_the_published_names_and_shapes(published: str) -> None:
    with torch.device("meta"):
        model = build(published, n_classes=50)
    assert {key: tuple(value.shape) for key, value in model.state_dict().items()} == shapes(published)


@pytest.mark.parametrize(
    "published", [pytest.param(n, marks=[pytest.mark.slow] if n in HEAVY else []) for n in sorted(set(GOLDEN_NAMES))]
)
def test_every_size_gives_the_published_vectors_and_logits(published: str) -> None:
    model, expected = golden_model(published), TUNE["encoders"]
    with torch.inference_mode():
        vectors = model(signals()).pooled
        np.testing.assert_allclose(vectors, expected[f"{published}/h"], rtol=0, atol=TOLERANCE)
        np.testing.assert_allclose(model.logits(vectors), expected[f"{published}/logits"], rtol=0, atol=TOLERANCE)
    if variant(published).name in QUICK:  # the others take the same way through the modules
        vectors = model(signals()).pooled.detach()
        np.testing.assert_allclose(vectors, expected[f"{published}/h"], rtol=0, atol=TOLERANCE)


def test_lightning_checkpoint_has_the_published_names() -> None:
    listed = json.loads((TUNE.folder / "lightning_state_dict_TunePlus.json").read_text())
    assert {key: list(value.shape) for key, value in lightning("TunePlus").items()} == listed


@pytest.fixture(scope="module", params=READ_OUTS)
def read_outs(request) -> tuple[str, UNet, dict[str, np.ndarray], torch.Tensor]:
    golden = TUNE["eval_layers"]
    waveform = torch.from_numpy(TUNE.make.audio(int(golden["audio_seed"])))[None]
    return request.param, golden_model(request.param), golden, waveform


@torch.inference_mode()
def test_all_18_layers_give_the_published_vectors_and_stop_there(read_outs) -> None:
    name, _, golden, waveform = read_outs
    model = golden_model(name)
    assert list(model.layers) == list(range(18))
    for layer, out in model.layers.items():
        model.read_out(layer)
        encoded = model(waveform)
        expected = golden[f"{name}/eval{layer}/h"]
        assert expected.shape == (out.dim,)
        np.testing.assert_allclose(encoded.pooled[0], expected, rtol=0, atol=TOLERANCE)
        assert encoded.frames.shape == (1, round(59049 / 22050 * out.frame_rate), out.dim)
        tap = golden[f"{name}/tap/{model.steps[-1 - layer].block}"]
        np.testing.assert_allclose(encoded.frames[0, :16, :4].T, tap, rtol=0, atol=1e-5)


@torch.inference_mode()
def test_head_on_another_layer_gives_the_published_logits(read_outs) -> None:
    name, _, golden, waveform = read_outs
    layers = [layer for layer in range(18) if f"{name}/eval{layer}/logits" in golden]
    assert len(layers) == 6
    for layer in layers:
        model = build(name, n_classes=50).eval()
        width = model.read_out(layer).dim
        model.load_state_dict(filled(shapes(name, width=width)))
        np.testing.assert_allclose(
            model.classify(waveform)[0, 0], golden[f"{name}/eval{layer}/logits"], rtol=0, atol=TOLERANCE
        )


def test_every_block_and_transposed_convolution_gives_the_published_taps(read_outs) -> None:
    name, model, golden, waveform = read_outs
    taps = {key.split("/")[-1]: value for key, value in golden.items() if key.startswith(f"{name}/tap/")}
    seen: dict[str, np.ndarray] = {}
    handles = [
        model.get_submodule(module).register_forward_hook(
            lambda _, __, out, module=module: seen.update({module: out[0, :4, :16].detach().numpy()})
        )
        for module in taps
    ]
    model(waveform)  # through the modules: gradients are on
    for handle in handles:
        handle.remove()
    assert len(taps) == 22
    assert seen.keys() == taps.keys()
    for module, expected in taps.items():
        np.testing.assert_allclose(seen[module], expected, rtol=0, atol=1e-5, err_msg=module)


def test_no_work_is_done_past_the_layer() -> None:
    model = Tune(width=4, depth=3, tail=(8, 16)).eval()
    ran: list[str] = []
    for step in model.steps:
        model.get_submodule(step.block).register_forward_hook(lambda _, __, ___, block=step.block: ran.append(block))
    model.read_out(3)
    model(torch.randn(1, 81))
    assert ran == ["conv1", "conv2", "conv3", "conv8"]
    fast = model._fold(torch.float32)
    for step in model.steps[4:]:
        del fast[step.block]  # would be missed if it were read
    with torch.no_grad():
        model._fast(torch.randn(1, 81), 3, fast)


@torch.inference_mode()
@pytest.mark.parametrize("published", ["TunePlus", "TuneVanilla"])
def test_twice_the_length_has_two_windows_of_logits(published: str) -> None:
    golden = TUNE["eval_layers"]
    waveform = torch.from_numpy(TUNE.make.audio(int(golden["audio_seed"]) + 1, 2 * 59049))[None]
    logits = golden_model(published).classify(waveform)
    assert logits.shape == (1, 2, 50)
    np.testing.assert_allclose(logits.flatten(), golden[f"{published}/double_length_logits"], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("links", [False, True])
@pytest.mark.parametrize("depth, top, tail", [(3, 1, (8, 16)), (6, 1, (6, 6, 6)), (7, 5, (16,)), (5, 2, (8,) * 5)])
def test_every_layer_is_the_same_through_modules_and_on_folded_weights(depth, top, tail, links) -> None:
    torch.manual_seed(depth)
    model = Tune(width=2, depth=depth, top=top, tail=tail, links=links, projection=0).train()
    waveform = torch.randn(3, 2 * 3**7)
    for _ in range(5):
        model(waveform)
    model.eval()
    for layer, out in model.layers.items():
        model.read_out(layer)
        plain = model(waveform)  # gradients are on
        with torch.inference_mode():
            fast = model(waveform)
            alone = torch.cat([model(one[None]).pooled for one in waveform])
        torch.testing.assert_close(fast.frames, plain.frames.detach(), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(alone, fast.pooled, rtol=1e-5, atol=1e-6)
        assert fast.frames.shape == (3, int(2 * 3**7 / 22050 * out.frame_rate + 1e-9), out.dim)


@torch.inference_mode()
def test_hybrid_layers_are_those_of_its_two_networks() -> None:
    model = TuneHybrid(width=2, depth=3, widths=(4, 4, 8, 8), projection=0).eval()
    waveform = torch.randn(2, 243)
    unet, samplecnn = {}, {}
    for layer in range(9):
        model.read_out(layer)
        (samplecnn if layer < 4 else unet)[layer] = model(waveform).frames
    heard = unet[4]  # the one channel at full rate
    assert heard.shape == (2, 243, 1)
    assert float(heard.min()) >= 0
    for layer, frames in samplecnn.items():
        model.model_down.read_out(3 - layer)
        torch.testing.assert_close(model.model_down(heard[..., 0]).frames, frames)
    assert [frames.shape[2] for frames in unet.values()] == [1, 4, 8, 4, 2]


def test_frozen_hybrid_learns_in_front_of_a_given_samplecnn() -> None:
    clmr = SampleCNN((4, 4, 8, 8))
    model = TuneHybrid(width=2, depth=3, widths=(4, 4, 8, 8), frozen=True)
    model.start_from(clmr)
    model(torch.randn(2, 81)).pooled.sum().backward()
    learning = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert not any(name.startswith("model_down.") for name in learning)
    assert {"conv1.layers.0.weight", "transposedConv9.weight"} <= learning
    assert torch.equal(model.model_down.sequential[1][0].weight, clmr.sequential[1][0].weight)


def test_lengths_that_do_not_fit_and_impossible_sizes_are_explained() -> None:
    model = Tune(width=2, depth=3, tail=(4, 4, 4), projection=0)
    with pytest.raises(ModelError, match="85 samples; this Tune takes multiples of 9: cut them to 81, or pad"):
        model(torch.randn(1, 85))
    with pytest.raises(ModelError, match="18 samples; this layer takes 27 or more"):
        model(torch.randn(1, 18))
    with pytest.raises(ModelError, match="layers 0 to 7; 8 was asked for"):
        model.read_out(8)
    with pytest.raises(ModelError, match="1 <= top < depth"):
        Tune(top=5, depth=5)
    with pytest.raises(ModelError, match="tail"):
        Tune(tail=())


def test_wrong_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(ModelError, match=r"no TUNe variant 'tune-plus-x'; the nearest are tune-plus-xl, tune-plus"):
        variant("tune-plus-x")
    with pytest.raises(ModelError, match=r"no TUNe variant 'Tune5Tails'; the nearest are tune-5-tail"):
        variant("Tune5Tails")


def test_all_35_sizes_have_a_card_of_their_dimensions() -> None:
    assert len(VARIANTS) == 35
    assert len({row.name for row in VARIANTS}) == 35
    for row in VARIANTS:
        card = registry.card(row.name)
        with torch.device("meta"):
            model = registry.build(card)
        out = model.layers[0]
        assert (card.dim, card.frame_rate) == (out.dim, pytest.approx(out.frame_rate))
        assert card.features["published name"] == row.published
