"""The three layouts of `EmbeddingTable`.

``.npz``: arrays `vectors` (n, dim), `track_ids`, `paths`, `flags` (joined by ``;``), `durations`, `sizes`, `modified`,
and the text `meta` (JSON: provenance, card, frame_rate, errors); with frames, `frames/000000` (T, size) and
`frame_times/000000` (T,) for row 0, and so on.

``.parquet``: a row a track with the columns `track_id`, `path`, `duration`, `size`, `modified`, `flags` (list of
strings), `vector` (list of dim floats); with frames, `frames` (list of lists of floats) and `frame_times` (list of
doubles). `meta` stands in the schema's metadata under ``ohrwurm``.

``.safetensors``: tensors `vectors`, `durations`, `sizes`, `modified`; with frames, those of all rows one after the
other in `frames` and `frame_times`, row i from `frame_offsets[i]` to `frame_offsets[i + 1]`. Metadata ``ohrwurm`` is
`meta`, ``rows`` is JSON with `track_ids`, `paths` and `flags`.
"""

from __future__ import annotations

import functools
import json
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ohrwurm.embedding.output import EmbeddingTable, Lazy, not_ours, parsed

_ROWS_A_GROUP = 16  # of a Parquet file with frames: what is in memory at a time
_SAFE = {"float32": "F32", "float64": "F64", "int64": "I64"}


def _write_npz(file: Path, table: EmbeddingTable) -> None:
    def add(name: str, array: np.ndarray) -> None:
        with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
            np.lib.format.write_array(member, np.asarray(array, order="C"), allow_pickle=False)

    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        add("meta", np.array(table.meta()))
        for name in ("track_ids", "paths"):
            add(name, np.array(getattr(table, name), dtype=np.str_))
        add("flags", np.array([";".join(flags) for flags in table.flags], dtype=np.str_))
        for name in ("durations", "sizes", "modified", "vectors"):
            add(name, getattr(table, name))
        for name in ("frames", "frame_times"):
            for row, array in enumerate(getattr(table, name) or ()):
                add(f"{name}/{row:06}", array)


