"""Weights files: all or nothing, published layouts, and never any code."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from ohrwurm.errors import ModelError
from ohrwurm.models.convert import published_state, read_weights
from ohrwurm.models.ttmr import TTMR

LIGHT = {"channels": (4, 4, 4, 4), "n_mels": 32, "attention_dim": 16, "heads": 2, "layers": 1, "dim": 8}
BERT = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 16,
}


def small() -> TTMR:
    return TTMR(**LIGHT, text_dim=16, text_parameters={"config": BERT})


def as_published(model: TTMR) -> dict[str, torch.Tensor]:
    """What the original trainer would have written: wrapper prefix, the alias, constants and old BERT buffers."""
    state = dict(model.state_dict())
    state["head.logit_scale"] = state["logit_scale"]
    state["audio_encoder.audio_representation.spec_fn.window"] = model.mel.window
    state["audio_encoder.audio_representation.mel_scale.fb"] = model.mel.bank
    state["text_encoder.embeddings.position_ids"] = torch.arange(16)[None]
    return {f"module.{key}": value for key, value in state.items()}


def same(a: nn.Module, b: nn.Module) -> bool:
    ours, theirs = a.state_dict(), b.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_published_ttmr_checkpoint_fills_the_model(tmp_path: Path) -> None:
    trained, fresh = small(), small()
    optimizer = torch.optim.Adam(trained.parameters())
    content = {"epoch": 7, "state_dict": as_published(trained), "optimizer": optimizer.state_dict()}
    torch.save(content, tmp_path / "best.pth")
    assert not same(fresh, trained)
    read_weights(fresh, tmp_path / "best.pth")
    assert same(fresh, trained)


def test_checkpoint_without_wrapper_prefix_or_pooler_works_too(tmp_path: Path) -> None:
    trained, fresh = small(), small()
    state = {k.removeprefix("module."): v for k, v in as_published(trained).items() if ".pooler." not in k}
    torch.save(state, tmp_path / "plain.pt")
    pooler = fresh.state_dict()["text_encoder.pooler.dense.weight"].clone()
    read_weights(fresh, tmp_path / "plain.pt")
    assert torch.equal(fresh.audio_projector[1].weight, trained.audio_projector[1].weight)
    assert torch.equal(fresh.state_dict()["text_encoder.pooler.dense.weight"], pooler)


@pytest.mark.parametrize("constant", ["spec_fn.window", "mel_scale.fb"])
def test_checkpoint_of_another_front_end_is_refused(tmp_path: Path, constant: str) -> None:
    state = as_published(small())
    state[f"module.audio_encoder.audio_representation.{constant}"] = (
        state[f"module.audio_encoder.audio_representation.{constant}"] * 0.9
    )
    torch.save({"state_dict": state}, tmp_path / "other.pth")
    with pytest.raises(ModelError, match="another n_fft, n_mels or sample_rate"):
        read_weights(small(), tmp_path / "other.pth")


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_weights_that_do_not_fit_are_listed_and_nothing_is_loaded(tmp_path: Path, suffix: str) -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    before = {k: v.clone() for k, v in model.state_dict().items()}
    wrong = {"0.weight": torch.zeros(2, 4), "0.bias": torch.zeros(2), "extra": torch.zeros(1)}
    file = tmp_path / f"wrong{suffix}"
    if suffix == ".pt":
        torch.save(wrong, file)
    else:
        save_file(wrong, file)
    with pytest.raises(ModelError) as caught:
        read_weights(model, file)
    message = str(caught.value)
    for part in (
        file.name,
        "2 missing (1.bias, 1.weight)",
        "1 unexpected (extra)",
        "0.weight (2, 4) instead of (2, 3)",
    ):
        assert part in message
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_long_lists_of_keys_are_shortened(tmp_path: Path) -> None:
    save_file({f"k{i}": torch.zeros(1) for i in range(9)}, tmp_path / "many.safetensors")
    with pytest.raises(ModelError, match=r"9 unexpected \(k0, k1, k2, k3, and 5 more\)"):
        read_weights(nn.Linear(1, 1), tmp_path / "many.safetensors")


class Marker:
    """Its unpickling would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("save", [torch.save, lambda content, file: file.write_bytes(pickle.dumps(content, 2))])
def test_no_code_of_a_pickle_runs(tmp_path: Path, save) -> None:
    trap = tmp_path / "owned"
    save({"state_dict": {"weight": Marker(trap)}}, tmp_path / "trap.pth")
    with pytest.raises(ModelError, match="never run"):
        read_weights(nn.Linear(1, 1), tmp_path / "trap.pth")
    assert not trap.exists()


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("content", [b"", b"not weights at all", b"\x80\x02}q\x00."])
def test_damaged_files_are_named(tmp_path: Path, suffix: str, content: bytes) -> None:
    file = tmp_path / f"damaged{suffix}"
    file.write_bytes(content)
    with pytest.raises(ModelError, match=file.name):
        read_weights(nn.Linear(1, 1), file)


def test_truncated_checkpoint_is_named(tmp_path: Path) -> None:
    torch.save(nn.Linear(100, 100).state_dict(), tmp_path / "whole.pt")
    data = (tmp_path / "whole.pt").read_bytes()
    (tmp_path / "part.pt").write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelError, match=r"part\.pt"):
        read_weights(nn.Linear(100, 100), tmp_path / "part.pt")


def test_missing_file_and_unknown_kind_say_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such weights file"):
        read_weights(nn.Linear(1, 1), tmp_path / "none.pth")
    (tmp_path / "model.h5").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"weights are \.safetensors"):
        read_weights(nn.Linear(1, 1), tmp_path / "model.h5")


def test_prefix_is_stripped_only_where_every_key_has_it(tmp_path: Path) -> None:
    state = {"module.a": torch.zeros(1), "b": torch.zeros(1)}
    torch.save(state, tmp_path / "mixed.pt")
    assert published_state(tmp_path / "mixed.pt").keys() == state.keys()
    torch.save({"module.model.a": torch.zeros(1)}, tmp_path / "both.pt")
    assert published_state(tmp_path / "both.pt").keys() == {"a"}
