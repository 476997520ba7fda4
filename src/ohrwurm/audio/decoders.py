"""The two decoders behind `ohrwurm.audio.files`, soundfile and PyAV, made alike and exact to the sample.

A decoder opens by content, never by extension. A segment must be the same slice of samples that a full decode
holds, which neither library promises by itself. Measured on libsndfile 1.2.2 and FFmpeg 8:

* lossy frames need the frames before them (MP3 bit reservoir, Vorbis and Opus overlap): without pre-roll a seek of
  soundfile is wrong by up to 0.7 of full scale in MP3 below 64 kbit/s and in Vorbis. We go back one second.
* FFmpeg reports time stamps in milliseconds in WebM and ASF. They are snapped to the codec's frame grid; a container
  or codec without such a grid (Vorbis in WebM, raw AAC) is decoded from its start up to the end of the segment.
* AAC, AC-3 and WMA fill noisy bands from a generator whose state depends on all frames since the decoder was opened. We
  open a fresh decoder every `STRETCH` seconds, in full decodes too, so that every read hears the same noise.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from ohrwurm.errors import AudioError

if TYPE_CHECKING:
    import av.container

PREROLL = 1.0  # seconds decoded and thrown away before a segment
STRETCH = 60  # seconds between fresh decoders for codecs with a noise generator
MARGIN = 0.5  # seconds that may be missing at the end: containers round, and count priming or not
RATES = (1_000, 768_000)  # Hz; anything else in a header is damage, not audio
MAX_CHANNELS = 64

# FFmpeg also reads playlists and scripts that name other files or hosts. A file is one file: only these may open.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,asf,asf_o,mp3,aac,flac,ogg,wav,w64,aiff,caf,au,avi,flv,mpegts,mpeg,"
    "ac3,eac3,dts,dtshd,truehd,ape,wv,tta,tak,mpc,mpc8,dsf,iff,amr,oma,rm,shn,loas,latm"
)
SEEKABLE = ("mov", "matroska", "asf")  # containers of FFmpeg whose seeking can be checked against time stamps
# Samples between possible frame starts, 0 = the size of the stream's own frames (constant in these codecs).
GRID = {
    "aac": 0,
    "alac": 0,
    "flac": 0,
    "wmav1": 0,
    "wmav2": 0,
    "opus": 120,
    "mp3": 0,
    "mp3float": 0,
    "ac3": 0,
    "eac3": 0,
}
NOISY = ("aac", "ac3", "eac3", "wmav1", "wmav2")
LOSSLESS = ("alac", "flac")


@dataclass(frozen=True)
class AudioInfo:
    """What is known of a file before it is decoded.

    Attributes:
        path: the file.
        sample_rate, channels: of the audio stream, in Hz.
        samples: samples per channel, None where the file does not say.
        duration: seconds, None where the file does not say.
        format, codec: of the container and of the stream, in the decoder's words (``WAV``, ``PCM_16``).
        decoder: the library that reads it.
        exact: `samples` is the count that a decode of the intact file gives, not an estimate.
    """

    path: str
    sample_rate: int
    channels: int
    samples: int | None
    duration: float | None
    format: str
    codec: str
    decoder: Literal["soundfile", "av", "numpy"]
    exact: bool


class Reader(Protocol):
    """An opened file. `flags` is complete when `blocks` is exhausted: ``truncated``, ``damaged``, ``from-start``."""

    info: AudioInfo
    flags: set[str]

    def blocks(self, block: int, start: int, stop: int | None) -> Iterator[np.ndarray]:
        """Float32 `(channels, n)` pieces of samples `start` to `stop` at the native rate, n near `block`."""
        ...


def open_reader(path: str | Path) -> Reader:
    """Open `path` with soundfile, or with PyAV where soundfile refuses.

    Raises:
        AudioError: ``missing``, ``unreadable``, ``empty`` or ``no-audio``.
    """
    path = Path(path)
    try:
        if not path.is_file():  # a pipe or a device would block for ever
            reason = "unreadable" if path.exists() else "missing"
            raise AudioError(path, reason, "not a regular file" if reason == "unreadable" else "no such file")
        if path.stat().st_size == 0:
            raise AudioError(path, "empty", "0 bytes")
        with open(path, "rb"):
            pass
    except OSError as error:
        raise AudioError(path, "unreadable", error.strerror or str(error)) from error
    try:
        return SoundFileReader(path)
    except _Refused:
        return AvReader(path)


class _Refused(Exception):
    """soundfile does not know this format."""


class SoundFileReader:
    """WAV, FLAC, AIFF, MP3, OGG Vorbis, Opus and the other formats of libsndfile."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.flags: set[str] = set()
        with self._open() as file:
            declared = file.frames if 0 <= file.frames < 2**62 else None
            exact = declared is not None and (file.format != "MP3" or _mp3_states_length(path))
            self.info = _checked(
                AudioInfo(
                    str(path),
                    file.samplerate,
                    file.channels,
                    declared,
                    None if declared is None else declared / file.samplerate,
                    file.format,
                    file.subtype,
                    "soundfile",
                    exact,
                )
            )
            self._lossy = file.format in ("MP3", "OGG")
            cut = re.search(r"\b(?:data|SSND)\s*:\s*(\d+) \(should be (\d+)\)", file.extra_info)
            # A streamed WAV states "unknown" as a length near 2^31 or 2^32: that is not a cut file.
            if cut and int(cut[2]) < int(cut[1]) < 0x7FFF0000:
                self.flags.add("truncated")
        if self.info.format == "OGG" and not _ogg_is_complete(path):
            self.flags.add("truncated")

    @contextmanager
    def _open(self) -> Iterator[Any]:
        import soundfile

        class Forward(soundfile.SoundFile):
            """Read without the seek to its own position that soundfile makes after every read of a seekable file:
            in MP3 below 64 kbit/s that seek loses the bit reservoir and damages the next frames."""

            def seekable(self) -> bool:
                return False

        # A descriptor instead of a name: libsndfile must look at the content, not at the extension.
        with open(self.path, "rb", buffering=0) as raw:
            try:
                file = Forward(raw.fileno(), closefd=False)
            except soundfile.LibsndfileError as error:
                raise _Refused(error.error_string) from error
            with file:
                yield file

    def blocks(self, block: int, start: int, stop: int | None) -> Iterator[np.ndarray]:
        import soundfile

        info = self.info
        skip = min(start, round(PREROLL * info.sample_rate)) if self._lossy else 0
        # libsndfile drops the whole read in which a cut FLAC ends: small reads lose less.
        piece = 4096 if info.format == "FLAC" else block
        with self._open() as file:
            position = start - skip
            if position:
                if info.samples is not None and info.exact and position >= info.samples:
                    return
                try:
                    file.seek(position)
                except soundfile.LibsndfileError:  # a cut FLAC cannot be searched: walk there
                    self.flags.add("from-start")
                    position, skip = -1, start
            if position >= 0:
                yield from self._read(file, piece, position, skip, stop)
                return
        with self._open() as file:  # a failed seek leaves no usable state
            yield from self._read(file, piece, 0, skip, stop)

    def _read(self, file: Any, piece: int, position: int, skip: int, stop: int | None) -> Iterator[np.ndarray]:
        import soundfile

        while stop is None or position < stop:
            wanted = piece if stop is None else min(piece, stop - position)
            try:
                read = file.read(wanted, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError:
                self.flags.add("truncated")
                return
            position += len(read)
            kept = read[skip:]
            skip -= len(read) - len(kept)
            if len(kept):
                yield np.ascontiguousarray(kept.T)
            if len(read) < wanted:
                if self.info.exact and position < (self.info.samples or 0):
                    self.flags.add("truncated")
                return


class AvReader:
    """M4A (AAC, ALAC), WMA, MP4, WebM and whatever else FFmpeg reads; also what soundfile refuses."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.flags: set[str] = set()
        with self._open() as container:
            stream = container.streams.audio[0]
            context = stream.codec_context
            rate, codec = context.sample_rate, context.codec.canonical_name
            seconds = None
            if stream.duration is not None and stream.time_base:
                seconds = float(stream.duration * stream.time_base)
            elif container.duration is not None:
                seconds = container.duration / 1_000_000
            fine = stream.time_base is not None and stream.time_base * rate <= 1
            self.info = _checked(
                AudioInfo(
                    str(path),
                    rate,
                    context.layout.nb_channels,
                    None if seconds is None else round(seconds * rate),
                    seconds,
                    container.format.name,
                    codec,
                    "av",
                    seconds is not None and fine and (codec in LOSSLESS or codec.startswith("pcm_")),
                )
            )
        self._seekable = self.info.format.startswith(SEEKABLE) and (codec in GRID or codec.startswith("pcm_"))

    def _open(self) -> av.container.InputContainer:
        import av

        try:
            options = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
            container = av.open(f"file:{self.path}", "r", options=options, metadata_errors="replace")
        except MemoryError:
            raise
        except (av.FFmpegError, OSError, ValueError) as error:
            raise AudioError(self.path, "unreadable", f"no decoder knows it: {error}") from error
        for stream in container.streams.audio:
            if stream.codec_context is not None:
                stream.codec_context.thread_count = 1
        if not container.streams.audio:
            container.close()
            raise AudioError(self.path, "no-audio", f"{container.format.name} without an audio stream")
        if container.streams.audio[0].codec_context is None:
            container.close()
            raise AudioError(self.path, "unreadable", "its audio codec is not known here")
        return container

    def blocks(self, block: int, start: int, stop: int | None) -> Iterator[np.ndarray]:
        for piece in self._spans(start, stop):
            for first in range(0, piece.shape[1], block):
                yield piece[:, first : first + block]

    def _spans(self, start: int, stop: int | None) -> Iterator[np.ndarray]:
        """Samples `start` to `stop`, from a fresh decoder at every stretch where the codec makes noise."""
        if not self._seekable:
            yield from self._run(0, start, stop, stop)
            return
        if self.info.codec not in NOISY:
            yield from self._run(start, start, stop, stop)
            return
        length = STRETCH * self.info.sample_rate
        while stop is None or start < stop:
            origin = start - start % length
            end = origin + length if stop is None else min(origin + length, stop)
            produced = 0
            for piece in self._run(origin, start, end, stop):
                produced += piece.shape[1]
                yield piece
            start += produced
            if start != end:  # the file ended, or one decoder went through to `stop`
                return

    def _run(self, origin: int, start: int, stop: int | None, fallback_stop: int | None) -> Iterator[np.ndarray]:
        """Samples `start` to `stop` from one decoder, which starts to listen before `origin`.

        Where it cannot start there, from one that starts at the beginning and then goes on to `fallback_stop`.
        """
        with self._open() as container:
            position, frames = self._sought(container, origin)
            if position is None:
                self.flags.add("from-start")
                container.close()
                yield from self._run(0, start, fallback_stop, fallback_stop)
                return
            for frame in frames:
                if frame.shape[1] == 0:
                    continue
                left = max(0, start - position)
                right = frame.shape[1] if stop is None else min(frame.shape[1], stop - position)
                position += frame.shape[1]
                if left < right:
                    yield frame[:, left:right]
                if stop is not None and position >= stop:
                    return
            if self._seekable and position < (self.info.samples or 0) - round(MARGIN * self.info.sample_rate):
                self.flags.add("truncated")

    def _sought(self, container: av.container.InputContainer, origin: int) -> tuple[int | None, Iterator[np.ndarray]]:
        """The index of the first sample of the frames that follow a seek to before `origin`, and the frames.

        None where the time stamps do not tell the index beyond doubt.
        """
        rate = self.info.sample_rate
        frames = self._frames(container)
        if origin <= round(PREROLL * rate):
            return 0, (array for array, _ in frames)
        stream = container.streams.audio[0]
        tick = float(stream.time_base or 1) * rate  # samples per unit of a time stamp
        opening = [frame for frame, _ in zip(frames, range(3), strict=False)]
        if len(opening) < 3 or opening[0][1] is None:
            return None, iter(())
        zero = opening[0][1]
        grid = GRID.get(self.info.codec, 0) or opening[1][0].shape[1]
        offset = opening[0][0].shape[1] % grid
        try:
            seconds = origin / rate - PREROLL
            container.seek(zero + int(seconds * rate / tick), stream=stream, backward=True)
        except OSError:
            return None, iter(())
        landed = []
        frames = self._frames(container)
        for frame in frames:
            landed.append(frame)
            if len(landed) == 12:
                break
        counts = np.cumsum([0] + [array.shape[1] for array, _ in landed])
        # Each stamped frame votes for the index of the first one.
        votes = [(pts - zero) * tick - at for (_, pts), at in zip(landed, counts, strict=False) if pts is not None]
        if not votes:
            return None, iter(())
        first = float(np.median(votes))
        if tick > 1:
            spread = 1.5 * tick
            first = offset + round((first - offset) / grid) * grid
            sure = abs(first - float(np.median(votes))) < 0.45 * grid
        else:
            spread, sure = 0.6, True
            first = round(first)
        sure = sure and max(votes) - min(votes) <= spread and 0 <= first <= origin
        rest = (array for array, _ in _chain(landed, frames))
        return (int(first), rest) if sure else (None, iter(()))

    def _frames(self, container: av.container.InputContainer) -> Iterator[tuple[np.ndarray, int | None]]:
        """Decoded frames as float32 `(channels, n)` with their time stamps; damaged packets are passed over."""
        import av

        stream = container.streams.audio[0]
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except MemoryError:
                raise
            except (av.FFmpegError, OSError):
                self.flags.add("truncated")
                return
            try:
                frames = packet.decode()
            except MemoryError:
                raise
            except (av.FFmpegError, OSError):
                self.flags.add("damaged")
                continue
            for frame in frames:
                if frame.sample_rate != self.info.sample_rate:
                    detail = f"its sample rate changes from {self.info.sample_rate} to {frame.sample_rate} Hz"
                    raise AudioError(self.path, "unreadable", detail)
                yield _float(frame, self.info.channels), frame.pts


def _chain(first: list[Any], rest: Iterator[Any]) -> Iterator[Any]:
    yield from first
    yield from rest


def _float(frame: Any, channels: int) -> np.ndarray:
    """A frame of FFmpeg as float32 `(channels, n)` in [-1, 1]."""
    array = frame.to_ndarray()
    present = frame.layout.nb_channels
    if not frame.format.is_planar:
        array = array.reshape(-1, present).T
    if array.dtype == np.uint8:
        array = (array.astype(np.float32) - 128) / 128
    elif array.dtype.kind == "i":
        array = array.astype(np.float32) / float(2 ** (8 * array.dtype.itemsize - 1))
    else:
        array = array.astype(np.float32, copy=False)
    if present != channels:  # a stream that changes its layout half way: its mono sum on every channel
        array = np.repeat(array.mean(0, keepdims=True), channels, 0)
    return np.ascontiguousarray(array)


def _checked(info: AudioInfo) -> AudioInfo:
    if not RATES[0] <= info.sample_rate <= RATES[1]:
        raise AudioError(info.path, "unreadable", f"a sample rate of {info.sample_rate} Hz")
    if not 1 <= info.channels <= MAX_CHANNELS:
        raise AudioError(info.path, "unreadable", f"{info.channels} channels")
    return info


def _mp3_states_length(path: Path) -> bool:
    """Whether the first MP3 frame is a Xing, Info or VBRI header; without one the length is an estimate."""
    with open(path, "rb") as file:
        head = file.read(10)
        if head[:3] == b"ID3":  # ID3v2: a 28-bit size in four bytes of seven bits
            file.seek(10 + sum((byte & 0x7F) << 7 * (3 - i) for i, byte in enumerate(head[6:10])))
        else:
            file.seek(0)
        body = file.read(4096)
    return any(mark in body for mark in (b"Xing", b"Info", b"VBRI"))


def _ogg_is_complete(path: Path) -> bool:
    """Whether the last page of an OGG file carries the end-of-stream mark."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 70_000))  # a page holds at most 65,307 bytes
        tail = file.read()
    last = tail.rfind(b"OggS")
    return 0 <= last < len(tail) - 5 and bool(tail[last + 5] & 4)
