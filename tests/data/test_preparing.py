"""Preparing a benchmark: audio in the published form, everything else as it was, and nothing done twice or lost."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from servers import Files, Site, serving

from ohrwurm.audio.files import load
from ohrwurm.data.benchmarks.base import AudioForm, Benchmark, Layout, Remote, Variant, audio_track, rows
from ohrwurm.data.preparing import prepare
from ohrwurm.data.recordings import open_recordings
from ohrwurm.data.sources import labels_of, manifest_of
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError

RATE = 8000
TABLE = """file,split,tag,start,length,arousal
a.wav,train,rock,,,0.25
b.wav,validation,pop,,,-1
deep/c.flac,test,rock,,,0.1
deep/c.mp3,test,rock,,,0.1
song.wav,test,pop,0.5,0.25,0.3
song.wav,test,pop,0.75,0.25,0.3
gone.wav,train,rock,,,0.5
damaged.wav,train,rock,,,0.5
"""


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OHRWURM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OHRWURM_DATA", raising=False)


def read(folder: Path, variant: str) -> Manifest:
    tracks = []
    for number, row in enumerate(rows(folder, ("file",), table="table.csv", key="")):
        annotations = {"arousal": float(row["arousal"]), "year": 1990 + number, "keys": ["C", "F"], "artist": "n, m"}
        if row["length"]:
            annotations |= {"clip_offset": float(row["start"]), "clip_duration": float(row["length"])}
        path = folder / row["file"]
        tracks.append(audio_track(f"t{number}", path, RATE, annotations, split=row["split"], tags=(row["tag"],)))
    return Manifest(tracks)


CLIPS = Benchmark(
    name="clips",
    title="Clips.",
    citation="nobody, 2020",
    licence="none",
    layouts=(Layout("a table", ("table.csv",), read),),
    variants={
        "all": Variant("All.", ("probe",), {"train": 3, "validation": 1, "test": 4}, labels=("rock", "pop")),
        "other": Variant("All again.", ("probe",), {}),
    },
    audio=(AudioForm(None, "wav", source="a paper"), AudioForm(4000, "npy", source="another")),
    advice="Ask for the clips.",
)


def noise(seconds: float, channels: int = 1, seed: int = 0) -> np.ndarray:
    samples = np.random.default_rng(seed).integers(-20000, 20000, (round(seconds * RATE), channels))
    return samples.astype(np.int16)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    folder = tmp_path / "published"
    (folder / "deep").mkdir(parents=True)
    (folder / "table.csv").write_text(TABLE)
    soundfile.write(folder / "a.wav", noise(0.5), RATE)
    soundfile.write(folder / "b.wav", noise(0.5, 2, 1), RATE)
    soundfile.write(folder / "deep" / "c.flac", noise(0.5, 1, 2), RATE)
    soundfile.write(folder / "deep" / "c.mp3", noise(1.0, 1, 3), 16000)
    soundfile.write(folder / "song.wav", noise(2.0, 1, 4), RATE)
    (folder / "damaged.wav").write_bytes(b"RIFF....WAVEjunk")
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted((folder / "audio").rglob("*")) if f.is_file()}


def test_audio_is_as_published_and_the_rest_as_it_was(published: Path, tmp_path: Path) -> None:
    made = prepare(CLIPS, "", tmp_path / "out", source=published)
    assert (made.converted, made.kept) == (6, 0)
    assert [(f.track_id, f.reason.split()[0]) for f in made.failed] == [("t6", "missing"), ("t7", "unreadable")]
    assert made.counts == {"train": 3, "validation": 1, "test": 4}
    before = {t.track_id: t for t in CLIPS.read(published)}
    after = {t.track_id: t for t in CLIPS.read(tmp_path / "out")}
    assert list(after) == list(before)
    for name, track in after.items():
        kept = {k: v for k, v in before[name].annotations.items() if k not in ("clip_offset", "clip_duration")}
        assert track.annotations == kept  # of the same kinds, too
        assert (track.split, track.tags, track.caption) == (before[name].split, before[name].tags, "")
        assert Path(track.path).is_file() == (name not in ("t6", "t7"))
        assert track.path.endswith(".wav")
    # 16 bits at the file's own rate: a mono file comes out bit by bit, of a stereo one the mean
    same, rate = soundfile.read(after["t0"].path, dtype="int16")
    assert (rate, soundfile.info(after["t0"].path).subtype) == (RATE, "PCM_16")
    assert np.array_equal(same, noise(0.5)[:, 0])
    mean = soundfile.read(after["t1"].path, dtype="int16")[0].astype(float)
    assert np.abs(mean - noise(0.5, 2, 1).mean(1)).max() <= 0.5
    assert soundfile.info(after["t3"].path).samplerate == 16000
    # clips are cut, to the sample, at the rate of the file
    for name, start in (("t4", 4000), ("t5", 6000)):
        assert np.array_equal(soundfile.read(after[name].path, dtype="int16")[0], noise(2.0, 1, 4)[start:, 0][:2000])
    assert sorted(files(tmp_path / "out")) == [
        "audio/a.wav",
        "audio/b.wav",
        next(f"audio/deep/{p.name}" for p in (tmp_path / "out" / "audio" / "deep").glob("c-????????.wav")),
        "audio/deep/c.wav",
        "audio/t4.wav",
        "audio/t5.wav",
    ]
    assert labels_of(tmp_path / "out") == CLIPS.labels(tmp_path / "out") == ["rock", "pop"]
    assert len(manifest_of(tmp_path / "out")) == 8
    said = json.loads((tmp_path / "out" / "prepared.json").read_text())
    assert (said["benchmark"], said["variant"], said["audio"]["source"]) == ("clips", "all", "a paper")
    assert said["counts"] == made.counts
    assert [f["track_id"] for f in said["failed"]] == ["t6", "t7"]
    sums = dict(reversed(s.split("  ")) for s in (tmp_path / "out" / "checksums.sha256").read_text().splitlines())
    assert sums == {name: hashlib.sha256(content).hexdigest() for name, content in files(tmp_path / "out").items()}


@pytest.mark.parametrize("mono", [True, False])
def test_arrays_keep_their_rate_and_channels(published: Path, tmp_path: Path, mono: bool) -> None:
    form = AudioForm(4000, "npy", mono=mono)
    prepare(CLIPS, "all", tmp_path / "out", source=published, audio=form)
    after = {t.track_id: t for t in CLIPS.read(tmp_path / "out")}
    array = np.load(after["t1"].path)
    assert (array.dtype, array.shape) == (np.dtype("float32"), (2000,) if mono else (2, 2000))
    expected = load(published / "b.wav", sample_rate=4000, mono=mono)[0]
    assert np.abs(array - expected).max() < 1e-6
    assert after["t1"].annotations["sample_rate"] == 4000
    assert np.load(after["t4"].path).shape[-1] == 1000
    assert len(open_recordings(tmp_path / "out", 4000).tracks) == 6
    # arrays are a published form themselves
    arrays = dataclasses.replace(
        CLIPS, layouts=(Layout("arrays", ("manifest.csv",), lambda f, v: Manifest.read(f / "manifest.csv")),)
    )
    (tmp_path / "out" / "prepared.json").unlink()
    again = prepare(arrays, "all", tmp_path / "again", source=tmp_path / "out", audio=AudioForm(None, "flac"))
    assert [f.reason for f in again.failed] == ["missing", "missing"]
    assert soundfile.info(again.manifest[1].path).samplerate == 4000
    assert "sample_rate" not in again.manifest[1].annotations


def test_recordings_of_several_tracks_are_converted_once(published: Path, tmp_path: Path) -> None:
    captions = Manifest(
        Track(f"{s}/{i}", str(published / "a.wav"), s, caption=f"{i}") for s in ("train", "test") for i in "ab"
    )
    twice = dataclasses.replace(CLIPS, layouts=(Layout("captions", ("table.csv",), lambda f, v: captions),))
    made = prepare(twice, "", tmp_path / "out", source=published)
    assert made.converted == 1
    assert {t.path for t in made.manifest} == {str(tmp_path / "out" / "audio" / "a.wav")}
    assert [t.caption for t in twice.read(tmp_path / "out")] == ["a", "b", "a", "b"]


def test_a_second_call_converts_what_is_new_alone(published: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare(CLIPS, "", out, source=published, workers=2)
    before = {name: (out / name).stat().st_mtime_ns for name in files(out)}
    soundfile.write(published / "gone.wav", noise(0.1), RATE)
    (out / "audio" / "b.wav").write_bytes(b"cut short")
    seen: list[tuple[int, int]] = []
    made = prepare(CLIPS, "", out, source=published, progress=lambda *a: seen.append(a))
    assert (made.converted, made.kept, len(made.failed)) == (2, 5, 1)
    assert seen == [(6, 8), (7, 8), (8, 8)]
    changed = [name for name in files(out) if before.get(name) != (out / name).stat().st_mtime_ns]
    assert changed == ["audio/b.wav", "audio/gone.wav"]


def test_killed_it_goes_on_and_ends_as_if_it_had_not_been(published: Path, tmp_path: Path) -> None:
    """Killed without warning in the middle; what was done by then is not touched again."""
    more = 60
    with open(published / "table.csv", "a") as table:
        for number in range(more):
            soundfile.write(published / f"more{number}.wav", noise(0.2, 1, number), RATE)
            table.write(f"more{number}.wav,train,rock,,,0.5\n")
    prepare(CLIPS, "", tmp_path / "whole", source=published)
    code = (
        f"import sys, time; sys.path[:0] = [{str(Path(__file__).parent)!r}, {str(Path(__file__).parents[1])!r}]\n"
        "from test_preparing import CLIPS, prepare\n"
        f"places = {str(tmp_path / 'out')!r}, {str(published)!r}\n"
        "prepare(CLIPS, '', places[0], source=places[1], progress=lambda *a: time.sleep(0.02))\n"
    )
    out, journal = tmp_path / "out", tmp_path / "out" / ".converted.jsonl"
    with subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": ""}) as child:
        deadline = time.monotonic() + 120
        while not (journal.is_file() and len(journal.read_text().splitlines()) > 15):
            assert child.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.005)
        os.kill(child.pid, signal.SIGKILL)
    assert not (out / "prepared.json").exists()
    done = [json.loads(line)["file"] for line in journal.read_text().splitlines() if line.endswith("}")]
    assert 15 < len(done) < more
    before = {name: (out / name).stat().st_mtime_ns for name in done}
    with open(journal, "a") as lines:
        lines.write('{"file": "audio/more11')  # as a process leaves it that is killed while it writes
    made = prepare(CLIPS, "", out, source=published)
    assert made.kept == len(done)
    assert {name: (out / name).stat().st_mtime_ns for name in done} == before
    assert files(out) == files(tmp_path / "whole")
    for name in ("manifest.csv", "labels.json", "checksums.sha256"):
        assert (out / name).read_text() == (tmp_path / "whole" / name).read_text()
    assert not list(out.rglob("*.tmp*"))
    assert prepare(CLIPS, "", out, source=published).converted == 0


def test_kept_audio_stays_where_it_is(published: Path, tmp_path: Path) -> None:
    made = prepare(CLIPS, "other", tmp_path / "out", source=published, audio="keep")
    tracks = list(CLIPS.narrowed("other").read(tmp_path / "out"))
    assert [t.path for t in tracks] == [t.path for t in CLIPS.read(published)]
    assert tracks[4].annotations["clip_offset"] == 0.5
    assert [(f.track_id, f.reason) for f in made.failed] == [("t6", "missing")]
    assert not (tmp_path / "out" / "audio").exists()


def test_a_prepared_folder_is_found_and_wins(published: Path, tmp_path: Path) -> None:
    """By its own path, or in the folder of data sets, where the published one lies beside it."""
    data = tmp_path / "data"
    data.mkdir()
    published.rename(data / "clips")
    prepare(CLIPS, "", data / "clips-all", source=data)
    assert CLIPS.read(data)[0].path == str(data / "clips-all" / "audio" / "a.wav")
    assert CLIPS.read(data, "other")[0].path == str(data / "clips" / "a.wav")
    with pytest.raises(DataError, match=r"clips-all: prepared as clips/all, not clips/other"):
        CLIPS.read(data / "clips-all", "other")
    with pytest.raises(DataError, match="is prepared already"):
        prepare(CLIPS, "", tmp_path / "again", source=data / "clips-all")


def test_the_folder_of_a_set_is_found_before_one_around_it_that_looks_the_same(published: Path, tmp_path: Path) -> None:
    """A table of the set may lie in the folder of data sets, too."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "table.csv").write_text(TABLE)
    assert CLIPS.place(data) == data
    published.rename(data / "clips")
    assert CLIPS.place(data) == data / "clips"
    assert CLIPS.place(data / "clips") == data / "clips"
    (data / "clips" / "table.csv").unlink()
    assert CLIPS.place(data) == data
    (data / "table.csv").unlink()
    for root in (data, data / "clips"):  # the set's own name: whoever reads it says what is missing of it
        assert CLIPS.place(root) == data / "clips"
        with pytest.raises(DataError, match=r"clips/table\.csv: missing"):
            CLIPS.read(root)


