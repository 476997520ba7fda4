"""A decoder that crashes, hangs or eats memory costs one file; long files cost no memory."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ohrwurm.audio import files
from ohrwurm.audio.isolation import Decoder, Limits
from ohrwurm.errors import AudioError, OhrwurmError

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and resource limits")

# A child whose decoder misbehaves on files named after the misbehaviour, in the middle of the file.
BROKEN = """
import ctypes, os, sys, time
from ohrwurm.audio import child, decoders

def blocks(self, block, start, stop):
    name = os.path.basename(str(self.path))
    for index, piece in enumerate(original(self, block, start, stop)):
        yield piece
        if index == 1 and name.startswith("crash"):
            ctypes.string_at(0)
        if index == 1 and name.startswith("exit"):
            print("the codec gave up", file=sys.stderr)
            os._exit(3)
        if index == 1 and name.startswith("hang"):
            time.sleep(600)
        if index == 1 and name.startswith("killed"):
            os.kill(os.getpid(), 9)
        if name.startswith("memory"):
            kept.append(bytearray(100_000_000))
        if name.startswith("chatty"):
            print("noise on stdout " * 100)

kept = []
original = decoders.SoundFileReader.blocks
decoders.SoundFileReader.blocks = blocks
child.serve()
"""


@pytest.fixture
def music(tmp_path, make_notes):
    def write(name: str, seconds: float = 20.0, rate: int = 22050) -> Path:
        soundfile.write(tmp_path / name, make_notes(seconds, rate, 2).T, rate)
        return tmp_path / name

    return write


def read(decoder: Decoder, path: Path, rates=(16000,), block_seconds: float = 10.0) -> dict[int, np.ndarray]:
    blocks = list(decoder.stream(path, rates, block_seconds))
    return {rate: np.concatenate([block[rate] for block in blocks]) for rate in rates}


@pytest.mark.parametrize("block_seconds", [0.01, 3.0, 100.0])
def test_equals_decoding_here_at_every_rate(music, block_seconds):
    path = music("a.flac", seconds=8)
    with Decoder() as decoder:
        decoded = decoder.stream(path, (22050, 16000, 44100), block_seconds)
        assert decoded.info == files.probe(path)
        blocks = list(decoded)
    assert decoded.samples == 8 * 22050
    assert decoded.flags == ()
    for rate in (22050, 16000, 44100):
        found = np.concatenate([block[rate] for block in blocks])
        expected, _ = files.load(path, sample_rate=rate)
        assert found.dtype == np.float32
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_child_starts_fast_and_without_torch():
    code = "import sys, ohrwurm.audio.child; print([m for m in ('torch','librosa','scipy') if m in sys.modules])"
    before = os.times()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    after = os.times()
    assert done.stdout.strip() == "[]"
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    assert spent < 1  # CPU seconds: the same on a machine under load


def test_one_child_serves_many_files(music):
    paths = [music(f"{i}.wav", seconds=1) for i in range(5)]
    with Decoder() as decoder:
        for path in paths:
            read(decoder, path)
        assert decoder.starts == 1


def test_unusable_files_cost_neither_the_child_nor_the_next(music, tmp_path):
    good = music("good.wav", seconds=1)
    (tmp_path / "empty.mp3").write_bytes(b"")
    (tmp_path / "text.mp3").write_text("words " * 500)
    soundfile.write(tmp_path / "header.wav", np.zeros(0), 16000)
    expected = {"empty.mp3": "empty", "text.mp3": "unreadable", "header.wav": "no-audio", "none.wav": "missing"}
    with Decoder() as decoder:
        for name, reason in expected.items():
            with pytest.raises(AudioError) as caught:
                read(decoder, tmp_path / name)
            assert (caught.value.reason, caught.value.path) == (reason, str(tmp_path / name))
            assert len(read(decoder, good)[16000]) == 16000
        assert decoder.starts == 1


@posix
@pytest.mark.parametrize(
    ("name", "reason", "detail"),
    [
        ("crash.wav", "crashed", "SIGSEGV"),
        ("exit.wav", "crashed", "status 3: the codec gave up"),
        ("hang.wav", "timeout", "limit"),
        ("killed.wav", "memory", "killed"),
        ("memory.wav", "memory", "limit"),
    ],
)
def test_broken_decoder_costs_one_file(name, reason, detail, music):
    good, bad = music("good.wav", seconds=2), music(name)
    limits = Limits(wall_seconds=5 if reason == "timeout" else 60, memory_bytes=2**29)
    with Decoder(limits, child=BROKEN) as decoder:
        assert len(read(decoder, good)[16000]) == 32000
        for _ in range(2):
            begun = time.monotonic()
            with pytest.raises(AudioError) as caught:
                read(decoder, bad, block_seconds=1)
            assert (caught.value.reason, caught.value.path) == (reason, str(bad))
            assert detail in caught.value.detail
            assert time.monotonic() - begun < 60  # not the ten minutes of the sleep
            assert len(read(decoder, good)[16000]) == 32000
        assert decoder.starts == 3


def test_what_a_library_prints_does_not_reach_the_messages(music):
    with Decoder(child=BROKEN) as decoder:
        assert len(read(decoder, music("chatty.wav", seconds=5))[16000]) == 5 * 16000


def test_time_of_the_reader_does_not_count(music):
    with Decoder(Limits(wall_seconds=3.0)) as decoder:
        total = 0
        for block in decoder.stream(music("slow.wav", seconds=60), (44100,), block_seconds=5):
            time.sleep(0.3)
            total += len(block[44100])
    assert total == 60 * 44100


def test_too_long_by_header_and_by_what_comes_out(music, tmp_path):
    long = music("long.wav", seconds=20)
    streamed = tmp_path / "streamed.mp3"  # without a header its length is an estimate
    soundfile.write(streamed, np.zeros(30 * 16000), 16000, format="MP3")
    with Decoder(Limits(max_seconds=10)) as decoder:
        for path in (long, streamed):
            with pytest.raises(AudioError) as caught:
                read(decoder, path)
            assert caught.value.reason == "too-long"
        assert decoder.starts == 1


def test_lying_header_cannot_hide_length(music):
    """The limit holds for samples that come out, whatever the header said."""
    lie = """
