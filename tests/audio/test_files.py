"""One loader, every format: segments are exact, damage has a defined outcome."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import correlate

from ohrwurm.audio import decoders
from ohrwurm.audio.decoders import AvReader, open_reader
from ohrwurm.audio.files import StreamResampler, load, probe, resample, stream
from ohrwurm.errors import AudioError


@dataclass(frozen=True)
class Case:
    """A format, and how well a decode must resemble the signal: residual energy over signal energy."""

    file: str
    rate: int
    channels: int
    decoder: str
    residual: float
    make: dict[str, Any] = field(default_factory=dict)
    seconds: float = 14.0

    def __str__(self) -> str:
        return self.file


def av_case(file: str, rate: int, channels: int, codec: str, residual: float, decoder: str = "av", **make: Any) -> Case:
    seconds = make.pop("seconds", 14.0)
    return Case(file, rate, channels, decoder, residual, {"codec": codec, **make}, seconds)


def sf_case(file: str, rate: int, channels: int, format: str, subtype: str, residual: float) -> Case:
    return Case(file, rate, channels, "soundfile", residual, {"format": format, "subtype": subtype})


CASES = [
    sf_case("8bit.wav", 8000, 1, "WAV", "PCM_U8", 1e-2),
    sf_case("16bit.wav", 44100, 2, "WAV", "PCM_16", 1e-6),
    sf_case("24bit.wav", 96000, 1, "WAV", "PCM_24", 1e-10),
    sf_case("32bit.wav", 192000, 1, "WAV", "PCM_32", 1e-12),
    sf_case("float.wav", 48000, 6, "WAV", "FLOAT", 0),
    sf_case("double.wav", 11025, 8, "WAVEX", "DOUBLE", 1e-12),
    sf_case("16bit.aiff", 22050, 2, "AIFF", "PCM_16", 1e-6),
    sf_case("16bit.flac", 44100, 2, "FLAC", "PCM_16", 1e-6),
    sf_case("24bit.flac", 48000, 8, "FLAC", "PCM_24", 1e-10),
    sf_case("vorbis.ogg", 44100, 2, "OGG", "VORBIS", 0.02),
    sf_case("vorbis6.ogg", 48000, 6, "OGG", "VORBIS", 0.02),
    av_case("vbr.mp3", 44100, 2, "libmp3lame", 0.02, "soundfile", options={"q": "4"}),
    av_case(
        "vbr-without-header.mp3", 44100, 1, "libmp3lame", 9, "soundfile",
        options={"q": "4"}, container_options={"write_xing": "0"},
    ),
    av_case("32kbit.mp3", 44100, 2, "libmp3lame", 0.05, "soundfile", bit_rate=32000),
    av_case("16kbit.mp3", 22050, 1, "libmp3lame", 0.1, "soundfile", bit_rate=16000),
    av_case("opus.opus", 48000, 2, "libopus", 0.02, "soundfile", container="ogg", bit_rate=96000),
    av_case("aac.m4a", 44100, 2, "aac", 0.05, bit_rate=96000),
    av_case("long-aac.m4a", 22050, 1, "aac", 0.05, bit_rate=48000, seconds=130),
    av_case("aac6.m4a", 48000, 6, "aac", 0.05, bit_rate=256000),
    av_case("alac.m4a", 44100, 2, "alac", 1e-8),
    av_case("video.mp4", 44100, 1, "aac", 0.05, video=True, bit_rate=64000),
    av_case("video.mkv", 48000, 2, "ac3", 0.05, video=True, bit_rate=192000),
    av_case("wma.wma", 44100, 2, "wmav2", 0.05, container="asf", bit_rate=96000),
    av_case("low.wma", 22050, 1, "wmav2", 0.1, container="asf", bit_rate=24000),
    av_case("opus.webm", 48000, 2, "libopus", 0.02, bit_rate=96000),
    av_case("vorbis.webm", 44100, 2, "vorbis", 0.2, options={"strict": "experimental"}),
    av_case("flac.mkv", 44100, 2, "flac", 1e-6),
    av_case("raw.aac", 44100, 2, "aac", 9, container="adts", bit_rate=96000),
]  # fmt: skip
# These encoders write no priming length: a decode starts late by their delay, as in every player.
DELAYED = {"vbr-without-header.mp3", "raw.aac", "wma.wma", "low.wma", "vorbis.webm", "video.mkv"}


@pytest.fixture(scope="module")
def gallery(tmp_path_factory, make_notes, encode):
    """Makes the file of a case once."""
    folder = tmp_path_factory.mktemp("gallery")

    def get(case: Case) -> tuple[Path, np.ndarray]:
        path = folder / case.file
        signal = make_notes(case.seconds, case.rate, case.channels)
        if not path.exists():
            if "codec" in case.make:
                encode(path, signal, case.rate, **case.make)
            else:
                soundfile.write(path, signal.T, case.rate, **case.make)
        return path, signal

    return get


@pytest.fixture(params=CASES, ids=str, scope="module")
def case(request):
    return request.param


def test_decodes_what_was_encoded(case, gallery):
    path, signal = gallery(case)
    decoded, rate = load(path, mono=False)
    assert rate == case.rate
    assert decoded.dtype == np.float32
    assert len(decoded) == case.channels
    assert abs(decoded.shape[1] - signal.shape[1]) <= 4096
    if case.file not in DELAYED:  # any shift of a sample or more is far above these limits
        length = min(decoded.shape[1], signal.shape[1])
        assert length > signal.shape[1] - 1100
        error = np.square(decoded[:, :length] - signal[:, :length]).sum(1) / np.square(signal).sum(1)
        if case.channels == 6 and case.residual > 1e-3:
            error = np.sort(error)[:-1]  # lossy codecs keep only the lowest tones of the sixth channel, the bass
        assert (error <= case.residual).all()
    else:
        power = correlate(decoded[0], signal[0, 4100:44100], mode="valid", method="fft")
        lag = int(np.argmax(power)) - 4100
        assert abs(lag) < 4100
        matched = decoded[0, 4100 + lag : 44100 + lag]
        assert np.corrcoef(matched, signal[0, 4100:44100])[0, 1] > 0.9


def test_segment_is_the_same_slice_of_a_full_decode(case, gallery):
    path, _ = gallery(case)
    full, rate = load(path, mono=False)
    samples = full.shape[1]
    length = rate // 4
    rng = np.random.default_rng(0)
    starts = [1, rate - 1, rate + 1, *rng.integers(0, samples - length, 6), samples - length, samples - 5]
    if case.seconds > 60:  # around a fresh decoder
        starts += [60 * rate - 7, 60 * rate, 60 * rate + rate // 2]
    for start in map(int, starts):
        segment, _ = load(path, mono=False, start=start / rate, duration=length / rate)
        expected = full[:, start : start + length]
        assert segment.shape == expected.shape
        np.testing.assert_allclose(segment, expected, atol=2e-7, err_msg=f"start {start}")
    beyond, _ = load(path, start=samples / rate + 1, duration=1)
    assert beyond.shape == (0,)


def test_blocks_add_up_to_the_full_decode(case, gallery):
    path, _ = gallery(case)
    full, _ = load(path, mono=False)
    blocks = list(stream(path, block=1000))
    assert max(block.shape[1] for block in blocks) <= (4096 if path.suffix == ".flac" else 1000)
    np.testing.assert_array_equal(np.concatenate(blocks, 1), full)


def test_probe_knows_the_file(case, gallery):
    path, _ = gallery(case)
    info = probe(path)
    full, _ = load(path, mono=False)
    assert (info.sample_rate, info.channels, info.decoder) == (case.rate, case.channels, case.decoder)
    assert info.duration is not None
    assert info.duration == pytest.approx(case.seconds, abs=1.0)
    if info.exact:
        assert info.samples == full.shape[1]


SEEKING = [c for c in CASES if c.file not in ("vorbis.webm", "raw.aac")]


@pytest.mark.parametrize("case", SEEKING, ids=str)
def test_segment_does_not_decode_the_whole_file(case, gallery, monkeypatch):
    path, _ = gallery(case)
    decoded = 0
    read, convert = soundfile.SoundFile.read, decoders._float

    def counting_read(self, *args, **kwargs):
        nonlocal decoded
        result = read(self, *args, **kwargs)
        decoded += len(result)
        return result

    def counting_convert(frame, channels):
        nonlocal decoded
        decoded += frame.samples
        return convert(frame, channels)

    monkeypatch.setattr(soundfile.SoundFile, "read", counting_read)
    monkeypatch.setattr(decoders, "_float", counting_convert)
    start = case.seconds - 2
    noisy = case.decoder == "av" and probe(path).codec in decoders.NOISY
    load(path, start=start, duration=0.5)
    # Matroska goes back to a cluster, up to 5 s; a codec with a noise generator to the start of a minute.
    limit = start % 60 + 3 if noisy else 9 if path.suffix in (".mkv", ".webm") else 3
    assert decoded / case.rate < limit


def test_mono_is_the_mean_of_channels(gallery):
    path, _ = gallery(next(c for c in CASES if c.channels == 8))
    both, _ = load(path, mono=False)
    mono, _ = load(path)
    np.testing.assert_array_equal(mono, both.mean(0))


def test_load_resamples(gallery):
    path, signal = gallery(CASES[1])
    loaded, rate = load(path, sample_rate=16000, start=1.0, duration=2.0)
    assert rate == 16000
    assert loaded.shape == (32000,)
    np.testing.assert_allclose(loaded, resample(signal[:, 44100:132300].mean(0), 44100, 16000), atol=1e-4)


RESAMPLINGS = [(44100, 16000), (8000, 22050), (7, 7)]


@given(st.lists(st.integers(1, 9000), min_size=1, max_size=12), st.sampled_from(RESAMPLINGS))
@settings(max_examples=30, deadline=None)
def test_streaming_resampler_does_not_depend_on_blocks(sizes, rates):
    x = np.random.default_rng(1).uniform(-0.5, 0.5, sum(sizes)).astype(np.float32)
    pieces = StreamResampler(*rates)
    out = [pieces.feed(block) for block in np.split(x, np.cumsum(sizes)[:-1])]
    out.append(pieces.finish())
    whole = StreamResampler(*rates)
    expected = np.concatenate([whole.feed(x), whole.finish()])
    np.testing.assert_array_equal(np.concatenate(out), expected)
    assert len(expected) == pytest.approx(len(x) * rates[1] / rates[0], abs=1)
    np.testing.assert_allclose(expected, resample(x, *rates)[: len(expected)], atol=1e-6)


# What can be wrong with a file.


def reason(path: Path) -> str:
    with pytest.raises(AudioError) as caught:
        load(path)
    assert caught.value.path == str(path)
    assert str(path) in str(caught.value)
    return caught.value.reason


def test_files_that_are_no_audio_say_why(tmp_path, encode):
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.mp3").write_text("not music\n" * 300)
    (tmp_path / "noise.flac").write_bytes(np.random.default_rng(0).bytes(5000))
    (tmp_path / "folder.wav").mkdir()
    soundfile.write(tmp_path / "header.wav", np.zeros(0), 16000)
    with av.open(str(tmp_path / "silent-film.mp4"), "w") as output:
        film = output.add_stream("mpeg4", rate=25)
        film.width, film.height, film.pix_fmt = 32, 32, "yuv420p"
        output.mux(film.encode(av.VideoFrame(32, 32, "yuv420p")))
        output.mux(film.encode(None))
    found = {path.name: reason(path) for path in sorted(tmp_path.iterdir())}
    assert found == {
        "empty.wav": "empty",
        "folder.wav": "unreadable",
        "header.wav": "no-audio",
        "noise.flac": "unreadable",
        "silent-film.mp4": "no-audio",
        "text.mp3": "unreadable",
    }
    assert reason(tmp_path / "nowhere.wav") == "missing"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    assert reason(tmp_path / "pipe.wav") == "unreadable"


def test_a_playlist_cannot_name_other_files(tmp_path):
    soundfile.write(tmp_path / "secret.wav", np.zeros(16000), 16000)
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.wav\n#EXT-X-ENDLIST\n")
    (tmp_path / "list.ffconcat").write_text("ffconcat version 1.0\nfile secret.wav\n")
    assert reason(tmp_path / "list.m3u8") == "unreadable"
    assert reason(tmp_path / "list.ffconcat") == "unreadable"


@pytest.mark.parametrize("name", ["16bit.flac", "vbr.mp3", "aac.m4a", "opus.webm", "wma.wma", "vorbis.ogg"])
@pytest.mark.parametrize("extension", ["wav", "mp3", "txt"])
def test_content_decides_not_the_extension(name, extension, gallery, tmp_path):
    path, _ = gallery(next(c for c in CASES if c.file == name))
    misnamed = tmp_path / f"misnamed.{extension}"
    misnamed.write_bytes(path.read_bytes())
    np.testing.assert_array_equal(load(misnamed, duration=2)[0], load(path, duration=2)[0])


@pytest.mark.parametrize("name", ["a:b.m4a", "50%d.m4a", "ümläut ♫.m4a", "-x.m4a"])
def test_unusual_names_open_with_both_decoders(name, gallery, tmp_path):
    path, _ = gallery(next(c for c in CASES if c.file == "aac.m4a"))
    (tmp_path / name).write_bytes(path.read_bytes())
    assert probe(tmp_path / name).decoder == "av"
    soundfile.write(tmp_path / "wav", np.zeros(100), 8000, format="WAV")
    (tmp_path / name).write_bytes((tmp_path / "wav").read_bytes())
    assert probe(tmp_path / name).samples == 100


TRUNCATED = ["16bit.wav", "16bit.aiff", "16bit.flac", "vorbis.ogg", "opus.opus", "vbr.mp3", "wma.wma", "opus.webm"]


@pytest.mark.parametrize("name", TRUNCATED)
def test_truncated_file_gives_what_is_there(name, gallery, tmp_path):
    path, _ = gallery(next(c for c in CASES if c.file == name))
    data = path.read_bytes()
    cut = tmp_path / path.name
    cut.write_bytes(data[: len(data) * 6 // 10])
    full, rate = load(path, mono=False)
    reader = open_reader(cut)
    decoded = np.concatenate(list(reader.blocks(65536, 0, None)), 1)
    assert 0.45 * full.shape[1] < decoded.shape[1] < 0.75 * full.shape[1]
    same = decoded.shape[1] - rate // 2  # the last packet may be half
    np.testing.assert_allclose(np.clip(decoded[:, :same], -1, 1), full[:, :same], atol=1e-6)
    assert "truncated" in reader.flags
    segment, _ = load(cut, mono=False, start=5.0, duration=0.5)
    np.testing.assert_allclose(segment, full[:, 5 * rate : 5 * rate + rate // 2], atol=1e-6)


def test_intact_files_are_not_called_truncated(case, gallery):
    path, _ = gallery(case)
    reader = open_reader(path)
    for _ in reader.blocks(65536, 0, None):
        pass
    assert reader.flags == set()


def test_streamed_wav_of_unknown_length_is_not_truncated(tmp_path):
    path = tmp_path / "streamed.wav"
    soundfile.write(path, np.zeros(16000), 16000, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    reader = open_reader(path)
    assert sum(block.shape[1] for block in reader.blocks(65536, 0, None)) == 16000
    assert "truncated" not in reader.flags


def test_damage_in_the_middle_does_not_lose_the_rest(gallery, tmp_path):
    path, _ = gallery(next(c for c in CASES if c.file == "aac.m4a"))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = np.random.default_rng(0).bytes(400)
    (tmp_path / "damaged.m4a").write_bytes(data)
    full, rate = load(path)
    damaged, _ = load(tmp_path / "damaged.m4a")
    assert len(damaged) >= len(full) - 4 * 1024
    assert np.abs(damaged).max() <= 1
    np.testing.assert_array_equal(damaged[: 4 * rate], full[: 4 * rate])


def test_not_a_number_becomes_silence_and_overs_are_clipped(tmp_path):
    samples = np.array([0.5, np.nan, np.inf, -np.inf, 3.0, -3.0, -0.25], np.float32)
    soundfile.write(tmp_path / "nan.wav", samples, 16000, subtype="FLOAT")
    loaded, _ = load(tmp_path / "nan.wav")
    np.testing.assert_array_equal(loaded, np.array([0.5, 0, 0, 0, 1, -1, -0.25], np.float32))


@pytest.mark.parametrize("format", ["WAV", "FLAC", "OGG"])
def test_one_sample_and_silence_load(format, tmp_path):
    path = tmp_path / "one"
    soundfile.write(path, np.array([0.5]), 44100, format=format)
    assert load(path)[0].shape == (1,)
    soundfile.write(path, np.zeros(44100), 44100, format=format)
    assert np.abs(load(path)[0]).max() == 0


def test_absurd_header_is_refused(tmp_path):
    path = tmp_path / "rate.wav"
    soundfile.write(path, np.zeros(100), 16000, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    data[24:28] = (7).to_bytes(4, "little")
    path.write_bytes(data)
    assert reason(path) == "unreadable"


@pytest.mark.parametrize("name", ["16bit.wav", "16bit.flac", "16bit.aiff", "vbr.mp3"])
def test_fallback_decoder_agrees_with_the_first(name, gallery):
    path, _ = gallery(next(c for c in CASES if c.file == name))
    full, rate = load(path, mono=False)
    fallback = AvReader(path)
    np.testing.assert_allclose(np.concatenate(list(fallback.blocks(65536, 0, None)), 1), full, atol=1e-4)
    segment = np.concatenate(list(fallback.blocks(1000, 5 * rate, 6 * rate)), 1)
    np.testing.assert_allclose(segment, full[:, 5 * rate : 6 * rate], atol=1e-4)


def test_negative_segment_is_an_error(gallery):
    path, _ = gallery(CASES[0])
    with pytest.raises(ValueError, match="seconds from 0"):
        load(path, start=-1)