def test_nothing_is_overwritten(published: Path, tmp_path: Path) -> None:
    prepare(CLIPS, "", tmp_path / "out", source=published)
    with pytest.raises(DataError, match="another set, variant or form of audio"):
        prepare(CLIPS, "other", tmp_path / "out", source=published)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "manifest.csv").write_text("path\na.wav\n")
    with pytest.raises(DataError, match=r"manifest\.csv: is no part of a preparation"):
        prepare(CLIPS, "", tmp_path / "mine", source=published)
    with pytest.raises(DataError, match="Give another folder"):
        prepare(CLIPS, "", published, source=published)


def test_two_processes_do_not_prepare_one_folder(published: Path, tmp_path: Path) -> None:
    def again(*_: int) -> None:
        with pytest.raises(DataError, match="another process prepares this folder"):
            prepare(CLIPS, "", tmp_path / "out", source=published)

    assert prepare(CLIPS, "", tmp_path / "out", source=published, progress=again).converted == 6


def test_a_missing_set_says_what_can_be_done(published: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"OHRWURM_DATA.*--source FOLDER"):
        prepare(CLIPS, "", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    remote = dataclasses.replace(CLIPS, remotes=(Remote("https://nowhere", "x", 2 * 10**9),))
    with pytest.raises(DataError, match=r"Ask for the clips.*can be fetched \(1 file, 2\.00 GB\): --download"):
        prepare(remote, "", tmp_path / "out", source=tmp_path / "empty")
    for file in published.rglob("*.[wfm][alp]*"):
        file.unlink()
    with pytest.raises(DataError, match=r"none of 8 recordings could be used, e\.g\. .*a\.wav: missing"):
        prepare(CLIPS, "", tmp_path / "out", source=published)
    assert not (tmp_path / "out" / "prepared.json").exists()


@pytest.mark.parametrize("offset, duration", [("x", 1.0), (-1.0, 1.0), (0.0, 0.0), (0.0, "long")])
def test_a_senseless_cut_names_its_track(published: Path, tmp_path: Path, offset: object, duration: object) -> None:
    track = Track("t9", str(published / "a.wav"), annotations={"clip_offset": offset, "clip_duration": duration})
    wrong = dataclasses.replace(CLIPS, layouts=(Layout("w", ("table.csv",), lambda f, v: Manifest([track])),))
    with pytest.raises(DataError, match="track 't9': clip_offset and clip_duration"):
        prepare(wrong, "", tmp_path / "out", source=published)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.delenv("OHRWURM_MIRROR", raising=False)
    with serving(Files) as running:
        yield running


def test_what_is_fetched_is_prepared_and_noted(published: Path, tmp_path: Path, site: Site) -> None:
    remotes = []
    for file in sorted(f for f in published.rglob("*") if f.is_file()):
        name = file.relative_to(published).as_posix()
        site.files[f"/{name}"] = file.read_bytes()
        remotes.append(Remote(f"{site.url}/{name}", name, file.stat().st_size, about="a file"))
    there = dataclasses.replace(CLIPS, remotes=tuple(remotes))
    out = tmp_path / "out"
    made = prepare(there, "", out, download=True)
    assert made.converted == 6
    assert (out / "published" / "table.csv").is_file()
    said = json.loads((out / "prepared.json").read_text())
    assert {f["name"]: f["sha256"] for f in said["fetched"]} == {
        name.removeprefix("/"): hashlib.sha256(content).hexdigest() for name, content in site.files.items()
    }
