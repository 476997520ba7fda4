"""MusCALL against numbers of the published code, and what its quick form and its other sizes must keep."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from cases_muscall import GOLDEN, TINY_CLIP, checkpoint, nt_xent, waveform

from ohrwurm.audio.windows import plan
from ohrwurm.embedding.protocol import under, windowing
from ohrwurm.errors import ModelError
from ohrwurm.models import registry
from ohrwurm.models.convert import read_weights
from ohrwurm.models.muscall import AttentionPool, ModifiedResNet, MusCALL

NO_TEXT = {"text": "none", "text_dim": 8}
WORDS = {"text": "static", "text_dim": 8, "text_parameters": {"vocabulary": ["jazz", "piano"]}}
LIGHT = {"audio_seconds": 2, "n_mels": 64, "width": 4, "blocks": (1, 2, 1), "heads": 2, "audio_dim": 8, "dim": 8}


@pytest.fixture(scope="module")
def published() -> MusCALL:
    """The default model without its 25 million token vectors."""
    return GOLDEN.fill(MusCALL(**NO_TEXT))


def relative(found: torch.Tensor, expected: np.ndarray) -> float:
    return float(np.abs(found.detach().numpy() - expected).max() / np.abs(expected).max())


@torch.inference_mode()
def test_mel_matches_the_published_code(published: MusCALL) -> None:
    golden = GOLDEN["muscall_mel"]
    assert np.array_equal(published.mel.bank.numpy(), golden["fb"])
    assert int((published.mel.bank.sum(0) == 0).sum()) == 12  # bands above half the sample rate
    found = published.features(torch.from_numpy(GOLDEN.make.batch(60, 320000, 2))).numpy()
    assert found.shape == (2, 128, 626)
    assert np.abs(found - golden["mel_db"]).max() < 5e-3


@torch.inference_mode()
def test_decibels_are_limited_below_the_maximum_of_each_example(published: MusCALL) -> None:
    golden = GOLDEN["muscall_mel_topdb"]
    seed, make = int(golden["seed"]), GOLDEN.make
    then_silent = np.concatenate([make.audio(seed, 16000, "tones"), np.zeros(16000, np.float32)])
    quiet = (1e-4 * make.audio(seed + 1, 32000, "noise")).astype(np.float32)
    found = published.features(torch.from_numpy(np.stack([then_silent, quiet]))).numpy()
    assert np.abs(found - golden["mel_db"]).max() < 5e-3
    assert found[0].min() == pytest.approx(found[0].max() - 100.0, abs=1e-4)
    alone = published.features(torch.from_numpy(quiet)[None]).numpy()
    assert np.allclose(found[1], alone[0], atol=1e-4), "an example depends on another of its batch"


@pytest.mark.parametrize("quick", [True, False], ids=["folded", "layers"])
def test_audio_side_matches_the_published_code(published: MusCALL, quick: bool) -> None:
    golden, backbone, stages = GOLDEN["muscall_audio"], published.audio_backbone, {}
    names = ("layer1", "layer2", "layer3", "layer4")
    hooks = [
        backbone.get_submodule(name)[-1].register_forward_hook(lambda _, __, out, name=name: stages.update({name: out}))
        for name in names
    ]
    with torch.set_grad_enabled(not quick):
        mel = published.features(waveform("muscall_audio"))
        features = backbone(mel)
        pooled = published(waveform("muscall_audio")).pooled
    for hook in hooks:
        hook.remove()
    for name in names[:3]:
        assert relative(stages[name].mean((2, 3)), golden[name]) < 5e-5, name
    assert relative(stages["layer4"], golden["layer4"]) < 5e-5
    assert relative(features, golden["features"]) < 5e-5
    assert relative(pooled, golden["z_audio"]) < 5e-5


@torch.inference_mode()
def test_windows_of_ten_seconds_match_the_published_code() -> None:
    model = GOLDEN.fill(MusCALL(audio_seconds=10, **NO_TEXT))
    golden = GOLDEN["muscall_audio_10s"]
    assert model.audio_backbone.attnpool.positional_embedding.shape == (int(golden["n_pos"]), 512)
    assert relative(model(waveform("muscall_audio_10s")).pooled, golden["z_audio"]) < 5e-5


@torch.inference_mode()
def test_average_pooling_matches_the_published_code_and_keeps_the_batch_axis() -> None:
    model = GOLDEN.fill(MusCALL(pooling="average", **NO_TEXT))
    golden = GOLDEN["muscall_audio_average"]
    mel = model.features(waveform("muscall_audio_average"))
    assert relative(model.audio_backbone(mel), golden["features"]) < 5e-5
    assert relative(model.encode_features(mel).pooled, golden["z_audio"]) < 5e-5
    alone = model.audio_backbone(mel[:1])
    assert golden["single_shape"].tolist() == [256]  # the published code lost the batch axis of one example
    assert alone.shape == (1, 256)
    assert relative(alone[0], golden["features"][0]) < 5e-5


@torch.inference_mode()
def test_self_supervision_matches_the_published_code() -> None:
    model = GOLDEN.fill(MusCALL(pooling="average", ssl_dim=128, **NO_TEXT))
    golden = GOLDEN["muscall_ssl"]
    batches = (GOLDEN.make.batch(int(seed), int(golden["n_samples"]), 4) for seed in golden["batch_seeds"])
    x, other = map(torch.from_numpy, batches)

    def project(view: torch.Tensor) -> torch.Tensor:
        return model.project_ssl(model.audio_backbone(model.features(view)))

    chained = project(-0.5 * x)
    assert float(nt_xent(project(0.9 * x + 0.02 * other), chained)) == pytest.approx(golden["loss_ssl"], rel=1e-5)
    assert float(nt_xent(chained, chained)) == pytest.approx(golden["loss_ssl_no_original"], rel=1e-5)


@pytest.mark.parametrize(
    "keys, changes",
    [
        ("muscall_default", {}),
        ("muscall_average_pooling", {"pooling": "average"}),
        ("muscall_ssl_average_pooling", {"pooling": "average", "ssl_dim": 128}),
        ("muscall_cliptext_tiny", {"text": "clip", "text_parameters": TINY_CLIP}),
    ],
)
def test_checkpoints_hold_the_published_keys_shapes_types_and_values(keys: str, changes: dict) -> None:
    vocabulary = None if keys == "muscall_cliptext_tiny" else 50
    words = {"text_parameters": {"vocabulary": vocabulary}} if vocabulary else {}
    model, state = MusCALL(**{**words, **changes}), checkpoint(keys, vocabulary)
    model.load_state_dict(model.from_published(state))
    back = model.to_published()
    assert back.keys() == state.keys()
    assert all(back[key].dtype == value.dtype and torch.equal(back[key], value) for key, value in state.items())


def test_checkpoint_with_self_supervision_loads_where_only_vectors_are_wanted(tmp_path) -> None:
    state = checkpoint("muscall_ssl_average_pooling", vocabulary=50)
    torch.save({"epoch": 1, "state_dict": state}, tmp_path / "best_model.pth.tar")
    model = MusCALL(pooling="average", text_parameters={"vocabulary": 50})
    read_weights(model, tmp_path / "best_model.pth.tar")
    assert torch.equal(model.audio_projection.weight, state["audio_projection.weight"])
    with pytest.raises(ModelError, match="ssl_dim=128"):
        model.project_ssl(torch.zeros(1, 256))


def test_damaged_alias_and_another_front_end_are_refused() -> None:
    model = MusCALL(pooling="average", ssl_dim=128, text_parameters={"vocabulary": 50})
    state = checkpoint("muscall_ssl_average_pooling", vocabulary=50)
    key = "audio_ssl.simclr.encoder.conv1.weight"
    with pytest.raises(ModelError, match=r"conv1\.weight.*differ"):
        model.from_published({**state, key: state[key] + 1})
    assert "audio_ssl.simclr.encoder.stranger" in model.from_published({**state, key[:25] + "stranger": state[key]})
    with pytest.raises(ModelError, match="another n_fft, n_mels, f_max"):
        MusCALL(f_max=8000.0, **NO_TEXT).from_published(checkpoint("muscall_default", 50))


def test_clip_checkpoint_with_position_ids_of_old_versions_loads() -> None:
    model = MusCALL(text="clip", text_parameters=TINY_CLIP)
    state = checkpoint("muscall_cliptext_tiny")
    old = {**state, "textual_head.text_model.embeddings.position_ids": torch.arange(77)[None]}
    model.load_state_dict(model.from_published(old))


def all_tokens_attention(pool: AttentionPool, x: torch.Tensor) -> torch.Tensor:
    """The pooling as the specification states it: every token a query, the first one's result."""
    tokens = x.flatten(2).permute(2, 0, 1)  # (F T, B, C)
    tokens = torch.cat([tokens.mean(0, keepdim=True), tokens]) + pool.positional_embedding[:, None]
    return torch.nn.functional.multi_head_attention_forward(
        tokens,
        tokens,
        tokens,
        embed_dim_to_check=tokens.shape[-1],
        num_heads=pool.heads,
        in_proj_weight=None,
        in_proj_bias=torch.cat([pool.q_proj.bias, pool.k_proj.bias, pool.v_proj.bias]),
        bias_k=None,
        bias_v=None,
        add_zero_attn=False,
        dropout_p=0.0,
        out_proj_weight=pool.c_proj.weight,
        out_proj_bias=pool.c_proj.bias,
        use_separate_proj_weight=True,
        q_proj_weight=pool.q_proj.weight,
        k_proj_weight=pool.k_proj.weight,
        v_proj_weight=pool.v_proj.weight,
        need_weights=False,
    )[0][0]


