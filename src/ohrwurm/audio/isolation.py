"""Decoding of untrusted files in a child process, under limits of time, memory and length.

Decoders are large C libraries that meet whatever lies on a disk. Here one child process decodes file after file. It
imports numpy, soxr, soundfile and av, never torch, and is up in a fraction of a second. A file that crashes it, hangs
it or makes it eat memory costs that file only: the child is killed, `AudioError` says why, and the next file gets a
fresh child. One decode feeds all asked sample rates. The pipe holds the child back when the reader is slow, so memory
is constant in the length of a file: over ten hours of 8 kHz WAV the child held at most 39 MB, the reader no more than
for a short file.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np

from ohrwurm.audio.child import ARRAYS, COUNT, END, HEADER, INFO, READY
from ohrwurm.audio.files import BLOCK, AudioInfo
from ohrwurm.errors import AudioError, OhrwurmError

CHILD = "from ohrwurm.audio.child import serve; serve()"
Item = TypeVar("Item")
Found = TypeVar("Found")
START_SECONDS = 60  # for the child's imports, on a machine under load


@dataclass(frozen=True)
class Limits:
    """What one file may cost.

    Attributes:
        wall_seconds: how long its reader may have to wait for the decoder, summed over the file. Time in which the
            decoder waits for the reader does not count.
        memory_bytes: address space of the child (enforced where the system knows RLIMIT_AS: Linux).
        max_seconds: of audio, by the header or as it comes out of the decoder.
    """

    wall_seconds: float = 600.0
    memory_bytes: int = 4 * 2**30
    max_seconds: float = 12 * 3600.0


class Decoded:
    """A file while it is decoded: an iterator over blocks, each a dict from sample rate to mono float32 `(n,)`.

    Attributes:
        info: what the file says of itself, known before the first block.
        flags, samples, seconds, peak_bytes: known when the iterator is exhausted: ``truncated``, ``damaged`` or
            ``from-start``; samples per channel that came out at the native rate; CPU seconds that the child spent;
            the most memory the child has held so far.
    """

    def __init__(self, decoder: Decoder, path: str | Path, rates: Sequence[int], limit: int) -> None:
        self.flags: tuple[str, ...] = ()
        self.samples = 0
        self.seconds = 0.0
        self.peak_bytes = 0
        self._decoder = decoder
        self._path = path
        self._rates = rates
        self._limit = limit
        self._blocks = self._read()
        self.info: AudioInfo = next(self._blocks)

    def __iter__(self) -> Decoded:
        return self

    def __next__(self) -> dict[int, np.ndarray]:
        return next(self._blocks)

    def close(self) -> None:
        """Stop here; a child in the middle of a file is ended."""
        self._blocks.close()

    def _read(self) -> Generator[Any, None, None]:
        child = self._decoder._child
        assert child is not None
        waited = 0.0
        finished = False
        try:
            while True:
                begun = time.monotonic()
                kind, payload = child.receive(self._decoder.limits.wall_seconds - waited, self._limit)
                waited += time.monotonic() - begun
                if kind == INFO:
                    yield AudioInfo(**{**payload, "path": str(self._path)})
                elif kind == ARRAYS:
                    yield dict(zip(self._rates, payload, strict=True))
                elif kind == END:
                    self.flags = tuple(payload["flags"])
                    self.samples, self.seconds = payload["samples"], payload["seconds"]
                    self.peak_bytes = payload["peak_bytes"]
                    finished = True
                    return
                else:
                    # After running out of memory a process is not to be trusted with the next file.
                    finished = payload["reason"] != "memory"
                    raise AudioError(self._path, payload["reason"], payload["detail"])
        except _Died as died:
            raise AudioError(self._path, died.reason, died.detail) from None
        finally:
            if not finished:
                child.end()


class Decoder:
    """Decodes files in a child process, which starts with the first file and serves until `close`.

    One file at a time: a new `stream` ends one that is unfinished. Not to be shared by threads.

    >>> import soundfile, tempfile
    >>> file = tempfile.mkdtemp() + "/tone.wav"
    >>> soundfile.write(file, np.zeros((44100, 2)), 44100)
    >>> with Decoder() as decoder:
    ...     decoded = decoder.stream(file, rates=(16000, 22050))
    ...     blocks = list(decoded)
    >>> decoded.info.duration, [sum(len(b[r]) for b in blocks) for r in (16000, 22050)]
    (1.0, [16000, 22050])

    Args:
        limits: what one file may cost.
        child: the Python code of the child process; tests break the decoder here.
    """

    def __init__(self, limits: Limits | None = None, *, child: str = CHILD) -> None:
        self.limits = limits or Limits()
        self.starts = 0  # of child processes so far
        self._code = child
        self._child: _Child | None = None
        self._current: Decoded | None = None

    def __enter__(self) -> Decoder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the child process; the decoder may be used again and starts another."""
        if self._current is not None:
            self._current.close()
            self._current = None
        if self._child is not None:
            self._child.end()
            self._child = None

    def stream(
        self, path: str | Path, rates: Sequence[int], block_seconds: float = 10.0, native: int | None = None
    ) -> Decoded:
        """Decode `path` once, to mono at every rate of `rates` (Hz), in blocks of about `block_seconds`.

        Args:
            native: the rate of an array (`ohrwurm.audio.arrays`), which does not say it; None for audio files.

        Returns:
            An iterator over blocks that carries the file's `info`.

        Raises:
            AudioError: now or while iterating; ``timeout``, ``memory``, ``crashed`` and ``too-long`` besides the
                reasons of `ohrwurm.audio.files`.
            OhrwurmError: the child process does not start.
        """
        rates = tuple(dict.fromkeys(rates))
        if not rates or min(rates) < 1 or block_seconds <= 0:
            raise ValueError(f"cannot decode to rates {rates} in blocks of {block_seconds} s")
        if self._current is not None:
            self._current.close()
        request = {
            "path": os.path.abspath(path),
            "rates": rates,
            "block_seconds": block_seconds,
            "max_seconds": self.limits.max_seconds,
            "wall_seconds": self.limits.wall_seconds,
            "native": native,
        }
        if self._child is None or not self._child.request(request):
            self._child = _Child(self._code, self.limits.memory_bytes)
            self.starts += 1
            if not self._child.request(request):
                raise OhrwurmError("the decoding process ended as soon as it had started; try again")
        # A block holds what one piece of the decoder adds beyond `block_seconds`, and what a resampler held back.
        longest = int((block_seconds + BLOCK / 1000 + 10) * max(rates))
        self._current = Decoded(self, path, rates, longest)
        return self._current


