"""CLIP's text model and MusCALL's Transformer from token ids and from texts, with a small tokeniser of CLIP's kind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from ohrwurm.errors import ModelError
from ohrwurm.models.text import TokenTextEncoder
from ohrwurm.models.text_causal import CausalTextEncoder
from ohrwurm.models.text_clip import ClipTextEncoder

transformers = pytest.importorskip("transformers", reason="the optional extra 'text'")

LETTERS = "abcdefghijklmnopqrstuvwxyz,"
PIECES = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "ja", "jaz", "jazz</w>"]
CLIP_VOCABULARY = {piece: i for i, piece in enumerate([*PIECES, "<|startoftext|>", "<|endoftext|>"])}
START, END = CLIP_VOCABULARY["<|startoftext|>"], CLIP_VOCABULARY["<|endoftext|>"]
MERGES = ["j a", "ja z", "jaz z</w>"]
CONFIG = {
    "vocab_size": len(CLIP_VOCABULARY),
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 20,
    "bos_token_id": START,
    "eos_token_id": END,
}
KINDS = ("transformer", "clip")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokeniser as CLIP's: byte pairs, end-of-word marks, start and end tokens, the end token the largest id."""
    files, path = tmp_path_factory.mktemp("files"), tmp_path_factory.mktemp("clip")
    (files / "vocab.json").write_text(json.dumps(CLIP_VOCABULARY))
    (files / "merges.txt").write_text("\n".join(["#version: 0.2", *MERGES]) + "\n")
    transformers.CLIPTokenizer.from_pretrained(files).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def bert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokeniser that closes texts with an id, [SEP] = 3, that is not the largest."""
    path = tmp_path_factory.mktemp("bert")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "jazz", "piano", "slow"]
    (path / "vocab.txt").write_text("\n".join(words) + "\n")
    transformers.BertTokenizer(str(path / "vocab.txt")).save_pretrained(path)
    return path


def encoder_of(kind: str, tokenizer: Path) -> TokenTextEncoder:
    torch.manual_seed(4)
    if kind == "clip":
        return ClipTextEncoder(CONFIG, tokenizer=str(tokenizer)).eval()
    size = {"dim": 16, "layers": 2, "heads": 2, "max_tokens": 20}
    return CausalTextEncoder(vocabulary=len(CLIP_VOCABULARY), tokenizer=str(tokenizer), **size).eval()


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_are_start_pieces_end_and_zeros(kind: str, folder: Path) -> None:
    ids, mask = encoder_of(kind, folder).tokenize(["  Jazz, ab ", "jazz"])
    pieces = ["jazz</w>", ",</w>", "a", "b</w>"]
    assert ids[0].tolist() == [START, *(CLIP_VOCABULARY[piece] for piece in pieces), END]
    assert ids[1].tolist() == [START, CLIP_VOCABULARY["jazz</w>"], END, 0, 0, 0]
    assert mask.tolist() == [[1] * 6, [1, 1, 1, 0, 0, 0]]


@pytest.mark.parametrize("kind", KINDS)
def test_long_texts_are_cut_and_keep_their_end(kind: str, folder: Path) -> None:
    ids, _ = encoder_of(kind, folder).tokenize(["jazz " * 40])
    assert ids.shape == (1, 20)
    assert ids[0, -1] == END


@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_padding_and_neighbours_change_nothing(kind: str, folder: Path) -> None:
    encoder = encoder_of(kind, folder)
    texts = ["jazz", "slow jazz, late at night", ""]
    together = encoder(texts)
    assert together.shape == (3, 16)
    for text, vector in zip(texts, together, strict=True):
        assert torch.allclose(encoder([text])[0], vector, atol=1e-6)
    ids, _ = encoder.tokenize(texts)
    padded = torch.nn.functional.pad(ids, (0, 20 - ids.shape[1]))  # as published: zeros up to the last position
    assert torch.allclose(encoder.pool(encoder.encode_tokens(padded), padded), together, atol=1e-6)


@torch.inference_mode()
def test_clip_vector_is_what_transformers_pools(folder: Path) -> None:
    encoder = encoder_of("clip", folder)
    ids, mask = encoder.tokenize(["jazz", "slow jazz, late"])
    expected = encoder.text_model(input_ids=ids, attention_mask=mask).pooler_output
    assert torch.allclose(encoder(["jazz", "slow jazz, late"]), expected, atol=1e-6)


@torch.inference_mode()
def test_state_of_the_end_token_with_another_tokeniser(bert_folder: Path) -> None:
    encoder = encoder_of("transformer", bert_folder)
    ids, mask = encoder.tokenize(["jazz piano slow", "slow"])
    assert ids.tolist() == [[2, 5, 6, 7, 3], [2, 7, 3, 0, 0]]
    states = encoder.encode_tokens(ids)
    vectors = encoder(["jazz piano slow", "slow"])
    assert torch.allclose(vectors, torch.stack([states[0, 4], states[1, 2]]), atol=1e-6)
    by_largest = encoder.pool(states, ids)  # what the published code took: a word
    assert torch.allclose(by_largest, torch.stack([states[0, 3], states[1, 1]]), atol=1e-6)
    assert torch.allclose(encoder.pool(states, ids, mask), vectors, atol=1e-6)


@torch.inference_mode()
def test_a_token_sees_nothing_after_it(folder: Path) -> None:
    encoder = encoder_of("transformer", folder)
    ids = torch.tensor([[START, 3, 5, 7, END]])
    other = ids.clone()
    other[0, 3] = 11
    a, b = encoder.encode_tokens(ids), encoder.encode_tokens(other)
    assert torch.allclose(a[:, :3], b[:, :3], atol=1e-6)
    assert not torch.allclose(a[:, 3:], b[:, 3:], atol=1e-3)


def test_dead_norm_is_in_the_checkpoint_and_never_trained(folder: Path) -> None:
    encoder = encoder_of("transformer", folder).train()
    assert {"ln_final.weight", "ln_final.bias"} <= encoder.state_dict().keys()
    encoder(["jazz"]).square().sum().backward()
    without = {name for name, parameter in encoder.named_parameters() if parameter.grad is None}
    assert without == {"ln_final.weight", "ln_final.bias"}
    assert not any(encoder.get_parameter(name).requires_grad for name in without)


def test_dropout_acts_only_while_training(folder: Path) -> None:
    encoder = encoder_of("transformer", folder)
    with torch.no_grad():
        assert torch.equal(encoder(["jazz"]), encoder(["jazz"]))
        encoder.train()
        assert not torch.equal(encoder(["jazz"]), encoder(["jazz"]))


@torch.inference_mode()
def test_pretrained_clip_can_be_the_start(folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(9)
    whole = transformers.CLIPTextModel(transformers.CLIPTextConfig(**CONFIG)).eval()
    whole.save_pretrained(tmp_path)
    encoder = encoder_of("clip", folder)
    ids, mask = encoder.tokenize(["jazz"])
    expected = whole(input_ids=ids, attention_mask=mask).pooler_output
    assert not torch.allclose(encoder(["jazz"]), expected, atol=1e-3)
    encoder.load_pretrained(str(tmp_path))
    assert torch.allclose(encoder(["jazz"]), expected, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_missing_tokeniser_says_what_to_give(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match=r"tokenizer\.json.*text_parameters\.tokenizer"):
        encoder_of(kind, tmp_path / "nothing")(["jazz"])
