"""Static text: any string works, in milliseconds; the vocabulary travels with the weights."""

from __future__ import annotations

import unicodedata

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ohrwurm.errors import ModelError
from ohrwurm.models.text_static import StaticTextEncoder, normalise_entry, split_words

LETTERS = [*"abcdefghijklmnopqrstuvwxyz", *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz")]
ENTRIES = ["hip hop", "drum and bass", "drum", "bass", "piano", "lo fi", "jazz", "##like", "new york city jazz"]
ENCODER = StaticTextEncoder([*ENTRIES, *LETTERS], dim=8)


@given(st.text())
@settings(max_examples=200, deadline=None)
def test_any_text_gives_a_finite_vector(text: str) -> None:
    vector = ENCODER([text])
    assert vector.shape == (1, 8)
    assert torch.isfinite(vector).all()
    assert (vector.abs().sum() == 0) == (not ENCODER.tokenize(text))


@given(st.text())
@settings(max_examples=200, deadline=None)
def test_splitting_is_stable_and_ignores_case_and_composition(text: str) -> None:
    words = split_words(text)
    assert split_words(" ".join(words)) == words
    assert split_words(unicodedata.normalize("NFD", text)) == split_words(unicodedata.normalize("NFC", text))


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=30))
@settings(max_examples=200, deadline=None)
def test_unknown_words_are_spelt_by_their_pieces(word: str) -> None:
    pieces = ENCODER.tokenize(word)
    assert "".join(piece.removeprefix("##") for piece in pieces) == word
    assert not pieces[0].startswith("##")


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Hip-Hop", ["hip hop"]),
        ("DRUM AND BASS piano", ["drum and bass", "piano"]),
        ("drum & bass", ["drum", "bass"]),
        ("New York City jazz", ["new york city jazz"]),
        ("Jazzy", ["jazz", "##y"]),
        ("jazzlike_pianó!", ["jazz", "##like", "piano"]),
        ("日本 jazz", ["jazz"]),
        ("", []),
        (" -_,. ", []),
        ("Lo‐Fi", ["lo fi"]),
    ],
)
def test_longest_entries_first(text: str, expected: list[str]) -> None:
    assert ENCODER.tokenize(text) == expected


@torch.inference_mode()
def test_vector_is_the_mean_weighted_by_importance() -> None:
    encoder = StaticTextEncoder(["a", "b"], dim=3)
    encoder.importance.copy_(torch.tensor([3.0, 1.0]))
    a, b = encoder.embedding.weight
    assert torch.allclose(encoder(["a b"])[0], (3 * a + b) / 4)
    assert torch.allclose(encoder(["b a a"])[0], (6 * a + b) / 7)
    assert torch.equal(encoder(["", "?"]), torch.zeros(2, 3))
    assert encoder([]).shape == (0, 3)


@torch.inference_mode()
def test_same_vector_alone_and_in_a_batch() -> None:
    texts = ["jazz piano", "", "drum and bass", "qwertz"]
    batch = ENCODER(texts)
    for text, vector in zip(texts, batch, strict=True):
        assert torch.allclose(ENCODER([text])[0], vector, atol=1e-7)


@torch.inference_mode()
def test_vocabulary_comes_back_with_the_state_dict() -> None:
    shell = StaticTextEncoder(dim=8, **ENCODER.parameters_for_card)
    with pytest.raises(ModelError, match="weights have not been loaded"):
        shell.tokenize("jazz")
    shell.load_state_dict(ENCODER.state_dict())
    assert shell.index == ENCODER.index
    assert torch.equal(shell(["lo-fi jazzy piano"]), ENCODER(["lo-fi jazzy piano"]))


@torch.inference_mode()
def test_half_precision_vectors_are_summed_in_single_precision() -> None:
    encoder = StaticTextEncoder(ENTRIES, dim=8)
    encoder.embedding.half()
    vector = encoder(["jazz piano"])
    assert vector.dtype == torch.float32
    half = encoder.embedding.weight[[encoder.index["jazz"], encoder.index["piano"]]].float().mean(0)
    assert torch.allclose(vector[0], half)


def test_vectors_and_importance_learn() -> None:
    encoder = StaticTextEncoder(ENTRIES, dim=8)
    encoder(["jazz piano"]).square().sum().backward()
    assert encoder.embedding.weight.grad is not None
    assert encoder.importance.grad is not None
    touched = encoder.importance.grad.nonzero().flatten().tolist()
    assert touched == sorted(encoder.index[w] for w in ("jazz", "piano"))


def test_an_absurdly_long_word_is_still_read_piece_by_piece() -> None:
    encoder = StaticTextEncoder(["a", "##a", "##aa"], dim=8)
    assert len(encoder.tokenize("a" * 20_001)) == 10_001


def test_spelling_breaks_even_words_that_have_an_entry() -> None:
    encoder = StaticTextEncoder(["piano", "pia", "##no", "##s", "p"], dim=8)
    entries = list(encoder.index)
    assert [entries[i] for i in encoder.token_ids("pianos piano")] == ["piano", "##s", "piano"]
    assert [entries[i] for i in encoder.token_ids("piano p", spell=True)] == ["pia", "##no", "p"]


@pytest.mark.parametrize("vocabulary", [["a", "A"], ["a", " "], ["hip hop", "Hip-Hop"]])
def test_entries_that_would_collide_are_refused(vocabulary: list[str]) -> None:
    with pytest.raises(ModelError, match="distinct, non-empty"):
        StaticTextEncoder(vocabulary)


def test_a_shell_needs_its_sizes() -> None:
    with pytest.raises(ModelError, match="vocabulary_bytes"):
        StaticTextEncoder(dim=8)


def test_entries_are_stored_as_they_are_looked_up() -> None:
    assert normalise_entry("Música-Pop") == "musica pop"
    assert normalise_entry("##LY") == "##ly"
