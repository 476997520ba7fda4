"""Files → vectors: one decode, every model's sample rate, the windows of one file in batches, one vector a model.

The vectors of a file depend on the file and the model's card alone: windows are never batched with those of another
file, so batch size, worker count, order and neighbours change nothing. Memory is constant in the length of a file:
blocks come one at a time from a child process (`ohrwurm.audio.isolation`) that waits for the model. Measured peaks for
3 hours of 44.1 kHz stereo: 323 MB here (292 MB for 3 minutes, most of it torch itself) and 34 MB in the child.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import overload

import numpy as np
import torch

from ohrwurm.audio.isolation import Decoder
from ohrwurm.audio.windows import Cutter, Window, pool
from ohrwurm.errors import AudioError, ModelError
from ohrwurm.models.base import AudioEncoder, ModelCard

SILENCE = 1e-4  # full scale: a file that stays below -80 dB is flagged as silent


@dataclass(frozen=True)
class Timing:
    """Where the time of one file went, in seconds.

    Attributes:
        decode: CPU time of the decoding child (decoding, mono, resampling).
        waited: how long this process had to wait for it; below `decode` where the two overlapped.
        model: of this model on this file, features included.
    """

    decode: float
    waited: float
    model: float


@dataclass(frozen=True)
class FileEmbedding:
    """What one model makes of one file.

    Attributes:
        path: as it was given.
        card: of the model.
        vector: float32 `(dim,)`, pooled over the windows by `card.pooling`, of length 1.
        windows: float32 `(windows, dim)`, as the model returned them.
        starts, valid: `(windows,)` seconds from the start of the file; seconds of audio, not padding, in the window.
        duration: seconds of audio decoded.
        flags: some of ``shorter-than-a-window``, ``silent``, ``truncated`` (ends before its header says),
            ``damaged`` (parts could not be decoded), ``decoder:soundfile`` or ``decoder:av``.
        timing: for benchmarks; not part of equality.
    """

    path: str
    card: ModelCard
    vector: np.ndarray
    windows: np.ndarray
    starts: np.ndarray
    valid: np.ndarray
    duration: float
    flags: tuple[str, ...]
    timing: Timing = field(compare=False)

    @property
    def provenance(self) -> str:
        """Identity of the model, weights, front-end and windows; only vectors that share it may be compared."""
        return self.card.provenance


class _Lane:
    """One model's way through one file: cutter, batch, vectors."""

    def __init__(self, model: AudioEncoder, batch_size: int, lock: threading.Lock) -> None:
        card = model.card
        self.model = model
        self.rate = card.sample_rate
        self.seconds = 0.0
        self._batch_size = batch_size
        self._lock = lock
        window = round(card.window * self.rate)
        minimum = window if card.minimum is None else min(window, round(card.minimum * self.rate))
        self.window = window
        self._cutter = Cutter(window, max(1, round(card.hop * self.rate)), minimum=minimum)
        self._first_only = card.pooling == "first"
        self._waiting: list[np.ndarray] = []
        self.plan: list[Window] = []
        # One array that grows by doubling: a small array kept from every batch, between the large ones that a model
        # allocates and frees, would pin the heap and let it grow with the file (measured: 0.9 MB a batch).
        self._vectors = np.empty((64, card.dim), np.float32)
        self._count = 0

    def feed(self, block: np.ndarray) -> None:
        if not (self._first_only and self.plan):
            self._take(self._cutter.feed(block))

    def finish(self) -> None:
        if not (self._first_only and self.plan):
            self._take(self._cutter.finish())
        self._encode()

    def _take(self, windows: Iterable[tuple[Window, np.ndarray]]) -> None:
        for window, samples in windows:
            self.plan.append(window)
            self._waiting.append(samples)
            if len(self._waiting) == self._batch_size:
                self._encode()
            if self._first_only:
                return

    def _encode(self) -> None:
        if not self._waiting:
            return
        batch = torch.from_numpy(np.stack(self._waiting))
        self._waiting.clear()
        with self._lock, torch.inference_mode():
            begun = time.perf_counter()
            pooled = self.model(batch.to(_device(self.model))).pooled.float().cpu().numpy()
            self.seconds += time.perf_counter() - begun
        if pooled.shape != (len(batch), self.model.card.dim):
            expected = (len(batch), self.model.card.dim)
            raise ModelError(f"{self.model.card.name}: returned {pooled.shape} where its card promises {expected}")
        if self._count + len(pooled) > len(self._vectors):
            grown = np.empty((2 * len(self._vectors) + len(pooled), self._vectors.shape[1]), np.float32)
            grown[: self._count] = self._vectors[: self._count]
            self._vectors = grown
        self._vectors[self._count : self._count + len(pooled)] = pooled
        self._count += len(pooled)

    @property
    def vectors(self) -> np.ndarray:
        return self._vectors[: self._count].copy()


