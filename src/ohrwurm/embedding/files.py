"""One file → vectors: one decode, every model's sample rate, the windows in batches, one vector a model.

The vectors of a file depend on the file and the model's card alone: windows are never batched with those of another
file, so worker count, order and neighbours change nothing. On a CPU every window is a call of its own, so that the
batch size changes nothing either, not one bit. There that is mostly the faster way (CPU time against batches of eight,
one thread: 0.33 for ohrwurm-versions, 0.46 for mel-statistics, 0.92 for ohrwurm-text, 0.98 for TTMR; only windows below
three seconds pay for it: 1.14 for samplecnn, 1.11 for tune-plus). On an accelerator another batch size may change the
last bits. Memory is constant in the length of a file, unless its frames are wanted: blocks come one at a
time from a child process (`ohrwurm.audio.isolation`) that waits for the model. Measured peaks for 3 hours of 44.1 kHz
stereo: 323 MB here (292 MB for 3 minutes, most of it torch itself) and 34 MB in the child.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from ohrwurm.audio.isolation import Decoder
from ohrwurm.audio.windows import Cutter, Protocol, Window, pool
from ohrwurm.embedding.frames import Stitcher
from ohrwurm.embedding.protocol import pooling, under, windowing
from ohrwurm.embedding.rows import Rows
from ohrwurm.errors import AudioError, CardError, ModelError, OhrwurmError
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
        card: of the model, with the protocol that the windows follow.
        vector: float32 `(dim,)`, pooled over the windows as the card says; of length 1, unless a paper pools by "mean".
        windows: float32 `(windows, dim)`, as the model returned them.
        starts, valid: `(windows,)` seconds from the start of the file; seconds of audio, not padding, in the window.
        duration: seconds of audio decoded.
        flags: some of ``shorter-than-a-window``, ``silent``, ``truncated`` (ends before its header says),
            ``damaged`` (parts could not be decoded), ``decoder:soundfile``, ``decoder:av`` or ``decoder:numpy``.
        timing: for benchmarks; not part of equality.
        frames: float32 `(T, size)`, where they were asked for: those of the whole file, stitched from its windows
            (`ohrwurm.embedding.frames.Stitcher` says how).
        frame_times: `(T,)` seconds from the start of the file at which each frame begins.
        frame_rate: frames a second.
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
    frames: np.ndarray | None = None
    frame_times: np.ndarray | None = None
    frame_rate: float | None = None

    @property
    def provenance(self) -> str:
        """Identity of the model, weights, front-end and windows; only vectors that share it may be compared."""
        return self.card.provenance


class _Lane:
    """One model's way through one file: cutter, batch, vectors."""

    def __init__(
        self, model: AudioEncoder, card: ModelCard, batch_size: int, lock: threading.Lock, frames: bool
    ) -> None:
        self.model = model
        self.card = card
        self.rate = card.sample_rate
        self.seconds = 0.0
        self.windowing = windowing(card)
        self.plan: list[Window] = []
        self.vectors = Rows()
        self.stitcher = Stitcher(card.sample_rate, card.frame_rate) if frames else None
        self._device = _device(model)
        self._batch_size = 1 if self._device.type == "cpu" else batch_size
        self._lock = lock
        self._cutter: Cutter | None = None
        self._first_only = pooling(card) == "first"
        self._waiting: list[tuple[Window, np.ndarray]] = []

    def begin(self, samples: int | None) -> None:
        self._cutter = Cutter(self.windowing, samples)

    def feed(self, block: np.ndarray) -> None:
        assert self._cutter is not None
        if not (self._first_only and self.plan):
            self._take(self._cutter.feed(block))

    def finish(self) -> None:
        assert self._cutter is not None
        if not (self._first_only and self.plan):
            self._take(self._cutter.finish())
        self._encode()

    def _take(self, windows: Iterable[tuple[Window, np.ndarray]]) -> None:
        for window, samples in windows:
            if self._waiting and len(samples) != len(self._waiting[0][1]):
                self._encode()
            self.plan.append(window)
            self._waiting.append((window, samples))
            if len(self._waiting) == self._batch_size:
                self._encode()
            if self._first_only:
                return

    def _encode(self) -> None:
        if not self._waiting:
            return
        windows, self._waiting = self._waiting, []
        # Stacked by torch: its memory is aligned, and kernels may sum differently where it is not.
        batch = torch.stack([torch.from_numpy(samples) for _, samples in windows])
        with self._lock, torch.inference_mode():
            begun = time.perf_counter()
            encoded = self.model(batch.to(self._device))
            pooled = encoded.pooled.float().cpu().numpy()
            frames = None
            if self.stitcher is not None and encoded.frames is not None:
                frames = encoded.frames.float().cpu().numpy()
            self.seconds += time.perf_counter() - begun
        if pooled.shape != (len(batch), self.card.dim):
            expected = (len(batch), self.card.dim)
            raise CardError(f"{self.card.name}: returned {pooled.shape} where its card promises {expected}")
        self.vectors.add(pooled)
        if self.stitcher is None:
            return
        if frames is None or frames.ndim != 3:
            raise CardError(f"{self.card.name}: gives vectors of windows only. Ask for them, without frames.")
        for (window, samples), of_window in zip(windows, frames, strict=True):
            self.stitcher.add(window, len(samples), of_window)

    def result(self, path: str, duration: float, common: set[str], decode: float, waited: float) -> FileEmbedding:
        if not self.plan:
            if duration * self.rate < 1:
                detail = f"{duration * 1000:.3g} ms is less than a sample at {self.rate} Hz"
                raise AudioError(path, "no-audio", detail)
            least = self.windowing.shortest if self.windowing.place == "whole" else self.windowing.window
            detail = f"{duration:.3g} s of audio; {self.card.name} as published takes no less than"
            raise AudioError(path, "too-short", f"{detail} {least / self.rate:.3g} s")
        vectors = self.vectors.array
        frames, times = (None, None) if self.stitcher is None else self.stitcher.finish()
        if not np.isfinite(vectors).all() or (frames is not None and not np.isfinite(frames).all()):
            raise ModelError(
                f"{self.card.name}: gave NaN or infinity for {path}; the model or its weights are at fault"
            )
        valid = np.array([window.valid for window in self.plan]) / self.rate
        # Papers average their windows, whatever is padding in the last one.
        weights = np.ones_like(valid) if self.card.protocol == "published" else valid
        least = self.windowing.shortest if self.windowing.place == "whole" else self.windowing.window
        short = {"shorter-than-a-window"} if self.plan[0].valid < least else set()
        return FileEmbedding(
            path=path,
            card=self.card,
            vector=pool(vectors, weights, pooling(self.card)),
            windows=vectors,
            starts=np.array([window.start for window in self.plan]) / self.rate,
            valid=valid,
            duration=duration,
            flags=tuple(sorted(common | short)),
            timing=Timing(decode, waited, self.seconds),
            frames=frames,
            frame_times=times,
            frame_rate=None if self.stitcher is None else self.stitcher.frame_rate,
        )


