"""Track of the collection → something a browser plays, from any byte on.

What browsers play is sent as it is. The rest (AIFF, WMA, ALAC, ...) is presented as a WAV of known length, and only the
samples behind the requested bytes are decoded: seeking into an hour of WMA costs as much as its first second.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np
from fastapi import HTTPException
from fastapi.responses import FileResponse, Response, StreamingResponse

from ohrwurm.collection.recordings import Recording, open_recording
from ohrwurm.collection.records import Track
from ohrwurm.errors import CollectionError
from ohrwurm.web.wav import LARGEST, VirtualWAV, byte_range

# (start of the container's name, codecs or () for any, media type): what Chromium, Firefox and Safari all play.
PLAYED = (
    ("WAV", ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT"), "audio/wav"),
    ("MP3", (), "audio/mpeg"),
    ("FLAC", (), "audio/flac"),
    ("OGG", ("VORBIS", "OPUS"), "audio/ogg"),
    ("mov", ("aac",), "audio/mp4"),
    ("matroska", ("opus", "vorbis"), "audio/webm"),
    ("aac", ("aac",), "audio/aac"),
)
Form = Literal["", "file", "wav"]


def media_type(container: str, codec: str) -> str | None:
    """The media type of a recording that browsers play, None for one that has to be decoded for them.

    >>> media_type("FLAC", "PCM_16"), media_type("mov,mp4,m4a", "aac"), media_type("mov,mp4,m4a", "alac")
    ('audio/flac', 'audio/mp4', None)
    """
    for start, codecs, kind in PLAYED:
        if container.startswith(start) and (not codecs or codec in codecs):
            return kind
    return None


def audio_response(track: Track, request: Mapping[str, str], form: Form = "") -> Response:
    """The answer to a request for the audio of `track`.

    Args:
        request: the request's headers, of which Range and If-Range matter (names in lower case).
        form: ``file`` for the file itself, ``wav`` for a WAV of it, empty for whichever browsers play.

    Raises:
        AudioError: the file is gone or cannot be read.
        HTTPException: 409, it was changed since; 416, a range outside it; 413, too long for a WAV.
    """
    try:
        recording = open_recording(track)
    except CollectionError as error:
        raise HTTPException(409, str(error)) from error
    kind = media_type(recording.info.format, recording.info.codec)
    if form == "file" or (form == "" and kind is not None):
        return FileResponse(track.path, media_type=kind or "application/octet-stream", headers=_headers(track, "file"))
    return _wav_response(track, recording, request)


def _wav_response(track: Track, recording: Recording, request: Mapping[str, str]) -> Response:
    channels = 2 if recording.info.channels == 2 else 1

    def read(first: int, stop: int) -> Iterator[np.ndarray]:
        for block in recording.blocks(first, stop):
            yield block if block.shape[0] == channels else block.mean(0, keepdims=True)

    wav = VirtualWAV(recording.frames, channels, recording.info.sample_rate, read)
    if wav.size > LARGEST:
        raise HTTPException(413, f"{track.path} is too long to be played as WAV. Convert it to FLAC or Opus first.")
    headers = {**_headers(track, "wav"), "Accept-Ranges": "bytes"}
    current = request.get("if-range", headers["ETag"]) == headers["ETag"]
    try:
        wanted = byte_range(request.get("range", ""), wav.size) if current else None
    except ValueError as error:
        raise HTTPException(416, str(error), {"Content-Range": f"bytes */{wav.size}"}) from error
    start, stop = wanted or (0, wav.size)
    if wanted:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{wav.size}"
    headers["Content-Length"] = str(stop - start)
    return StreamingResponse(wav.content(start, stop), 206 if wanted else 200, headers, "audio/wav")


def _headers(track: Track, form: str) -> dict[str, str]:
    return {"ETag": f'"{track.content}-{form}"', "Cache-Control": "private, no-cache"}