def test_one_query_gives_what_all_queries_give_and_the_same_gradients() -> None:
    torch.manual_seed(3)
    pool, x = AttentionPool(13, 16, 4, 6), torch.randn(2, 16, 3, 4)
    short, long = pool(x), all_tokens_attention(pool, x)
    assert torch.allclose(short, long, atol=1e-6)
    target = torch.randn(2, 6)
    ours = torch.autograd.grad((short * target).sum(), list(pool.parameters()))
    theirs = torch.autograd.grad((long * target).sum(), list(pool.parameters()))
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("width, n_mels, blocks", [(8, 128, (3, 4, 6, 3)), (4, 64, (1, 1, 1)), (6, 80, (2, 1))])
@torch.inference_mode()
def test_any_width_depth_and_number_of_bands(width: int, n_mels: int, blocks: tuple[int, ...]) -> None:
    model = MusCALL(audio_seconds=4, n_mels=n_mels, width=width, blocks=blocks, dim=10, **NO_TEXT).eval()
    channels = 4 * width * 2 ** (len(blocks) - 1)
    assert model.audio_backbone.attnpool.positional_embedding.shape[1] == channels
    assert model(torch.randn(2, 64000)).pooled.shape == (2, 10)


@torch.inference_mode()
def test_quick_form_follows_changed_weights_and_copies() -> None:
    torch.manual_seed(0)
    model = MusCALL(**LIGHT, **WORDS).eval()
    x = torch.randn(1, 32000) * 0.1
    before = model(x).pooled
    other = copy.deepcopy(model)
    with torch.no_grad():
        model.audio_backbone.bn1.running_mean += 0.3
    after = model(x).pooled
    assert not torch.allclose(before, after)
    assert torch.equal(other(x).pooled, before)
    with torch.enable_grad():
        assert torch.allclose(model(x).pooled.detach(), after, rtol=1e-4, atol=1e-5)