def embed_file(
    path: str | Path,
    models: Sequence[AudioEncoder],
    *,
    decoder: Decoder,
    batch_size: int = 8,
    lock: threading.Lock | None = None,
    protocol: Protocol | None = None,
    frames: bool = False,
    native: int | None = None,
) -> list[FileEmbedding]:
    """Embed one file with several models from a single decode.

    Args:
        path: the audio file.
        models: encoders with their cards, in eval mode, on any device.
        decoder: the child process to decode in.
        batch_size: windows per call of a model on an accelerator; on a CPU it is always one.
        lock: held around every call of a model, where several threads share models that stand only one at a time
            (`shared_lock`).
        protocol: "published" for the paper's own windowing, "ohrwurm" for ours; by default what the card says, ours.
            A published windowing that needs to know the length of the file (centre, even) decodes it twice.
        frames: also give the frames of the whole file; memory then grows with it.
        native: the rate in Hz of a `.npy` file, which does not say it.

    Returns:
        One `FileEmbedding` a model, in the order of `models`.

    Raises:
        AudioError: the file cannot be used; `reason` says why.
        ModelError: a model gives not a finite number, or has no published windowing.
        CardError: a model does not return what its card promises, or has no frames.
    """
    if batch_size < 1:
        raise ValueError(f"a batch size of {batch_size}")
    lock = lock or threading.Lock()
    lanes = [_Lane(model, under(model.card, protocol), batch_size, lock, frames) for model in models]
    if not lanes:
        return []
    rates = [lane.rate for lane in lanes]
    decode = waited = peak = 0.0
    lengths: dict[int, int] = {}
    if any(lane.windowing.needs_length for lane in lanes):
        begun = time.perf_counter()
        with closing(decoder.stream(path, rates, native=native)) as counted:
            for blocks in counted:
                lengths = {rate: lengths.get(rate, 0) + len(block) for rate, block in blocks.items()}
        decode, waited = counted.seconds, time.perf_counter() - begun
    for lane in lanes:
        lane.begin(lengths.get(lane.rate, 0) if lane.windowing.needs_length else None)
    begun = time.perf_counter()
    with closing(decoder.stream(path, rates, native=native)) as decoded:
        for blocks in decoded:
            waited += time.perf_counter() - begun
            peak = max(peak, *(float(np.abs(block).max(initial=0.0)) for block in blocks.values()))
            for lane in lanes:
                lane.feed(blocks[lane.rate])
            begun = time.perf_counter()
        waited += time.perf_counter() - begun
        for lane in lanes:
            lane.finish()
    info = decoded.info
    common = {flag for flag in decoded.flags if flag != "from-start"} | {f"decoder:{info.decoder}"}
    if peak < SILENCE:
        common.add("silent")
    duration = decoded.samples / info.sample_rate
    return [lane.result(str(path), duration, common, decode + decoded.seconds, waited) for lane in lanes]