def embed_file(
    path: str | Path,
    models: Sequence[AudioEncoder],
    *,
    decoder: Decoder,
    batch_size: int = 8,
    lock: threading.Lock | None = None,
) -> list[FileEmbedding]:
    """Embed one file with several models from a single decode.

    Args:
        path: the audio file.
        models: encoders with their cards, in eval mode, on any device.
        decoder: the child process to decode in.
        batch_size: windows per call of a model.
        lock: held around every call of a model, where several threads share the models.

    Returns:
        One `FileEmbedding` a model, in the order of `models`.

    Raises:
        AudioError: the file cannot be used; `reason` says why.
        ModelError: a model does not return what its card promises, or not a finite number.
    """
    if batch_size < 1:
        raise ValueError(f"a batch size of {batch_size}")
    lock = lock or threading.Lock()
    lanes = [_Lane(model, batch_size, lock) for model in models]
    if not lanes:
        return []
    peak, waited = 0.0, 0.0
    begun = time.perf_counter()
    decoded = decoder.stream(path, [lane.rate for lane in lanes])
    try:
        for blocks in decoded:
            waited += time.perf_counter() - begun
            peak = max(peak, *(float(np.abs(block).max(initial=0.0)) for block in blocks.values()))
            for lane in lanes:
                lane.feed(blocks[lane.rate])
            begun = time.perf_counter()
        waited += time.perf_counter() - begun
        for lane in lanes:
            lane.finish()
    finally:
        decoded.close()
    info = decoded.info
    common = {flag for flag in decoded.flags if flag != "from-start"} | {f"decoder:{info.decoder}"}
    if peak < SILENCE:
        common.add("silent")
    duration = decoded.samples / info.sample_rate
    return [_result(str(path), lane, duration, common, Timing(decoded.seconds, waited, lane.seconds)) for lane in lanes]


def _result(path: str, lane: _Lane, duration: float, common: set[str], timing: Timing) -> FileEmbedding:
    card = lane.model.card
    if not lane.plan:  # fewer samples than one at the model's rate
        raise AudioError(path, "no-audio", f"{duration * 1000:.3g} ms is less than a sample at {lane.rate} Hz")
    windows = lane.vectors
    if not np.isfinite(windows).all():
        raise ModelError(f"{card.name}: gave NaN or infinity for {path}; the model or its weights are at fault")
    starts = np.array([window.start for window in lane.plan]) / lane.rate
    valid = np.array([window.valid for window in lane.plan]) / lane.rate
    short = {"shorter-than-a-window"} if lane.plan[0].valid < lane.window else set()
    return FileEmbedding(
        path=path,
        card=card,
        vector=pool(windows, valid, card.pooling),
        windows=windows,
        starts=starts,
        valid=valid,
        duration=duration,
        flags=tuple(sorted(common | short)),
        timing=timing,
    )


def _device(model: AudioEncoder) -> torch.device:
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")


@overload
def embed(  # type: ignore[overload-overlap]  # a str is a sequence of str as well
    paths: str | Path, model: str | AudioEncoder = ..., *, batch_size: int = ..., workers: int = ...
) -> FileEmbedding: ...


@overload
def embed(
    paths: Sequence[str | Path], model: str | AudioEncoder = ..., *, batch_size: int = ..., workers: int = ...
) -> list[FileEmbedding | AudioError]: ...


def embed(
    paths: str | Path | Sequence[str | Path],
    model: str | AudioEncoder = "ohrwurm-text",
    *,
    batch_size: int = 8,
    workers: int = 1,
) -> FileEmbedding | list[FileEmbedding | AudioError]:
    """Embed one audio file, or many.

    Args:
        paths: a file, or a sequence of files.
        model: a name or folder that `ohrwurm.load` knows, or a loaded encoder.
        batch_size: windows per call of the model.
        workers: decoding processes; the model runs in this process whatever their number.

    Returns:
        For one file its `FileEmbedding`. For many a list in their order, in which a file that could not be used is
        represented by its `AudioError`: one bad file does not cost the others.

    Raises:
        AudioError: a single file could not be used.
        ModelError: the model is unknown or broken.

    >>> import soundfile, tempfile
    >>> file = tempfile.mkdtemp() + "/noise.wav"
    >>> soundfile.write(file, np.random.default_rng(0).uniform(-0.5, 0.5, 32000), 16000)
    >>> result = embed(file, "mel-statistics")
    >>> result.duration, bool(abs(np.linalg.norm(result.vector) - 1) < 1e-6)
    (2.0, True)
    """
    if workers < 1:
        raise ValueError(f"{workers} workers")
    if isinstance(model, AudioEncoder):
        encoder = model
    else:
        from ohrwurm.models.registry import load

        encoder = load(model)
    if isinstance(paths, (str, Path)):
        with Decoder() as decoder:
            return embed_file(paths, [encoder], decoder=decoder, batch_size=batch_size)[0]
    return _embed_many(list(paths), encoder, batch_size, workers)


def _embed_many(
    paths: list[str | Path], model: AudioEncoder, batch_size: int, workers: int
) -> list[FileEmbedding | AudioError]:
    lock = threading.Lock()
    own = threading.local()
    decoders: list[Decoder] = []

    def one(path: str | Path) -> FileEmbedding | AudioError:
        if not hasattr(own, "decoder"):
            own.decoder = Decoder()
            decoders.append(own.decoder)
        try:
            return embed_file(path, [model], decoder=own.decoder, batch_size=batch_size, lock=lock)[0]
        except AudioError as error:
            return error

    try:
        with ThreadPoolExecutor(min(workers, max(1, len(paths))), "ohrwurm-embed") as threads:
            return list(threads.map(one, paths))
    finally:
        for decoder in decoders:
            decoder.close()
