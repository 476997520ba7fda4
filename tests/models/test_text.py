"""The one interface of all text encoders: every kind by name, the size of its vectors, and what it refuses."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ohrwurm.errors import ModelError
from ohrwurm.models.base import TextEncoder
from ohrwurm.models.text import KINDS, TokenTextEncoder, text_encoder

SMALL = {"vocab_size": 30, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
PARAMETERS = {
    "transformer": {"dim": 8, "vocabulary": 30, "layers": 1, "heads": 2},
    "clip": {"config": SMALL},
    "glove": {"dim": 8},
    "bert": {"config": SMALL},
    "static": {"dim": 8, "vocabulary": ["jazz", "slow"]},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_made_by_name_states_its_size_and_is_documented(kind: str) -> None:
    encoder = text_encoder(kind, **PARAMETERS[kind])
    assert isinstance(encoder, TextEncoder)
    assert encoder.dim == 8
    assert type(encoder).__name__ == KINDS[kind].name
    assert type(encoder).forward.__annotations__ == {"texts": "list[str]", "return": "Tensor"}
    assert ">>>" in (type(encoder).__doc__ or "")
    assert (importlib.import_module(type(encoder).__module__).__doc__ or "").strip()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("glove", "static")])
@torch.inference_mode()
def test_token_encoders_go_from_ids_to_vectors(kind: str) -> None:
    encoder = text_encoder(kind, **PARAMETERS[kind])
    assert isinstance(encoder, TokenTextEncoder)
    ids, mask = torch.tensor([[5, 7, 29, 0], [5, 7, 9, 29]]), torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]])
    states = encoder.eval().encode_tokens(ids, mask)
    assert states.shape == (2, 4, 8)
    vectors = encoder.pool(states, ids, mask)
    assert vectors.shape == (2, 8)
    places = [0, 0] if kind == "bert" else [2, 3]
    assert torch.equal(vectors, states[[0, 1], places])


def test_none_is_no_encoder_and_unknown_kinds_are_listed() -> None:
    assert text_encoder("none", 8) is None
    with pytest.raises(ModelError, match=r"'transformer', 'clip', .* or 'none', not 'gpt'"):
        text_encoder("gpt")


def test_wrong_size_and_wrong_parameters_are_refused() -> None:
    pytest.importorskip("transformers", reason="the optional extra 'text'")
    with pytest.raises(ModelError, match="vectors of 8 numbers, 9 were asked for"):
        text_encoder("bert", 9, config=SMALL)
    with pytest.raises(ModelError, match="do not fit text='glove'"):
        text_encoder("glove", tokenizer="x")


def test_the_table_imports_no_transformers() -> None:
    code = "import sys, ohrwurm.models.text; assert 'transformers' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent, check=False).returncode == 0
