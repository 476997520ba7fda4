"""Files of word vectors → a table: GloVe and word2vec text, word2vec binary, safetensors, TTMR's published lookup."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ohrwurm.errors import ModelError


@dataclass(frozen=True)
class WordVectors:
    """Entry → row, and the rows: float32 `(entries, dim)`."""

    index: dict[str, int]
    vectors: np.ndarray


def read_word_vectors(file: str | Path, dim: int) -> WordVectors:
    """Read a file of word vectors; entries may hold spaces ("hip hop"). The first of equal entries counts.

    Args:
        file: by its suffix
            `.safetensors` with a tensor `(dim,)` an entry, or with `vectors (n, dim)` and `vocabulary`, the n entries
            as UTF-8 bytes, one a line;
            `.pt` / `.pth`, a dict entry → tensor `(dim,)` as TTMR's authors publish it, read as tensors only;
            `.bin` as word2vec and gensim write it (`save_word2vec_format(..., binary=True)`);
            anything else is text with an entry a line, with or without word2vec's first line of counts.
        dim: size of the vectors that is expected.

    Raises:
        ModelError: no such file, vectors of another size or not finite, or a damaged file; the message says where.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "glove.txt"
        >>> _ = file.write_text("jazz 1.0 2.0\\nhip hop 3.0 4.0\\n")
        >>> table = read_word_vectors(file, 2)
        >>> table.vectors[table.index["hip hop"]]
        array([3., 4.], dtype=float32)
    """
    file = Path(file)
    if not file.is_file():
        raise ModelError(f"{file}: no such file of word vectors. Check the path.")
    if file.suffix == ".safetensors":
        entries, vectors = _from_safetensors(file)
    elif file.suffix in (".pt", ".pth"):
        entries, vectors = _from_lookup(file)
    else:
        with open(file, "rb") as stream:
            entries, vectors = _from_binary(stream, file) if file.suffix == ".bin" else _from_text(stream, file, dim)
    if vectors.ndim != 2 or len(entries) != len(vectors) or vectors.shape[1] != dim or not len(vectors):
        raise ModelError(f"{file}: {len(entries)} entries with vectors {vectors.shape}; {dim} numbers each are needed")
    if not np.isfinite(vectors).all():
        raise ModelError(f"{file}: NaN or infinity in the word vectors")
    index: dict[str, int] = {}
    for row, entry in enumerate(entries):
        index.setdefault(entry, row)
    return WordVectors(index, vectors)


def _from_text(stream: BinaryIO, file: Path, dim: int) -> tuple[list[str], np.ndarray]:
    entries, rows = [], []
    for number, line in enumerate(stream, start=1):
        fields = line.rstrip().rsplit(b" ", dim)
        if number == 1 and len(line.split()) == 2 and dim > 1:  # word2vec's counts: entries, dim
            continue
        try:
            entries.append(fields[0].decode("utf-8"))
            rows.append(np.array(fields[1:], np.float32))
        except ValueError as error:
            raise ModelError(f"{file}, line {number}: no entry with {dim} numbers after it ({error})") from error
        if len(rows[-1]) != dim:
            raise ModelError(f"{file}, line {number}: {len(rows[-1])} numbers instead of {dim}")
    return entries, np.stack(rows) if rows else np.zeros((0, dim), np.float32)


def _from_binary(stream: BinaryIO, file: Path) -> tuple[list[str], np.ndarray]:
    try:
        count, dim = map(int, stream.readline().split())
        vectors = np.zeros((count, dim), np.float32)
        entries = []
        for row in range(count):
            name = bytearray()
            while (byte := stream.read(1)) != b" ":
                if not byte:
                    raise ValueError(f"it ends after {row} of {count} entries")
                name += byte
            entries.append(name.decode("utf-8").lstrip("\n"))  # gensim ends a vector with a line break, others do not
            vectors[row] = np.frombuffer(stream.read(4 * dim), "<f4")
    except ValueError as error:
        raise ModelError(f"{file}: not a complete word2vec binary file ({error}). Copy it again.") from error
    return entries, vectors


def _from_safetensors(file: Path) -> tuple[list[str], np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        arrays = load_file(file)
    except SafetensorError as error:
        raise ModelError(f"{file}: not a complete safetensors file ({error}). Copy it again.") from error
    if arrays.keys() == {"vectors", "vocabulary"}:
        return bytes(arrays["vocabulary"]).decode("utf-8").split("\n"), arrays["vectors"].astype(np.float32)
    return _stacked(list(arrays.items()), file)


def _from_lookup(file: Path) -> tuple[list[str], np.ndarray]:
    import torch

    from ohrwurm.unpickle import read_pickle

    content = read_pickle(file)
    strange = not isinstance(content, dict) or [k for k, v in content.items() if not isinstance(v, torch.Tensor)]
    if strange:  # arrays of numpy among them, which only code in the file could make
        which = f"{strange[0]!r} is none" if isinstance(strange, list) else "it is no dict"
        raise ModelError(f"{file}: not a dict entry → tensor ({which}). Save it again as tensors, or as safetensors.")
    return _stacked([(str(entry), vector.float().numpy()) for entry, vector in content.items()], file)


def _stacked(rows: list[tuple[str, np.ndarray]], file: Path) -> tuple[list[str], np.ndarray]:
    shapes = {vector.shape for _, vector in rows}
    if len(shapes) != 1:
        raise ModelError(f"{file}: {len(rows)} vectors of shapes {sorted(shapes)}. Is it a file of word vectors?")
    return [entry for entry, _ in rows], np.stack([vector.astype(np.float32).reshape(-1) for _, vector in rows])