def try_file(
    path: str | Path,
    models: Sequence[AudioEncoder],
    *,
    decoder: Decoder,
    batch_size: int = 8,
    lock: threading.Lock | None = None,
    protocol: Protocol | None = None,
    frames: bool = False,
    native: int | None = None,
) -> list[FileEmbedding] | AudioError:
    """`embed_file` for one of many: what goes wrong with this file is returned, so that the others can be done.

    Raises:
        OhrwurmError: not about one file (a model does not keep its card's promise, no decoder starts).
    """
    try:
        return embed_file(
            path, models, decoder=decoder, batch_size=batch_size, lock=lock, protocol=protocol, frames=frames,
            native=native,
        )  # fmt: skip
    except Exception as error:
        return of_one_file(path, error)


def of_one_file(path: str | Path, error: Exception) -> AudioError:
    """What went wrong with one file of many, as its `AudioError`, so that the others can be done.

    Raises:
        OhrwurmError: `error`, if it is not about one file (a model does not keep its card's promise, no decoder
            starts).
    """
    if isinstance(error, AudioError):
        return error
    if isinstance(error, ModelError) and not isinstance(error, CardError):  # not a number; the other files may do
        return AudioError(path, "model", str(error))
    if isinstance(error, OhrwurmError):
        raise error
    if isinstance(error, torch.OutOfMemoryError):
        return AudioError(path, "memory", "the model ran out of memory on its device; a smaller batch size needs less")
    if isinstance(error, MemoryError):
        return AudioError(path, "memory", "not enough memory for the model")
    # A model that stumbles over one file must not cost the others.
    return AudioError(path, "model", f"{type(error).__name__}: {error}"[:500])


def shared_lock(model: AudioEncoder) -> threading.Lock | None:
    """What threads that share a model have to hold: on a CPU nothing, on an accelerator one lock for its memory."""
    return None if _device(model).type == "cpu" else threading.Lock()


def _device(model: AudioEncoder) -> torch.device:
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")