def _read_npz(file: Path) -> EmbeddingTable:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            values, framed = parsed(str(arrays["meta"]), file)
            values |= {name: arrays[name] for name in ("durations", "sizes", "modified", "vectors")}
            values |= {name: tuple(arrays[name].tolist()) for name in ("track_ids", "paths")}
            values["flags"] = tuple(tuple(filter(None, text.split(";"))) for text in arrays["flags"].tolist())
    except (OSError, EOFError, ValueError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        raise not_ours(file, error) from error

    if framed:
        source = np.load(file, allow_pickle=False)  # stays open as long as the table lives

        def get(name: str, row: int) -> np.ndarray:
            return source[f"{name}/{row:06}"]

        for name in ("frames", "frame_times"):
            values[name] = Lazy(len(values["track_ids"]), functools.partial(get, name))
    return EmbeddingTable(**values)


def _write_parquet(file: Path, table: EmbeddingTable) -> None:
    import pyarrow
    import pyarrow.parquet

    texts, count = pyarrow.list_(pyarrow.string()), len(table)
    width = table.vectors.shape[1]
    columns = [
        ("track_id", pyarrow.string()), ("path", pyarrow.string()), ("duration", pyarrow.float64()),
        ("size", pyarrow.int64()), ("modified", pyarrow.int64()), ("flags", texts),
        ("vector", pyarrow.list_(pyarrow.float32(), width)),
    ]  # fmt: skip
    if table.frames is not None:
        size = table.frames[0].shape[1] if count else width
        columns += [
            ("frames", pyarrow.list_(pyarrow.list_(pyarrow.float32(), size))),
            ("frame_times", pyarrow.list_(pyarrow.float64())),
        ]
    schema = pyarrow.schema(columns, metadata={"ohrwurm": table.meta()})
    step = _ROWS_A_GROUP if table.frames is not None else max(1, count)
    with pyarrow.parquet.ParquetWriter(file, schema) as writer:
        for first in range(0, count, step):
            rows = slice(first, first + step)
            arrays = [
                pyarrow.array(table.track_ids[rows], pyarrow.string()),
                pyarrow.array(table.paths[rows], pyarrow.string()),
                *(pyarrow.array(values[rows]) for values in (table.durations, table.sizes, table.modified)),
                pyarrow.array([list(flags) for flags in table.flags[rows]], texts),
                pyarrow.FixedSizeListArray.from_arrays(table.vectors[rows].reshape(-1), width),
            ]
            if table.frames is not None and table.frame_times is not None:
                times, frames = table.frame_times[rows], table.frames[rows]
                starts = np.cumsum([0, *map(len, times)]).astype(np.int32)
                flat = pyarrow.FixedSizeListArray.from_arrays(np.concatenate(frames).reshape(-1), size)
                arrays += [
                    pyarrow.ListArray.from_arrays(starts, flat),
                    pyarrow.ListArray.from_arrays(starts, np.concatenate(times)),
                ]
            writer.write_batch(pyarrow.record_batch(arrays, schema=schema))


def _read_parquet(file: Path) -> EmbeddingTable:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(file) as source:
            meta = (source.schema_arrow.metadata or {}).get(b"ohrwurm", b"")
            values, framed = parsed(meta.decode(), file)
            ends = np.cumsum([source.metadata.row_group(i).num_rows for i in range(source.num_row_groups)])
            rows = source.read([name for name in source.schema_arrow.names if not name.startswith("frame")])
        for name, column in (("durations", "duration"), ("sizes", "size"), ("modified", "modified")):
            values[name] = rows[column].to_numpy()
        values |= {f"{name}s": tuple(rows[name].to_pylist()) for name in ("track_id", "path")}
        values["flags"] = tuple(map(tuple, rows["flags"].to_pylist()))
        vectors = rows["vector"].combine_chunks()
        values["vectors"] = vectors.flatten().to_numpy().reshape(len(rows), rows.schema.field("vector").type.list_size)
    except (pyarrow.ArrowException, OSError, KeyError) as error:
        raise not_ours(file, error) from error

    if framed:
        kept = pyarrow.parquet.ParquetFile(file)  # stays open as long as the table lives

        @functools.lru_cache(maxsize=1)
        def group(index: int) -> Any:
            return kept.read_row_group(index, ["frames", "frame_times"])

        def get(name: str, row: int) -> np.ndarray:
            index = int(np.searchsorted(ends, row, side="right"))
            found = group(index)[name][row - (int(ends[index - 1]) if index else 0)].values
            if name == "frame_times":
                return found.to_numpy()
            return found.flatten().to_numpy().reshape(len(found), found.type.list_size)

        for name in ("frames", "frame_times"):
            values[name] = Lazy(len(rows), functools.partial(get, name))
    return EmbeddingTable(**values)


def _write_safetensors(file: Path, table: EmbeddingTable) -> None:
    """By hand, so that the frames of all tracks need not be in memory: a length, a header of JSON, the arrays."""
    arrays: list[tuple[str, np.dtype[Any], tuple[int, ...], Iterable[np.ndarray]]] = []  # whole, or in pieces

    def add(name: str, dtype: Any, shape: tuple[int, ...], pieces: Iterable[np.ndarray]) -> None:
        arrays.append((name, np.dtype(dtype), shape, pieces))

    if table.frames is not None and table.frame_times is not None:
        frames, times = table.frames, table.frame_times
        offsets = np.cumsum([0, *(len(array) for array in times)]).astype(np.int64)
        size = frames[0].shape[1] if len(table) else table.vectors.shape[1]
        add("frame_offsets", np.int64, offsets.shape, [offsets])
        add("frame_times", np.float64, (int(offsets[-1]),), times)
        add("frames", np.float32, (int(offsets[-1]), size), frames)
    for name in ("durations", "sizes", "modified", "vectors"):
        array: np.ndarray = getattr(table, name)
        add(name, array.dtype, array.shape, [array])
    arrays.sort(key=lambda a: -a[1].itemsize)  # so that all are aligned
    rows = {"track_ids": table.track_ids, "paths": table.paths, "flags": table.flags}
    header: dict[str, Any] = {
        "__metadata__": {"ohrwurm": table.meta(), "rows": json.dumps(rows, ensure_ascii=False)},
    }
    begin = 0
    for name, dtype, shape, _ in arrays:
        end = begin + dtype.itemsize * int(np.prod(shape))
        header[name] = {"dtype": _SAFE[dtype.name], "shape": list(shape), "data_offsets": [begin, end]}
        begin = end
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with open(file, "wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for _, dtype, _, pieces in arrays:
            for piece in pieces:
                stream.write(np.ascontiguousarray(piece, dtype.newbyteorder("<")).tobytes())


def _read_safetensors(file: Path) -> EmbeddingTable:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "numpy") as source:
            metadata = source.metadata() or {}
            values, framed = parsed(metadata.get("ohrwurm", ""), file)
            rows = json.loads(metadata["rows"])
            values |= {name: source.get_tensor(name) for name in ("durations", "sizes", "modified", "vectors")}
            offsets = source.get_tensor("frame_offsets") if framed else np.zeros(1, np.int64)
        values |= {name: tuple(rows[name]) for name in ("track_ids", "paths")}
        values["flags"] = tuple(map(tuple, rows["flags"]))
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise not_ours(file, error) from error

    if framed:
        kept = safe_open(file, "numpy")  # stays open as long as the table lives

        def get(name: str, row: int) -> np.ndarray:
            return kept.get_slice(name)[int(offsets[row]) : int(offsets[row + 1])]

        for name in ("frames", "frame_times"):
            values[name] = Lazy(len(values["track_ids"]), functools.partial(get, name))
    return EmbeddingTable(**values)


WRITERS: dict[str, Callable[[Path, EmbeddingTable], None]] = {
    ".npz": _write_npz,
    ".parquet": _write_parquet,
    ".safetensors": _write_safetensors,
}
READERS: dict[str, Callable[[Path], EmbeddingTable]] = {
    ".npz": _read_npz,
    ".parquet": _read_parquet,
    ".safetensors": _read_safetensors,
}
