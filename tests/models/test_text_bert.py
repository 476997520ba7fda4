"""BERT text from a local folder: published tokenisation rules, no network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ohrwurm.errors import ModelError
from ohrwurm.models.text_bert import BertTextEncoder

transformers = pytest.importorskip("transformers", reason="the optional extra 'text'")

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "jazz", "piano", "slow", ",", "##ly"]
CONFIG = {
    "vocab_size": len(WORDS),
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 128,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bert")
    (path / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    torch.manual_seed(5)
    transformers.BertModel(transformers.BertConfig(**CONFIG)).save_pretrained(path)
    return path


@torch.inference_mode()
def test_text_is_the_cls_state_whatever_it_is_batched_with(folder: Path) -> None:
    encoder = BertTextEncoder(CONFIG, tokenizer=str(folder)).eval()
    batch = encoder(["Jazz, piano", "slowly", "jazz piano slow piano jazz"])
    assert batch.shape == (3, 16)
    ids = torch.tensor([[WORDS.index(w) for w in ("[CLS]", "jazz", ",", "piano", "[SEP]")]])
    assert torch.allclose(batch[0], encoder.encode_tokens(ids)[0, 0], atol=1e-6)
    assert torch.allclose(batch[1], encoder(["slowly"])[0], atol=1e-6)


def test_long_texts_are_cut_at_64_tokens_only_while_training(folder: Path) -> None:
    encoder = BertTextEncoder(CONFIG, tokenizer=str(folder))
    lengths = []
    encoder._bert[0].embeddings.register_forward_hook(lambda _, __, out: lengths.append(out.shape[1]))
    for mode in (True, False):
        encoder.train(mode)
        encoder(["jazz " * 100])
    assert lengths == [64, 102]


def test_train_and_eval_reach_the_inner_model(folder: Path) -> None:
    encoder = BertTextEncoder(CONFIG, tokenizer=str(folder))
    assert not encoder.eval()._bert[0].training
    assert encoder.train()._bert[0].training


def test_pretrained_weights_can_be_the_start(folder: Path) -> None:
    encoder = BertTextEncoder(CONFIG, tokenizer=str(folder))
    encoder.load_pretrained(str(folder))
    expected = transformers.BertModel.from_pretrained(folder).state_dict()
    found = encoder.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_missing_tokeniser_says_what_to_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    encoder = BertTextEncoder(CONFIG, tokenizer=str(tmp_path / "nothing"))
    with pytest.raises(ModelError, match=r"text_parameters\.tokenizer"):
        encoder(["jazz"])
