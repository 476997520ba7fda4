"""Which recordings browsers get as they are, which as WAV, and that the WAV is the recording."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from fastapi import HTTPException
from starlette.responses import FileResponse, StreamingResponse
from starlette.testclient import TestClient

from ohrwurm.audio.files import load
from ohrwurm.checksums import content_hash
from ohrwurm.collection.records import Track
from ohrwurm.web.playback import audio_response

RATE, SECONDS = 48000, 2.5


def written(path: Path, encoder: str, channels: int) -> Track:
    """A file of two tones made by soundfile (`encoder` is a subtype) or by an encoder of FFmpeg."""
    time = np.arange(int(RATE * SECONDS)) / RATE
    samples = np.stack([0.4 * np.sin(2 * np.pi * (300 + 200 * c) * time) for c in range(channels)])
    if encoder.isupper():
        soundfile.write(path, samples.T, RATE, subtype=encoder, format="OGG" if path.suffix == ".opus" else None)
    else:
        with av.open(str(path), "w") as container:
            stream = container.add_stream(encoder, rate=RATE, layout={1: "mono", 2: "stereo"}[channels])
            stream.bit_rate = 128_000
            frame = av.AudioFrame.from_ndarray(samples.astype(np.float32), "fltp", stream.layout.name)
            frame.rate = RATE
            resampler = av.AudioResampler(stream.format, stream.layout, RATE, stream.frame_size or None)
            for piece in [*resampler.resample(frame), *resampler.resample(None)]:
                container.mux(stream.encode(piece))
            container.mux(stream.encode(None))
    stat = path.stat()
    content = content_hash(path)
    return Track(str(path), content, "t", duration=SECONDS, size=stat.st_size, mtime_ns=stat.st_mtime_ns)


@pytest.mark.parametrize(
    "name, encoder, kind",
    [
        ("a.wav", "PCM_24", "audio/wav"),
        ("a.flac", "PCM_16", "audio/flac"),
        ("a.mp3", "MPEG_LAYER_III", "audio/mpeg"),
        ("a.ogg", "VORBIS", "audio/ogg"),
        ("a.opus", "OPUS", "audio/ogg"),
        ("a.m4a", "aac", "audio/mp4"),
        ("a.webm", "libopus", "audio/webm"),
    ],
)
def test_what_browsers_play_is_sent_as_it_is(tmp_path: Path, name: str, encoder: str, kind: str) -> None:
    response = audio_response(written(tmp_path / name, encoder, 2), {})
    assert isinstance(response, FileResponse)
    assert response.media_type == kind


@pytest.mark.parametrize(
    "name, encoder, channels",
    [
        ("a.aiff", "PCM_16", 2),
        ("a.aiff", "PCM_24", 6),
        ("a.wav", "IMA_ADPCM", 1),
        ("a.m4a", "alac", 2),
        ("a.wma", "wmav2", 2),
        ("a.mp4", "ac3", 2),
    ],
)
def test_the_rest_becomes_a_wav_of_the_same_sound(tmp_path: Path, name: str, encoder: str, channels: int) -> None:
    track = written(tmp_path / name, encoder, channels)
    response = audio_response(track, {})
    assert isinstance(response, StreamingResponse)
    whole = TestClient(response).get("/").content
    assert len(whole) == int(response.headers["content-length"])
    sound, rate = soundfile.read(io.BytesIO(whole), always_2d=True)
    expected, _ = load(track.path, mono=channels > 2)
    expected = np.atleast_2d(expected)
    assert rate == RATE
    assert sound.shape[1] == expected.shape[0]
    assert abs(len(sound) - SECONDS * RATE) < 0.1 * RATE
    common = min(len(sound), expected.shape[1])
    assert np.abs(sound[:common].T - expected[:, :common]).max() < 1e-4
    part = audio_response(track, {"range": "bytes=200001-200100"})
    assert TestClient(part).get("/").content == whole[200001:200101]


def test_a_recording_too_long_for_wav_is_refused_not_cut(tmp_path: Path) -> None:
    track = replace(written(tmp_path / "a.wma", "wmav2", 2), duration=30 * 3600.0)
    with pytest.raises(HTTPException, match="too long") as refused:
        audio_response(track, {})
    assert refused.value.status_code == 413