from ohrwurm.audio import child, decoders
import dataclasses
original = decoders.SoundFileReader.__init__
def init(self, path):
    original(self, path)
    self.info = dataclasses.replace(self.info, duration=1.0, samples=22050, exact=False)
decoders.SoundFileReader.__init__ = init
child.serve()
"""
    with Decoder(Limits(max_seconds=10), child=lie) as decoder:
        with pytest.raises(AudioError) as caught:
            read(decoder, music("long.wav", seconds=20))
    assert caught.value.reason == "too-long"


def test_abandoned_file_does_not_disturb_the_next(music):
    first, second = music("first.wav", seconds=30), music("second.wav", seconds=1)
    with Decoder() as decoder:
        next(decoder.stream(first, (44100,), block_seconds=1))
        assert len(read(decoder, second)[16000]) == 16000


def test_decoder_can_be_used_again_after_close(music):
    path = music("a.wav", seconds=1)
    decoder = Decoder()
    read(decoder, path)
    decoder.close()
    read(decoder, path)
    decoder.close()
    assert decoder.starts == 2


def test_child_that_cannot_start_is_not_blamed_on_the_file(music):
    with Decoder(child="raise ImportError('no libsndfile')") as decoder:
        with pytest.raises(OhrwurmError, match=r"does not start.*no libsndfile") as caught:
            decoder.stream(music("a.wav", seconds=1), (16000,))
    assert not isinstance(caught.value, AudioError)


@posix
def test_child_ends_when_its_parent_is_killed(music):
    path = music("a.wav", seconds=60)
    code = (
        "import time\nfrom ohrwurm.audio.isolation import Decoder\n"
        f"d = Decoder(); s = d.stream({str(path)!r}, (44100,), 1.0); next(s)\n"
        "print(d._child._process.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.kill(child, 0)
            state = Path(f"/proc/{child}/stat")
            if state.exists() and state.read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return  # ended; nobody has collected it yet
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("the child outlived its parent")


def test_ten_hours_in_constant_memory(tmp_path):
    """Ten hours of 8 kHz WAV in a sparse file: the child's own peak stays that of a short one (60 MB)."""
    path = tmp_path / "ten-hours.wav"
    size = 10 * 3600 * 8000 * 2
    header = struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16)
    with open(path, "wb") as file:
        file.write(b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + header + b"data" + struct.pack("<I", size))
        file.truncate(44 + size)
    with Decoder() as decoder:
        decoded = decoder.stream(path, (8000,))
        assert decoded.info.duration == 36000
        longest = total = 0
        for block in decoded:
            longest, total = max(longest, len(block[8000])), total + len(block[8000])
    assert total == 36000 * 8000
    assert longest < 20 * 8000
    if decoded.peak_bytes:
        assert decoded.peak_bytes < 100 * 2**20
