"""Crops of recordings: the right samples from any format and place, the same from a pack, nothing lost to one file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from ohrwurm.audio.files import load
from ohrwurm.data.packs import Pack, pack
from ohrwurm.data.recordings import Files, open_recordings
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError


@pytest.fixture
def music(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Manifest:
    """Two rates, two formats, stereo and mono."""
    monkeypatch.setenv("OHRWURM_CACHE", str(tmp_path / "cache"))
    draw = np.random.default_rng(0)
    tracks = []
    for name, rate, channels in (("a.wav", 16000, 1), ("b.flac", 44100, 2), ("c.ogg", 22050, 2)):
        # Low-passed noise: what survives resampling and coding.
        noise = np.cumsum(draw.standard_normal((3 * rate, channels)), 0)
        noise -= np.array([np.convolve(noise[:, c], np.ones(2000) / 2000, "same") for c in range(channels)]).T
        soundfile.write(tmp_path / name, 0.3 * noise / np.abs(noise).max(), rate)
        tracks.append(Track(name, str(tmp_path / name), split="train" if name != "c.ogg" else "test", tags=("noise",)))
    return Manifest(tracks)


def test_crop_is_that_part_of_the_whole_file(music: Manifest) -> None:
    recordings = Files(music, 16000)
    for index, track in enumerate(music):
        whole, _ = load(track.path, sample_rate=16000)
        assert abs(len(whole) - recordings.lengths[index]) <= 1
        for start in (0, 777, 20000, len(whole) - 5000):
            crop = recordings.read(index, start, 5000)
            assert np.abs(crop - whole[start : start + 5000]).max() < 2e-3


def test_past_the_end_is_silence(music: Manifest) -> None:
    recordings = Files(music, 16000)
    crop = recordings.read(0, int(recordings.lengths[0]) - 100, 300)
    assert np.abs(crop[:100]).max() > 0
    assert not crop[100:].any()


def test_arrays_on_disk_are_recordings_too(music: Manifest, tmp_path: Path) -> None:
    x = np.random.default_rng(1).standard_normal((2, 4000)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    track = Track("x", str(tmp_path / "x.npy"), annotations={"sample_rate": 8000})
    found = Files(Manifest([track]), 8000).read(0, 100, 50)
    np.testing.assert_allclose(found, x.mean(0)[100:150], rtol=1e-6)
    with_none = Files(Manifest([Track("x", str(tmp_path / "x.npy"))]), 8000)
    assert with_none.failed[0][1] == "unreadable (a .npy file needs its rate in the manifest's sample_rate)"
    np.save(tmp_path / "16-bit.npy", np.array([-32768, 16384], np.int16))
    np.save(tmp_path / "turned.npy", np.zeros((4000, 2), np.float32))
    tracks = [Track(n, str(tmp_path / f"{n}.npy"), annotations={"sample_rate": 8000}) for n in ("16-bit", "turned")]
    recordings = Files(Manifest(tracks), 8000)
    assert recordings.read(0, 0, 3).tolist() == [-1.0, 0.5, 0.0]
    assert "(channels, samples)" in dict(recordings.failed)[str(tmp_path / "turned.npy")]


def test_files_that_cannot_be_read_are_left_out_and_named(music: Manifest, tmp_path: Path) -> None:
    (tmp_path / "broken.mp3").write_bytes(b"nothing" * 100)
    bad = [Track("gone", str(tmp_path / "gone.wav")), Track("broken", str(tmp_path / "broken.mp3"))]
    recordings = Files(Manifest([*music, *bad]), 16000)
    assert [t.track_id for t in recordings.tracks] == ["a.wav", "b.flac", "c.ogg"]
    assert dict(recordings.failed)[str(tmp_path / "gone.wav")] == "missing"
    Manifest(bad).write(tmp_path / "bad.csv")
    with pytest.raises(DataError, match=r"none of 2 can be read.*missing"):
        open_recordings(tmp_path / "bad.csv", 16000)
    music.write(tmp_path / "m.csv")
    with pytest.raises(DataError, match="no recording of split validation"):
        open_recordings(tmp_path / "m.csv", 16000, "validation")


def test_pack_holds_what_the_files_hold(music: Manifest, tmp_path: Path) -> None:
    made = pack(music, tmp_path / "packed", 16000, shard_hours=0.0005, workers=2)
    assert (made.tracks, made.new_shards, made.failed) == (3, 3, [])
    packed, files = Pack(tmp_path / "packed"), Files(music, 16000)
    assert [t.tags for t in packed.tracks] == [("noise",)] * 3
    for index in range(3):
        assert abs(packed.lengths[index] - files.lengths[index]) <= 1
        difference = packed.read(index, 9000, 8000) - files.read(index, 9000, 8000)
        assert np.abs(difference).max() < 2e-3
    assert [t.track_id for t in open_recordings(tmp_path / "packed", 16000, "test").tracks] == ["c.ogg"]
    assert pack(music, tmp_path / "packed", 16000, shard_hours=0.0005).new_shards == 0
    with pytest.raises(DataError, match="packed at 16000 Hz, 22050 Hz is needed"):
        open_recordings(tmp_path / "packed", 22050)
    with pytest.raises(DataError, match="other tracks, rate or shards"):
        pack(music.split("train"), tmp_path / "packed", 16000)


def test_cut_shard_is_noticed(music: Manifest, tmp_path: Path) -> None:
    pack(music, tmp_path / "packed", 16000)
    shard = tmp_path / "packed" / "shard-0000.pcm"
    shard.write_bytes(shard.read_bytes()[:-2])
    with pytest.raises(DataError, match=r"shard-0000\.pcm: missing or cut short"):
        Pack(tmp_path / "packed")


def test_killed_packing_goes_on(music: Manifest, tmp_path: Path) -> None:
    copies = [Track(f"{i}-{t.track_id}", t.path) for i in range(12) for t in music]
    Manifest(copies).write(tmp_path / "m.csv")
    script = (
        "from ohrwurm.data.packs import pack; from ohrwurm.data.tracks import Manifest;"
        f"pack(Manifest.read({str(tmp_path / 'm.csv')!r}), {str(tmp_path / 'p')!r}, 16000, shard_hours=0.0001)"
    )
    process = subprocess.Popen([sys.executable, "-c", script], env=dict(os.environ))
    end = time.monotonic() + 60
    while not (tmp_path / "p" / "shard-0001.json").is_file() and process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    made = pack(Manifest.read(tmp_path / "m.csv"), tmp_path / "p", 16000, shard_hours=0.0001)
    assert made.tracks == 36
    assert made.new_shards < 36
    assert not [p for p in (tmp_path / "p").iterdir() if p.suffix not in {".pcm", ".json", ".csv"}]


def test_command_packs_and_says_what_failed(music: Manifest, tmp_path: Path) -> None:
    from ohrwurm.cli import app

    Manifest([*music, Track("gone", str(tmp_path / "gone.wav"))]).write(tmp_path / "m.csv")
    result = CliRunner().invoke(app, ["data", "pack", str(tmp_path / "m.csv"), "--out", str(tmp_path / "p")])
    assert result.exit_code == 3
    assert "3 recordings" in result.output
    assert "gone.wav: missing" in result.output
