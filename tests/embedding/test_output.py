"""The three output formats hold the same, byte for byte the same each time, and refuse what is not theirs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small import SmallConvolution

from ohrwurm.embedding.output import SUFFIXES, EmbeddingTable, Unusable, read_embeddings, write_embeddings
from ohrwurm.errors import DataError


def table(rows: int, frames: bool) -> EmbeddingTable:
    rng = np.random.default_rng(rows)
    lengths = rng.integers(1, 30, rows)
    return EmbeddingTable(
        card=SmallConvolution(published={"hop": 2.0}, results=({"metric": "R@1", "value": 0.5},)).card,
        track_ids=tuple(f"träck {i}" for i in range(rows)),
        paths=tuple(f"/müsic/a;b {i} '\".wav" for i in range(rows)),
        sizes=rng.integers(1, 2**40, rows),
        modified=rng.integers(1, 2**62, rows),
        durations=rng.uniform(0, 1000, rows),
        flags=tuple(("silent", "truncated")[: i % 3] for i in range(rows)),
        vectors=rng.standard_normal((rows, 6)).astype(np.float32),
        errors=(Unusable("x", "/x.mp3", "unreadable", "ends in “nonsense”"), Unusable("y", "/y", "missing")),
        frames=[rng.standard_normal((n, 4)).astype(np.float32) for n in lengths] if frames else None,
        frame_times=[np.arange(n) / 50 for n in lengths] if frames else None,
        frame_rate=50.0 if frames else None,
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("frames", [False, True], ids=["vectors", "frames"])
@pytest.mark.parametrize("rows", [0, 1, 37])
def test_what_is_written_is_read(tmp_path: Path, suffix: str, frames: bool, rows: int) -> None:
    written = table(rows, frames)
    write_embeddings(tmp_path / f"out{suffix}", written)
    found = read_embeddings(tmp_path / f"out{suffix}")
    for name in ("card", "track_ids", "paths", "flags", "errors", "frame_rate"):
        assert getattr(found, name) == getattr(written, name)
    assert found.card.provenance == written.card.provenance
    for name in ("sizes", "modified", "durations", "vectors"):
        array = getattr(found, name)
        np.testing.assert_array_equal(array, getattr(written, name))
        assert array.dtype == getattr(written, name).dtype
        assert array.shape == getattr(written, name).shape
    assert (found.frames is None) == (written.frames is None)
    for name in ("frames", "frame_times") if frames else ():
        assert len(getattr(found, name)) == rows
        order = [*range(rows), *reversed(range(-rows, 0))]
        for row in order:
            np.testing.assert_array_equal(getattr(found, name)[row], getattr(written, name)[row])
            assert getattr(found, name)[row].dtype == getattr(written, name)[row].dtype
        assert len(getattr(found, name)[1:4]) == len(range(rows)[1:4])
        with pytest.raises(IndexError):
            getattr(found, name)[rows]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_same_table_same_bytes(tmp_path: Path, suffix: str) -> None:
    for name in ("a", "b"):
        write_embeddings(tmp_path / f"{name}{suffix}", table(20, frames=True))
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_each_format_opens_with_its_own_library(tmp_path: Path) -> None:
    import pyarrow.parquet
    from safetensors.numpy import load_file

    written = table(20, frames=True)
    assert written.frames is not None
    for suffix in SUFFIXES:
        write_embeddings(tmp_path / f"out{suffix}", written)
    with np.load(tmp_path / "out.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["vectors"], written.vectors)
        assert arrays["paths"].tolist() == list(written.paths)
        np.testing.assert_array_equal(arrays["frames/000003"], written.frames[3])
    rows = pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert [row["track_id"] for row in rows] == list(written.track_ids)
    np.testing.assert_array_equal(np.array([row["vector"] for row in rows], np.float32), written.vectors)
    np.testing.assert_array_equal(np.array(rows[3]["frames"], np.float32), written.frames[3])
    tensors = load_file(tmp_path / "out.safetensors")
    np.testing.assert_array_equal(tensors["vectors"], written.vectors)
    first, last = tensors["frame_offsets"][3:5]
    np.testing.assert_array_equal(tensors["frames"][first:last], written.frames[3])


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("damage", ["nothing", "text", "half", "foreign"])
def test_what_is_not_ours_is_refused_by_name(tmp_path: Path, suffix: str, damage: str) -> None:
    file = tmp_path / f"other{suffix}"
    if damage == "nothing":
        file.write_bytes(b"")
    elif damage == "text":
        file.write_text("vectors " * 200)
    elif damage == "half":
        write_embeddings(file, table(5, frames=True))
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    else:
        foreign(file)
    with pytest.raises(DataError, match=r"other.*not a file of embeddings"):
        read_embeddings(file)


def foreign(file: Path) -> None:
    """A proper file of the format, made by another program."""
    if file.suffix == ".npz":
        np.savez(file, vectors=np.zeros(3))
    elif file.suffix == ".parquet":
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.table({"vector": [1.0]}), file)
    else:
        from safetensors.numpy import save_file

        save_file({"vectors": np.zeros(3)}, file)


def test_missing_file_and_unknown_ending(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_embeddings(tmp_path / "none.npz")
    with pytest.raises(DataError, match=r"\.npz, \.parquet, \.safetensors"):
        write_embeddings(tmp_path / "out.pkl", table(1, frames=False))
