"""One recording → the form in which a published preparation keeps it (`AudioForm`).

Samples of 16 bits are the waveform times 32768, rounded and clipped: a mono file of 16 bits at its own rate comes out
bit by bit as it went in. Arrays are float32.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ohrwurm.audio.files import load, probe
from ohrwurm.audio.isolation import Decoder
from ohrwurm.data.benchmarks.base import AudioForm
from ohrwurm.data.recordings import whole_array
from ohrwurm.data.tracks import Track
from ohrwurm.errors import AudioError, DataError

FULL_SCALE = 32768


@dataclass(frozen=True)
class Cut:
    """A part of a file, in seconds; the whole file where `duration` is None."""

    offset: float = 0.0
    duration: float | None = None

    @classmethod
    def of(cls, track: Track) -> Cut:
        """What a track is of its file: where it has the annotation `clip_duration`, so much from `clip_offset` on.

        >>> Cut.of(Track("a-1", "a.mp3", annotations={"clip_offset": 30.0, "clip_duration": 30.0}))
        Cut(offset=30.0, duration=30.0)
        >>> Cut.of(Track("a", "a.mp3"))
        Cut(offset=0.0, duration=None)

        Raises:
            DataError: not seconds from 0 on.
        """
        duration = track.annotations.get("clip_duration", "")
        if duration == "":
            return cls()
        try:
            cut = cls(float(track.annotations.get("clip_offset") or 0.0), float(duration))
        except (TypeError, ValueError):
            cut = cls(-1.0)
        if cut.offset < 0 or not cut.duration or cut.duration < 0:
            raise DataError(f"track {track.track_id!r}: clip_offset and clip_duration are not seconds from 0 on")
        return cut


def convert(track: Track, form: AudioForm, target: Path, decoder: Decoder) -> int:
    """Write a track's audio to `target` in `form`; returns the samples of one channel.

    Raises:
        AudioError: it is missing, cannot be decoded, or there is nothing of it within its cut.
    """
    if not Path(track.path).is_file():
        raise AudioError(track.path, "missing")
    rate = form.sample_rate or native_rate(track)
    cut = Cut.of(track)
    begin = round(cut.offset * rate)
    end = None if cut.duration is None else begin + round(cut.duration * rate)
    blocks = _within(_blocks(track, form, rate, decoder), begin, end)
    if form.format == "npy":
        found = [np.asarray(block, np.float32) for block in blocks]
        audio = np.concatenate(found) if found else np.zeros(0, np.float32)
        samples = len(audio)
        if samples:
            with open(target, "wb") as out:  # np.save would add an ending to a temporary name
                np.save(out, np.ascontiguousarray(audio.T))  # (samples,) or (channels, samples)
    else:
        samples = _write(target, blocks, rate, form.format)
    if not samples:
        raise AudioError(track.path, "too-short" if begin else "empty")
    return samples


def native_rate(track: Track) -> int:
    """The rate of a track's file.

    Raises:
        AudioError: it does not say.
    """
    if not track.path.endswith(".npy"):
        return probe(track.path).sample_rate
    rate = track.annotations.get("sample_rate")
    if not rate:
        raise AudioError(track.path, "unreadable", "a .npy file needs its rate in the manifest's sample_rate")
    return int(rate)


def _blocks(track: Track, form: AudioForm, rate: int, decoder: Decoder) -> Iterator[np.ndarray]:
    """`(n,)` or `(n, channels)` one after the other."""
    if track.path.endswith(".npy"):
        yield whole_array(track, rate)
    elif form.mono:
        for block in decoder.stream(track.path, [rate]):
            yield block[rate]
    else:
        yield load(track.path, sample_rate=rate, mono=False)[0].T


def _within(blocks: Iterable[np.ndarray], begin: int, end: int | None) -> Iterator[np.ndarray]:
    """What lies from sample `begin` on and before `end`; what comes after it is not asked for."""
    at = 0
    for block in blocks:
        piece = block[max(0, begin - at) : None if end is None else max(0, end - at)]
        at += len(block)
        if len(piece):
            yield piece
        if end is not None and at >= end:
            return


def _write(target: Path, blocks: Iterator[np.ndarray], rate: int, container: str) -> int:
    import soundfile

    first = next(blocks, None)
    if first is None:
        return 0
    channels = 1 if first.ndim == 1 else first.shape[1]
    with soundfile.SoundFile(target, "w", rate, channels, "PCM_16", format=container.upper()) as out:
        out.write(_sixteen_bits(first))
        for block in blocks:
            out.write(_sixteen_bits(block))
        return int(out.frames)


def _sixteen_bits(x: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(x * np.float32(FULL_SCALE)), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