def decoding(items: Sequence[Item], work: Callable[[Decoder, Item], Found], workers: int = 1) -> Iterator[Found]:
    """`work(decoder, item)` of all items, in their order, by `workers` threads with a decoder each.

    A few items at a time: memory stays small, and whoever stops reading stops the work.

    >>> import soundfile, tempfile
    >>> file = tempfile.mkdtemp() + "/tone.wav"
    >>> soundfile.write(file, np.zeros(8000), 8000)
    >>> list(decoding([8000, 4000], lambda decoder, rate: sum(len(b[rate]) for b in decoder.stream(file, [rate]))))
    [8000, 4000]
    """
    own = threading.local()
    decoders: list[Decoder] = []

    def one(item: Item) -> Found:
        if not hasattr(own, "decoder"):
            own.decoder = Decoder()
            decoders.append(own.decoder)
        return work(own.decoder, item)

    try:
        with ThreadPoolExecutor(workers) as pool:
            for first in range(0, len(items), 4 * workers):
                yield from pool.map(one, items[first : first + 4 * workers])
    finally:
        for decoder in decoders:
            decoder.close()


class _Died(Exception):
    def __init__(self, reason: str, detail: str) -> None:
        self.reason, self.detail = reason, detail


class _Child:
    """The process and its two pipes, seen from the parent."""

    def __init__(self, code: str, memory_bytes: int) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        package = str(Path(__file__).parents[2])
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        search = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
        # -P: a folder full of music must not offer modules to import.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", code],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, **threads, "PYTHONPATH": search, "OHRWURM_DECODER_MEMORY": str(memory_bytes)},
        )
        self._expired = False
        try:
            kind, _ = self.receive(START_SECONDS, 0)
        except _Died as died:
            raise OhrwurmError(f"the decoding process does not start: {died.detail}") from None
        assert kind == READY
        _enlarge(self._output)

    @property
    def _output(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    def request(self, request: dict[str, Any]) -> bool:
        """Ask for a file; False if the child is no more."""
        assert self._process.stdin is not None
        if self._process.poll() is not None or self._process.stdin.closed:
            return False
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
        except OSError:
            return False
        return True

    def receive(self, seconds: float, longest: int) -> tuple[bytes, Any]:
        """The next message. Raises `_Died` when the child dies, or has been killed because `seconds` were over."""
        watchdog = threading.Timer(max(seconds, 0.0), self._expire)
        watchdog.daemon = True
        watchdog.start()
        try:
            kind, size = HEADER.unpack(self._exactly(HEADER.size))
            if kind != ARRAYS:
                return kind, json.loads(self._exactly(size)) if size else None
            arrays = []
            for _ in range(size):
                (count,) = COUNT.unpack(self._exactly(COUNT.size))
                if count > longest:
                    raise _Died("crashed", f"the decoder announced a block of {count} samples")
                array = np.empty(count, np.float32)
                self._fill(array.view(np.uint8).data)
                arrays.append(array)
            return kind, arrays
        finally:
            watchdog.cancel()

    def _exactly(self, size: int) -> bytes:
        data = bytearray(size)
        self._fill(memoryview(data))
        return bytes(data)

    def _fill(self, view: memoryview) -> None:
        while len(view):
            read = self._output.readinto(view)  # type: ignore[attr-defined]
            if not read:
                raise self._death()
            view = view[read:]

    def _expire(self) -> None:
        self._expired = True
        self._process.kill()

    def _death(self) -> _Died:
        """Why the child died."""
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._errors.seek(0)
        said = self._errors.read(100_000).decode(errors="replace").strip()
        last = said.splitlines()[-1][:300] if said else ""
        if self._expired or code == -getattr(signal, "SIGXCPU", 0) != 0:
            return _Died("timeout", "the decoder took longer than its limit")
        if "MemoryError" in said or "bad_alloc" in said:
            return _Died("memory", "the decoder asked for more memory than its limit")
        if code == -getattr(signal, "SIGKILL", 0) != 0:
            return _Died("memory", "the decoder was killed, most likely because memory ran out")
        if code < 0:
            return _Died("crashed", f"the decoder died of {signal.Signals(-code).name}")
        return _Died("crashed", f"the decoder ended with status {code}" + (f": {last}" if last else ""))

    def end(self) -> None:
        """Kill the process and close the pipes; may be called again."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def _enlarge(pipe: IO[bytes]) -> None:
    """Let the child run about a block ahead of its reader, where the system can (Linux)."""
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 2**20)
