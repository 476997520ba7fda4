"""`ohrwurm.embed`: one file, or a list of them, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, overload

from ohrwurm.audio.isolation import Decoder
from ohrwurm.audio.windows import Protocol
from ohrwurm.embedding import workers as pool
from ohrwurm.embedding.files import FileEmbedding, embed_file, shared_lock, try_file
from ohrwurm.errors import AudioError, ModelError
from ohrwurm.models.base import AudioEncoder, Precision, check_cast


@overload
def embed(  # type: ignore[overload-overlap]  # a str is a sequence of str as well
    paths: str | Path,
    model: str | Path | AudioEncoder = ...,
    *,
    layer: int | None = ...,
    frames: bool = ...,
    protocol: Protocol | None = ...,
    precision: Precision | Literal["auto"] = ...,
    device: str = ...,
    weights: str | Path | None = ...,
    sample_rates: Mapping[str, int] | None = ...,
    batch_size: int = ...,
    workers: int | None = ...,
) -> FileEmbedding: ...


@overload
def embed(
    paths: Sequence[str | Path],
    model: str | Path | AudioEncoder = ...,
    *,
    layer: int | None = ...,
    frames: bool = ...,
    protocol: Protocol | None = ...,
    precision: Precision | Literal["auto"] = ...,
    device: str = ...,
    weights: str | Path | None = ...,
    sample_rates: Mapping[str, int] | None = ...,
    batch_size: int = ...,
    workers: int | None = ...,
) -> list[FileEmbedding | AudioError]: ...


def embed(
    paths: str | Path | Sequence[str | Path],
    model: str | Path | AudioEncoder = "ohrwurm-text",
    *,
    layer: int | None = None,
    frames: bool = False,
    protocol: Protocol | None = None,
    precision: Precision | Literal["auto"] = "fp32",
    device: str = "cpu",
    weights: str | Path | None = None,
    sample_rates: Mapping[str, int] | None = None,
    batch_size: int = 8,
    workers: int | None = None,
) -> FileEmbedding | list[FileEmbedding | AudioError]:
    """Embed one audio file, or many. For very many, into a file and resumable, there is `ohrwurm embed`.

    Args:
        paths: a file, or a sequence of files.
        model: a name or folder that `ohrwurm.load` knows, or a loaded encoder.
        layer: the layer to read out, where the model has a choice.
        frames: also give the frames of the whole file, with their times.
        protocol: "published" for the windows of the model's paper; ours by default.
        precision, device, weights: as for `ohrwurm.load`.
        sample_rates: path → Hz of `.npy` files, which do not say theirs.
        batch_size: windows per call of the model on an accelerator; on a CPU it is always one.
        workers: files at a time, by default one a core; each then computes in one thread. Vectors do not depend on it.

    Returns:
        For one file its `FileEmbedding`. For many a list in their order, in which a file that could not be used is
        represented by its `AudioError`: one bad file does not cost the others.

    Raises:
        AudioError: a single file could not be used.
        ModelError: the model is unknown or broken, or has no such layer, precision or protocol.

    >>> import numpy as np, soundfile, tempfile
    >>> file = tempfile.mkdtemp() + "/noise.wav"
    >>> soundfile.write(file, np.random.default_rng(0).uniform(-0.5, 0.5, 32000), 16000)
    >>> result = embed(file, "mel-statistics")
    >>> result.duration, bool(abs(np.linalg.norm(result.vector) - 1) < 1e-6)
    (2.0, True)
    """
    if batch_size < 1 or (workers is not None and workers < 1):
        raise ValueError(f"{workers} workers, a batch size of {batch_size}")
    encoder = _loaded(model, layer, precision, device, weights)
    options: dict[str, Any] = {
        "batch_size": batch_size, "lock": shared_lock(encoder), "protocol": protocol, "frames": frames
    }  # fmt: skip
    natives = sample_rates or {}
    if isinstance(paths, (str, Path)):
        with Decoder() as decoder:
            return embed_file(paths, [encoder], decoder=decoder, native=natives.get(str(paths)), **options)[0]

    def one(item: tuple[int, str | Path], decoder: Decoder) -> tuple[int, FileEmbedding | AudioError]:
        index, path = item
        found = try_file(path, [encoder], decoder=decoder, native=natives.get(str(path)), **options)
        return index, found if isinstance(found, AudioError) else found[0]

    results = dict(pool.run(list(enumerate(paths)), one, workers=workers))
    return [results[index] for index in range(len(results))]


def _loaded(
    model: str | Path | AudioEncoder,
    layer: int | None,
    precision: Precision | Literal["auto"],
    device: str,
    weights: str | Path | None,
) -> AudioEncoder:
    if isinstance(model, AudioEncoder):
        if layer is not None or weights is not None or precision != "fp32" or device != "cpu":
            raise ModelError(
                f"{model.card.name} is loaded already: layer, precision, device and weights go to ohrwurm.load"
            )
        check_cast(model)
        return model
    from ohrwurm.models.registry import load

    changes = {} if layer is None else {"layer": layer}
    return load(model, weights=weights, precision=precision, device=device, **changes)
