"""GloVe text: the published rules, and every file format that word vectors come in."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ohrwurm.errors import ModelError
from ohrwurm.models.text_glove import GloveTextEncoder
from ohrwurm.models.ttmr import TTMR
from ohrwurm.models.word_vectors import read_word_vectors

TABLE = {"jazz": [1.0, 2.0, 3.0], "hip hop": [-1.0, 0.5, 0.25], "piano": [0.0, 4.0, 0.0]}
LINES = "".join(f"{entry} {' '.join(map(str, vector))}\n" for entry, vector in TABLE.items())


def text(path: Path) -> None:
    path.write_text(LINES)


def text_with_counts(path: Path) -> None:
    path.write_text("3 3\n" + LINES)


def binary(path: Path) -> None:
    """As word2vec's C code writes it, a line break after each vector."""
    rows = (f"{entry} ".encode() + struct.pack("<3f", *vector) + b"\n" for entry, vector in with_underscores())
    path.write_bytes(b"3 3\n" + b"".join(rows))


def binary_without_breaks(path: Path) -> None:
    """As gensim writes it."""
    rows = (f"{entry} ".encode() + struct.pack("<3f", *vector) for entry, vector in with_underscores())
    path.write_bytes(b"3 3\n" + b"".join(rows))


def with_underscores() -> list[tuple[str, list[float]]]:
    return [(entry.replace(" ", "_"), vector) for entry, vector in TABLE.items()]


def tensors(path: Path) -> None:
    save_file({entry: torch.tensor(vector) for entry, vector in TABLE.items()}, path)


def one_tensor(path: Path) -> None:
    vocabulary = torch.frombuffer(bytearray("\n".join(TABLE).encode()), dtype=torch.uint8)
    save_file({"vectors": torch.tensor(list(TABLE.values())), "vocabulary": vocabulary}, path)


def published(path: Path) -> None:
    torch.save({entry: torch.tensor(vector) for entry, vector in TABLE.items()}, path)


FORMATS = [
    ("glove.txt", text),
    ("vectors.vec", text_with_counts),
    ("google.bin", binary),
    ("gensim.bin", binary_without_breaks),
    ("tags.safetensors", tensors),
    ("words.safetensors", one_tensor),
    ("glove_tag_embs.pt", published),
]


@pytest.mark.parametrize("name, write", FORMATS, ids=[f"{name}-{write.__name__}" for name, write in FORMATS])
def test_mean_of_whole_tags_from_every_format(name: str, write, tmp_path: Path) -> None:
    write(tmp_path / name)
    encoder = GloveTextEncoder(str(tmp_path / name), dim=3)
    vectors = encoder(["jazz", "hip hop, jazz", "piano,jazz , hip hop"])
    assert vectors.dtype == torch.float32
    assert vectors[0].tolist() == [1.0, 2.0, 3.0]
    assert vectors[1].tolist() == [0.0, 1.25, 1.625]
    assert torch.allclose(vectors[2], torch.tensor([0.0, 6.5 / 3, 3.25 / 3]))
    assert encoder([]).shape == (0, 3)


@pytest.fixture
def file(tmp_path: Path) -> str:
    text(tmp_path / "glove.txt")
    return str(tmp_path / "glove.txt")


def test_tag_without_vector_is_refused_as_published_or_made_of_its_words(file: str) -> None:
    with pytest.raises(ModelError, match=r"no word vector for 'jazz piano'.*missing='words'"):
        GloveTextEncoder(file, dim=3)(["jazz piano"])
    encoder = GloveTextEncoder(file, dim=3, missing="words")
    assert encoder(["Jazz-Piano"])[0].tolist() == [0.5, 3.0, 1.5]
    assert encoder(["smooth jazz"])[0].tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(ModelError, match="no word vector for 'unheard of'"):
        encoder(["unheard of"])
    with pytest.raises(ModelError, match="no tags"):
        encoder([" , "])


def test_later_file_wins(file: str, tmp_path: Path) -> None:
    save_file({"jazz": torch.tensor([9.0, 9.0, 9.0]), "fado": torch.ones(3)}, tmp_path / "more.safetensors")
    encoder = GloveTextEncoder([file, str(tmp_path / "more.safetensors")], dim=3)
    assert encoder(["jazz", "fado", "piano"]).tolist() == [[9.0] * 3, [1.0] * 3, [0.0, 4.0, 0.0]]


def test_without_a_file_it_says_what_to_give() -> None:
    with pytest.raises(ModelError, match=r"word vectors.*text_parameters\.vectors"):
        GloveTextEncoder()(["jazz"])
    with pytest.raises(ModelError, match="no such file"):
        GloveTextEncoder("/nowhere/glove.txt")(["jazz"])


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.txt", b"jazz 1 2 3\npiano 1 2\n", r"a\.txt, line 2"),
        ("a.txt", b"jazz 1 2 3\npiano one two three\n", r"a\.txt, line 2"),
        ("a.txt", b"", "0 entries"),
        ("a.txt", b"jazz 1 nan 3\n", "NaN"),
        ("a.bin", b"2 3\njazz " + struct.pack("<3f", 1, 2, 3), "1 of 2 entries"),
        ("a.bin", b"1 3\njazz " + struct.pack("<2f", 1, 2), "not a complete"),
        ("a.bin", b"1 2\njazz " + struct.pack("<2f", 1, 2), "3 numbers each"),
        ("a.safetensors", b"no", "not a complete safetensors"),
    ],
)
def test_damaged_files_are_named_with_the_place(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=message):
        read_word_vectors(tmp_path / name, 3)


@pytest.mark.parametrize(
    "content, message", [({"jazz": np.ones(3)}, "'jazz' is none"), ([1], "no dict"), ({}, "0 vec")]
)
def test_lookup_of_anything_but_tensors_is_refused(content: object, message: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "glove_tag_embs.pt")
    with pytest.raises(ModelError, match=message):
        read_word_vectors(tmp_path / "glove_tag_embs.pt", 3)


def test_first_of_equal_entries_counts(tmp_path: Path) -> None:
    (tmp_path / "twice.txt").write_text("jazz 1 2 3\njazz 4 5 6\n")
    table = read_word_vectors(tmp_path / "twice.txt", 3)
    assert table.vectors[table.index["jazz"]].tolist() == [1.0, 2.0, 3.0]


@torch.inference_mode()
def test_ttmr_takes_it_and_gives_the_published_numbers(ttmr_golden, tmp_path: Path) -> None:
    golden = ttmr_golden["ttmr_glove"]
    vectors = torch.from_numpy(ttmr_golden.make.normal(int(golden["emb_seed"]), (5, 300), 0.4))
    save_file({f"tag {i}": vector.clone() for i, vector in enumerate(vectors)}, tmp_path / "tags.safetensors")
    where = {"vectors": str(tmp_path / "tags.safetensors")}
    model = ttmr_golden.fill(TTMR(mix_type="ft", text="glove", text_dim=300, text_parameters=where))
    assert not any(key.startswith("text_encoder.") for key in model.state_dict())
    found = model.encode_text([f"tag {i}" for i in range(5)]).numpy()
    assert np.abs(found - golden["z_text"]).max() / np.abs(golden["z_text"]).max() < 1e-5
