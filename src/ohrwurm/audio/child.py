"""The child of `ohrwurm.audio.isolation`: decodes the files that its parent names, until its stdin ends.

A request is one line of JSON. The answers are messages of a five-byte header (kind, size) and a body: JSON, or for
blocks one array of float32 after another, each behind its count. Never imports torch: it must start fast and be small.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import signal
import struct
import sys
import time
from typing import IO, Any

import numpy as np

from ohrwurm.audio.arrays import SUFFIX, ArrayReader
from ohrwurm.audio.files import BLOCK, StreamResampler, open_reader, sanitized
from ohrwurm.errors import AudioError

HEADER = struct.Struct("<cI")  # kind of message, number of bytes (or of arrays, for blocks)
COUNT = struct.Struct("<Q")
READY, INFO, ARRAYS, END, ERROR = b"R", b"I", b"A", b"E", b"X"


def serve() -> None:
    """Answer requests until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    _limit("RLIMIT_AS", int(os.environ.get("OHRWURM_DECODER_MEMORY", "0")))
    _limit("RLIMIT_CORE", 0)
    # What libraries print goes to the file of errors, never into the messages.
    output = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    _send(output, READY)
    for line in sys.stdin.buffer:
        with contextlib.suppress(OSError):
            os.ftruncate(2, 0)
            os.lseek(2, 0, os.SEEK_SET)
        request = json.loads(line)
        # A parent that was killed cannot end a child that hangs; this does.
        _limit("RLIMIT_CPU", math.ceil(time.process_time() + request.pop("wall_seconds")) + 5)
        try:
            _decode(output, **request)
        except AudioError as error:
            _send(output, ERROR, {"reason": error.reason, "detail": error.detail})
        except MemoryError:
            detail = "the decoder asked for more memory than its limit"
            _send(output, ERROR, {"reason": "memory", "detail": detail})
        except BrokenPipeError:
            return


def _decode(
    output: IO[bytes], path: str, rates: list[int], block_seconds: float, max_seconds: float, native: int | None
) -> None:
    begun = time.process_time()
    reader = ArrayReader(path, native) if path.endswith(SUFFIX) else open_reader(path)
    info = reader.info
    if info.duration is not None and info.duration > max_seconds:
        raise _too_long(path, info.duration, max_seconds)
    _send(output, INFO, dataclasses.asdict(info))
    resamplers = [StreamResampler(info.sample_rate, rate) for rate in rates]
    waiting: list[list[np.ndarray]] = [[] for _ in rates]
    samples = sent = 0
    for piece in reader.blocks(BLOCK, 0, None):
        mono = sanitized(piece).mean(0)
        samples += len(mono)
        if samples > max_seconds * info.sample_rate:
            raise _too_long(path, samples / info.sample_rate, max_seconds)
        for queue, resampler in zip(waiting, resamplers, strict=True):
            queue.append(resampler.feed(mono))
        if samples - sent >= block_seconds * info.sample_rate:
            _send_arrays(output, waiting)
            sent = samples
    if samples == 0:
        raise AudioError(path, "no-audio", "a header without samples")
    for queue, resampler in zip(waiting, resamplers, strict=True):
        queue.append(resampler.finish())
    _send_arrays(output, waiting)
    report = {
        "flags": sorted(reader.flags),
        "samples": samples,
        "seconds": time.process_time() - begun,
        "peak_bytes": _peak_bytes(),
    }
    _send(output, END, report)


def _too_long(path: str, seconds: float, limit: float) -> AudioError:
    return AudioError(path, "too-long", f"{seconds / 3600:.1f} hours or more, the limit is {limit / 3600:g}")


def _send(output: IO[bytes], kind: bytes, payload: dict[str, Any] | None = None) -> None:
    data = b"" if payload is None else json.dumps(payload).encode()
    _write(output, HEADER.pack(kind, len(data)) + data)


def _send_arrays(output: IO[bytes], waiting: list[list[np.ndarray]]) -> None:
    _write(output, HEADER.pack(ARRAYS, len(waiting)))
    for queue in waiting:
        array = np.concatenate(queue).astype(np.float32, copy=False)
        queue.clear()
        _write(output, COUNT.pack(len(array)))
        _write(output, array.view(np.uint8).data)


def _write(output: IO[bytes], data: bytes | memoryview) -> None:
    view = memoryview(data)
    while len(view):
        view = view[output.write(view) :]


def _limit(name: str, value: int) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    kind = getattr(resource, name, None)
    if kind is None or (name == "RLIMIT_AS" and value <= 0):
        return
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(kind, (value, hard))


def _peak_bytes() -> int:
    """The most memory that this process has held, 0 where the system does not tell."""
    with contextlib.suppress(OSError, StopIteration):  # Linux: ru_maxrss would include the parent's memory at the fork
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            return 1024 * next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