def test_both_towers_and_the_temperature_learn() -> None:
    model = MusCALL(**LIGHT, ssl_dim=4, **WORDS).train()
    mel = model.features(torch.randn(4, 32000))
    features = model.audio_backbone(mel)
    audio, text = model.audio_projection(features), model.encode_text(["jazz", "piano", "jazz piano", "jazz"])
    logits = model.scale * torch.nn.functional.cosine_similarity(audio[:, None], text[None], dim=-1)
    loss = torch.nn.functional.cross_entropy(logits, torch.arange(4))
    (loss + model.project_ssl(features).square().sum()).backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_fixed_temperature_has_no_key_and_the_learned_one_starts_at_7_hundredths() -> None:
    fixed, learned = MusCALL(**LIGHT, **WORDS, temperature=0.1), MusCALL(**LIGHT, **WORDS)
    assert "logit_scale" not in fixed.state_dict()
    assert float(fixed.scale) == pytest.approx(10.0)
    assert learned.state_dict()["logit_scale"].shape == ()
    assert float(learned.scale.detach()) == pytest.approx(1 / 0.07)


@torch.inference_mode()
def test_windows_of_an_impossible_length_are_refused() -> None:
    model = MusCALL(**LIGHT, **WORDS).eval()
    shortest = (model.audio_backbone._shortest(model.audio_backbone.columns) - 1) * 512
    assert model(torch.randn(1, shortest)).pooled.shape == (1, 8)
    with pytest.raises(ModelError, match="set audio_seconds"):
        model(torch.randn(1, shortest - 1))
    default = ModifiedResNet(128, 626, 4, (3, 4, 6, 3), "attention", 8, 8)
    with pytest.raises(ModelError, match=r"639 mel frames.* 607 to 638"):
        default(torch.zeros(1, 128, 639))
    with pytest.raises(ModelError, match="use longer windows"):
        MusCALL(**{**LIGHT, "pooling": "average"}, **WORDS).eval()(torch.randn(1, 14 * 512 - 1))


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"pooling": "max"}, "'attention' or 'average'"),
        ({"text": "gpt"}, "'transformer', 'clip'"),
        ({"text": "none", "text_dim": None, "text_parameters": {}}, "text_dim"),
        ({"n_mels": 8}, "need 15 of each"),
    ],
)
def test_wrong_parameters_say_what_is_allowed(wrong: dict, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        MusCALL(**{**LIGHT, **WORDS, **wrong})


def test_model_without_weights_is_not_loaded_and_says_that_none_are_published() -> None:
    with pytest.raises(ModelError, match="no weights are published"):
        registry.load("muscall")


def test_published_windows_are_those_of_the_published_data_set() -> None:
    golden = GOLDEN["muscall_dataset"]  # made from ramps, sample i = i / 1e6; the last one is stereo, its mean 2 i
    cut = windowing(under(registry.card("muscall"), "published"))
    assert (cut.window, cut.shortest) == (320000, 320000)
    for length, first in zip(golden["lengths"][:4].tolist(), golden["val_first"][:4].tolist(), strict=True):
        (window,) = plan(length, cut)
        assert window.start == round(first * 1e6)
        assert window.valid == min(length, 320000)  # the rest is zeros at the end


@torch.inference_mode()
def test_bf16_agrees_as_the_card_says_and_leaves_the_weights_alone(published: MusCALL) -> None:
    model = copy.deepcopy(published)
    if "bf16" not in model.precisions:
        pytest.skip("this CPU has no bfloat16 instructions")
    x = torch.from_numpy(np.concatenate([GOLDEN.make.batch(seed, 320000, 2) for seed in range(10, 18)]))
    exact = model(x).pooled
    model.lower("bf16")
    lowered = model(x).pooled
    assert lowered.dtype == torch.float32
    assert not torch.equal(lowered, exact)
    cosine = float(torch.nn.functional.cosine_similarity(lowered, exact).min())
    assert cosine >= registry.card("muscall").agreement["bf16"]["cosine"]
    assert all(value.dtype != torch.bfloat16 for value in model.state_dict().values())
    assert torch.equal(published(x).pooled, exact)
